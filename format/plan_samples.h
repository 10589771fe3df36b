#pragma once
// Small plans for tests: real machine code (x86-64, SSE2), a constant, a symbol, and every step kind.

#include "format/plan.h"

namespace aitune::samples {

/// y[s0,4] = 2 * x[s0,4] + row, s0 in [1,16], row = (1, 2, 3, 4). Two kernels in two blocks, an arena between them.
BuiltPlan kernel_plan();

/// The same for s0 = `rows` alone: a special plan of it.
BuiltPlan fixed_kernel_plan(std::int64_t rows);

/// y[s0,3] = relu(x[s0,3]), s0 at least 1, by a step of the reference engine; and z[2], 32-bit words of the float 1.5,
/// by a fill step.
BuiltPlan reference_plan();

/// y[u0] = 2 * x[z], z[u0,1] = nonzero(x[s0]), s0 in [1,64]: data decide u0. Two steps of the reference engine, and a
/// kernel on what they leave.
BuiltPlan data_plan();
/// y[4] = x[4] doubled n[] times, by a loop of at most 10 trips; z[4] = y if the bool c[] is true, -y otherwise. Steps
/// of the reference engine inside of a loop and of a branch.
BuiltPlan control_plan();

/// y[1] = the sum of x[z], z[u0,1] = nonzero(x[s0]), if the bool c[] is true, and the sum of x otherwise; s0 in [1,64].
/// Data decide u0 within a branch, which is for s0 of 2 and more.
BuiltPlan region_plan();

/// A view over a whole fresh buffer.
std::uint32_t add_view(Plan& plan, BufferSpace space, std::uint32_t index, ExprId offset, DType dtype,
                       std::vector<ExprId> shape);

}  // namespace aitune::samples

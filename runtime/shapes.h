#pragma once
// From the shapes of a caller's inputs to the value of every size expression of a plan.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/plan.h"
#include "format/plan_data.h"
#include "runtime/tensor_ref.h"

namespace aitune {

/// Values that depend on input shapes alone. Those that data decide are 0 until the step has run that finds them out.
struct PlanShapes {
  std::vector<std::int64_t> symbols;  ///< one for each Plan::symbols
  std::vector<std::int64_t> values;   ///< one for each Plan::exprs
  std::vector<Shape> inputs;
  std::vector<Shape> outputs;  ///< for which there must be memory: the largest, where data decide a size
  std::vector<std::size_t> input_bytes, output_bytes;
};

/// Checks count, dtype, rank, every size, the range of every symbol and the guards, and evaluates the expressions.
/// Throws InvalidArgument with the input's name, what was expected and what came.
PlanShapes bind_shapes(const Plan& plan, std::span<const TensorRef> inputs);

/// Takes over the sizes that a step has found out: `found` are those of definition.symbols, in order. Evaluates what
/// depends on them and checks their ranges and the guards. Allocates nothing. Throws InvalidArgument.
void bind_found_sizes(const Plan& plan, const PlanDefinition& definition, std::span<const std::int64_t> found,
                      PlanShapes& shapes);

/// Throws InvalidArgument, with the sizes and where they come from, if the guard does not hold.
void check_guard(const Plan& plan, const PlanGuard& guard, const PlanShapes& shapes);

/// Throws InvalidArgument if there are not as many tensors as the plan has inputs.
void check_input_count(const Plan& plan, std::size_t count);

/// "f32[s0,3,224,224] (s0 in [1,16])": what a caller must bring.
std::string describe_signature(const Plan& plan, const PlanTensor& tensor);

}  // namespace aitune

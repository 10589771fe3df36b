#pragma once
// Calls of generated code, held against what the plan says about the code.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "format/plan.h"

namespace aitune {

/// The kernel at an entry of the code; null if there is none.
const PlanKernel* find_kernel(const Plan& plan, std::uint64_t entry);

/// Values of a call's arguments.
struct KernelArguments {
  std::span<const std::int64_t> params;
  std::int64_t tasks = 0;
  std::span<const std::int64_t> buffer_bytes;
};

/// Throws Corrupt, with `what` in front, unless the call has the kernel's number of tasks and every buffer has the
/// bytes that the kernel touches (kEmptyBufferBytes to read, if it has none).
void check_call(const PlanKernel& kernel, const KernelArguments& call, std::string_view what);
/// The same without allocating: `values` has as many elements as the kernel has expressions.
void check_call(const PlanKernel& kernel, const KernelArguments& call, std::string_view what,
                std::span<std::int64_t> values);

}  // namespace aitune

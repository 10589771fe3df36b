#include "format/plan_kernel.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "format/plan_eval.h"

namespace aitune {

const PlanKernel* find_kernel(const Plan& plan, std::uint64_t entry) {
  const auto it = std::ranges::lower_bound(plan.kernels, entry, {}, &PlanKernel::entry);
  return it == plan.kernels.end() || it->entry != entry ? nullptr : &*it;
}

void check_call(const PlanKernel& kernel, const KernelArguments& call, std::string_view what) {
  std::vector<std::int64_t> values(kernel.exprs.size());
  check_call(kernel, call, what, values);
}

void check_call(const PlanKernel& kernel, const KernelArguments& call, std::string_view what,
                std::span<std::int64_t> values) {
  const auto refuse = [&](const std::string& why) { throw Corrupt(fmt::format("{} {}", what, why)); };
  if (call.params.size() != kernel.params || call.buffer_bytes.size() != kernel.buffers)
    refuse(fmt::format("calls its kernel with {} buffers and {} parameters; it takes {} and {}",
                       call.buffer_bytes.size(), call.params.size(), kernel.buffers, kernel.params));
  evaluate_exprs(kernel.exprs, call.params, values);
  if (values[kernel.tasks] != call.tasks)
    refuse(fmt::format("gives its kernel {} tasks; it divides its work into {}", call.tasks, values[kernel.tasks]));
  if (call.tasks <= 0) return;  // a size is 0: nothing runs
  for (const auto& a : kernel.accesses) {
    const std::int64_t first = values[a.first], end = values[a.end], room = call.buffer_bytes[a.buffer];
    const bool reads_nothing = room == 0 && !a.written && end <= static_cast<std::int64_t>(kEmptyBufferBytes);
    if (first < 0 || (end > room && !reads_nothing))
      refuse(fmt::format("gives its kernel buffer {} with {} bytes; it touches bytes {} to {}", a.buffer, room, first,
                         end));
  }
}

}  // namespace aitune

// Plans without machine code (operators of the reference engine, fills, copies, branches, short loops): whatever they
// say, loading and running them ends in outputs or in an error.

#include <cstring>
#include <vector>

#include "format/fuzz.h"
#include "format/plan_eval.h"
#include "runtime/instance.h"

namespace {

using namespace aitune;

constexpr std::int64_t kMaxSize = 40, kMaxBytes = 1 << 20, kMaxTrips = 20;

bool is_harmless(const Plan& plan) {
  std::size_t loops = 0;  // in a harmless plan they end soon, even within each other
  for (const PlanStep& step : plan.steps) {
    if (step.kind == StepKind::cpu_kernel || step.kind == StepKind::onednn) return false;
    if (step.kind != StepKind::loop) continue;
    if (step.params.empty() || plan.exprs[step.params[0]].op != PlanExpr::Op::constant ||
        plan.exprs[step.params[0]].value > kMaxTrips || ++loops > 3)
      return false;
  }
  return plan.inputs.size() < 16 && plan.outputs.size() < 16;
}

/// Sizes as the plan wants them, symbols at the lower end of their ranges; empty where they are too large to try.
std::vector<Tensor> inputs_for(const Plan& plan) {
  std::vector<std::int64_t> symbols;
  for (const PlanSymbol& s : plan.symbols) symbols.push_back(s.range.min);
  std::vector<std::int64_t> values(plan.exprs.size());
  evaluate_exprs(plan.exprs, symbols, values);
  std::vector<Tensor> inputs;
  for (const PlanTensor& input : plan.inputs) {
    Shape shape;
    std::int64_t bytes = static_cast<std::int64_t>(dtype_size(input.dtype));
    for (const ExprId id : input.shape) {
      shape.push_back(values[id]);
      if (shape.back() < 0 || shape.back() > kMaxSize || (bytes *= std::max<std::int64_t>(1, shape.back())) > kMaxBytes)
        return {};
    }
    inputs.emplace_back(input.dtype, shape);
  }
  if (values[plan.arena_bytes] > kMaxBytes) return {};
  for (const PlanTensor& output : plan.outputs) {
    std::int64_t bytes = 1;
    for (const ExprId id : output.memory_shape())
      if (values[id] > kMaxSize || (bytes *= std::max<std::int64_t>(1, values[id])) > kMaxBytes) return {};
  }
  return inputs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto first = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(first.begin(), first.end());
  mend_plan(bytes);
  survives([&] {
    LoadOptions options;
    options.num_threads = 1;
    if (!is_harmless(read_plan(bytes, "fuzz").plan)) return;
    const auto program = Program::from_plan(bytes, "fuzz", options);
    const auto inputs = inputs_for(program->plan());
    if (inputs.size() == program->plan().inputs.size()) Instance(program).run(inputs);
  });
  return 0;
}

// Plans without machine code (operators of the reference engine, fills, copies, branches, short loops): whatever they
// say, loading and running them ends in outputs or in an error.

#include <algorithm>
#include <vector>

#include "format/fuzz.h"
#include "format/plan_eval.h"
#include "runtime/instance.h"
#include "runtime/plan_table.h"

namespace {

using namespace aitune;

constexpr std::int64_t kMaxSize = 40, kMaxBytes = 1 << 20, kMaxElements = 1 << 17, kMaxTrips = 20;

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

bool is_small(const Shape& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || size > kMaxSize) return false;
    elements *= std::max<std::int64_t>(1, size);
    if (elements > kMaxElements) return false;
  }
  return true;
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
    for (const ExprId id : input.shape) shape.push_back(values[id]);
    if (!is_small(shape)) return {};
    inputs.emplace_back(input.dtype, shape);
  }
  if (values[plan.arena_bytes] > kMaxBytes) return {};
  for (const PlanTensor& output : plan.outputs) {
    Shape shape;
    for (const ExprId id : output.memory_shape()) shape.push_back(values[id]);
    if (!is_small(shape)) return {};
  }
  return inputs;
}

/// The plan for the smallest sizes alone, as its own special plan: whatever it says, it is taken or refused.
void use_as_special_plan(const Plan& plan, std::span<const Tensor> inputs) {
  if (std::ranges::any_of(plan.symbols, &PlanSymbol::data)) return;
  Plan fixed = plan;
  for (PlanExpr& expr : fixed.exprs)
    if (expr.op == PlanExpr::Op::symbol)
      expr = {.op = PlanExpr::Op::constant, .value = plan.symbols[static_cast<std::size_t>(expr.value)].range.min};
  fixed.symbols.clear();
  PlanTable table(plan);
  table.add(plan, fixed, "fuzz");
  static_cast<void>(table.find(refer_to(inputs)));
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
    if (inputs.size() != program->plan().inputs.size()) return;
    use_as_special_plan(program->plan(), inputs);
    Instance instance(program);
    instance.run(inputs);
    instance.run_values(inputs, [](std::size_t, const PlanValue&, const Tensor& value) { all_finite(value); });
  });
  return 0;
}

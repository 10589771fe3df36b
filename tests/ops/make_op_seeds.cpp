// make_op_seeds FOLDER: for each operator a plan that calls it once, as seeds of program_fuzz.

#include <filesystem>
#include <set>
#include <string>

#include "base/ops.h"
#include "format/plan_samples.h"
#include "format/source.h"
#include "tests/ops/goldens.h"

namespace {

using namespace aitune;

constexpr std::int64_t kMaxElements = 200;

class CallPlan {
 public:
  CallPlan() { built_.plan.precision = "fp32"; }

  std::vector<std::byte> serialize(const test::GoldenCall& call) {
    Plan& plan = built_.plan;
    plan.blocks = {{"reference", "seed", {}}};
    PlanStep step;
    step.kind = StepKind::reference;
    step.name = step.op = std::string(op_name(call.op->id));
    for (const auto& arg : call.concrete_args()) step.args.push_back(plan_arg(arg));
    for (const Tensor& result : call.results) {
      const auto index = static_cast<std::uint32_t>(plan.outputs.size());
      plan.outputs.push_back({"y" + std::to_string(index), result.dtype(), shape_of(result)});
      step.results.push_back(
          samples::add_view(plan, BufferSpace::output, index, zero(), result.dtype(), shape_of(result)));
    }
    plan.arena_bytes = zero();
    plan.steps.push_back(std::move(step));
    return serialize_plan(built_);
  }

 private:
  ExprId zero() { return built_.plan.constant(0); }
  std::vector<ExprId> shape_of(const Tensor& t) {
    std::vector<ExprId> shape;
    for (const auto n : t.shape()) shape.push_back(built_.plan.constant(n));
    return shape;
  }

  PlanArg plan_arg(const reference::OpArg& arg) {
    using Kind = PlanArg::Kind;
    Plan& plan = built_.plan;
    PlanArg a;
    if (const auto* b = std::get_if<bool>(&arg)) {
      a.kind = Kind::boolean, a.boolean = *b;
    } else if (const auto* i = std::get_if<std::int64_t>(&arg)) {
      a.kind = Kind::integer, a.integer = plan.constant(*i);
    } else if (const auto* d = std::get_if<double>(&arg)) {
      a.kind = Kind::number, a.number = *d;
    } else if (const auto* s = std::get_if<std::string>(&arg)) {
      a.kind = Kind::string, a.string = *s;
    } else if (const auto* t = std::get_if<DType>(&arg)) {
      a.kind = Kind::dtype, a.dtype = *t;
    } else if (const auto* tensor = std::get_if<Tensor>(&arg)) {
      const auto index = static_cast<std::uint32_t>(plan.inputs.size());
      plan.inputs.push_back({"x" + std::to_string(index), tensor->dtype(), shape_of(*tensor)});
      a.kind = Kind::tensor;
      a.tensor = samples::add_view(plan, BufferSpace::input, index, zero(), tensor->dtype(), shape_of(*tensor));
    } else if (const auto* list = std::get_if<reference::OpArgList>(&arg)) {
      a.kind = Kind::list;
      for (const auto& item : *list) a.list.push_back(plan_arg(item));
    }
    return a;
  }

  BuiltPlan built_;
};

bool is_small(const test::GoldenCall& call) {
  std::int64_t elements = 0;
  for (const auto* list : {&call.inputs, &call.results})
    for (const Tensor& t : *list) elements += t.numel();
  return elements <= kMaxElements && !call.results.empty();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  const std::filesystem::path folder(argv[1]);
  std::filesystem::create_directories(folder);
  std::set<std::string> done;
  for (const auto& call : test::golden_calls()) {
    const std::string name(call.op->name);
    if (!is_small(call) || done.contains(name)) continue;
    try {
      write_file(folder / ("op_" + name), CallPlan().serialize(call));
      done.insert(name);
    } catch (const std::exception&) {
      // Refused: a call that no plan can hold is no seed.
    }
  }
  return done.empty() ? 1 : 0;
}

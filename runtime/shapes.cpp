#include "runtime/shapes.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "format/plan_eval.h"

namespace aitune {
namespace {

constexpr int kPrintDepth = 6;  // of an expression in a message; deeper ones print as "..."

std::string expr_text(const Plan& plan, ExprId id, int depth, std::set<std::size_t>& used) {
  const PlanExpr& e = plan.exprs[id];
  if (e.op == PlanExpr::Op::constant) return std::to_string(e.value);
  if (e.op == PlanExpr::Op::symbol) {
    used.insert(static_cast<std::size_t>(e.value));
    return plan.symbols[static_cast<std::size_t>(e.value)].name;
  }
  if (depth == 0) return "...";
  const auto lhs = expr_text(plan, e.lhs, depth - 1, used), rhs = expr_text(plan, e.rhs, depth - 1, used);
  switch (e.op) {
    case PlanExpr::Op::add:
      return fmt::format("({} + {})", lhs, rhs);
    case PlanExpr::Op::mul:
      return fmt::format("{}*{}", lhs, rhs);
    case PlanExpr::Op::floordiv:
      return fmt::format("({} // {})", lhs, rhs);
    case PlanExpr::Op::mod:
      return fmt::format("({} % {})", lhs, rhs);
    case PlanExpr::Op::min:
      return fmt::format("min({}, {})", lhs, rhs);
    default:
      return fmt::format("max({}, {})", lhs, rhs);
  }
}

std::string range_text(const PlanSymbol& s) {
  if (s.range.max == SymRange::kNoMax) return fmt::format("{} >= {}", s.name, s.range.min);
  return fmt::format("{} in [{},{}]", s.name, s.range.min, s.range.max);
}

[[noreturn]] void mismatch(const Plan& plan, std::size_t index, const TensorRef& got, std::string_view why) {
  const PlanTensor& input = plan.inputs[index];
  throw InvalidArgument(
      fmt::format("{}: expected {}, got {}", why, describe_signature(plan, input), describe(got.dtype, got.shape)),
      fmt::format("input {} '{}'", index, input.name), "Give a tensor of the dtype and sizes that are expected");
}

std::string origin_text(const Plan& plan, const PlanSymbol& s, std::int64_t value) {
  if (s.data) return fmt::format("{} is decided by data in {}, {}", s.name, plan.steps[s.step].name, value);
  const std::string_view is = s.factor == 1 && s.offset == 0 ? "is" : "follows from";
  return fmt::format("{} {} dimension {} of input '{}', {}", s.name, is, s.dim, plan.inputs[s.input].name, value);
}

/// Evaluates what the shapes of the inputs tell, and checks those guards.
void evaluate_known(const Plan& plan, PlanShapes& shapes) {
  shapes.values.resize(plan.exprs.size());
  if (!has_data_symbols(plan)) return evaluate_exprs(plan.exprs, shapes.symbols, shapes.values);
  const auto known = known_after(plan);
  std::vector<ExprId> now;
  for (ExprId id = 0; id < known.size(); ++id)
    if (known[id] == 0) now.push_back(id);
  evaluate_some(plan.exprs, now, shapes.symbols, shapes.values);
}

void check_known_guards(const Plan& plan, const PlanShapes& shapes) {
  const auto known = has_data_symbols(plan) ? known_after(plan) : std::vector<std::uint32_t>(plan.exprs.size());
  for (const PlanGuard& guard : plan.guards)
    if (guard.before == 0 && known[guard.lhs] == 0 && known[guard.rhs] == 0) check_guard(plan, guard, shapes);
}

Shape evaluated_shape(const PlanTensor& tensor, const std::vector<std::int64_t>& values) {
  Shape shape;
  shape.reserve(tensor.shape.size());
  for (const ExprId id : tensor.memory_shape()) shape.push_back(values[id]);
  return shape;
}

std::size_t byte_size(const Shape& shape, DType dtype) {
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(element_count(shape), static_cast<std::int64_t>(dtype_size(dtype)), &bytes)) {
    throw InvalidArgument(fmt::format("a tensor of {} elements is too large", element_count(shape)));
  }
  return static_cast<std::size_t>(bytes);
}

}  // namespace

void check_guard(const Plan& plan, const PlanGuard& guard, const PlanShapes& shapes) {
  const std::int64_t lhs = shapes.values[guard.lhs], rhs = shapes.values[guard.rhs];
  if (guard.equal ? lhs == rhs : lhs >= rhs) return;
  std::set<std::size_t> used;
  expr_text(plan, guard.lhs, kPrintDepth, used);
  expr_text(plan, guard.rhs, kPrintDepth, used);
  std::vector<std::string> sizes;
  for (const auto symbol : used) sizes.push_back(origin_text(plan, plan.symbols[symbol], shapes.symbols[symbol]));
  throw InvalidArgument(fmt::format("the model needs {} ({})", guard.text, fmt::join(sizes, "; ")), "input sizes",
                        "Give inputs whose sizes agree");
}

std::string describe_signature(const Plan& plan, const PlanTensor& tensor) {
  std::set<std::size_t> used;
  std::vector<std::string> sizes, ranges;
  for (const ExprId id : tensor.shape) sizes.push_back(expr_text(plan, id, kPrintDepth, used));
  for (const auto symbol : used) ranges.push_back(range_text(plan.symbols[symbol]));
  const auto text = fmt::format("{}[{}]", dtype_name(tensor.dtype), fmt::join(sizes, ","));
  return ranges.empty() ? text : fmt::format("{} ({})", text, fmt::join(ranges, ", "));
}

void check_input_count(const Plan& plan, std::size_t count) {
  if (count == plan.inputs.size()) return;
  std::vector<std::string> names;
  for (const auto& input : plan.inputs) names.push_back(input.name);
  throw InvalidArgument(
      fmt::format("the model takes {} inputs ({}), got {}", plan.inputs.size(), fmt::join(names, ", "), count));
}

PlanShapes bind_shapes(const Plan& plan, std::span<const TensorRef> inputs) {
  check_input_count(plan, inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype != plan.inputs[i].dtype) mismatch(plan, i, inputs[i], "wrong dtype");
    if (inputs[i].shape.size() != plan.inputs[i].shape.size()) mismatch(plan, i, inputs[i], "wrong rank");
  }
  PlanShapes shapes;
  for (const PlanSymbol& s : plan.symbols) {
    if (s.data) {
      shapes.symbols.push_back(0);
      continue;
    }
    const std::int64_t value = symbol_value(s, inputs[s.input].shape[s.dim]);
    if (value < s.range.min || value > s.range.max) {
      mismatch(plan, s.input, inputs[s.input], fmt::format("dimension {} is out of range", s.dim));
    }
    shapes.symbols.push_back(value);
  }
  try {
    evaluate_known(plan, shapes);
  } catch (const Corrupt& e) {
    throw InvalidArgument(fmt::format("these input sizes cannot be computed with: {}", e.problem()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    shapes.inputs.push_back(evaluated_shape(plan.inputs[i], shapes.values));
    for (std::size_t d = 0; d < inputs[i].shape.size(); ++d) {
      if (inputs[i].shape[d] != shapes.inputs[i][d]) {
        mismatch(plan, i, inputs[i], fmt::format("wrong size of dimension {}", d));
      }
    }
    shapes.input_bytes.push_back(byte_size(shapes.inputs[i], inputs[i].dtype));
  }
  check_known_guards(plan, shapes);
  for (const PlanTensor& output : plan.outputs) {
    shapes.outputs.push_back(evaluated_shape(output, shapes.values));
    shapes.output_bytes.push_back(byte_size(shapes.outputs.back(), output.dtype));
  }
  return shapes;
}

void bind_found_sizes(const Plan& plan, const PlanDefinition& definition, std::span<const std::int64_t> found,
                      PlanShapes& shapes) {
  for (std::size_t i = 0; i < definition.symbols.size(); ++i) {
    const PlanSymbol& s = plan.symbols[definition.symbols[i]];
    const std::int64_t most = std::min(s.range.max, shapes.values[s.at_most]);
    if (found[i] < s.range.min || found[i] > most)
      throw InvalidArgument(
          fmt::format("data decide that {} is {}, and the plan is for {} to {}", s.name, found[i], s.range.min, most),
          {}, "Limit the size in the model; where nothing else limits it, tune with a larger max_data_dependent_size");
    shapes.symbols[definition.symbols[i]] = found[i];
  }
  try {
    evaluate_some(plan.exprs, definition.exprs, shapes.symbols, shapes.values);
  } catch (const Corrupt& e) {
    throw InvalidArgument(fmt::format("the sizes that data decide cannot be computed with: {}", e.problem()));
  }
  for (const std::uint32_t guard : definition.guards) check_guard(plan, plan.guards[guard], shapes);
}

}  // namespace aitune

#include "compiler/ops/schema.h"
#include "compiler/passes/simplify.h"

namespace aitune {
namespace {

/// The single element of a weight as an argument of x's dtype, where it stands for a Scalar without changing types.
std::optional<Arg> scalar_for(const Value* x, const Value* weight) {
  if (x->type.dtype != weight->type.dtype || weight->type.shape.size() > x->type.shape.size()) return std::nullopt;
  const auto value = scalar_weight(weight);
  if (!value || is_weight(x)) return std::nullopt;
  if (is_floating(x->type.dtype)) return Arg(*value);
  if (!is_integral(x->type.dtype)) return std::nullopt;
  return Arg(SymInt(static_cast<std::int64_t>(*value)));
}

bool is_neutral(const Node& node, const Value* x) { return node.output()->type == x->type; }

/// x + 0, x - 0: alpha does not matter.
Replacement plus_scalar(Inserter&, Node& node, const UseCounts&) {
  Value* x = operand(node, 0);
  if (is_neutral(node, x) && constant_number(node.args[1]) == 0) return {{x}};
  return std::nullopt;
}

Replacement times_scalar(Inserter& insert, Node& node, const UseCounts& uses) {
  Value* x = operand(node, 0);
  if (is_neutral(node, x) && constant_number(node.args[1]) == 1) return {{x}};
  const Node* inner = producer_if(x, "aten.mul.Scalar");
  if (inner == nullptr || !uses.single(x) || node.op_name() != "aten.mul.Scalar") return std::nullopt;
  const auto a = constant_number(inner->args[1]), b = constant_number(node.args[1]);
  if (!a || !b || !is_floating(x->type.dtype) || operand(*inner, 0)->type != x->type) return std::nullopt;
  if (!is_moderate(*a) || !is_moderate(*b) || !is_moderate(*a * *b)) return std::nullopt;
  return {{insert.call("aten.mul.Scalar", {operand(*inner, 0), *a * *b})}};
}

/// (x + c) + d with constants c and d of one shape: one sum.
Replacement reassociate(Inserter& insert, Node& node, const UseCounts& uses) {
  for (const std::size_t i : {0U, 1U}) {
    Value* constant = operand(node, 1 - i);
    const Node* inner = producer_if(operand(node, i), "aten.add.Tensor");
    if (inner == nullptr || !is_weight(constant) || !uses.single(inner->output())) continue;
    if (constant_number(argument(*inner, "alpha")) != 1) continue;
    for (const std::size_t k : {0U, 1U}) {
      Value* other = operand(*inner, k);
      Value* x = operand(*inner, 1 - k);
      if (!is_weight(other) || is_weight(x) || other->type != constant->type || x->type != node.output()->type)
        continue;
      return {{insert.call("aten.add.Tensor", {x, insert.call("aten.add.Tensor", {other, constant})})}};
    }
  }
  return std::nullopt;
}

Replacement add(Inserter& insert, Node& node, const UseCounts& uses) {
  const auto alpha = constant_number(argument(node, "alpha"));
  if (!alpha) return std::nullopt;
  for (const std::size_t i : {0U, 1U}) {
    Value* x = operand(node, i);
    Value* constant = operand(node, 1 - i);
    if (is_neutral(node, x) && !is_weight(x) && weight_is_all(constant, 0)) return {{x}};
    if (*alpha != 1 || !is_neutral(node, x)) continue;
    if (const auto scalar = scalar_for(x, constant)) return {{insert.call("aten.add.Scalar", {x, *scalar})}};
  }
  return *alpha == 1 ? reassociate(insert, node, uses) : std::nullopt;
}

Replacement sub(Inserter& insert, Node& node, const UseCounts&) {
  Value* x = operand(node, 0);
  if (constant_number(argument(node, "alpha")) != 1 || !is_neutral(node, x)) return std::nullopt;
  if (!is_weight(x) && weight_is_all(operand(node, 1), 0)) return {{x}};
  if (const auto scalar = scalar_for(x, operand(node, 1))) return {{insert.call("aten.sub.Scalar", {x, *scalar})}};
  return std::nullopt;
}

Replacement mul(Inserter& insert, Node& node, const UseCounts&) {
  for (const std::size_t i : {0U, 1U}) {
    Value* x = operand(node, i);
    Value* constant = operand(node, 1 - i);
    if (!is_neutral(node, x)) continue;
    if (!is_weight(x) && weight_is_all(constant, 1)) return {{x}};
    if (const auto scalar = scalar_for(x, constant)) return {{insert.call("aten.mul.Scalar", {x, *scalar})}};
  }
  return std::nullopt;
}

/// op.Tensor(x, one-element constant) -> op.Scalar
template <const char* Op>
Replacement to_scalar_form(Inserter& insert, Node& node, const UseCounts&) {
  Value* x = operand(node, 0);
  if (node.output()->type.shape != x->type.shape) return std::nullopt;
  const auto scalar = scalar_for(x, operand(node, 1));
  if (!scalar) return std::nullopt;
  Value* result = insert.call(Op, {x, *scalar});
  return result->type == node.output()->type ? Replacement{{result}} : std::nullopt;
}

/// clamp(clamp(x, low), high): one clamp. Where both bound one side, the order of bounds counts and they stay.
Replacement clamp(Inserter& insert, Node& node, const UseCounts& uses) {
  const Node* inner = producer_if(operand(node, 0), "aten.clamp.default");
  if (inner == nullptr || !uses.single(inner->output()) || operand(*inner, 0)->type != node.output()->type) {
    return std::nullopt;
  }
  const auto low = inner->args[1].is_none() ? node.args[1] : inner->args[1];
  const auto high = inner->args[2].is_none() ? node.args[2] : inner->args[2];
  if ((!inner->args[1].is_none() && !node.args[1].is_none()) ||
      (!inner->args[2].is_none() && !node.args[2].is_none())) {
    return std::nullopt;
  }
  // With bounds that cross, clamp gives the upper one whichever came first.
  const auto least = constant_number(low), most = constant_number(high);
  if (!least || !most || *least > *most) return std::nullopt;
  return {{insert.call("aten.clamp.default", {inner->args[0], low, high})}};
}

Replacement masked_fill(Inserter& insert, Node& node, const UseCounts&) {
  const auto value = scalar_weight(operand(node, 2));
  if (!value || !is_floating(operand(node, 0)->type.dtype)) return std::nullopt;
  return {{insert.call("aten.masked_fill.Scalar", {node.args[0], node.args[1], *value})}};
}

/// x & true, x | false
template <int Neutral>
Replacement logic(Inserter& insert, Node& node, const UseCounts&) {
  if (node.output()->type.dtype != DType::b8) return std::nullopt;
  for (const std::size_t i : {0U, 1U}) {
    Value* x = operand(node, i);
    if (x->type.dtype != DType::b8 || is_weight(x) || !weight_is_all(operand(node, 1 - i), Neutral)) continue;
    return {{insert.expand(x, node.output()->type.shape)}};
  }
  return std::nullopt;
}

constexpr char kDivScalar[] = "aten.div.Scalar", kEqScalar[] = "aten.eq.Scalar", kNeScalar[] = "aten.ne.Scalar",
               kLtScalar[] = "aten.lt.Scalar", kLeScalar[] = "aten.le.Scalar", kGtScalar[] = "aten.gt.Scalar",
               kGeScalar[] = "aten.ge.Scalar", kPowScalar[] = "aten.pow.Tensor_Scalar";

}  // namespace

void add_arithmetic_simplifications(SimplifyRules& rules) {
  rules["aten.add.Scalar"] = plus_scalar;
  rules["aten.sub.Scalar"] = plus_scalar;
  rules["aten.mul.Scalar"] = times_scalar;
  rules["aten.div.Scalar"] = times_scalar;
  rules["aten.add.Tensor"] = add;
  rules["aten.sub.Tensor"] = sub;
  rules["aten.mul.Tensor"] = mul;
  rules["aten.div.Tensor"] = to_scalar_form<kDivScalar>;
  rules["aten.eq.Tensor"] = to_scalar_form<kEqScalar>;
  rules["aten.ne.Tensor"] = to_scalar_form<kNeScalar>;
  rules["aten.lt.Tensor"] = to_scalar_form<kLtScalar>;
  rules["aten.le.Tensor"] = to_scalar_form<kLeScalar>;
  rules["aten.gt.Tensor"] = to_scalar_form<kGtScalar>;
  rules["aten.ge.Tensor"] = to_scalar_form<kGeScalar>;
  rules["aten.pow.Tensor_Tensor"] = to_scalar_form<kPowScalar>;
  rules["aten.clamp.default"] = clamp;
  rules["aten.bitwise_and.Tensor"] = logic<1>;
  rules["aten.bitwise_or.Tensor"] = logic<0>;
  rules["aten.masked_fill.Tensor"] = masked_fill;
}

}  // namespace aitune

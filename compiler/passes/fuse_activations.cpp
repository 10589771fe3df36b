#include <cmath>
#include <optional>

#include "compiler/ops/schema.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b); }

/// value = factor * rest, where `value` is a multiplication or division by a constant; rest = value, factor = 1
/// otherwise.
struct Scaled {
  double factor = 1;
  Value* rest = nullptr;
};
Scaled strip_scale(Value* value) {
  Scaled result{1, value};
  for (int depth = 0; depth < 4; ++depth) {
    const bool divides = producer_if(result.rest, "aten.div.Scalar") != nullptr;
    const Node* node = divides ? result.rest->producer : producer_if(result.rest, "aten.mul.Scalar");
    if (node == nullptr || operand(*node, 0)->type != result.rest->type) break;
    const auto factor = constant_number(node->args[1]);
    if (!factor || *factor == 0) break;
    result.factor *= divides ? 1 / *factor : *factor;
    result.rest = operand(*node, 0);
  }
  return result;
}

/// value = a + constant
std::optional<std::pair<Value*, double>> plus_constant(const Value* value) {
  const Node* node = producer_if(value, "aten.add.Scalar");
  if (node == nullptr) return std::nullopt;
  const auto constant = constant_number(node->args[1]);
  if (!constant || constant_number(argument(*node, "alpha")) != 1) return std::nullopt;
  return std::pair{operand(*node, 0), *constant};
}

/// Whether value = x * x * x in any order.
bool is_cube(const Value* value, const Value* x) {
  if (const Node* power = producer_if(value, "aten.pow.Tensor_Scalar")) {
    return operand(*power, 0) == x && constant_number(power->args[1]) == 3;
  }
  const Node* product = producer_if(value, "aten.mul.Tensor");
  if (product == nullptr) return false;
  for (const std::size_t i : {0U, 1U}) {
    const Node* square = producer_if(operand(*product, i), "aten.mul.Tensor");
    if (square != nullptr && operand(*product, 1 - i) == x && operand(*square, 0) == x && operand(*square, 1) == x) {
      return true;
    }
  }
  return false;
}

/// x + 0.044715 * x^3
bool is_gelu_polynomial(const Value* value, const Value* x) {
  const Node* sum = producer_if(value, "aten.add.Tensor");
  if (sum == nullptr) return false;
  const auto alpha = constant_number(argument(*sum, "alpha"));
  for (const std::size_t i : {0U, 1U}) {
    const Scaled cube = strip_scale(operand(*sum, 1 - i));
    const double factor = i == 0 && alpha ? cube.factor * *alpha : cube.factor;
    if (operand(*sum, i) == x && near(factor, 0.044715) && is_cube(cube.rest, x)) return i == 0 || alpha == 1;
  }
  return false;
}

/// x * (1 + inner) * 0.5 with the factors in any order, where inner is a function of x alone.
Replacement gelu(Inserter& insert, Node& node) {
  // Two tensors are multiplied: some share of 0.5 * x, and some share of 0.5 * (1 + inner).
  const Scaled whole = is_op(node, "aten.mul.Scalar") ? strip_scale(node.output()) : Scaled{1, node.output()};
  const Node* product = whole.rest == node.output() ? &node : producer_if(whole.rest, "aten.mul.Tensor");
  if (product == nullptr || !is_op(*product, "aten.mul.Tensor")) return std::nullopt;
  for (const std::size_t i : {0U, 1U}) {
    const Scaled gate = strip_scale(operand(*product, i));
    const Scaled input = strip_scale(operand(*product, 1 - i));
    const auto sum = plus_constant(gate.rest);
    if (!sum || sum->second != 1 || !near(whole.factor * gate.factor * input.factor, 0.5)) continue;
    Value* x = input.rest;
    if (const Node* tanh = producer_if(sum->first, "aten.tanh.default")) {
      const Scaled inner = strip_scale(operand(*tanh, 0));
      if (near(inner.factor, std::sqrt(2 / M_PI)) && is_gelu_polynomial(inner.rest, x)) {
        return {{insert.call("aten.gelu.default", {x}, {{"approximate", std::string("tanh")}})}};
      }
    } else if (const Node* erf = producer_if(sum->first, "aten.erf.default")) {
      const Scaled inner = strip_scale(operand(*erf, 0));
      if (near(inner.factor, std::sqrt(0.5)) && inner.rest == x) return {{insert.call("aten.gelu.default", {x})}};
    }
  }
  return std::nullopt;
}

/// x, where value = clamp(x + 3, 0, 6)
Value* shifted_relu6(const Value* value) {
  const Node* clamp = producer_if(value, "aten.clamp.default");
  if (clamp == nullptr || !is_floating(value->type.dtype)) return nullptr;
  if (constant_number(clamp->args[1]) != 0 || constant_number(clamp->args[2]) != 6) return nullptr;
  const auto sum = plus_constant(operand(*clamp, 0));
  return sum && sum->second == 3 ? sum->first : nullptr;
}

/// clamp(x + 3, 0, 6) / 6, and x * clamp(x + 3, 0, 6) / 6
Replacement hard_activations(Inserter& insert, Node& node) {
  if (!is_op(node, "aten.mul.Scalar") && !is_op(node, "aten.div.Scalar")) return std::nullopt;
  const Scaled scaled = strip_scale(node.output());
  if (!near(scaled.factor, 1.0 / 6)) return std::nullopt;
  if (Value* x = shifted_relu6(scaled.rest)) return {{insert.call("aten.hardsigmoid.default", {x})}};
  const Node* product = producer_if(scaled.rest, "aten.mul.Tensor");
  for (const std::size_t i : {0U, 1U}) {
    if (product == nullptr) break;
    Value* x = operand(*product, i);
    if (shifted_relu6(operand(*product, 1 - i)) == x) return {{insert.call("aten.hardswish.default", {x})}};
  }
  return std::nullopt;
}

/// x * sigmoid(x), x * hardsigmoid(x)
Replacement gated(Inserter& insert, Node& node) {
  if (!is_op(node, "aten.mul.Tensor")) return std::nullopt;
  for (const std::size_t i : {0U, 1U}) {
    Value* x = operand(node, i);
    const Value* gate = operand(node, 1 - i);
    if (const Node* sigmoid = producer_if(gate, "aten.sigmoid.default");
        sigmoid != nullptr && operand(*sigmoid, 0) == x) {
      return {{insert.call("aten.silu.default", {x})}};
    }
    if (const Node* hard = producer_if(gate, "aten.hardsigmoid.default"); hard != nullptr && operand(*hard, 0) == x) {
      return {{insert.call("aten.hardswish.default", {x})}};
    }
  }
  return std::nullopt;
}

}  // namespace

void fuse_activations(Graph& graph, const PassContext&) {
  rewrite(graph, [](Inserter& insert, Node& node) -> Replacement {
    for (const auto rule : {hard_activations, gelu, gated}) {
      if (auto replacement = rule(insert, node)) return replacement;
    }
    return std::nullopt;
  });
}

}  // namespace aitune

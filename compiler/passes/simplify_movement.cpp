#include <algorithm>
#include <set>

#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/simplify.h"

namespace aitune {
namespace {

using Dims = std::vector<std::int64_t>;

/// view(linear(view(x))) where the outer view splits or merges leading dimensions alone: one view, before the linear.
Replacement lift_linear(Inserter& insert, Node& node, const UseCounts& uses) {
  const Node* linear = producer_if(operand(node), "aten.linear.default");
  if (linear == nullptr || !uses.single(linear->output())) return std::nullopt;
  const Node* inner = producer_if(operand(*linear), "aten.view.default");
  SymShape shape = node.output()->type.shape;
  if (inner == nullptr || shape.empty() || shape.back() != linear->output()->type.shape.back()) return std::nullopt;
  shape.back() = inner->output()->type.shape.back();
  return {
      {insert.call("aten.linear.default", {insert.view(operand(*inner), shape), linear->args[1], linear->args[2]})}};
}

bool keeps_last(const Dims& order) {
  return !order.empty() && order.back() == static_cast<std::int64_t>(order.size()) - 1;
}

/// permute(linear(permute(x))) with the last dimension in place: the permutes meet before the linear. So do they where
/// the inner one is viewed with its trailing dimensions merged, as heads are after attention.
Replacement lift_permute(Inserter& insert, Node& node, const UseCounts& uses) {
  const Dims order = node.args.at(1).int_list();
  const Node* linear = producer_if(operand(node), "aten.linear.default");
  if (linear == nullptr || !uses.single(linear->output()) || !keeps_last(order)) return std::nullopt;
  Value* x = operand(*linear);
  Value* moved = nullptr;
  if (producer_if(x, "aten.permute.default") != nullptr) {
    moved = insert.permute(x, order);
  } else if (const Node* merged = producer_if(x, "aten.view.default")) {
    Value* inner = operand(*merged);
    const std::size_t lead = order.size() - 1;
    if (producer_if(inner, "aten.permute.default") == nullptr || inner->type.shape.size() < lead ||
        !std::equal(x->type.shape.begin(), x->type.shape.end() - 1, inner->type.shape.begin())) {
      return std::nullopt;
    }
    Dims all(order.begin(), order.end() - 1);
    for (std::size_t d = lead; d < inner->type.shape.size(); ++d) all.push_back(static_cast<std::int64_t>(d));
    SymShape shape;
    for (const std::int64_t dim : order) shape.push_back(x->type.shape[static_cast<std::size_t>(dim)]);
    moved = insert.view(insert.permute(inner, all), shape);
  } else {
    return std::nullopt;
  }
  return {{insert.call("aten.linear.default", {moved, linear->args[1], linear->args[2]})}};
}

/// linear(view(x)) and linear(permute(x)) with the last dimension in place: the movement goes on to meet others.
Replacement linear(Inserter& insert, Node& node, const UseCounts& uses) {
  if (const Node* view = producer_if(operand(node), "aten.view.default")) {
    Value* x = operand(*view);
    if (x->type.shape.empty() || x->type.shape.back() != view->output()->type.shape.back()) return std::nullopt;
    Value* product = insert.call("aten.linear.default", {x, node.args[1], node.args[2]});
    return {{insert.view(product, node.output()->type.shape)}};
  }
  const Node* permute = producer_if(operand(node), "aten.permute.default");
  if (permute == nullptr || !uses.single(permute->output())) return std::nullopt;
  const Dims order = permute->args.at(1).int_list();
  if (!keeps_last(order)) return std::nullopt;
  return {{insert.permute(insert.call("aten.linear.default", {operand(*permute), node.args[1], node.args[2]}), order)}};
}

Replacement view(Inserter& insert, Node& node, const UseCounts& uses) {
  const SymShape& shape = node.output()->type.shape;
  if (operand(node)->type.shape == shape) return {{operand(node)}};
  if (const Node* inner = producer_if(operand(node), "aten.view.default"))
    return {{insert.view(operand(*inner), shape)}};
  return lift_linear(insert, node, uses);
}

Replacement permute(Inserter& insert, Node& node, const UseCounts& uses) {
  const Dims dims = node.args.at(1).int_list();
  const SymShape& shape = operand(node)->type.shape;
  if (const Node* inner = producer_if(operand(node), "aten.permute.default")) {
    const Dims first = inner->args.at(1).int_list();
    Dims both;
    for (const std::int64_t dim : dims) both.push_back(first.at(static_cast<std::size_t>(dim)));
    return {{insert.permute(operand(*inner), both)}};
  }
  // Moving dimensions of size 1 alone leaves the order of the elements.
  Dims kept;
  std::copy_if(dims.begin(), dims.end(), std::back_inserter(kept),
               [&](std::int64_t dim) { return !shape.at(static_cast<std::size_t>(dim)).is(1); });
  if (std::is_sorted(kept.begin(), kept.end())) return {{insert.view(operand(node), node.output()->type.shape)}};
  return lift_permute(insert, node, uses);
}

Replacement expand(Inserter& insert, Node& node, const UseCounts&) {
  const SymShape& shape = node.output()->type.shape;
  if (operand(node)->type.shape == shape) return {{operand(node)}};
  if (const Node* inner = producer_if(operand(node), "aten.expand.default"))
    return {{insert.expand(operand(*inner), shape)}};
  // Only dimensions of size 1 are new: a view.
  SymShape padded = operand(node)->type.shape;
  while (padded.size() < shape.size()) padded.insert(padded.begin(), SymInt(1));
  if (padded == shape) return {{insert.view(operand(node), shape)}};
  return std::nullopt;
}

Replacement slice(Inserter& insert, Node& node, const UseCounts&) {
  const SymShape& shape = operand(node)->type.shape;
  const auto dim = static_cast<std::size_t>(argument(node, "dim").integer());
  if (!argument(node, "step").sym().is(1) || argument(node, "start").is_none()) return std::nullopt;
  if (node.output()->type.shape.at(dim) == shape.at(dim)) return {{operand(node)}};
  const Node* inner = producer_if(operand(node), "aten.slice.Tensor");
  if (inner != nullptr && argument(*inner, "dim").integer() == static_cast<std::int64_t>(dim) &&
      argument(*inner, "step").sym().is(1) && !argument(*inner, "start").is_none()) {
    const SymInt start = argument(*inner, "start").sym() + argument(node, "start").sym();
    return {{insert.slice(operand(*inner), static_cast<std::int64_t>(dim), start,
                          start + node.output()->type.shape.at(dim))}};
  }
  return std::nullopt;
}

/// A slice of a concatenation that lies in one part.
Replacement slice_of_cat(const Node& node) {
  const Node* cat = producer_if(operand(node), "aten.cat.default");
  if (cat == nullptr || !argument(node, "step").sym().is(1) || argument(node, "start").is_none()) return std::nullopt;
  const std::int64_t dim = argument(node, "dim").integer();
  if (argument(*cat, "dim").integer() != dim) return std::nullopt;
  SymInt position = 0;
  for (const Arg& part : cat->args[0].list()) {
    const SymInt& size = part.value()->type.shape.at(static_cast<std::size_t>(dim));
    if (argument(node, "start").sym() == position && argument(node, "end").sym() == position + size) {
      return {{part.value()}};
    }
    position += size;
  }
  return std::nullopt;
}

/// slice(permute(x)) is permute(slice(x)): permutes gather at the end, where they meet others.
Replacement slice_of_permute(Inserter& insert, Node& node) {
  const Node* permute = producer_if(operand(node), "aten.permute.default");
  if (permute == nullptr) return std::nullopt;
  const Dims order = permute->args.at(1).int_list();
  ArgList args = node.args;
  args[0] = operand(*permute);
  args[1] = SymInt(order.at(static_cast<std::size_t>(argument(node, "dim").integer())));
  return {{insert.permute(insert.call("aten.slice.Tensor", std::move(args)), order)}};
}

Replacement slice_rules(Inserter& insert, Node& node, const UseCounts& uses) {
  if (auto replacement = slice(insert, node, uses)) return replacement;
  if (auto replacement = slice_of_permute(insert, node)) return replacement;
  return slice_of_cat(node);
}

/// Whether every value of `from` survives a conversion to `to`.
bool is_widening(DType from, DType to) {
  if (from == to) return true;
  if (is_complex(from) || is_complex(to)) return false;
  if (from == DType::b8) return true;
  if (is_floating(from)) return is_floating(to) && dtype_size(to) > dtype_size(from);
  if (is_floating(to)) return to == DType::f64 ? dtype_size(from) <= 4 : to == DType::f32 && dtype_size(from) <= 2;
  if (to == DType::b8) return false;
  const bool from_unsigned = from == DType::u8, to_unsigned = to == DType::u8;
  return !to_unsigned && dtype_size(to) > dtype_size(from) && (from_unsigned || !to_unsigned);
}

Replacement cast(Inserter& insert, Node& node, const UseCounts&) {
  const DType dtype = node.output()->type.dtype;
  if (operand(node)->type.dtype == dtype) return {{operand(node)}};
  const Node* inner = producer_if(operand(node), "aten._to_copy.default");
  if (inner == nullptr || !is_widening(operand(*inner)->type.dtype, inner->output()->type.dtype)) return std::nullopt;
  return {{insert.cast(operand(*inner), dtype)}};
}

Replacement cat(Inserter& insert, Node& node, const UseCounts& uses) {
  const ArgList& parts = node.args.at(0).list();
  if (parts.size() == 1) return {{parts[0].value()}};
  ArgList flat;
  for (const Arg& part : parts) {
    const Node* inner = producer_if(part.value(), "aten.cat.default");
    if (inner != nullptr && uses.single(part.value()) && inner->args[1] == node.args[1]) {
      const ArgList& list = inner->args[0].list();
      flat.insert(flat.end(), list.begin(), list.end());
    } else {
      flat.push_back(part);
    }
  }
  if (flat.size() == parts.size()) return std::nullopt;
  return {{insert.call("aten.cat.default", {flat, node.args[1]})}};
}

/// Rows of a broadcast index are a broadcast of rows.
Replacement embedding(Inserter& insert, Node& node, const UseCounts&) {
  const Node* expand = producer_if(node.args.at(1).value(), "aten.expand.default");
  if (expand == nullptr) return std::nullopt;
  Value* rows = insert.call("aten.embedding.default", {node.args[0], operand(*expand)});
  return {{insert.expand(rows, node.output()->type.shape)}};
}

/// Whether value holds 0, 1, ..., size - 1 in some shape.
bool counts_up_to(const Value* value, const SymInt& size) {
  while (const Node* view = producer_if(value, "aten.view.default")) value = operand(*view);
  if (const Node* range = producer_if(value, "aten.arange.default")) {
    const auto* end = std::get_if<SymInt>(&range->args.at(0));
    return end != nullptr && *end == size;
  }
  constexpr std::int64_t kMostCounted = 1 << 20;
  if (!is_weight(value) || !size.is(value->data.numel()) || value->data.numel() > kMostCounted) return false;
  const auto elements = to_doubles(value->data);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (elements[i] != static_cast<double>(i)) return false;
  }
  return true;
}

/// x[arange(n)[:, None, None], arange(m)[None, None, :]], as masks are gathered, is x with dimensions of size 1
/// between.
Replacement index(Inserter& insert, Node& node, const UseCounts&) {
  Value* x = operand(node);
  const ArgList& indices = node.args.at(1).list();
  const SymShape& shape = node.output()->type.shape;
  if (indices.empty() || indices.size() > x->type.shape.size()) return std::nullopt;
  const std::size_t broadcast_rank = shape.size() - (x->type.shape.size() - indices.size());
  std::ptrdiff_t last_axis = -1;
  for (std::size_t d = 0; d < indices.size(); ++d) {
    const Value* value = indices[d].value_or_null();
    if (value == nullptr || !is_integral(value->type.dtype) || !counts_up_to(value, x->type.shape[d]))
      return std::nullopt;
    const SymShape& own = value->type.shape;
    std::ptrdiff_t axis = -1;
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (own[i].is(1)) continue;
      if (axis >= 0) return std::nullopt;
      axis = static_cast<std::ptrdiff_t>(broadcast_rank - own.size() + i);
    }
    if (axis < 0) continue;  // a dimension of size 1
    if (axis <= last_axis) return std::nullopt;
    last_axis = axis;
  }
  return {{insert.view(x, shape)}};
}

bool is_elementwise(std::string_view op) {
  static const std::set<std::string_view> names = {
      "aten.add.Tensor",         "aten.sub.Tensor",         "aten.mul.Tensor",          "aten.div.Tensor",
      "aten.add.Scalar",         "aten.sub.Scalar",         "aten.mul.Scalar",          "aten.div.Scalar",
      "aten.eq.Tensor",          "aten.ne.Tensor",          "aten.lt.Tensor",           "aten.le.Tensor",
      "aten.gt.Tensor",          "aten.ge.Tensor",          "aten.eq.Scalar",           "aten.ne.Scalar",
      "aten.lt.Scalar",          "aten.le.Scalar",          "aten.gt.Scalar",           "aten.ge.Scalar",
      "aten.maximum.default",    "aten.minimum.default",    "aten.where.self",          "aten.bitwise_and.Tensor",
      "aten.bitwise_or.Tensor",  "aten.bitwise_xor.Tensor", "aten.bitwise_not.default", "aten.logical_not.default",
      "aten._to_copy.default",   "aten.clamp.default",      "aten.neg.default",         "aten.abs.default",
      "aten.exp.default",        "aten.log.default",        "aten.sqrt.default",        "aten.rsqrt.default",
      "aten.reciprocal.default", "aten.sin.default",        "aten.cos.default",         "aten.tanh.default",
      "aten.sigmoid.default",    "aten.relu.default",       "aten.pow.Tensor_Scalar"};
  return names.contains(op);
}

}  // namespace

/// op(expand(a), b) is op(a, b) where that has the same type already, and expand(op(a, b)) otherwise.
Replacement sink_expand(Inserter& insert, Node& node) {
  if (!is_elementwise(node.op_name())) return std::nullopt;
  bool found = false;
  ArgList args = node.args;
  map_operands(args, [&](Value* value) {
    const Node* expand = producer_if(value, "aten.expand.default");
    // Promotion treats 0-dim operands differently, so those stay expanded unless nothing is promoted.
    if (expand == nullptr || (operand(*expand)->type.shape.empty() && value->type.dtype != node.output()->type.dtype &&
                              node.op_name() != "aten._to_copy.default")) {
      return value;
    }
    found = true;
    return operand(*expand);
  });
  if (!found) return std::nullopt;
  const auto types = infer_types(*node.op, args);
  if (types.at(0).dtype != node.output()->type.dtype) return std::nullopt;
  Value* result = insert.call(node.op_name(), std::move(args));
  return {{insert.expand(result, node.output()->type.shape)}};
}

void add_movement_simplifications(SimplifyRules& rules) {
  rules["aten.view.default"] = view;
  rules["aten.permute.default"] = permute;
  rules["aten.linear.default"] = linear;
  rules["aten.expand.default"] = expand;
  rules["aten.slice.Tensor"] = slice_rules;
  rules["aten._to_copy.default"] = cast;
  rules["aten.cat.default"] = cat;
  rules["aten.embedding.default"] = embedding;
  rules["aten.index.Tensor"] = index;
}

}  // namespace aitune

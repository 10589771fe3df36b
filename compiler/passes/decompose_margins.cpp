// Losses of margins.

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

Value* reduced_loss(Inserter& insert, const Node& node, Value* losses) {
  const std::int64_t reduction = argument(node, "reduction").integer();
  if (reduction == 0) return losses;
  return insert.call(reduction == 1 ? "aten.mean.default" : "aten.sum.default", {losses});
}

/// max(0, margin + the distance to what is alike - that to what is not)
Replacement triplet_margin(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  const auto distance = [&](std::size_t a, std::size_t b) {
    Value* apart =
        insert.call("aten.sub.Tensor", {insert.cast(operand(node, a), dtype), insert.cast(operand(node, b), dtype)});
    apart = insert.call("aten.add.Scalar", {apart, argument(node, "eps").number()});
    const ArgList last = to_args(std::vector<std::int64_t>{static_cast<std::int64_t>(rank(apart)) - 1});
    return insert.call("aten.linalg_vector_norm.default", {apart, argument(node, "p"), last, false},
                       {{"dtype", None{}}});
  };
  Value *alike = distance(0, 1), *unlike = distance(0, 2);
  if (argument(node, "swap").boolean()) unlike = insert.call("aten.minimum.default", {unlike, distance(1, 2)});
  Value* further = insert.call("aten.add.Scalar", {alike, argument(node, "margin").number()});
  Value* losses = insert.call("aten.clamp_min.default", {insert.call("aten.sub.Tensor", {further, unlike}), SymInt(0)});
  return {{reduced_loss(insert, node, losses)}};
}

/// The right class of each row as a mask; its score; and what of the others comes within the margin of it.
Replacement multi_margin(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  Value* x = operand(node);
  const auto classes = rank(x) == 0 ? std::nullopt : x->type.shape.back().as_constant();
  const auto margin = constant_number(argument(node, "margin"));
  if (!classes || *classes <= 0 || *classes > 1 << 20 || !margin) return std::nullopt;
  const SymInt rows = rank(x) == 2 ? x->type.shape[0] : SymInt(1);
  if (rows.is(0)) return std::nullopt;
  x = insert.view(x, {rows, *classes});
  Value* target = insert.view(operand(node, 1), {rows, SymInt(1)});
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < *classes; ++i) numbers.push_back(static_cast<double>(i));
  Value* each = insert.constant(from_doubles(DType::i64, {*classes}, numbers), "classes");
  Value* right = insert.call("aten.eq.Tensor", {target, each});
  Value* score = insert.call("aten.gather.default", {x, SymInt(1), target});
  Value* short_by = insert.call("aten.add.Scalar", {insert.call("aten.sub.Tensor", {x, score}), *margin});
  Value* counts = insert.call("aten.logical_and.default", {insert.call("aten.gt.Scalar", {short_by, SymInt(0)}),
                                                           insert.call("aten.logical_not.default", {right})});
  Value* terms = argument(node, "p").number() == 2 ? insert.call("aten.mul.Tensor", {short_by, short_by}) : short_by;
  terms = insert.call("aten.where.self", {counts, terms, insert.scalar(dtype, 0)});
  Value* losses = insert.call("aten.sum.dim_IntList", {terms, to_args(std::vector<std::int64_t>{1}), false});
  if (const Arg& weight = argument(node, "weight"); !weight.is_none()) {
    Value* positions = insert.view(target, {rows});
    Value* weights = insert.view(weight.value(), {SymInt(*classes)});
    losses = insert.call("aten.mul.Tensor",
                         {losses, insert.call("aten.index_select.default", {weights, SymInt(0), positions})});
  }
  losses = insert.call("aten.div.Scalar", {losses, static_cast<double>(*classes)});
  if (argument(node, "reduction").integer() == 0) return {{insert.view(losses, node.output()->type.shape)}};
  return {{reduced_loss(insert, node, losses)}};
}

}  // namespace

void add_margin_decompositions(DecomposeRules& rules) {
  rules["aten.triplet_margin_loss.default"] = triplet_margin;
  rules["aten.multi_margin_loss.default"] = multi_margin;
}

}  // namespace aitune

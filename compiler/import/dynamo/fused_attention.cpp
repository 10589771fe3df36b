#include "compiler/import/dynamo/fused_attention.h"

#include <cmath>
#include <limits>
#include <vector>

namespace aitune::dynamo {
namespace {

ArgList list_of(std::initializer_list<SymInt> items) { return {items.begin(), items.end()}; }

/// Query, key and value, each [N, L, width].
std::vector<Value*> projections(const EmitOperator& emit, const FusedAttention& a) {
  const auto part = [&](Value* x, std::int64_t dim, std::int64_t i) {
    return emit("aten.slice.Tensor", {x, SymInt(dim), SymInt(i * a.width), SymInt((i + 1) * a.width)});
  };
  Value* all = nullptr;
  if (a.query == a.key && a.key == a.value) all = emit("aten.linear.default", {a.query, a.in_weight, a.in_bias});
  std::vector<Value*> made;
  for (Value* input : {a.query, a.key, a.value}) {
    const auto i = static_cast<std::int64_t>(made.size());
    made.push_back(all != nullptr
                       ? part(all, 2, i)
                       : emit("aten.linear.default", {input, part(a.in_weight, 0, i), part(a.in_bias, 0, i)}));
  }
  return made;
}

/// [N, L, width] -> [N, heads, L, width / heads]
Value* split_heads(const EmitOperator& emit, const FusedAttention& a, Value* x) {
  const SymShape& shape = x->type.shape;
  const ArgList sizes = list_of({shape.at(0), shape.at(1), a.heads, a.width / a.heads});
  return emit("aten.transpose.int", {emit("aten.view.default", {x, sizes}), SymInt(1), SymInt(2)});
}

Value* masked(const EmitOperator& emit, const FusedAttention& a, Value* scores) {
  if (a.mask == nullptr) return scores;
  Value* mask = a.mask;
  if (mask->type.dtype != DType::b8) mask = emit("aten.ne.Scalar", {mask, SymInt(0)});
  if (a.mask_type == MaskType::keys)
    for (int i = 0; i < 2; ++i) mask = emit("aten.unsqueeze.default", {mask, SymInt(1)});
  return emit("aten.masked_fill.Scalar", {scores, mask, -std::numeric_limits<double>::infinity()});
}

}  // namespace

std::optional<MaskType> mask_type_of(const Arg& number) {
  if (number.is_none()) return MaskType::pairs;
  const auto type = number.sym().as_constant();
  if (!type || *type < 0 || *type > 2) return std::nullopt;
  return static_cast<MaskType>(*type);
}

std::optional<Attended> attend(const EmitOperator& emit, const FusedAttention& a) {
  if (a.heads <= 0 || a.width <= 0 || a.width % a.heads != 0) return std::nullopt;
  const SymShape shape = a.query->type.shape;
  if (shape.size() != 3) return std::nullopt;
  const std::vector<Value*> parts = projections(emit, a);
  const double scale = 1.0 / std::sqrt(static_cast<double>(a.width / a.heads));
  Value* query = emit("aten.mul.Scalar", {split_heads(emit, a, parts[0]), scale});
  Value* key = emit("aten.transpose.int", {split_heads(emit, a, parts[1]), SymInt(2), SymInt(3)});
  Value* scores = masked(emit, a, emit("aten.matmul.default", {query, key}));
  Value* share = emit("aten.softmax.int", {scores, SymInt(-1)});
  Value* together = emit("aten.matmul.default", {share, split_heads(emit, a, parts[2])});
  together = emit("aten.transpose.int", {together, SymInt(1), SymInt(2)});
  Value* flat = emit("aten.reshape.default", {together, list_of({shape[0], shape[1], a.width})});
  Attended made{emit("aten.linear.default", {flat, a.out_weight, a.out_bias}), nullptr};
  if (a.weights) made.weights = a.averaged ? emit("aten.mean.dim", {share, list_of({1})}) : share;
  return made;
}

Value* encoder_layer(const EmitOperator& emit, const FusedEncoderLayer& layer) {
  Value* const source = layer.attention.query;
  const auto norm = [&](Value* x, std::size_t i) {
    return emit("aten.layer_norm.default",
                {x, list_of({layer.attention.width}), layer.norms[i][0], layer.norms[i][1], layer.eps});
  };
  const auto linear = [&](Value* x, std::size_t i) {
    return emit("aten.linear.default", {x, layer.linears[i][0], layer.linears[i][1]});
  };
  FusedAttention attention = layer.attention;
  attention.query = attention.key = attention.value = layer.norm_first ? norm(source, 0) : source;
  attention.weights = false;
  const auto attended = attend(emit, attention);
  if (!attended) return nullptr;
  Value* between = emit("aten.add.Tensor", {attended->result, source});
  if (!layer.norm_first) between = norm(between, 0);
  Value* wide = linear(layer.norm_first ? norm(between, 1) : between, 0);
  Value* narrow = linear(emit(layer.gelu ? "aten.gelu.default" : "aten.relu.default", {wide}), 1);
  Value* result = emit("aten.add.Tensor", {narrow, between});
  return layer.norm_first ? result : norm(result, 1);
}

}  // namespace aitune::dynamo

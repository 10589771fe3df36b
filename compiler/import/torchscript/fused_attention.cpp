// The fused operators behind nn.MultiheadAttention and nn.TransformerEncoderLayer, as plain ones. What they compute:
// PyTorch, aten/src/ATen/native/transformers/attention.cpp and transformer.cpp.

#include <cmath>
#include <limits>

#include "compiler/import/torchscript/composites.h"
#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

enum class MaskType : std::uint8_t { pairs, keys, whole };  // [L, S]; [N, S]; [N, H, L, S]

struct Attention {
  Val query, key, value;
  std::int64_t width = 0, heads = 0;
  Val in_weight, in_bias, out_weight, out_bias;
  Val mask = None{};
  MaskType mask_type = MaskType::pairs;
  bool weights = true, averaged = true;
};

std::optional<MaskType> mask_type_of(const Val& value) {
  if (value.is_none()) return MaskType::pairs;
  const auto type = value.integer();
  if (!type || *type < 0 || *type > 2) return std::nullopt;
  return static_cast<MaskType>(*type);
}

/// Query, key and value, each [N, L, width].
std::vector<Val> projections(const Ops& ops, const Attention& a) {
  if (identical(a.query, a.key) && identical(a.key, a.value)) {
    const Val all = ops("linear", {a.query, a.in_weight, a.in_bias});
    return *ops("chunk", {all, SymInt(3), SymInt(-1)}).items();
  }
  std::vector<Val> made;
  for (const Val* input : {&a.query, &a.key, &a.value}) {
    const std::int64_t first = static_cast<std::int64_t>(made.size()) * a.width;
    made.push_back(ops("linear", {*input, ops.part(a.in_weight, 0, first, first + a.width),
                                  ops.part(a.in_bias, 0, first, first + a.width)}));
  }
  return made;
}

/// [N, L, width] -> [N, heads, L, width / heads]
Val split_heads(const Ops& ops, const Attention& a, const Val& value) {
  const SymShape& shape = ops.evaluator.tensor(value)->type.shape;
  const Val sizes = make_list({shape[0], shape[1], SymInt(a.heads), SymInt(a.width / a.heads)});
  return ops("transpose", {ops("view", {value, sizes}), SymInt(1), SymInt(2)});
}

Val masked(const Ops& ops, const Attention& a, const Val& scores) {
  if (a.mask.is_none()) return scores;
  const Value* mask = ops.evaluator.tensor(a.mask);
  Val out = a.mask;
  if (mask->type.dtype != DType::b8) out = ops("ne", {out, SymInt(0)});
  if (a.mask_type == MaskType::keys) out = ops("unsqueeze", {ops("unsqueeze", {out, SymInt(1)}), SymInt(1)});
  return ops("masked_fill", {scores, out, -std::numeric_limits<double>::infinity()});
}

std::optional<Val> attend(const Ops& ops, const Attention& a) {
  if (a.heads <= 0 || a.width <= 0 || a.width % a.heads != 0 || !a.query.is_tensor()) return std::nullopt;
  const SymShape shape = ops.evaluator.tensor(a.query)->type.shape;
  if (shape.size() != 3) return std::nullopt;
  const std::vector<Val> parts = projections(ops, a);
  const double scale = 1.0 / std::sqrt(static_cast<double>(a.width / a.heads));
  const Val query = ops("mul", {split_heads(ops, a, parts.at(0)), scale});
  const Val key = ops("transpose", {split_heads(ops, a, parts.at(1)), SymInt(2), SymInt(3)});
  const Val share = ops("softmax", {masked(ops, a, ops("matmul", {query, key})), SymInt(-1)});
  const Val together =
      ops("transpose", {ops("matmul", {share, split_heads(ops, a, parts.at(2))}), SymInt(1), SymInt(2)});
  const Val flat = ops("reshape", {together, make_list({shape[0], shape[1], SymInt(a.width)})});
  Val weights = None{};
  if (a.weights) weights = a.averaged ? ops("mean", {share, make_list({SymInt(1)})}) : share;
  return make_tuple({ops("linear", {flat, a.out_weight, a.out_bias}), weights});
}

}  // namespace

std::optional<Val> fused_attention(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (args.size() < 9 || !args[3].integer() || !args[4].integer()) return std::nullopt;
  const auto type = args.size() > 12 ? mask_type_of(args[12]) : MaskType::pairs;
  if (!type) return std::nullopt;
  Attention a{args[0], args[1], args[2], *args[3].integer(), *args[4].integer(), args[5], args[6], args[7], args[8]};
  if (args.size() > 9) a.mask = args[9];
  a.mask_type = *type;
  const auto flag = [&](std::size_t i) {
    const bool* value = args.size() > i ? args[i].get<bool>() : nullptr;
    return value == nullptr || *value;
  };
  a.weights = flag(10);
  a.averaged = flag(11);
  return attend({evaluator}, a);
}

std::optional<Val> fused_encoder_layer(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (args.size() < 18 || !args[1].integer() || !args[2].integer()) return std::nullopt;
  const bool *gelu = args[7].get<bool>(), *first = args[8].get<bool>();
  const auto type = args.size() > 19 ? mask_type_of(args[19]) : MaskType::pairs;
  if (gelu == nullptr || first == nullptr || !type) return std::nullopt;
  const Ops ops{evaluator};
  const Val &source = args[0], &eps = args[9];
  const auto norm = [&](const Val& x, std::size_t weight) {
    return ops("layer_norm", {x, make_list({args[1]}), args[weight], args[weight + 1], eps});
  };
  const Val x = *first ? norm(source, 10) : source;
  Attention a{x, x, x, *args[1].integer(), *args[2].integer(), args[3], args[4], args[5], args[6]};
  if (args.size() > 18) a.mask = args[18];
  a.mask_type = *type;
  a.weights = false;
  const auto attended = attend(ops, a);
  if (!attended) return std::nullopt;
  Val between = ops("add", {(*attended->items())[0], source});
  if (!*first) between = norm(between, 10);
  const Val wide = ops("linear", {*first ? norm(between, 12) : between, args[14], args[15]});
  const Val narrow = ops("linear", {ops(*gelu ? "gelu" : "relu", {wide}), args[16], args[17]});
  const Val result = ops("add", {narrow, between});
  return *first ? result : norm(result, 12);
}

}  // namespace aitune::torchscript

#pragma once
// The fused operators behind nn.MultiheadAttention and nn.TransformerEncoderLayer, as plain ones. What they compute:
// PyTorch, aten/src/ATen/native/transformers/attention.cpp and transformer.cpp.

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "compiler/graph/graph.h"

namespace aitune::dynamo {

/// Appends a call of an operator ("aten.linear.default") and gives its first result.
using EmitOperator = std::function<Value*(std::string_view op, ArgList args)>;

/// What a mask of the fused operators is about: [L, S]; [N, S]; [N, H, L, S]. True leaves out.
enum class MaskType : std::uint8_t { pairs, keys, whole };
/// As the operators number them; None is pairs. Nothing for other numbers.
std::optional<MaskType> mask_type_of(const Arg& number);

/// aten._native_multi_head_attention of [N, L, width].
struct FusedAttention {
  Value *query = nullptr, *key = nullptr, *value = nullptr;
  std::int64_t width = 0, heads = 0;
  Value *in_weight = nullptr, *in_bias = nullptr, *out_weight = nullptr, *out_bias = nullptr;
  Value* mask = nullptr;  ///< may be null
  MaskType mask_type = MaskType::pairs;
  bool weights = true;   ///< whether the shares of the keys are wanted
  bool averaged = true;  ///< these over the heads
};
struct Attended {
  Value* result = nullptr;
  Value* weights = nullptr;  ///< null where they are not wanted
};
/// Nothing for sizes that the operator never has.
std::optional<Attended> attend(const EmitOperator& emit, const FusedAttention& attention);

/// aten._transformer_encoder_layer_fwd. Layers' weights are [weight, bias] of the first and the second of their kind.
struct FusedEncoderLayer {
  FusedAttention attention;  ///< of the source, which stands as its query
  bool gelu = false, norm_first = false;
  Arg eps;
  Value* norms[2][2] = {};
  Value* linears[2][2] = {};
};
Value* encoder_layer(const EmitOperator& emit, const FusedEncoderLayer& layer);

}  // namespace aitune::dynamo

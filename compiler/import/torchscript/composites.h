#pragma once
// Operators of TorchScript that stand for several of the table: those that have files of their own.

#include <optional>

#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// aten::_native_multi_head_attention and aten::_transformer_encoder_layer_fwd: what nn.MultiheadAttention and
/// nn.TransformerEncoderLayer call when nobody wants gradients, and so what traces of them have. Nothing for arguments
/// that these never give.
std::optional<Val> fused_attention(Evaluator& evaluator, const Vals& args, const Keywords& keywords);
std::optional<Val> fused_encoder_layer(Evaluator& evaluator, const Vals& args, const Keywords& keywords);

}  // namespace aitune::torchscript

#pragma once
// Operators of TorchScript that stand for several of the table: those that have files of their own.

#include <optional>

#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// Calls operators of the table by name.
struct Ops {
  Evaluator& evaluator;
  Val operator()(std::string_view name, const Vals& args) const;
  /// Elements `first` to `last` along a dimension.
  Val part(const Val& value, std::int64_t dim, std::int64_t first, std::int64_t last) const;
};

/// aten::_native_multi_head_attention and aten::_transformer_encoder_layer_fwd: what nn.MultiheadAttention and
/// nn.TransformerEncoderLayer call when nobody wants gradients, and so what traces of them have. Nothing for arguments
/// that these never give.
std::optional<Val> fused_attention(Evaluator& evaluator, const Vals& args, const Keywords& keywords);
std::optional<Val> fused_encoder_layer(Evaluator& evaluator, const Vals& args, const Keywords& keywords);

/// aten::_pack_padded_sequence and _pad_packed_sequence, and lstm, gru, rnn_tanh and rnn_relu of what they pack:
/// sequences of several lengths, the longest first, all of them at least 1 long. Nothing for the same recurrences of
/// plain tensors.
std::optional<Val> pack_padded_sequence(Evaluator& evaluator, const Vals& args, const Keywords& keywords);
std::optional<Val> pad_packed_sequence(Evaluator& evaluator, const Vals& args, const Keywords& keywords);
std::optional<Val> packed_lstm(Evaluator& evaluator, const Vals& args, const Keywords& keywords);
std::optional<Val> packed_gru(Evaluator& evaluator, const Vals& args, const Keywords& keywords);
std::optional<Val> packed_rnn_tanh(Evaluator& evaluator, const Vals& args, const Keywords& keywords);
std::optional<Val> packed_rnn_relu(Evaluator& evaluator, const Vals& args, const Keywords& keywords);

}  // namespace aitune::torchscript

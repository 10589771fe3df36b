#pragma once
// Which results of an operator are memory of an operand, as PyTorch lays it out.

#include <cstdint>

#include "compiler/graph/graph.h"

namespace aitune {

enum class Aliasing : std::uint8_t {
  fresh,  ///< new memory
  same,   ///< the operand itself: in-place operators, detach, dropout in inference, casts that change nothing
  view,   ///< the operand's memory, as another tensor
  maybe,  ///< a view or a copy; PyTorch decides by strides: reshape, contiguous
};

/// How the memory of one output relates to that of `operand`, the value that it would be; null for fresh memory.
struct Alias {
  Aliasing kind = Aliasing::fresh;
  Value* operand = nullptr;
};
Alias alias_of(const Node& node, std::size_t output);

/// What an in-place operator computes, without the write: "aten.relu_.default" -> "aten.relu.default". nullptr if the
/// list has no such operator.
const OpInfo* functional_form(const OpInfo& op);

/// unsqueeze_ and its like: the operand gets another shape, and no element is written.
bool changes_only_shape(const OpInfo& op);

/// The identity unless the argument `train` is true.
bool is_dropout(const Node& node);

/// as_strided and its kin: they read the elements of their first operand in the order in which they lie.
bool addresses_memory(const OpInfo& op);

/// Whether a result in fresh memory is certainly row-major if all operands are.
bool keeps_row_major(const Node& node);

}  // namespace aitune

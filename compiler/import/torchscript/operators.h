#pragma once
// Calls of PyTorch's operators become nodes.

#include <string_view>

#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// Finds the overload of aten.NAME that takes these arguments and appends a node. One result is a tensor, several are a
/// tuple, a list of tensors is a list.
Val call_operator(Evaluator& evaluator, std::string_view name, const Vals& args, const Keywords& keywords);

/// torch.add(x, y, out=z): results go into tensors that are given for them; nothing if none is.
std::optional<Val> call_into(Evaluator& evaluator, std::string_view name, const Vals& args, const Keywords& keywords);

/// Whether any overload of this name is in the table.
bool is_operator(std::string_view name);

/// Operators that are made of others where the table lacks them ("lstm_cell"); nothing if `name` is none.
std::optional<Val> call_composite(Evaluator& evaluator, std::string_view name, const Vals& args,
                                  const Keywords& keywords);

}  // namespace aitune::torchscript

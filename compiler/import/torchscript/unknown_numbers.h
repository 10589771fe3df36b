#pragma once
// Python's numbers that data decide: arithmetic on them becomes nodes on 0-dim tensors.

#include <optional>
#include <string_view>

#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// A call of "add", "lt", "int", "range", … with an Unknown that has a value among its arguments; nothing where there
/// is none, or the function is another. range(n) gives n, as an Unknown.
std::optional<Val> call_on_unknown_numbers(Evaluator& evaluator, std::string_view name, const Vals& args,
                                           const Keywords& keywords);

}  // namespace aitune::torchscript

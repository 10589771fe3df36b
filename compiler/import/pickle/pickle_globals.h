#pragma once
// Which names a pickle may call, and what their calls become.

#include <optional>
#include <string>
#include <string_view>

#include "compiler/import/pickle/pickle.h"

namespace aitune {

/// Python 2's module names become Python 3's: "__builtin__.set" is "builtins.set".
std::string canonical_global(std::string_view module, std::string_view name);
/// Whether calls of this name are kept as inert nodes, or become plain data.
bool is_callable_by_default(std::string_view global) noexcept;

/// Turns calls that only build plain data (OrderedDict, defaultdict, set, bytes, bytearray, _codecs.encode) into that
/// data, in place. Other calls stay. Returns what is wrong with the arguments, if anything.
std::optional<std::string> simplify_call(PickleValue& call);

}  // namespace aitune

#pragma once
// The escapes of protocol 0, whose values are lines of text.

#include <optional>
#include <string>
#include <string_view>

namespace aitune {

/// A quoted Python string ('a\n\x00') to its bytes; nothing if it is malformed.
std::optional<std::string> unquote_python_string(std::string_view quoted);
/// Python's raw-unicode-escape (\uXXXX, \UXXXXXXXX, other bytes Latin-1) to UTF-8.
std::optional<std::string> decode_raw_unicode_escape(std::string_view text);

}  // namespace aitune

#include "compiler/import/pickle/pickle_text.h"

#include <charconv>
#include <cstdint>

namespace aitune {

namespace {

std::optional<std::uint32_t> parse_hex(std::string_view digits) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::optional<char> simple_escape(char c) {
  constexpr std::string_view from = "\\'\"ntrabfv0", to = std::string_view("\\'\"\n\t\r\a\b\f\v\0", 11);
  const std::size_t at = from.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return to[at];
}

}  // namespace

std::optional<std::string> unquote_python_string(std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != quoted.back()) return std::nullopt;
  if (quoted.front() != '\'' && quoted.front() != '"') return std::nullopt;
  quoted = quoted.substr(1, quoted.size() - 2);
  std::string text;
  for (std::size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      text += quoted[i];
      continue;
    }
    if (++i == quoted.size()) return std::nullopt;
    if (quoted[i] == 'x') {
      if (quoted.size() - i < 3) return std::nullopt;
      const auto byte = parse_hex(quoted.substr(i + 1, 2));
      if (!byte) return std::nullopt;
      text += static_cast<char>(*byte);
      i += 2;
    } else if (const auto c = simple_escape(quoted[i])) {
      text += *c;
    } else {
      return std::nullopt;
    }
  }
  return text;
}

std::optional<std::string> decode_raw_unicode_escape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char kind = i + 1 < text.size() ? text[i + 1] : ' ';
    if (text[i] != '\\' || (kind != 'u' && kind != 'U')) {
      append_utf8(out, static_cast<unsigned char>(text[i]));
      continue;
    }
    const std::size_t digits = kind == 'u' ? 4 : 8;
    if (text.size() - i - 2 < digits) return std::nullopt;
    const auto c = parse_hex(text.substr(i + 2, digits));
    if (!c || *c > 0x10ffff) return std::nullopt;
    append_utf8(out, *c);
    i += 1 + digits;
  }
  return out;
}

}  // namespace aitune

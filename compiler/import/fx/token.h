#pragma once
// The words of Python source, as torch.fx generates it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aitune::fx {

enum class TokenKind : std::uint8_t { end, newline, indent, dedent, name, integer, real, imaginary, string, symbol };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  ///< names, symbols as written; a string's content
  std::int64_t integer = 0;
  double real = 0;  ///< of imaginary ones too: 3 of 3j
  int line = 1;
};

/// Splits a source. Line breaks inside brackets and comments vanish; indentation becomes indent and dedent. Throws
/// Corrupt with `where` and the line, Unsupported for literals that the generated form does not have (f-strings,
/// integers beyond 64 bits).
std::vector<Token> tokenize(std::string_view source, std::string_view where);

/// "model.pt/forward:12"
std::string line_place(std::string_view where, int line);

}  // namespace aitune::fx

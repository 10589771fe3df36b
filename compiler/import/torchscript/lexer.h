#pragma once
// Tokens of the source that torch.jit.save writes: a small part of Python.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/import/torchscript/source.h"

namespace aitune::torchscript {

enum class TokenKind : std::uint8_t { name, integer, real, complex, string, symbol, newline, indent, dedent, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  ///< as it stands in the source; strings with their quotes
  std::uint32_t offset = 0;

  bool is(std::string_view symbol_or_keyword) const {
    return (kind == TokenKind::symbol || kind == TokenKind::name) && text == symbol_or_keyword;
  }
};

/// All tokens, with an end token last; every indent has its dedent. Throws Corrupt with the line for anything that is
/// not TorchScript, and beyond limits of size and indentation.
std::vector<Token> tokenize(const Source& source);

/// The content of a string token. Throws Corrupt for an escape that PyTorch does not write.
std::string unquote(const Token& token, const Source& source);

}  // namespace aitune::torchscript

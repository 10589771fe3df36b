#pragma once
// Source files of a TorchScript archive, and places inside them.

#include <cstdint>
#include <string>
#include <string_view>

namespace aitune::torchscript {

/// One file under code/.
struct Source {
  std::string name;       ///< for messages: "model.pt/code/__torch__/net.py"
  std::string_view text;  ///< outlives the Source
};

/// "model.pt/code/__torch__/net.py:12"
std::string place(const Source& source, std::uint32_t offset);

/// The text without control characters, at most `limit` bytes: names from a file, fit for a terminal.
std::string printable(std::string_view text, std::size_t limit = 200);

}  // namespace aitune::torchscript

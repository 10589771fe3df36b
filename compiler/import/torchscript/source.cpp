#include "compiler/import/torchscript/source.h"

#include <fmt/format.h>

#include <algorithm>

namespace aitune::torchscript {

std::string place(const Source& source, std::uint32_t offset) {
  const std::string_view before = source.text.substr(0, std::min<std::size_t>(offset, source.text.size()));
  return fmt::format("{}:{}", source.name, 1 + std::ranges::count(before, '\n'));
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string shown(text.substr(0, limit));
  std::ranges::replace_if(shown, [](unsigned char c) { return c < 32 || c == 127; }, '?');
  return shown;
}

}  // namespace aitune::torchscript

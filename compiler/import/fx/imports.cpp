#include "compiler/import/fx/imports.h"

#include <array>

namespace aitune::fx {
namespace {

// The next word of `line`, which loses it.
std::string_view next_word(std::string_view& line) {
  const std::size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos) return line = {};
  line.remove_prefix(start);
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

std::map<std::string, std::string, std::less<>> parse_imports(std::string_view block) {
  std::map<std::string, std::string, std::less<>> names;
  while (!block.empty()) {
    std::string_view line = block.substr(0, block.find('\n'));
    block.remove_prefix(std::min(block.size(), line.size() + 1));
    const std::string_view first = next_word(line), module = next_word(line);
    if (first == "import") {
      const bool renamed = next_word(line) == "as";
      const std::string_view local = renamed ? next_word(line) : module;
      if (local.find('.') == std::string_view::npos) names[std::string(local)] = module;
    } else if (first == "from" && next_word(line) == "import") {
      const std::string_view name = next_word(line);
      const std::string_view local = next_word(line) == "as" ? next_word(line) : name;
      names[std::string(local)] = std::string(module) + "." + std::string(name);
    }
  }
  return names;
}

}  // namespace aitune::fx

#pragma once
// Shell completion and the manual page, out of the definitions that the command line is parsed with.

#include <string>

namespace CLI {
class App;
}

namespace aitune::tools {

std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);
/// A page of section 1, in man(7) macros.
std::string manual_page(const CLI::App& app, const std::string& version);

}  // namespace aitune::tools

#include "tools/compiler_program.h"

#include <unistd.h>

#include <filesystem>

namespace aitune::tools {

std::string compiler_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "";
  const auto beside = self.parent_path() / "aitune-tune";
  return access(beside.c_str(), X_OK) == 0 ? beside.string() : "";
}

}  // namespace aitune::tools

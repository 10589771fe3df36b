#pragma once

#include <string>

namespace aitune::tools {

/// Path of aitune-tune, the program with the compiler in it, beside this one; empty if it is not installed. The aitune
/// command itself needs the runtime alone, so that it starts at once and fits on production machines.
std::string compiler_program();

}  // namespace aitune::tools

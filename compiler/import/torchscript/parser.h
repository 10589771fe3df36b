#pragma once
// From source to syntax tree.

#include <string_view>

#include "compiler/import/torchscript/ast.h"

namespace aitune::torchscript {

/// Parses one file. `module` is its qualified name, "__torch__.net"; `source` must outlive the result. Throws Corrupt
/// with the line for anything that PyTorch's serializer does not write, and beyond limits of nesting and size.
File parse(const Source& source, std::string_view module);

}  // namespace aitune::torchscript

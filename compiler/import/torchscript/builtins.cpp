#include "compiler/import/torchscript/builtins.h"

namespace aitune::torchscript {

BuiltinFunction find_builtin(std::string_view name) {
  static const BuiltinTable table = [] {
    BuiltinTable made;
    add_arithmetic(made);
    add_containers(made);
    add_strings(made);
    add_tensor_questions(made);
    add_tensor_makers(made);
    return made;
  }();
  return table.find(name);
}

}  // namespace aitune::torchscript

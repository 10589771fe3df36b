#pragma once
// Python's, math's, operator's and some of torch's functions that are computed here rather than by an operator.

#include <span>
#include <string_view>

#include "compiler/import/fx/interpreter.h"

namespace aitune::fx {

using Builtin = PyValue (*)(Interpreter&, const PyArgs&);

struct BuiltinRow {
  std::string_view name;
  Builtin run;
};

/// By qualified name, without "builtins.": "len", "math.sqrt", "operator.add", "torch.Size". Null if there is none.
Builtin find_builtin(std::string_view name);
/// A method of a tensor: "size". Its tensor is the first argument.
Builtin find_tensor_method(std::string_view name);
/// A method of a list, tuple, dict, dtype or text.
Builtin find_plain_method(std::string_view name);

std::span<const BuiltinRow> math_builtins();
std::span<const BuiltinRow> operator_builtins();
std::span<const BuiltinRow> torch_builtins();
std::span<const BuiltinRow> type_builtins();

/// The arguments in the order of `names`; what is not given is of the kind nothing. Throws InvalidArgument for more.
PyItems arguments(const PyArgs& args, std::initializer_list<std::string_view> names);

}  // namespace aitune::fx

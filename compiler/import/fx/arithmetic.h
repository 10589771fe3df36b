#pragma once
// Python's operators on what the importer knows: numbers and sizes are computed, tensors become nodes.

#include <string_view>

#include "compiler/import/fx/py_value.h"
#include "compiler/import/fx/writer.h"

namespace aitune::fx {

/// "-", "+" or "~".
PyValue unary(Writer& writer, std::string_view op, const PyValue& operand);
/// "+", "==", "in", "is not", ...
PyValue binary(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right);
/// left op= right for a tensor on the left.
PyValue binary_in_place(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right);

/// The constant behind an int, float or bool. Throws Unsupported for a symbolic size.
double constant_number(const PyValue& value, std::string_view what);
std::int64_t constant_integer(const PyValue& value, std::string_view what);

}  // namespace aitune::fx

#pragma once
// Floats that are made of sizes: x.shape[-1] ** -0.5, int(h * 0.5). They are computed where the model runs, in double
// precision as Python has them; a size divided by a whole number is remembered, since rounding it gives a size.

#include <string_view>

#include "compiler/import/fx/py_value.h"
#include "compiler/import/fx/writer.h"

namespace aitune::fx {

/// A symbolic size, or a float made of such.
bool depends_on_sizes(const PyValue& value);

/// left op right for "+", "-", "*", "/", "//", "%", "**" of numbers of which at least one depends on sizes, and whose
/// result is no size; unknown where an operand is.
PyValue size_arithmetic(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right);
/// A function of ATen with one operand ("sqrt") of a number that depends on sizes.
PyValue size_function(Writer& writer, std::string_view aten, const PyValue& operand);
/// The number as a float.
PyValue size_as_float(Writer& writer, const PyValue& operand);

/// The fraction of a size rounded down or up, as a size; unknown for what is none. int() cuts, which is the same as
/// rounding down for what is not negative.
PyValue floor_of_size(const Writer& writer, const PyValue& operand);
PyValue ceil_of_size(const Writer& writer, const PyValue& operand);
PyValue cut_size(const Writer& writer, const PyValue& operand);

}  // namespace aitune::fx

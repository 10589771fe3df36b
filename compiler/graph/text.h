#pragma once
// What the printer and the parser of the text form share.

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune {

inline constexpr std::array<std::pair<std::string_view, MemoryFormat>, 4> kMemoryFormatNames = {
    {{"contiguous_format", MemoryFormat::contiguous},
     {"preserve_format", MemoryFormat::preserve},
     {"channels_last", MemoryFormat::channels_last},
     {"channels_last_3d", MemoryFormat::channels_last_3d}}};

/// Whether this word means something else in the text form, so that no symbol may be called so.
bool is_reserved_word(std::string_view word);
/// Letters, digits, _ and dots, not beginning with a digit or dot.
bool is_name(std::string_view name);

/// In double quotes, with \\ \" \n \t \r and \xHH for other control characters.
std::string quote(std::string_view text);
/// A float that reads back the same and never looks like an integer: "1.0", "1e-05", "inf".
std::string float_text(double value);

/// "splat(0.5)", "[1, 2, 3]", "[1, 2, 3, ...]" or "[0, 0, 0, ..., 1, ...]".
std::string weight_text(const Tensor& data);
/// A weight with every element the same number (complex: real and imaginary part).
Tensor splat_weight(DType dtype, const Shape& shape, const Arg& real, const Arg& imaginary);
/// A weight with these elements, row-major; integers keep all their bits. Sizes must agree (InvalidArgument).
Tensor listed_weight(DType dtype, const Shape& shape, const std::vector<Arg>& values);
/// A weight that begins with these elements and goes on with the one in `rest`, or with the last of them if it is
/// empty. InvalidArgument where they are no elements, or more than the weight has.
Tensor abridged_weight(DType dtype, const Shape& shape, const std::vector<Arg>& head, const std::vector<Arg>& rest);
Tensor random_weight(DType dtype, const Shape& shape, std::uint64_t seed);

}  // namespace aitune

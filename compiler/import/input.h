#pragma once
// The ranges of sizes that the user gives for inputs: how they are written.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace aitune {

/// The shapes that one input may have, as torch_tensorrt.Input names them: of equal length, every size from `min_shape`
/// to `max_shape` is allowed, and `opt_shape` is what to be fastest at.
struct Input {
  /// A size that stays as the program has it, or as the samples show it. It stands in all shapes then.
  static constexpr std::int64_t kAsIs = -1;

  std::string name;                       ///< the program's, or a position ("0"); empty: its position in the list
  Shape min_shape, opt_shape, max_shape;  ///< opt_shape may be empty: no size is preferred

  /// An input of this one shape.
  static Input fixed(std::string name, Shape shape);
  bool operator==(const Input&) const = default;
};

/// Throws InvalidArgument, naming the input, for shapes of different lengths or sizes that are out of order.
void check_input(const Input& input);

/// Reads "x=MIN:OPT:MAX", "x=MIN:MAX" or "x=SHAPE", shapes as sizes with an x between them: "1x3x224x224". In the last
/// form, a size may be a range of its own, "1..16" or, with the preferred size in the middle, "1..4..16". A size that
/// is
/// "*" stays as it is. Throws InvalidArgument saying what is wrong.
Input parse_input(std::string_view text);

/// Reads a JSON object from names to shapes: {"x": {"min_shape": [1, 3], "opt_shape": [4, 3], "max_shape": [16, 3]}},
/// {"x": [[1, 4, 16], 3]} with a range for a size, or {"x": "1..4..16x3"} with the text of parse_input behind its "=".
/// "*" or null stands for a size that stays. Throws InvalidArgument with the place.
std::vector<Input> parse_inputs_json(std::string_view json, const std::string& where);
std::vector<Input> read_inputs_file(const std::filesystem::path& path);

/// The list as JSON, in the first of the forms above.
std::string inputs_to_json(std::span<const Input> inputs);

}  // namespace aitune

#pragma once
// What a model is called with, and the inputs of the program that its arguments become.

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace aitune {

/// An argument of forward(), or one of the parts of a list, a tuple or a dict.
struct Argument {
  std::string name;   ///< "x"; of a part "d.key", "images.0"
  std::string place;  ///< by position: "0"; of a part "3.key"; empty if it has none
  std::string input;  ///< of the program; empty for what became a constant of it
  std::optional<double> constant{};
  bool operator==(const Argument&) const = default;
};

/// An input that forward() writes to: what it holds afterwards is an output. Where it is a buffer of the model, the
/// file has its first value, and a call need not give it.
struct WrittenInput {
  std::string input, output;  ///< of the program
  std::string buffer;         ///< "cache.keys"; empty for an argument of forward()
  bool operator==(const WrittenInput&) const = default;
};

/// The tensors by the program's names. What became a constant is left out. A name that is no argument's stays, and so
/// do "0", "1", ... where there are as many as the program has inputs: they count those.
/// Throws InvalidArgument for a constant that is given another value.
std::vector<std::pair<std::string, Tensor>> as_program_inputs(std::span<const std::pair<std::string, Tensor>> given,
                                                              std::span<const Argument> arguments,
                                                              const std::string& where);

}  // namespace aitune

#include "format/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace aitune {
namespace {

const Argument* find_argument(std::span<const Argument> arguments, const std::string& name) {
  for (const auto member : {&Argument::name, &Argument::place}) {
    const auto found = std::ranges::find(arguments, name, member);
    if (found != arguments.end() && !name.empty()) return &*found;
  }
  return nullptr;
}

void check_constant(const Argument& argument, const Tensor& tensor, const std::string& where) {
  const bool number = tensor.numel() == 1 && !is_complex(tensor.dtype());
  const double value = number ? *tensor.contiguous().to(DType::f64).as<double>() : 0;
  if (number && value == *argument.constant) return;
  throw InvalidArgument(fmt::format("'{}' is {}, and was {} when the model was tuned: it is a constant of this program",
                                    argument.name, number ? fmt::format("{}", value) : "no number", *argument.constant),
                        where, "Tune with samples in which it differs, and it becomes an input");
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> as_program_inputs(std::span<const std::pair<std::string, Tensor>> given,
                                                              std::span<const Argument> arguments,
                                                              const std::string& where) {
  const auto is_place = [](const auto& entry) {
    return !entry.first.empty() && std::ranges::all_of(entry.first, [](char c) { return c >= '0' && c <= '9'; });
  };
  const auto count = std::ranges::count_if(arguments, [](const Argument& a) { return !a.constant; });
  if (std::ssize(given) == count && std::ranges::all_of(given, is_place)) return {given.begin(), given.end()};
  std::vector<std::pair<std::string, Tensor>> inputs;
  for (const auto& [name, tensor] : given) {
    const Argument* argument = find_argument(arguments, name);
    if (argument == nullptr)
      inputs.emplace_back(name, tensor);
    else if (argument->constant)
      check_constant(*argument, tensor, where);
    else
      inputs.emplace_back(argument->input, tensor);
  }
  return inputs;
}

}  // namespace aitune

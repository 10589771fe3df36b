#include "compiler/import/torchscript/builtins.h"

#include <fmt/format.h>

namespace aitune::torchscript {

std::span<const BuiltinFunction> find_builtins(std::string_view name) {
  static const BuiltinTable table = [] {
    BuiltinTable made;
    add_arithmetic(made);
    add_lists(made);
    add_dicts(made);
    add_containers(made);
    add_strings(made);
    add_modes(made);
    add_tensor_questions(made);
    add_tensor_makers(made);
    return made;
  }();
  return table.find(name);
}

std::int64_t known_integer(Call& call, const Val& value) {
  const auto known = value.integer();
  if (!known)
    call.evaluator.unsupported(
        fmt::format("{} needs an integer that is known when the model is tuned, not {}", call.name,
                    value.get<SymInt>() != nullptr ? "a size that moves" : value.kind()),
        "where it depends on a size that moves, give samples of one size");
  return *known;
}

std::size_t place_in_list(Call& call, const Val& value, std::size_t size) {
  const std::int64_t given = known_integer(call, value), count = static_cast<std::int64_t>(size);
  const std::int64_t at = given < 0 ? given + count : given;
  if (at < 0 || at >= count) call.evaluator.invalid(fmt::format("index {} of a list of {}", given, size));
  return static_cast<std::size_t>(at);
}

}  // namespace aitune::torchscript

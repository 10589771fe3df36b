// The sizes that the user gives, in the symbols of a program that has ranges of its own.

#include "compiler/import/input_shapes.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "compiler/graph/specialise.h"

namespace aitune {
namespace {

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// What is given for one dimension of an input.
struct Given {
  const Value& input;
  std::size_t dim;
  SymRange range;

  std::string where() const { return fmt::format("dimension {} of input '{}'", dim, input.name); }
};

class Narrower {
 public:
  explicit Narrower(Graph& graph) : graph_(graph), own_(graph.symbols) {}

  void apply(const Given& given) {
    const SymInt& size = given.input.type.shape[given.dim];
    const SymRange own = size.range(own_);
    if (given.range.min < own.min || given.range.max > own.max)
      refuse(given, fmt::format("it is given as {}, which is not within the program's own range {}",
                                to_string(given.range), to_string(own)));
    if (size.is_constant()) return;
    const auto linear = linear_size(size);
    if (!linear)
      refuse(given, fmt::format("it is {} in the program, and {} is given for it", size.str(), to_string(given.range)));
    // Not below the own range, so that what is subtracted and divided here is small.
    const SymRange wanted = {-floor_div(linear->offset - given.range.min, linear->factor),
                             floor_div(given.range.max - linear->offset, linear->factor)};
    narrowed_.insert(linear->symbol);
    SymRange& range = graph_.symbols.at(linear->symbol);
    const SymRange before = range;
    range = {std::max(range.min, wanted.min), std::min(range.max, wanted.max)};
    if (range.min > range.max)
      refuse(given,
             fmt::format("{} is given, which leaves no value for {}, which is in {} by the program or by another "
                         "input",
                         to_string(given.range), linear->symbol, to_string(before)));
  }

  /// The narrowed symbols that have one value left.
  SymValues fixed() const {
    SymValues values;
    for (const std::string& name : narrowed_)
      if (const SymRange& range = graph_.symbols.at(name); range.min == range.max) values[name] = range.min;
    return values;
  }

 private:
  [[noreturn]] static void refuse(const Given& given, std::string what) {
    throw InvalidArgument(std::move(what), given.where(),
                          "Give a range that the program was exported for, or export it with a larger one");
  }

  Graph& graph_;
  const SymRanges own_;
  std::set<std::string> narrowed_;
};

std::string names_of(const Graph& graph) {
  std::string names;
  for (const Value* input : graph.inputs)
    names += (names.empty() ? "" : ", ") + input->name + " " + to_string(input->type);
  return names;
}

/// Calls f(input, given) for everything that is given; refuses what is given for no input.
template <typename F>
void for_each_given(const Graph& graph, std::span<const Input> inputs, const F& f) {
  std::set<std::size_t> used;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const auto at = find_input(inputs, graph.inputs[i]->name, i);
    if (!at) continue;
    used.insert(*at);
    const Input& given = inputs[*at];
    check_input(given);
    if (given.min_shape.size() != graph.inputs[i]->type.shape.size())
      throw InvalidArgument(fmt::format("{} dimensions are given, the program's is {}", given.min_shape.size(),
                                        to_string(graph.inputs[i]->type)),
                            fmt::format("the shapes of input '{}'", graph.inputs[i]->name));
    f(*graph.inputs[i], given);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!used.contains(i))
      throw InvalidArgument(fmt::format("the model has no input '{}', or it is given twice", inputs[i].name),
                            "input shapes", "Its inputs are: " + names_of(graph));
}

}  // namespace

std::optional<std::size_t> find_input(std::span<const Input> inputs, std::string_view name, std::size_t position) {
  const std::string number = std::to_string(position);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string& given = inputs[i].name;
    if (given.empty() ? i == position : given == name || given == number) return i;
  }
  return std::nullopt;
}

std::string to_string(const SymRange& range) {
  return fmt::format("[{}, {}]", range.min, range.max == SymRange::kNoMax ? "any" : std::to_string(range.max));
}

void narrow_inputs(Graph& graph, std::span<const Input> inputs) {
  Narrower narrower(graph);
  for_each_given(graph, inputs, [&](const Value& input, const Input& given) {
    for (std::size_t d = 0; d < given.min_shape.size(); ++d)
      if (given.min_shape[d] != Input::kAsIs) narrower.apply({input, d, {given.min_shape[d], given.max_shape[d]}});
  });
  if (const SymValues fixed = narrower.fixed(); !fixed.empty()) graph = specialise(graph, fixed);
}

SymValues preferred_sizes(const Graph& graph, std::span<const Input> inputs) {
  SymValues values;
  for_each_given(graph, inputs, [&](const Value& input, const Input& given) {
    for (std::size_t d = 0; d < given.opt_shape.size(); ++d) {
      const auto linear = linear_size(input.type.shape[d]);
      if (!linear || given.opt_shape[d] == Input::kAsIs) continue;
      const std::int64_t value = floor_div(given.opt_shape[d] - linear->offset, linear->factor);
      const auto [it, fresh] = values.try_emplace(linear->symbol, value);
      if (!fresh && it->second != value)
        throw InvalidArgument(fmt::format("it is one size with another dimension, whose preferred value is {}, not {}",
                                          it->second, value),
                              fmt::format("dimension {} of input '{}'", d, input.name), "Give both the same opt size");
    }
  });
  return values;
}

}  // namespace aitune

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/regions.h"
#include "compiler/graph/text.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

constexpr std::size_t kMaxViolations = 10;
constexpr std::uint64_t kProbes = 6;

// A value of each symbol inside its range, different from symbol to symbol where the range allows.
SymValues probe_values(const SymRanges& symbols, std::uint64_t probe) {
  SymValues values;
  std::uint64_t step = 3 + 7 * probe;
  for (const auto& [name, range] : symbols) {
    const std::int64_t low = std::max<std::int64_t>(range.min, 1);
    const std::int64_t high = std::max(low, std::min<std::int64_t>(range.max, 1 << 20));
    const auto width = static_cast<std::uint64_t>(high - low) + 1;
    values[name] = probe == 0 ? high : low + static_cast<std::int64_t>(step % width);
    step = step * 31 + 11;
  }
  return values;
}

std::optional<std::int64_t> try_evaluate(const SymInt& size, const SymValues& values) {
  try {
    return size.evaluate(values);
  } catch (const Error&) {
    return std::nullopt;  // a symbol that only exists at run time, or an overflow: no statement
  }
}

// Whether two sizes may be equal: exporters simplify with facts about the symbols that are not in the expression, so
// only sizes that differ wherever they are looked at are called different.
bool may_be_equal(const SymInt& a, const SymInt& b, const SymRanges& symbols) {
  if (a == b) return true;
  if (const auto difference = (a - b).as_constant(); difference && *difference != 0) return false;
  bool compared = false;
  for (std::uint64_t probe = 0; probe < kProbes; ++probe) {
    const SymValues values = probe_values(symbols, probe);
    const auto x = try_evaluate(a, values), y = try_evaluate(b, values);
    if (!x || !y) continue;
    if (*x == *y) return true;
    compared = true;
  }
  return !compared;
}

bool agrees(const TensorType& stated, const TensorType& inferred, const SymRanges& symbols) {
  if (stated.dtype != inferred.dtype || stated.shape.size() != inferred.shape.size()) return false;
  for (std::size_t d = 0; d < stated.shape.size(); ++d)
    if (!may_be_equal(stated.shape[d], inferred.shape[d], symbols)) return false;
  return true;
}

class Verifier {
 public:
  /// `given`: symbols that graphs around this one know.
  explicit Verifier(const Graph& graph, int depth = 0, std::unordered_set<std::string> given = {})
      : graph_(graph), depth_(depth), given_(std::move(given)) {}

  std::vector<std::string> violations() {
    for (const auto& [name, range] : graph_.symbols) symbol(name, range);
    for (const Value* value : graph_.inputs) input(value);
    if (depth_ == 0)
      for (const auto& [name, bound] : graph_.bounds) this->bound(name, bound);
    for (const auto& [name, range] : graph_.symbols) has_data_symbols_ |= !given_.contains(name);
    for (const Value* value : graph_.weights) weight(value);
    for (const auto& node : graph_.nodes()) this->node(*node);
    results();
    return std::move(violations_);
  }

 private:
  void report(std::string_view where, std::string_view problem) {
    if (violations_.size() < kMaxViolations) violations_.push_back(fmt::format("{}: {}", where, problem));
  }

  // Printing is left until there is something to report: most nodes are sound.
  void report(const Node& node, std::string_view problem) {
    if (violations_.size() < kMaxViolations) report(print(node), problem);
  }

  void symbol(const std::string& name, const SymRange& range) {
    if (!is_name(name) || is_reserved_word(name)) report("symbols", fmt::format("\"{}\" cannot be a symbol", name));
    if (range.min > range.max)
      report("symbols", fmt::format("{} has the empty range [{},{}]", name, range.min, range.max));
  }

  void bound(const std::string& name, const SymInt& bound) {
    const std::string where = "the bound of " + name;
    if (!graph_.symbols.contains(name)) report(where, "there is no such symbol");
    if (given_.contains(name)) report(where, "it is the size of an input");
    std::vector<std::string> used;
    bound.collect_symbols(used);
    for (const std::string& other : used) {
      if (!graph_.symbols.contains(other)) report(where, fmt::format("the symbol {} has no range", other));
      if (other == name) report(where, "it is bounded by itself");
    }
  }

  // Sizes that data decide are known behind the node that defines them.
  void known_so_far(const Node& node) {
    if (!has_data_symbols_) return;
    const std::vector<std::string> used = symbols_of(node);
    for (const std::string& name : std::set<std::string>(used.begin(), used.end()))
      if (graph_.symbols.contains(name) && !given_.contains(name))
        report(node, fmt::format("the symbol {} is used before a node defines it", name));
  }

  // What data decide is a symbol of its own, and nothing else may be.
  void data_sizes(const Node& node, std::vector<TensorType>& inferred) {
    const auto place = data_size_place(inferred);
    if (!place || place->output >= node.outputs.size() || node.outputs[place->output]->type.shape.size() <= place->dim)
      return;
    const SymInt& stated = node.outputs[place->output]->type.shape[place->dim];
    std::vector<std::string> names;
    stated.collect_symbols(names);
    if (names.size() != 1 || !(stated == SymInt::symbol(names[0])))
      return report(node, fmt::format("the size {} is decided by data and must be a symbol", stated.str()));
    if (!given_.insert(names[0]).second) report(node, fmt::format("the symbol {} is defined already", names[0]));
    for (TensorType& type : inferred)
      for (SymInt& size : type.shape) size = size.substitute({{data_size().str(), stated}});
  }

  void define(const Value* value, std::string_view where) {
    if (!is_name(value->name)) report(where, fmt::format("\"{}\" cannot be a name", value->name));
    if (!names_.insert(value->name).second) report(where, fmt::format("a second value called %{}", value->name));
    if (!defined_.insert(value).second) report(where, fmt::format("%{} is defined twice", value->name));
    for (const SymInt& size : value->type.shape) known_symbols(size, where);
  }

  void known_symbols(const SymInt& size, std::string_view where) {
    if (size.is_constant()) {
      if (size.constant() < 0) report(where, fmt::format("the negative size {}", size.str()));
      return;
    }
    std::vector<std::string> used;
    size.collect_symbols(used);
    for (const std::string& name : used)
      if (!graph_.symbols.contains(name)) report(where, fmt::format("the symbol {} has no range", name));
  }

  void input(const Value* value) {
    if (value == nullptr) return report("inputs", "a null value");
    const std::string where = "input %" + value->name;
    if (value->kind != ValueKind::input) report(where, "a value of another kind");
    for (const SymInt& size : value->type.shape) {
      std::vector<std::string> names;
      size.collect_symbols(names);
      given_.insert(names.begin(), names.end());
    }
    define(value, where);
  }

  void weight(const Value* value) {
    if (value == nullptr) return report("weights", "a null value");
    const std::string where = fmt::format("weight %{} ({})", value->name, value->weight_name);
    define(value, where);
    if (value->kind != ValueKind::weight) report(where, "a value of another kind");
    const Shape& shape = value->data.shape();
    if (value->type != TensorType{value->data.dtype(), {shape.begin(), shape.end()}})
      report(where, fmt::format("its data are {}, its type is {}", describe(value->data.dtype(), shape),
                                to_string(value->type)));
    if (value->data.data() == nullptr && value->data.numel() > 0) report(where, "it has no data");
  }

  void node(const Node& node) {
    if (node.op == nullptr) return report("a node", "it has no operator");
    if (operands_defined(node)) {
      arguments(node);
      outputs(node);
    }
    for (const Value* value : node.outputs)
      if (value != nullptr) define(value, node.op_name());
  }

  // Inferring needs sound operands, so the rest of a node is looked at only then.
  bool operands_defined(const Node& node) {
    bool fine = true;
    for (const Value* value : node.operands()) {
      if (value == nullptr) {
        report(node, "a null operand");
        fine = false;
      } else if (!defined_.contains(value)) {
        report(node, fmt::format("%{} is used before it is defined", value->name));
        fine = false;
      }
    }
    if (std::find(node.outputs.begin(), node.outputs.end(), nullptr) != node.outputs.end()) {
      report(node, "a null result");
      fine = false;
    }
    return fine;
  }

  void arguments(const Node& node) {
    const auto& expected = node.op->args;
    if (node.args.size() != expected.size())
      return report(node, fmt::format("{} arguments, {} has {}", node.args.size(), node.op->schema, expected.size()));
    bool fits = true;
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (const auto problem = argument_problem(expected[i], node.args[i])) {
        report(node, *problem);
        fits = false;
      }
    if (fits) node.op->has_regions() ? regions(node) : types(node);
    if (!node.op->has_regions() && !node.regions.empty()) report(node, "an operator that has no regions");
  }

  void regions(const Node& node) {
    if (depth_ >= kMaxRegionDepth) return report(node, "regions too deep in each other");
    if (node.regions.size() != 2 || node.regions[0] == nullptr || node.regions[1] == nullptr)
      return report(node, "it has not two regions");
    const std::size_t before = violations_.size();
    for (const auto& region : node.regions) inside(node, *region);
    if (violations_.size() != before) return;
    const Graph &first = *node.regions[0], &second = *node.regions[1];
    std::vector<TensorType> operands, results;
    for (const Value* operand : region_operands(node)) operands.push_back(operand->type);
    for (const Value* output : node.outputs) results.push_back(output->type);
    agree(node, "the inputs of its first region", first.inputs, operands);
    agree(node, "the inputs of its second region", second.inputs, operands);
    agree(node, "the results of its second region", second.outputs, results);
    if (is_if(node)) {
      condition(node, node.args[0].value());
      return agree(node, "the results of its first region", first.outputs, results);
    }
    operands.resize(carried_count(node));
    agree(node, "its results", node.outputs, operands);
    if (first.outputs.size() != 1) return report(node, "its condition has not one result");
    condition(node, first.outputs[0]);
  }

  void inside(const Node& node, const Graph& region) {
    for (const auto& [name, range] : region.symbols) {
      const auto outer = graph_.symbols.find(name);
      if (outer == graph_.symbols.end() || outer->second.min != range.min || outer->second.max != range.max)
        report(node, fmt::format("its region knows the symbol {} otherwise", name));
    }
    for (const std::string& violation : Verifier(region, depth_ + 1, given_).violations())
      report(node, "in its region: " + violation);
  }

  void agree(const Node& node, std::string_view what, const std::vector<Value*>& values,
             const std::vector<TensorType>& types) {
    if (values.size() != types.size())
      return report(node, fmt::format("{} are {}, {} are needed", what, values.size(), types.size()));
    for (std::size_t i = 0; i < types.size(); ++i)
      if (!agrees(values[i]->type, types[i], graph_.symbols))
        report(node, fmt::format("{}: %{} is {}, {} is needed", what, values[i]->name, to_string(values[i]->type),
                                 to_string(types[i])));
  }

  void condition(const Node& node, const Value* value) {
    if (value->type.dtype != DType::b8 || !(product(value->type.shape) == SymInt(1)))
      report(node, fmt::format("its condition %{} is {}, not one bool", value->name, to_string(value->type)));
  }

  void types(const Node& node) {
    std::vector<TensorType> inferred;
    try {
      inferred = infer_types(*node.op, node.args);
    } catch (const Error& error) {
      return report(node, error.what());
    }
    if (may_have_data_size(*node.op)) data_sizes(node, inferred);
    known_so_far(node);
    if (inferred.size() != node.outputs.size())
      return report(node, fmt::format("{} results, the operator gives {}", node.outputs.size(), inferred.size()));
    for (std::size_t i = 0; i < inferred.size(); ++i)
      if (!agrees(node.outputs[i]->type, inferred[i], graph_.symbols))
        report(node, fmt::format("%{} is {}, the operator gives {}", node.outputs[i]->name,
                                 to_string(node.outputs[i]->type), to_string(inferred[i])));
  }

  void outputs(const Node& node) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& value = *node.outputs[i];
      if (value.kind != ValueKind::node || value.producer != &node || value.index != i)
        report(node, fmt::format("%{} does not point back to the node that makes it", value.name));
    }
  }

  void results() {
    if (!graph_.output_names.empty() && graph_.output_names.size() != graph_.outputs.size())
      report("return", fmt::format("{} names for {} results", graph_.output_names.size(), graph_.outputs.size()));
    for (const Value* value : graph_.outputs) {
      if (value == nullptr)
        report("return", "a null value");
      else if (!defined_.contains(value))
        report("return", fmt::format("%{} is not defined", value->name));
    }
  }

  const Graph& graph_;
  const int depth_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> given_;  // symbols of inputs, and those that nodes so far have defined
  bool has_data_symbols_ = false;
  std::unordered_set<const Value*> defined_;
  std::vector<std::string> violations_;
};

}  // namespace

void verify(const Graph& graph, std::string_view after) {
  const std::vector<std::string> violations = Verifier(graph).violations();
  if (violations.empty()) return;
  throw InternalError(fmt::format("the graph is not sound:\n  {}", fmt::join(violations, "\n  ")),
                      after.empty() ? "verify" : fmt::format("after {}", after));
}

}  // namespace aitune

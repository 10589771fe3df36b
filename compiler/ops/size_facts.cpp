#include "compiler/ops/size_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "compiler/graph/text.h"
#include "compiler/ops/data_sizes.h"

namespace aitune {
namespace {

enum class Truth : std::uint8_t { always, sometimes, never };

Truth truth_of(const SizeFact& fact, const SymRanges& symbols) {
  const SymRange difference = (fact.lhs - fact.rhs).range(symbols);
  if (fact.equal) {
    if (difference.min == 0 && difference.max == 0) return Truth::always;
    return difference.min > 0 || difference.max < 0 ? Truth::never : Truth::sometimes;
  }
  if (difference.min >= 0) return Truth::always;
  return difference.max < 0 ? Truth::never : Truth::sometimes;
}

class Collector {
 public:
  Collector(const Graph& graph, bool region) : graph_(graph), region_(region) {}

  std::vector<SizeFact> run() {
    if (!region_)
      for (const Value* input : graph_.inputs)
        for (const SymInt& size : input->type.shape) add({size, 0, false}, nullptr);
    for (const auto& node : graph_.nodes()) look_at(*node);
    return std::move(facts_);
  }

 private:
  void look_at(const Node& node) {
    if (node.op->has_regions()) return;
    std::vector<SizeFact> taken;
    auto types = infer_types(*node.op, node.args, &taken);
    const auto place = data_size_place(types);
    if (place && place->output < node.outputs.size())
      name_size(node.outputs[place->output]->type.shape.at(place->dim), types, taken);
    // Passes may know a size by another expression than the shape rule.
    for (std::size_t i = 0; i < types.size() && i < node.outputs.size(); ++i) {
      const SymShape &stated = node.outputs[i]->type.shape, &inferred = types[i].shape;
      for (std::size_t d = 0; d < stated.size() && d < inferred.size(); ++d)
        if (!(stated[d] == inferred[d])) taken.push_back({stated[d], inferred[d], true});
    }
    for (const SizeFact& fact : taken) add(fact, &node);
  }

  /// What data decide has a name in the graph.
  static void name_size(const SymInt& stated, std::vector<TensorType>& types, std::vector<SizeFact>& taken) {
    const std::map<std::string, SymInt, std::less<>> map = {{data_size().str(), stated}};
    for (TensorType& type : types)
      for (SymInt& size : type.shape) size = size.substitute(map);
    for (SizeFact& fact : taken) fact = {fact.lhs.substitute(map), fact.rhs.substitute(map), fact.equal};
  }

  void add(const SizeFact& fact, const Node* node) {
    const SymInt difference = fact.lhs - fact.rhs;
    if (!(fact.equal ? equal_ : at_least_).insert(difference).second) return;
    const Truth truth = truth_of(fact, graph_.symbols);
    if (truth == Truth::always) return;
    if (truth == Truth::never && !region_) {
      throw Unsupported(fmt::format("{} holds for no size in the model's ranges", to_string(fact)),
                        node == nullptr ? "the inputs" : print(*node),
                        "Export the model again with ranges that fit it");
    }
    facts_.push_back(fact);
  }

  const Graph& graph_;
  const bool region_;
  std::set<SymInt> equal_, at_least_;
  std::vector<SizeFact> facts_;
};

}  // namespace

std::string to_string(const SizeFact& fact) {
  return fmt::format("{} {} {}", fact.lhs.str(), fact.equal ? "==" : ">=", fact.rhs.str());
}

std::vector<SizeFact> size_facts(const Graph& graph) {
  return graph.symbols.empty() ? std::vector<SizeFact>() : Collector(graph, false).run();
}

std::vector<SizeFact> region_size_facts(const Graph& region) {
  return region.symbols.empty() ? std::vector<SizeFact>() : Collector(region, true).run();
}

const Node* node_of_fact(const Graph& graph, const SizeFact& fact) {
  const auto is_same = [&](const SizeFact& other) {
    return other.equal == fact.equal && other.lhs - other.rhs == fact.lhs - fact.rhs;
  };
  for (const auto& node : graph.nodes()) {
    if (node->op->has_regions()) continue;
    std::vector<SizeFact> taken;
    (void)infer_types(*node->op, node->args, &taken);
    if (std::ranges::any_of(taken, is_same)) return node.get();
  }
  return nullptr;
}

void check_size_facts(const std::vector<SizeFact>& facts, const SymValues& symbols) {
  for (const SizeFact& fact : facts) {
    const std::int64_t lhs = fact.lhs.evaluate(symbols), rhs = fact.rhs.evaluate(symbols);
    if (fact.equal ? lhs == rhs : lhs >= rhs) continue;
    std::string values;
    std::vector<std::string> names;
    fact.lhs.collect_symbols(names);
    fact.rhs.collect_symbols(names);
    for (const std::string& name : std::set<std::string>(names.begin(), names.end()))
      values += fmt::format("{}{} = {}", values.empty() ? "" : ", ", name, symbols.at(name));
    throw InvalidArgument(fmt::format("the model needs {}, and got {}", to_string(fact), values), "input sizes",
                          "Give inputs whose sizes agree");
  }
}

}  // namespace aitune

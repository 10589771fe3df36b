#include "compiler/partition/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/op_names.h"
#include "compiler/ops/schema.h"
#include "compiler/partition/cut.h"

namespace aitune {
namespace {

/// In the graph, or in a region of it.
bool occurs(const std::string& pattern, const Graph& graph) {
  return std::ranges::any_of(graph.nodes(), [&](const auto& node) {
    return names_operator(pattern, node->op_name()) ||
           std::ranges::any_of(node->regions, [&](const auto& region) { return occurs(pattern, *region); });
  });
}

std::set<std::string> executed_ops(const PartitionOptions& options) {
  std::set<std::string> result;
  for (const std::string& name : options.torch_executed_ops) {
    const std::string pattern = graph_spelling(name);
    const auto ops = all_ops();
    if (std::none_of(ops.begin(), ops.end(), [&](const OpInfo& op) { return names_operator(pattern, op.name); })) {
      throw InvalidArgument(fmt::format("there is no operator \"{}\"", name), "torch_executed_ops",
                            "Write operators as aten.gelu.default");
    }
    result.insert(pattern);
  }
  return result;
}

/// Who takes a node, and why nobody before did.
struct Choice {
  std::size_t engine = 0;
  std::string reason;
};

class Chooser {
 public:
  Chooser(std::span<const CompileEngine* const> engines, const EngineOptions& engine_options,
          const PartitionOptions& options)
      : engines_(engines),
        engine_options_(engine_options),
        executed_(executed_ops(options)),
        fallback_data_dependent_(options.fallback_data_dependent_ops) {}

  /// The listed operators that are none of the graph's.
  std::vector<std::string> unused(const Graph& graph) const {
    std::vector<std::string> list;
    for (const std::string& pattern : executed_)
      if (!occurs(pattern, graph)) list.push_back(pattern);
    return list;
  }

  /// Nothing if no engine supports the node; `problem` says why.
  std::optional<Choice> choose(const Node& node, std::string& problem) const {
    Choice choice;
    const bool excluded = std::any_of(executed_.begin(), executed_.end(), [&](const std::string& pattern) {
      return names_operator(pattern, node.op_name());
    });
    for (; choice.engine < engines_.size(); ++choice.engine) {
      const CompileEngine& engine = *engines_[choice.engine];
      const bool fallback = choice.engine + 1 == engines_.size();
      if (excluded && !fallback) {
        choice.reason = "listed in torch_executed_ops";
        continue;
      }
      if (!fallback && fallback_data_dependent_ && data_symbol(node)) {
        choice.reason = "fallback_data_dependent_ops is set, and data decide the size of its result";
        continue;
      }
      const Support support = engine.supports(node, engine_options_);
      if (support.supported) return choice;
      if (!choice.reason.empty()) choice.reason += "; ";
      choice.reason += fmt::format("{}: {}", engine.name(), support.reason);
    }
    problem = choice.reason;
    return std::nullopt;
  }

 private:
  std::span<const CompileEngine* const> engines_;
  const EngineOptions& engine_options_;
  std::set<std::string> executed_;
  bool fallback_data_dependent_;
};

class FallbackList {
 public:
  void add(const Node& node, const std::string& reason) {
    constexpr std::size_t kMaxSources = 3;
    const auto [it, fresh] = index_.try_emplace({std::string(node.op_name()), reason}, list_.size());
    if (fresh) list_.push_back({std::string(node.op_name()), reason, 0, {}});
    Fallback& entry = list_[it->second];
    ++entry.count;
    if (entry.sources.size() < kMaxSources && !(node.source.module.empty() && node.source.code.empty())) {
      entry.sources.push_back(node.source);
    }
  }
  const std::vector<Fallback>& list() const { return list_; }
  std::vector<Fallback> take() { return std::move(list_); }

 private:
  std::map<std::pair<std::string, std::string>, std::size_t> index_;
  std::vector<Fallback> list_;
};

std::string to_text(const std::vector<Fallback>& fallbacks) {
  std::string text;
  for (const Fallback& fallback : fallbacks) {
    text += fmt::format("\n  {} ({} node{}): {}", fallback.op, fallback.count, fallback.count == 1 ? "" : "s",
                        fallback.reason);
    for (const SourceLocation& source : fallback.sources) {
      text += "\n    ";
      if (!source.module.empty()) text += source.module;
      if (!source.module.empty() && !source.code.empty()) text += ": ";
      text += source.code;
    }
  }
  return text;
}

/// Nodes of blocks that are too small move to the fallback, until no block is.
std::vector<std::size_t> cut_with_min_size(const Graph& graph, std::vector<Choice>& choices,
                                           std::span<const CompileEngine* const> engines,
                                           const EngineOptions& engine_options, int min_size) {
  while (true) {
    std::vector<std::size_t> engine_of;
    for (const Choice& choice : choices) engine_of.push_back(choice.engine);
    const bool control = std::ranges::find(engine_of, engines.size()) != engine_of.end();
    std::vector<std::size_t> levels = cut_levels(graph, engine_of, engines.size() + (control ? 1 : 0));
    std::map<std::size_t, int> sizes;
    for (const std::size_t level : levels) ++sizes[level];
    bool moved = false;
    std::size_t i = 0;
    for (const auto& node : graph.nodes()) {
      Choice& choice = choices[i];
      const int size = sizes.at(levels[i]);
      ++i;
      if (choice.engine + 1 >= engines.size() || size >= min_size) continue;
      if (!engines.back()->supports(*node, engine_options).supported) continue;
      choice = {engines.size() - 1, fmt::format("block of {} smaller than min_block_size {}", size, min_size)};
      moved = true;
    }
    if (!moved) return levels;
  }
}

/// Levels of nodes with regions are split, so that each such node has one to itself.
std::vector<std::size_t> with_own_levels(std::vector<std::size_t> levels, const std::vector<Choice>& choices,
                                         std::size_t control) {
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> numbers;
  const auto key = [&](std::size_t i) { return std::pair(levels[i], choices[i].engine == control ? i + 1 : 0); };
  for (std::size_t i = 0; i < levels.size(); ++i) numbers[key(i)] = 0;
  std::size_t next = 0;
  for (auto& [level, number] : numbers) number = next++;
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < levels.size(); ++i) result.push_back(numbers.at(key(i)));
  return result;
}

/// Builds the graph of one block.
class BlockBuilder {
 public:
  BlockBuilder(const Graph& whole, std::string name, const CompileEngine* engine) {
    block_.name = std::move(name);
    block_.engine = engine;
    block_.graph.symbols = whole.symbols;
    block_.graph.bounds = whole.bounds;
  }

  void add(const Node& node, const std::string& reason) {
    ArgList args = node.args;
    map(args);
    std::vector<TensorType> types;
    for (const Value* output : node.outputs) types.push_back(output->type);
    Node* copy = block_.graph.add_node(*node.op, std::move(args), std::move(types),
                                       node.outputs.empty() ? "" : node.outputs[0]->name);
    copy->source = node.source;
    copy->regions = clone_regions(node);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) inside_[node.outputs[i]] = copy->outputs[i];
    if (block_.fallback_reason.empty()) block_.fallback_reason = reason;
  }

  /// `leaves`: whether a value is needed outside of the block that produces it.
  Block finish(const std::unordered_set<const Value*>& leaving, const std::vector<const Node*>& nodes) {
    for (const Node* node : nodes) {
      for (const Value* output : node->outputs) {
        if (!leaving.contains(output)) continue;
        block_.outputs.push_back(output);
        block_.graph.outputs.push_back(inside_.at(output));
        block_.graph.output_names.push_back(output->name);
      }
    }
    return std::move(block_);
  }

 private:
  void map(ArgList& args) {
    for (Arg& arg : args) {
      if (auto* value = std::get_if<Value*>(&arg)) *value = inside(*value);
      if (auto* list = std::get_if<ArgList>(&arg)) map(*list);
    }
  }

  Value* inside(const Value* value) {
    if (const auto it = inside_.find(value); it != inside_.end()) return it->second;
    Value* copy = nullptr;
    if (value->kind == ValueKind::weight) {
      copy = block_.graph.add_weight(value->name, value->weight_name, value->data);
    } else {
      copy = block_.graph.add_input(value->name, value->type);
      block_.inputs.push_back(value);
    }
    return inside_[value] = copy;
  }

  Block block_;
  std::unordered_map<const Value*, Value*> inside_;
};

std::unordered_set<const Value*> leaving_values(const Graph& graph, const std::vector<std::size_t>& levels) {
  std::unordered_map<const Value*, std::size_t> level_of;
  std::unordered_set<const Value*> leaving;
  for (const Value* output : graph.outputs) {
    if (output->kind == ValueKind::node) leaving.insert(output);
  }
  std::size_t i = 0;
  for (const auto& node : graph.nodes()) {
    for (const Value* operand : node->operands()) {
      if (const auto it = level_of.find(operand); it != level_of.end() && it->second != levels[i])
        leaving.insert(operand);
    }
    for (const Value* output : node->outputs) level_of[output] = levels[i];
    ++i;
  }
  return leaving;
}

}  // namespace

Partition partition(const Graph& graph, std::span<const CompileEngine* const> engines,
                    const EngineOptions& engine_options, const PartitionOptions& options) {
  if (engines.empty()) throw InvalidArgument("no engine to partition for");
  if (options.min_block_size < 1) {
    throw InvalidArgument(fmt::format("min_block_size is {}", options.min_block_size), "", "Give 1 or more");
  }
  const Chooser chooser(engines, engine_options, options);
  std::vector<Choice> choices;
  FallbackList impossible;
  for (const auto& node : graph.nodes()) {
    if (node->op->has_regions()) {
      choices.push_back({engines.size(), ""});
      continue;
    }
    std::string problem;
    const auto choice = chooser.choose(*node, problem);
    if (!choice) impossible.add(*node, problem);
    choices.push_back(choice.value_or(Choice{}));
  }
  if (!impossible.list().empty()) {
    throw Unsupported("no engine takes these operators:" + to_text(impossible.list()), "",
                      "docs/adding-an-operator.md says how to add one");
  }
  const int min_block_size = options.require_full_compilation ? 1 : options.min_block_size;
  const auto levels = with_own_levels(cut_with_min_size(graph, choices, engines, engine_options, min_block_size),
                                      choices, engines.size());

  Partition result;
  FallbackList fallbacks;
  std::map<std::size_t, std::vector<std::size_t>> by_level;
  std::vector<const Node*> nodes;
  for (const auto& node : graph.nodes()) {
    const std::size_t i = nodes.size();
    by_level[levels[i]].push_back(i);
    nodes.push_back(node.get());
    if (engines.size() > 1 && choices[i].engine + 1 == engines.size()) fallbacks.add(*node, choices[i].reason);
  }
  if (options.require_full_compilation && !fallbacks.list().empty()) {
    throw Unsupported("require_full_compilation is set, and these operators fall back:" + to_text(fallbacks.list()), "",
                      "Leave require_full_compilation out, or change the model");
  }
  result.fallbacks = fallbacks.take();
  for (const std::string& op : chooser.unused(graph))
    result.warnings.push_back(fmt::format(
        "torch_executed_ops: the lowered graph has no {}: it does not occur, or lowering made other operators of it",
        op));
  const auto leaving = leaving_values(graph, levels);
  for (const auto& [level, members] : by_level) {
    const std::size_t engine = choices[members[0]].engine;
    BlockBuilder builder(graph, fmt::format("block{}", result.blocks.size()),
                         engine < engines.size() ? engines[engine] : nullptr);
    std::vector<const Node*> own;
    for (const std::size_t i : members) {
      builder.add(*nodes[i], choices[i].reason);
      own.push_back(nodes[i]);
    }
    result.blocks.push_back(builder.finish(leaving, own));
  }
  return result;
}

}  // namespace aitune

#include "compiler/tuning/autocast.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <regex>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/ops/op_names.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// std::regex goes deeper with every character.
constexpr std::size_t kMostOfName = 512;

/// The dimensions that an operator of the lowered graph sums over.
struct ProductOp {
  std::string_view name;
  std::size_t operand;  ///< whose sizes say how much is summed
  bool all_but_first;   ///< all but the first size; else the last one
};

constexpr ProductOp kProducts[] = {
    {"aten.linear.default", 0, false},     {"aten.mm.default", 0, false},     {"aten.addmm.default", 1, false},
    {"aten.bmm.default", 0, false},        {"aten.matmul.default", 0, false}, {"aten.baddbmm.default", 1, false},
    {"aten.convolution.default", 1, true},
};

const ProductOp* product_op(const Node& node) {
  const auto* found = std::ranges::find(kProducts, node.op_name(), &ProductOp::name);
  return found == std::end(kProducts) ? nullptr : found;
}

/// How many numbers are summed at most.
std::int64_t depth_of(const Node& node, const ProductOp& op, const SymRanges& symbols) {
  const SymShape& shape = operand(node, op.operand)->type.shape;
  if (shape.empty()) return 1;
  SymInt depth = shape.back();
  if (op.all_but_first) depth = product(SymShape(shape.begin() + 1, shape.end()));
  return depth.range(symbols).max;
}

/// One thing that the user leaves out, and whether anything was meant by it.
struct Exclusion {
  std::string text;
  std::function<bool(const Node&)> names;
  bool used = false;
};

bool search(const std::regex& pattern, const std::string& name) {
  return std::regex_search(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(std::min(name.size(), kMostOfName)),
                           pattern);
}

Exclusion excluded_node(const std::string& text) {
  const std::regex pattern(text);
  return {fmt::format("autocast_excluded_nodes has '{}'", text), [pattern](const Node& node) {
            const auto& nodes = node.source.nodes;
            return search(pattern, node.source.module) ||
                   std::ranges::any_of(node.outputs, [&](const Value* v) { return search(pattern, v->name); }) ||
                   std::ranges::any_of(
                       nodes, [&](const auto& n) { return search(pattern, n->module) || search(pattern, n->name); });
          }};
}

Exclusion excluded_op(const std::string& text) {
  const std::string op = graph_spelling(text);
  return {fmt::format("autocast_excluded_ops has '{}'", text), [op](const Node& node) {
            return names_operator(op, node.op_name()) ||
                   std::ranges::any_of(node.source.nodes, [&](const auto& n) { return names_operator(op, n->op); });
          }};
}

double largest(const Tensor& tensor) {
  if (is_complex(tensor.dtype())) return 0;
  double most = 0;
  for (const double x : to_doubles(tensor))
    most = std::isnan(x) ? std::numeric_limits<double>::infinity() : std::max(most, std::abs(x));
  return most;
}

using Largest = std::map<const Node*, double>;

Largest largest_results(const Graph& lowered, std::span<const std::vector<Tensor>> samples) {
  Largest found;
  const auto look = [&](const Node& node, std::span<const Tensor> outputs) {
    if (!product_op(node) || outputs.empty()) return;
    double& most = found[&node];
    most = std::max(most, largest(outputs.front()));
  };
  for (std::size_t s = 0; s < samples.size(); ++s) try {
      evaluate(lowered, samples[s], look);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(error.problem(), fmt::format("calibration sample {} of autocast, {}", s, error.where()),
                            "Give calls like those that the model is tuned on");
    }
  return found;
}

class Rules {
 public:
  Rules(const CompilationSettings& settings, Largest largest) : settings_(settings), largest_(std::move(largest)) {
    for (const std::string& text : settings.autocast_excluded_nodes) exclusions_.push_back(excluded_node(text));
    for (const std::string& text : settings.autocast_excluded_ops) exclusions_.push_back(excluded_op(text));
  }

  void apply(const Graph& graph) {
    for (const auto& node : graph.nodes()) {
      const Exclusion* excluded = nullptr;
      for (Exclusion& e : exclusions_)
        if (e.names(*node)) {
          e.used = true;
          excluded = &e;
        }
      if (const ProductOp* op = product_op(*node)) {
        if (excluded)
          keep(*node, excluded->text);
        else
          apply_limits(*node, *op, graph.symbols);
      }
      for (const auto& region : node->regions) apply(*region);
    }
  }

  AutocastRules take() {
    for (const Exclusion& e : exclusions_)
      if (!e.used) result_.warnings.push_back(e.text + ", which is nothing in the model");
    return std::move(result_);
  }

 private:
  void apply_limits(const Node& node, const ProductOp& op, const SymRanges& symbols) {
    const std::int64_t depth = depth_of(node, op, symbols);
    const auto most = largest_.find(&node);
    if (const auto& limit = settings_.autocast_max_depth_of_reduction; limit && depth > *limit)
      keep(node, fmt::format("it sums {} numbers, and autocast_max_depth_of_reduction is {}", depth, *limit));
    else if (most != largest_.end() && most->second > settings_.autocast_max_output_threshold)
      keep(node, fmt::format("its result reaches {:.3g}, and autocast_max_output_threshold is {}", most->second,
                             settings_.autocast_max_output_threshold));
  }

  void keep(const Node& node, const std::string& why) { result_.kept.emplace(node.output()->name, why); }

  const CompilationSettings& settings_;
  Largest largest_;
  std::vector<Exclusion> exclusions_;
  AutocastRules result_;
};

}  // namespace

AutocastRules autocast_rules(const Graph& lowered, const CompilationSettings& settings,
                             std::span<const std::vector<Tensor>> samples) {
  Rules rules(settings, largest_results(lowered, samples));
  rules.apply(lowered);
  return rules.take();
}

}  // namespace aitune

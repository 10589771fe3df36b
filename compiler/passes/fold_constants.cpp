#include "compiler/passes/fold_constants.h"

#include <algorithm>
#include <ranges>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

bool has_symbols(const Arg& arg) {
  if (const auto* size = std::get_if<SymInt>(&arg)) return !size->is_constant();
  return arg.is_list() && std::any_of(arg.list().begin(), arg.list().end(), has_symbols);
}

bool is_foldable(const Node& node) {
  if (node.op->is_inplace() || node.op->has_regions() || node.outputs.empty() || !is_deterministic(node)) return false;
  if (std::any_of(node.args.begin(), node.args.end(), has_symbols)) return false;
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [](const Value* v) { return constant_shape(v->type.shape).has_value(); });
}

std::int64_t byte_size(const Tensor& tensor) { return static_cast<std::int64_t>(tensor.byte_size()); }

class Folder {
 public:
  Folder(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  void run() {
    evaluate_constants();
    choose();
    replace();
  }

 private:
  void evaluate_constants() {
    for (Value* weight : graph_.weights) known_.emplace(weight, weight->data);
    for (const auto& node : graph_.nodes()) {
      if (!is_foldable(*node) || !small_enough_to_try(*node)) continue;
      std::vector<Tensor> operands;
      for (const Value* operand : node->operands()) {
        const auto it = known_.find(operand);
        if (it == known_.end()) break;
        operands.push_back(it->second);
      }
      if (operands.size() != node->operands().size()) continue;
      try {
        const auto results = context_.options.evaluator(*node, operands, {});
        for (std::size_t i = 0; i < results.size(); ++i) known_.emplace(node->outputs[i], results[i]);
        folded_.insert(node.get());
      } catch (const Unsupported&) {  // refused for want of a reference kernel: the node stays
      }
    }
  }

  /// Broadcasts are judged by what they read: their consumers may shrink them again.
  bool small_enough_to_try(const Node& node) const {
    std::int64_t out = 0, in = 0;
    for (const Value* output : node.outputs) {
      try {
        out += element_count(*constant_shape(output->type.shape)) *
               static_cast<std::int64_t>(dtype_size(output->type.dtype));
      } catch (const InvalidArgument&) {
        return false;
      }
    }
    for (const Value* operand : node.operands()) {
      if (const auto it = known_.find(operand); it != known_.end()) in += byte_size(it->second);
    }
    return out <= std::max(in, context_.options.max_folded_bytes);
  }

  /// Walks backwards: a folded node whose result is needed becomes a weight, or stays and needs its operands.
  void choose() {
    std::unordered_set<const Value*> needed(graph_.outputs.begin(), graph_.outputs.end());
    for (const auto& owned : std::views::reverse(graph_.nodes())) {
      const Node& node = *owned;
      if (!folded_.contains(&node)) {
        for (const Value* operand : node.operands()) needed.insert(operand);
        continue;
      }
      const bool used = std::any_of(node.outputs.begin(), node.outputs.end(),
                                    [&](const Value* output) { return needed.contains(output); });
      if (!used || !is_op(node, "aten.expand.default")) continue;
      stays_.insert(&node);
      for (const Value* operand : node.operands()) needed.insert(operand);
    }
    needed_ = std::move(needed);
  }

  void replace() {
    rewrite(graph_, [&](Inserter& insert, Node& node) -> Replacement {
      if (!folded_.contains(&node) || stays_.contains(&node)) return std::nullopt;
      std::vector<Value*> values;
      for (const Value* output : node.outputs) {
        values.push_back(needed_.contains(output) ? insert.constant(known_.at(output).contiguous(), output->name)
                                                  : nullptr);
      }
      return values;
    });
  }

  Graph& graph_;
  const PassContext& context_;
  std::unordered_map<const Value*, Tensor> known_;
  std::unordered_set<const Node*> folded_, stays_;
  std::unordered_set<const Value*> needed_;
};

}  // namespace

void fold_constants(Graph& graph, const PassContext& context) {
  if (context.options.evaluator) Folder(graph, context).run();
}

}  // namespace aitune

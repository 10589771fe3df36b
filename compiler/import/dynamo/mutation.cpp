#include "compiler/import/dynamo/mutation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"
#include "format/program_names.h"

namespace aitune::dynamo {
namespace {

bool updates_running_stats(const Node& node) {
  return node.op->id == OpId::aten_batch_norm_default && node.args.at(node.op->arg_index("training")).boolean();
}

class Roots {
 public:
  // The input, weight or fresh result whose memory `value` may be.
  Value* of(Value* value) const {
    const auto it = roots_.find(value);
    return it == roots_.end() ? value : it->second;
  }

  /// Whether the node copies a tensor to itself.
  bool copies_to_itself(const Node& node) const {
    return node.op->id == OpId::aten_copy__default && whole_of(node.args[0].value()) == whole_of(node.args[1].value());
  }

  void add(const Node& node) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const Alias alias = alias_of(node, i);
      if (alias.kind != Aliasing::fresh) roots_[node.outputs[i]] = of(alias.operand);
      if (alias.kind == Aliasing::same) wholes_[node.outputs[i]] = whole_of(alias.operand);
    }
  }

 private:
  // The tensor that `value` is under another name.
  const Value* whole_of(const Value* value) const {
    const auto it = wholes_.find(value);
    return it == wholes_.end() ? value : it->second;
  }

  std::unordered_map<const Value*, Value*> roots_;
  std::unordered_map<const Value*, const Value*> wholes_;
};

/// A write to what came from outside.
struct Write {
  Value* root = nullptr;
  std::string place;        ///< " at net.py:12 in forward"; empty where it is not known
  bool statistics = false;  ///< of a batch norm in training mode
};

void find_writes(const Graph& graph, std::vector<Write>& found, std::vector<Write>& inner) {
  std::set<const Value*> seen;
  const auto add = [&](Value* root, const Node& by, bool statistics) {
    if (root == nullptr || root->kind == ValueKind::node || !seen.insert(root).second) return;
    found.push_back({root, by.source.code.empty() ? "" : " at " + by.source.code, statistics});
  };
  Roots roots;
  for (const auto& node : graph.nodes()) {
    for (std::size_t i = 0; i < node->args.size(); ++i)
      if (node->op->args[i].written && !changes_only_shape(*node->op))
        add(roots.of(node->args[i].value_or_null()), *node, false);
    if (updates_running_stats(*node))
      for (const auto* stat : {"running_mean", "running_var"})
        add(roots.of(node->args.at(node->op->arg_index(stat)).value_or_null()), *node, true);
    roots.add(*node);
    for (const auto& region : node->regions) find_writes(*region, inner, inner);
  }
}

/// torch.export writes `self.table = self.table.to(x.device)` as a copy of the table to itself: that is no state.
void drop_copies_to_themselves(Graph& graph) {
  Roots roots;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end();) {
    const auto node = it++;
    if (roots.copies_to_itself(**node)) {
      graph.replace_all_uses((*node)->output(), (*node)->args[0].value());
      graph.erase(node);
    } else {
      roots.add(**node);
    }
  }
}

bool is_weight(const Write& write) { return write.root->kind == ValueKind::weight; }

std::string describe(const Write& write) {
  return !is_weight(write) ? fmt::format("input {}{}", write.root->name, write.place)
                           : fmt::format("weight {}{}", write.root->weight_name, write.place);
}

/// From the first to behind the last byte of the elements.
std::pair<std::uintptr_t, std::uintptr_t> memory_of(const Tensor& tensor) {
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.data());
  std::uintptr_t end = begin;
  if (tensor.numel() == 0) return {begin, end};
  std::int64_t last = 0;
  for (std::size_t d = 0; d < tensor.shape().size(); ++d) last += (tensor.shape()[d] - 1) * tensor.strides()[d];
  end += (static_cast<std::uintptr_t>(last) + 1) * dtype_size(tensor.dtype());
  return {begin, end};
}

void refuse(const std::vector<Write>& writes, std::string_view what, const std::string& where, std::string fix) {
  if (writes.empty()) return;
  std::vector<std::string> places;
  for (const Write& write : writes) places.push_back(describe(write));
  throw Unsupported(fmt::format("the model writes {}: {}", what, fmt::join(places, ", ")), where, std::move(fix));
}

void lift(const Write& write, ImportedModel& model) {
  Graph& graph = model.graph;
  WrittenInput written;
  if (is_weight(write)) {
    written.buffer = write.root->weight_name;
    Tensor first = write.root->data;
    graph.make_input(write.root, in_program(written.buffer));
    model.buffers.emplace_back(write.root->name, std::move(first));
    if (!model.arguments.empty()) model.arguments.push_back({written.buffer, "", write.root->name});
  }
  written.input = write.root->name;
  written.output = graph.add_output(write.root, written.input);
  if (written.buffer.empty())
    model.warnings.push_back(
        fmt::format("the model writes to its input {}{}: what that holds then is the output {} of the file, and only "
                    "aitune.torch.Module writes it to the caller's tensor; "
                    "a model that need not do that says x = x.clone() first",
                    written.input, write.place, written.output));
  model.written.push_back(std::move(written));
}

}  // namespace

void lift_writes(ImportedModel& model, const std::string& where) {
  drop_copies_to_themselves(model.graph);
  std::vector<Write> writes, inner, statistics, lifted;
  find_writes(model.graph, writes, inner);
  refuse(inner, "inside of a branch or a loop", where,
         "Let the branch return the new value, and store it behind the branch");
  for (Write& write : writes) (write.statistics ? statistics : lifted).push_back(std::move(write));
  refuse(statistics, "its statistics", where, "A batch norm in training mode does: call model.eval() before saving");
  const auto buffers = std::ranges::stable_partition(lifted, [](const Write& w) { return !is_weight(w); });
  std::vector<std::string> names;
  for (const Write& write : buffers) names.push_back(write.root->weight_name);
  if (!names.empty()) model.warnings.push_back(state_warning(names, buffers.front().place));
  for (const Write& write : lifted)
    if (is_weight(write)) refuse_shared_memory(model.graph, write.root, "buffer", where);
  for (const Write& write : lifted) lift(write, model);
}

void refuse_shared_memory(const Graph& graph, const Value* written, std::string_view what, const std::string& where) {
  const auto [begin, end] = memory_of(written->data);
  for (const Value* other : graph.weights) {
    const auto [other_begin, other_end] = memory_of(other->data);
    if (other == written || other_begin >= end || begin >= other_end) continue;
    throw Unsupported(fmt::format("the model writes to its {} {}, and {} shares its memory", what, written->weight_name,
                                  other->weight_name),
                      where, "Give each a tensor of its own (.clone()); torch.fx makes constants of parts of buffers");
  }
}

std::string state_warning(const std::vector<std::string>& buffers, std::string_view place) {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> names(buffers.begin(),
                                 buffers.begin() + std::min<std::ptrdiff_t>(std::ssize(buffers), kShown));
  if (buffers.size() > kShown) names.push_back(fmt::format("and {} more", buffers.size() - kShown));
  return fmt::format(
      "the model keeps state in its buffers{} ({}): they are inputs, whose first values are in the file, and what the "
      "next "
      "call needs are the outputs of the same names",
      place, fmt::join(names, ", "));
}

void add_buffers(const ImportedModel& model, NamedTensors& call) {
  for (const auto& [name, first] : model.buffers)
    if (std::ranges::find(call, name, &NamedTensors::value_type::first) == call.end()) call.emplace_back(name, first);
}

}  // namespace aitune::dynamo

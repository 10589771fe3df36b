#include "compiler/passes/functionalise.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The result may be the operand's memory under another shape, or a copy (PyTorch decides some by strides).
constexpr auto kViews = std::to_array<std::string_view>({"aten.view.default",
                                                         "aten._unsafe_view.default",
                                                         "aten.reshape.default",
                                                         "aten.flatten.using_ints",
                                                         "aten.unflatten.int",
                                                         "aten.squeeze.default",
                                                         "aten.squeeze.dim",
                                                         "aten.squeeze.dims",
                                                         "aten.unsqueeze.default",
                                                         "aten.transpose.int",
                                                         "aten.t.default",
                                                         "aten.permute.default",
                                                         "aten.numpy_T.default",
                                                         "aten.movedim.int",
                                                         "aten.movedim.intlist",
                                                         "aten.swapaxes.default",
                                                         "aten.expand.default",
                                                         "aten.expand_as.default",
                                                         "aten.view_as.default",
                                                         "aten.slice.Tensor",
                                                         "aten.select.int",
                                                         "aten.narrow.default",
                                                         "aten.unbind.int",
                                                         "aten.split.Tensor",
                                                         "aten.split_with_sizes.default",
                                                         "aten.chunk.default",
                                                         "aten.contiguous.default",
                                                         "aten.diagonal.default",
                                                         "aten.reshape_as.default",
                                                         "aten.broadcast_to.default",
                                                         "aten.swapdims.default",
                                                         "aten.split.sizes",
                                                         "aten.tensor_split.sections",
                                                         "aten.unfold.default",
                                                         "aten._reshape_alias.default",
                                                         "aten.broadcast_tensors.default"});

/// The first argument is the result.
constexpr auto kIdentity = std::to_array<std::string_view>(
    {"aten.clone.default", "aten.detach.default", "aten.detach_.default", "aten.alias.default",
     "aten.contiguous.default", "aten.lift_fresh.default", "aten.lift_fresh_copy.default", "aten.lift.default",
     "aten.positive.default", "aten.alias_copy.default", "aten.detach_copy.default"});

/// Casts and copies to a device: the identity if the dtype stays.
constexpr auto kCasts =
    std::to_array<std::string_view>({"aten.to.dtype", "aten.to.device", "aten.to.dtype_layout", "aten.to.other",
                                     "aten.type_as.default", "aten._to_copy.default"});

/// Identities unless the argument `train` (the name stands beside) is true.
constexpr auto kDropouts = std::to_array<std::string_view>(
    {"aten.dropout.default", "aten.dropout_.default", "aten.native_dropout.default", "aten.feature_dropout.default",
     "aten.feature_dropout_.default", "aten.alpha_dropout.default", "aten.alpha_dropout_.default",
     "aten.feature_alpha_dropout.default"});

/// Checks on the caller's data, proven by the exporter or by the runtime's own checks.
bool is_assertion(std::string_view name) {
  return name.starts_with("aten._assert") || name.starts_with("aten.sym_constrain_range");
}

bool is_training(const Node& node) {
  const auto flag = [&](std::string_view argument) {
    const auto& arguments = node.op->args;
    const auto it = std::find_if(arguments.begin(), arguments.end(), [&](const auto& a) { return a.name == argument; });
    if (it == arguments.end()) return false;
    const Arg& arg = node.args.at(static_cast<std::size_t>(it - arguments.begin()));
    return !arg.is_none() && arg.boolean();
  };
  const std::string_view name = node.op_name();
  if (contains(kDropouts, name)) return flag("train");
  if (name == "aten.batch_norm.default" || name == "aten.native_batch_norm.default" ||
      name == "aten._native_batch_norm_legit.default") {
    return flag("training");
  }
  return name == "aten._native_batch_norm_legit_functional.default";
}

/// "aten.relu_.default" -> "aten.relu.default"
const OpInfo* functional_form(const OpInfo& op) {
  if (op.name == "aten.__iand__.Tensor") return find_op("aten.bitwise_and.Tensor");
  if (op.name == "aten.__ior__.Tensor") return find_op("aten.bitwise_or.Tensor");
  if (op.name == "aten.transpose_.default") return find_op("aten.transpose.int");
  const std::size_t dot = op.name.find('.', op.name.find('.') + 1);
  if (dot == std::string::npos || dot == 0 || op.name[dot - 1] != '_') return nullptr;
  return find_op(op.name.substr(0, dot - 1) + op.name.substr(dot));
}

/// unsqueeze_ and its like write no element.
bool changes_only_shape(const Node& node) {
  static constexpr auto names =
      std::to_array<std::string_view>({"aten.squeeze_.default", "aten.squeeze_.dim", "aten.squeeze_.dims",
                                       "aten.unsqueeze_.default", "aten.transpose_.default", "aten.t_.default"});
  return contains(names, node.op_name());
}

/// The result is the very tensor that the first argument is.
bool returns_operand(const Node& node) {
  if (node.op->is_inplace()) return true;
  const std::string_view name = node.op_name();
  if (name == "aten.clone.default" || name == "aten.contiguous.default" || name == "aten.lift_fresh_copy.default" ||
      name == "aten._to_copy.default" || name.ends_with("_copy.default") || node.args.empty() ||
      !node.args[0].is_value()) {
    return false;
  }
  if (contains(kCasts, name)) return node.args[0].value()->type.dtype == node.output()->type.dtype;
  return contains(kIdentity, name) || contains(kDropouts, name);
}

/// Walks the nodes in order with a map from tensors, as the eager program names them, to the values that hold their
/// present contents.
class Functionaliser {
 public:
  Functionaliser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) { find_cells(); }

  void run() {
    for (auto it = graph_.nodes().begin(); it != graph_.nodes().end(); ++it, ++position_) {
      const auto operands = (*it)->operands();
      const std::size_t written = operands.empty() ? 0 : cell_of(operands[0]);
      map_operands((*it)->args, [this](Value* value) { return current(value); });
      visit(it, written);
    }
    if (!problems_.empty()) {
      throw Unsupported(fmt::format("the graph cannot be made functional:\n  {}", fmt::join(problems_, "\n  ")), "",
                        "Export the model in evaluation mode (model.eval()) and without writes into parts of tensors");
    }
    for (Value*& output : graph_.outputs) output = current(output);
    erase_nodes(graph_, dead_);
  }

 private:
  /// A tensor of the eager program: one shape of one piece of memory.
  struct Cell {
    std::size_t memory = 0;    // the cell that owns the memory
    std::size_t last_use = 0;  // position of the last node that reads it under any name
    Value* now = nullptr;
    std::size_t born = 0;  // position of the node that makes it: a later view shows what is written now
  };

  void visit(Graph::NodeList::iterator it, std::size_t written) {
    Node& node = **it;
    const std::string_view name = node.op_name();
    if (is_training(node)) {
      problems_.push_back(describe_node(node) + ": is in training mode");
    } else if (is_assertion(name)) {
      dead_.push_back(&node);
    } else if (contains(kIdentity, name) || contains(kDropouts, name)) {
      replace(node, node.args.at(0).value());
    } else if (contains(kCasts, name)) {
      Inserter insert(graph_, it);
      replace(node, insert.cast(node.args.at(0).value(), node.output()->type.dtype));
    } else if (node.op->is_inplace()) {
      make_functional(it, written);
    }
  }

  void make_functional(Graph::NodeList::iterator it, std::size_t written) {
    Node& node = **it;
    if (!changes_only_shape(node) && !check_write(node, written)) return;
    const TensorType type = node.args.at(0).value()->type;
    Inserter insert(graph_, it);
    Value* result = nullptr;
    if (node.op_name() == "aten.copy_.default") {
      result = insert.expand(insert.cast(node.args.at(1).value(), type.dtype), type.shape);
    } else if (const OpInfo* op = functional_form(*node.op); op != nullptr) {
      // A float result that is written into an integer tensor is converted back.
      result = insert.cast(insert.call(op->name, node.args), type.dtype);
    } else {
      problems_.push_back(describe_node(node) + ": writes in place and has no functional form");
      return;
    }
    replace(node, result);
  }

  /// A write must not be visible through another shape of the same memory that is read later, nor outlive the call.
  bool check_write(const Node& node, std::size_t written) {
    const Value* owner = cells_[cells_[written].memory].now;
    if (is_weight(owner)) {
      problems_.push_back(
          fmt::format("{}: writes to {}, and weights are constant", describe_node(node), owner->weight_name));
      return false;
    }
    if (owner->kind == ValueKind::input) {
      context_.warn(fmt::format("{} writes into the input %{}: the caller's tensor will keep its contents",
                                describe_node(node), owner->name));
    }
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& other = cells_[i];
      if (i == written || other.memory != cells_[written].memory) continue;
      if (other.last_use <= position_ || other.born > position_) continue;
      problems_.push_back(fmt::format("{}: writes into memory that %{} shares and that is read later",
                                      describe_node(node), other.now->name));
      return false;
    }
    return true;
  }

  void replace(Node& node, Value* value) {
    cells_[cell_of(node.output())].now = value;
    dead_.push_back(&node);
  }

  std::size_t cell_of(Value* value) {
    const auto [it, fresh] = cell_of_.try_emplace(value, cells_.size());
    if (fresh) cells_.push_back({cells_.size(), 0, value});
    return it->second;
  }

  /// Values made during the walk have no cell: they stand for themselves.
  Value* current(Value* value) const {
    const auto it = cell_of_.find(value);
    return it == cell_of_.end() ? value : cells_[it->second].now;
  }

  /// Groups the values that share memory, and notes the last use of each, before anything is rewritten.
  void find_cells() {
    for (Value* input : graph_.inputs) cell_of(input);
    for (Value* weight : graph_.weights) cell_of(weight);
    std::size_t position = 0;
    for (const auto& node : graph_.nodes()) {
      for (Value* operand : node->operands()) cells_[cell_of(operand)].last_use = position;
      if (returns_operand(*node)) {
        cell_of_[node->output()] = cell_of(node->args.at(0).value());
      } else {
        const bool view = contains(kViews, node->op_name());
        for (Value* result : node->outputs) {
          const std::size_t cell = cell_of(result);
          cells_[cell].born = position;
          if (view) cells_[cell].memory = cells_[cell_of(node->args.at(0).value())].memory;
        }
      }
      ++position;
    }
    for (Value* output : graph_.outputs) cells_[cell_of(output)].last_use = position;
  }

  Graph& graph_;
  const PassContext& context_;
  std::size_t position_ = 0;
  std::vector<Cell> cells_;
  std::unordered_map<const Value*, std::size_t> cell_of_;
  std::vector<const Node*> dead_;
  std::vector<std::string> problems_;
};

}  // namespace

void functionalise(Graph& graph, const PassContext& context) { Functionaliser(graph, context).run(); }

}  // namespace aitune

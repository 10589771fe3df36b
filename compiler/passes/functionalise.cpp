#include "compiler/passes/functionalise.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/memory_map.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/views.h"

namespace aitune {
namespace {

/// The first argument is the result, whatever its memory is.
bool is_identity(const Node& node) {
  switch (node.op->id) {
    case OpId::aten_clone_default:
    case OpId::aten_detach_default:
    case OpId::aten_detach__default:
    case OpId::aten_alias_default:
    case OpId::aten_contiguous_default:
    case OpId::aten_lift_default:
    case OpId::aten_lift_fresh_default:
    case OpId::aten_lift_fresh_copy_default:
    case OpId::aten_positive_default:
    case OpId::aten_alias_copy_default:
    case OpId::aten_detach_copy_default:
      return true;
    default:
      return is_dropout(node);
  }
}

/// Casts and copies to a device: the identity if the dtype stays.
bool is_cast(const Node& node) {
  switch (node.op->id) {
    case OpId::aten_to_dtype:
    case OpId::aten_to_device:
    case OpId::aten_to_dtype_layout:
    case OpId::aten_to_other:
    case OpId::aten_type_as_default:
    case OpId::aten__to_copy_default:
      return true;
    default:
      return false;
  }
}

/// Checks on the caller's data, proven by the exporter or by the runtime's own checks.
bool is_assertion(std::string_view name) {
  return name.starts_with("aten._assert") || name.starts_with("aten.sym_constrain_range");
}

bool is_training(const Node& node) {
  const auto flag = [&](std::string_view name) {
    const Arg& arg = argument(node, name);
    return !arg.is_none() && arg.boolean();
  };
  switch (node.op->id) {
    case OpId::aten_batch_norm_default:
    case OpId::aten_native_batch_norm_default:
    case OpId::aten__native_batch_norm_legit_default:
      // Without running statistics those of the batch are meant in inference, too (standardised weights).
      return flag("training") && !argument(node, "running_mean").is_none();
    default:
      return is_dropout(node) && flag("train");
  }
}

constexpr std::string_view kEvaluationFix = "save or export the model in evaluation mode: model.eval()";
constexpr std::string_view kWriteFix = "let it write into tensors of its own: x = x.clone() before x[...] = y";

/// Walks the nodes in order. The map knows, for every tensor of the eager program, the value of its present contents.
class Functionaliser {
 public:
  /// `region`: the graph's inputs belong to the graph around it, which is not to see writes.
  Functionaliser(Graph& graph, bool region) : graph_(graph), region_(region), memory_(graph) {
    for (const auto& node : graph.nodes())
      if (addresses_memory(*node->op)) addressed_.insert(node->args.at(0).value());
  }

  void run() {
    for (auto it = graph_.nodes().begin(); it != graph_.nodes().end(); ++it) {
      visit(it);
      memory_.step();
    }
    Inserter insert = Inserter::at(graph_, graph_.nodes().end());
    for (Value*& output : graph_.outputs) output = memory_.current(output, insert);
    if (!problems_.empty()) {
      throw Unsupported(fmt::format("the graph cannot be made functional:\n  {}", fmt::join(problems_, "\n  ")), "",
                        fix());
    }
    erase_nodes(graph_, dead_);
  }

 private:
  std::string fix() const {
    if (training_ == 0) return std::string(kWriteFix);
    if (training_ == problems_.size()) return std::string(kEvaluationFix);
    return fmt::format("{}, and {}", kEvaluationFix, kWriteFix);
  }

  void visit(Graph::NodeList::iterator it) {
    Node& node = **it;
    Inserter insert(graph_, it);
    if (addresses_memory(*node.op) && !memory_.is_row_major(node.args.at(0).value()))
      problems_.push_back(describe_node(node) + ": addresses memory of a tensor whose strides are not known");
    const Value* written = node.op->is_inplace() ? node.args.at(0).value() : nullptr;
    map_operands(node.args, [&](Value* value) { return memory_.current(value, insert); });
    if (is_training(node)) {
      problems_.push_back(describe_node(node) + ": is in training mode");
      ++training_;
    } else if (is_assertion(node.op_name())) {
      dead_.push_back(&node);
    } else if (is_identity(node) && !says_how_memory_lies(node)) {
      become(node, node.args.at(0).value());
      if (node.outputs.size() > 1)  // native_dropout's mask
        memory_.set(node.output(1), insert.call("aten.ones_like.default", {node.args[0]}, {{"dtype", DType::b8}}));
    } else if (is_cast(node)) {
      become(node, insert.cast(node.args.at(0).value(), node.output()->type.dtype));
    } else if (written != nullptr && changes_only_shape(*node.op)) {
      memory_.reshape(written, node, show_through(insert, node, 0, node.args.at(0).value()));
      dead_.push_back(&node);
    } else if (written != nullptr) {
      write(insert, node, written);
    } else {
      for (Value* output : node.outputs) memory_.set(output, output);
    }
  }

  bool says_how_memory_lies(const Node& node) const {
    return node.op->id == OpId::aten_contiguous_default && addressed_.contains(node.output());
  }

  void become(Node& node, Value* value) {
    memory_.set(node.output(), value);
    dead_.push_back(&node);
  }

  void write(Inserter& insert, Node& node, const Value* written) {
    if (!may_write(node, written)) return;
    Value* result = written_value(insert, node);
    if (result == nullptr) {
      problems_.push_back(describe_node(node) + ": writes in place and has no functional form");
    } else if (!memory_.write(written, result, insert)) {
      problems_.push_back(describe_node(node) + ": writes through a view whose elements share memory");
    }
    dead_.push_back(&node);
  }

  /// What the tensor holds afterwards. A float result that is written into an integer tensor is converted back.
  static Value* written_value(Inserter& insert, const Node& node) {
    const TensorType& type = node.args.at(0).value()->type;
    if (node.op->id == OpId::aten_copy__default)
      return insert.expand(insert.cast(node.args.at(1).value(), type.dtype), type.shape);
    const OpInfo* op = functional_form(*node.op);
    if (op == nullptr) return nullptr;
    // It keeps its size, which the functional form may know by another name: that of an operand which has to be equal.
    return insert.expand(insert.cast(insert.call(op->name, arguments_of(*op, node)), type.dtype), type.shape);
  }

  /// By name: polygamma_(self, n) is polygamma(n, self).
  static ArgList arguments_of(const OpInfo& functional, const Node& node) {
    ArgList args;
    for (const SchemaArg& expected : functional.args) {
      const auto given = std::ranges::find(node.op->args, expected.name, &SchemaArg::name);
      if (given == node.op->args.end()) return node.args;
      args.push_back(node.args.at(static_cast<std::size_t>(given - node.op->args.begin())));
    }
    return args;
  }

  /// A write must not outlive the call, nor be visible or not as strides decide.
  bool may_write(const Node& node, const Value* written) {
    for (const Value* owner : memory_.owners(written)) {
      if (is_weight(owner)) {
        problems_.push_back(
            fmt::format("{}: writes to {}, and weights are constant", describe_node(node), owner->weight_name));
        return false;
      }
      if (owner->kind == ValueKind::input && region_) {
        problems_.push_back(
            fmt::format("{}: writes, inside of an if or a loop, into a tensor from outside", describe_node(node)));
        return false;
      }
    }
    if (const Value* other = memory_.read_later_and_perhaps_shared(written)) {
      problems_.push_back(
          fmt::format("{}: writes into memory that %{}, which is read later, shares or not, depending on strides",
                      describe_node(node), other->name));
      return false;
    }
    return true;
  }

  Graph& graph_;
  const bool region_;
  MemoryMap memory_;
  std::set<const Value*> addressed_;  // what addresses_memory() reads
  std::vector<const Node*> dead_;
  std::vector<std::string> problems_;
  std::size_t training_ = 0;  ///< of the problems
};

}  // namespace

void functionalise(Graph& graph, const PassContext&) {
  Functionaliser(graph, false).run();
  for_each_region(graph, [&](Graph& region) { Functionaliser(region, true).run(); });
}

}  // namespace aitune

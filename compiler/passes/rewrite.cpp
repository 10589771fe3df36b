#include "compiler/passes/rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "compiler/ops/schema.h"

namespace aitune {

Inserter::Inserter(Graph& graph, Graph::NodeList::iterator position)
    : graph_(graph), position_(position), source_((*position)->source) {
  if (!(*position)->outputs.empty()) hint_ = (*position)->outputs[0]->name;
}

Node* Inserter::call_node(std::string_view op, ArgList args, std::vector<std::pair<std::string, Arg>> keyword) {
  const OpInfo* info = find_op(op);
  if (info == nullptr) throw InternalError(fmt::format("lowering emits {}, which is not in the list of operators", op));
  // Callers pass everything in schema order; what the schema wants by keyword is given by keyword.
  for (std::size_t i = 0; i < args.size() && i < info->args.size(); ++i) {
    if (!info->args[i].keyword_only) continue;
    for (std::size_t k = i; k < args.size() && k < info->args.size(); ++k) {
      keyword.emplace_back(info->args[k].name, std::move(args[k]));
    }
    args.resize(i);
  }
  Node* node =
      graph_.add_node_inferred(*info, bind_arguments(*info, std::move(args), std::move(keyword)), hint_, position_);
  node->source = source_;
  made_.insert(made_.end(), node->outputs.begin(), node->outputs.end());
  return node;
}

Node* Inserter::call_typed(std::string_view op, ArgList args, std::vector<TensorType> types) {
  const OpInfo* info = find_op(op);
  if (info == nullptr) throw InternalError(fmt::format("lowering emits {}, which is not in the list of operators", op));
  Node* node = graph_.add_node(*info, std::move(args), std::move(types), hint_, position_);
  node->source = source_;
  made_.insert(made_.end(), node->outputs.begin(), node->outputs.end());
  return node;
}

Value* Inserter::call(std::string_view op, ArgList args, std::vector<std::pair<std::string, Arg>> keyword) {
  return call_node(op, std::move(args), std::move(keyword))->output();
}

Value* Inserter::constant(Tensor data, std::string_view hint) {
  const std::string name = graph_.unique_name(hint);
  Value* value = graph_.add_weight(name, "lowered." + name, std::move(data));
  made_.push_back(value);
  return value;
}

bool Inserter::made(const Value* value) const { return std::find(made_.begin(), made_.end(), value) != made_.end(); }

Value* Inserter::scalar(DType dtype, double value) { return constant(from_doubles(dtype, {}, {value}), "scalar"); }

Value* Inserter::view(Value* x, const SymShape& shape) {
  if (x->type.shape == shape) return x;
  return call("aten.view.default", {x, to_args(shape)});
}

Value* Inserter::permute(Value* x, const std::vector<std::int64_t>& dims) {
  bool identity = true;
  for (std::size_t i = 0; i < dims.size(); ++i) identity = identity && dims[i] == static_cast<std::int64_t>(i);
  if (identity) return x;
  return call("aten.permute.default", {x, to_args(dims)});
}

Value* Inserter::expand(Value* x, const SymShape& shape) {
  if (x->type.shape == shape) return x;
  return call("aten.expand.default", {x, to_args(shape)});
}

Value* Inserter::cast(Value* x, DType dtype) {
  if (x->type.dtype == dtype) return x;
  return call("aten._to_copy.default", {x}, {{"dtype", dtype}});
}

Value* Inserter::slice(Value* x, std::int64_t dim, const SymInt& start, const SymInt& end) {
  if (start.is(0) && end == x->type.shape.at(static_cast<std::size_t>(dim))) return x;
  return call("aten.slice.Tensor", {x, SymInt(dim), start, end, SymInt(1)});
}

void map_operands(ArgList& args, const std::function<Value*(Value*)>& map) {
  for (Arg& arg : args) {
    if (auto* value = std::get_if<Value*>(&arg)) {
      *value = map(*value);
    } else if (auto* list = std::get_if<ArgList>(&arg)) {
      map_operands(*list, map);
    }
  }
}

namespace {

/// The nodes that `node` and what is computed only on the way to it stand for: back from it up to values that its
/// replacement reads.
SourceLocation covered_by(const Node& node, const std::unordered_set<const Value*>& frontier) {
  constexpr std::size_t kMost = 64;  // a pattern has fewer nodes; beyond, its operands were replaced as well
  SourceLocation covered;
  std::vector<const Node*> list = {&node};
  for (std::size_t i = 0; i < list.size() && list.size() < kMost; ++i)
    for (const Value* operand : list[i]->operands())
      if (operand->producer != nullptr && !frontier.contains(operand) &&
          std::ranges::find(list, operand->producer) == list.end())
        list.push_back(operand->producer);
  for (const Node* each : list) covered.adopt(each->source);
  return covered;
}

/// Tells the nodes that take the place of `node` which nodes of the model they compute now.
void keep_sources(const Inserter& inserter, const Node& node, const std::vector<Value*>& replacement) {
  std::unordered_set<const Value*> frontier;
  for (const Value* value : inserter.made())
    if (value->producer != nullptr)
      for (const Value* operand : value->producer->operands())
        if (!inserter.made(operand)) frontier.insert(operand);
  for (const Value* value : replacement)
    if (value != nullptr && !inserter.made(value)) frontier.insert(value);
  const SourceLocation covered = covered_by(node, frontier);
  for (const Value* value : inserter.made())
    if (value->producer != nullptr) value->producer->source.adopt(covered);
  for (const Value* value : replacement)
    if (value != nullptr && value->producer != nullptr && !inserter.made(value)) value->producer->source.adopt(covered);
}

/// What a rule cannot do is said of the node, which the user knows, and not of one that the rule makes.
Replacement replacement_of(const RewriteRule& rule, Inserter& inserter, Node& node) {
  try {
    return rule(inserter, node);
  } catch (const Error& error) {
    if (error.where().starts_with('%')) throw;
    throw Error(error.code(),
                error.where().empty() ? error.problem() : fmt::format("{}: {}", error.where(), error.problem()),
                describe_node(node), error.fix());
  }
}

}  // namespace

bool rewrite(Graph& graph, const RewriteRule& rule) {
  std::unordered_map<const Value*, Value*> replaced;
  std::vector<const Node*> dead;
  const auto current = [&](Value* value) {
    const auto it = replaced.find(value);
    return it == replaced.end() ? value : it->second;
  };
  for (auto it = graph.nodes().begin(); it != graph.nodes().end(); ++it) {
    Node& node = **it;
    map_operands(node.args, current);
    Inserter inserter(graph, it);
    const Replacement replacement = replacement_of(rule, inserter, node);
    if (!replacement) continue;
    keep_sources(inserter, node, *replacement);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      Value* now = replacement->at(i);
      if (now == nullptr) continue;
      const TensorType& old = node.outputs[i]->type;
      if (old.dtype != now->type.dtype || old.shape.size() != now->type.shape.size()) {
        throw InternalError(
            fmt::format("a rewrite changes the type from {} to {}", to_string(old), to_string(now->type)),
            describe_node(node));
      }
      if (inserter.made(now) && node.outputs.size() == 1) std::swap(now->name, node.outputs[i]->name);
      replaced[node.outputs[i]] = now;
    }
    dead.push_back(&node);
  }
  for (Value*& output : graph.outputs) output = current(output);
  erase_nodes(graph, dead);
  return !dead.empty();
}

void erase_nodes(Graph& graph, const std::vector<const Node*>& nodes) {
  if (nodes.empty()) return;
  const std::unordered_set<const Node*> doomed(nodes.begin(), nodes.end());
  std::unordered_set<const Value*> used(graph.outputs.begin(), graph.outputs.end());
  for (const auto& node : graph.nodes()) {
    if (doomed.contains(node.get())) continue;
    for (const Value* operand : node->operands()) used.insert(operand);
  }
  for (const Node* node : nodes) {
    for (const Value* output : node->outputs) {
      if (used.contains(output)) throw InternalError("a removed node is still used", describe_node(*node));
    }
  }
  // One sweep: Graph::erase checks the uses of each node by itself, which is quadratic here.
  graph.nodes().remove_if([&](const std::unique_ptr<Node>& node) {
    if (!doomed.contains(node.get())) return false;
    for (Value* output : node->outputs) output->producer = nullptr;
    return true;
  });
}

UseCounts::UseCounts(const Graph& graph) {
  for (const auto& node : graph.nodes()) {
    for (const Value* operand : node->operands()) ++counts_[operand];
  }
  for (const Value* output : graph.outputs) ++counts_[output];
}

std::size_t UseCounts::of(const Value* value) const {
  const auto it = counts_.find(value);
  return it == counts_.end() ? 0 : it->second;
}

bool has_argument(const Node& node, std::string_view name) {
  return std::ranges::find(node.op->args, name, &SchemaArg::name) != node.op->args.end();
}

const Arg& argument(const Node& node, std::string_view name) { return node.args.at(node.op->arg_index(name)); }

bool is_op(const Node& node, std::string_view op) { return node.op_name() == op; }

Node* producer_if(const Value* value, std::string_view op) {
  if (value == nullptr || value->producer == nullptr || value->producer->op_name() != op) return nullptr;
  return value->producer;
}

std::int64_t wrap_dim(std::int64_t dim, std::size_t rank) {
  return dim < 0 ? dim + static_cast<std::int64_t>(rank) : dim;
}

bool is_moderate(double factor) {
  const double size = std::abs(factor);
  return size == 0 || (size >= 0x1p-60 && size <= 0x1p60);
}

std::optional<double> constant_number(const Arg& arg) {
  if (const auto* flag = std::get_if<bool>(&arg)) return *flag ? 1.0 : 0.0;
  if (const auto* number = std::get_if<double>(&arg)) return *number;
  if (const auto* integer = std::get_if<SymInt>(&arg); integer != nullptr && integer->is_constant()) {
    return static_cast<double>(integer->constant());
  }
  return std::nullopt;
}

std::optional<double> scalar_weight(const Value* value) {
  if (!is_weight(value) || is_complex(value->type.dtype) || value->data.numel() != 1) return std::nullopt;
  return to_doubles(value->data)[0];
}

bool weight_is_all(const Value* value, double expected, std::int64_t limit) {
  if (!is_weight(value) || is_complex(value->type.dtype)) return false;
  const std::int64_t count = value->data.numel();
  if (count == 0 || count > limit) return false;
  const Tensor& data = value->data;
  const Tensor first(data.dtype(), {}, {}, data.owner(), data.data());
  if (to_doubles(first)[0] != expected) return false;  // most weights end here
  for (const double element : to_doubles(value->data)) {
    if (element != expected) return false;
  }
  return true;
}

std::vector<double> to_doubles(const Tensor& tensor) {
  const Tensor wide = tensor.to(DType::f64).contiguous();
  const auto* begin = wide.as<const double>();
  return {begin, begin + wide.numel()};
}

Tensor from_doubles(DType dtype, Shape shape, const std::vector<double>& values) {
  Tensor wide(DType::f64, std::move(shape));
  if (wide.numel() != static_cast<std::int64_t>(values.size())) throw InternalError("element count and shape differ");
  std::copy(values.begin(), values.end(), wide.as<double>());
  if (is_complex(dtype)) {
    Shape pairs = wide.shape();
    pairs.push_back(2);
    std::vector<double> parts;
    for (const double value : values) parts.insert(parts.end(), {value, 0.0});
    const Tensor flat = from_doubles(dtype == DType::c128 ? DType::f64 : DType::f32, std::move(pairs), parts);
    return {dtype, wide.shape(), contiguous_strides(wide.shape()), flat.owner(), flat.data()};
  }
  return dtype == DType::f64 ? wide : wide.to(dtype);
}

std::optional<Shape> constant_shape(const SymShape& shape) {
  Shape result;
  for (const SymInt& size : shape) {
    const auto constant = size.as_constant();
    if (!constant) return std::nullopt;
    result.push_back(*constant);
  }
  return result;
}

ArgList to_args(const SymShape& shape) { return {shape.begin(), shape.end()}; }

ArgList to_args(const std::vector<std::int64_t>& values) {
  ArgList result;
  for (const std::int64_t value : values) result.emplace_back(SymInt(value));
  return result;
}

std::string describe_node(const Node& node) {
  std::string text = fmt::format("%{} = {}", node.outputs.empty() ? "?" : node.outputs[0]->name, node.op_name());
  if (!node.source.module.empty()) text += " in " + node.source.module;
  if (!node.source.code.empty()) text += " (" + node.source.code + ")";
  return text;
}

}  // namespace aitune

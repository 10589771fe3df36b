#include "compiler/graph/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

std::string clean_name(std::string_view hint) {
  std::string name;
  for (const char c : hint) {
    const bool fine = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
    name += fine ? c : '_';
  }
  if (name.empty()) return "v";
  return std::isdigit(static_cast<unsigned char>(name[0])) != 0 ? "_" + name : name;
}

// "aten.max_pool2d.default" gives "max_pool2d".
std::string short_name(const OpInfo& op) {
  const std::string_view name = op.name;
  const auto first = name.find('.');
  if (first == std::string_view::npos) return std::string(name);
  const auto last = name.find('.', first + 1);
  return std::string(name.substr(first + 1, last == std::string_view::npos ? last : last - first - 1));
}

SymShape constant_shape(const Tensor& data) { return {data.shape().begin(), data.shape().end()}; }

/// The size as a number, where it has one value in the ranges of symbols that move: Min(s0, 1) of s0 from 2 on is 1.
SymInt settled(const SymInt& size, const SymRanges& symbols) {
  if (size.is_constant()) return size;
  const SymRange range = size.range(symbols);
  if (range.min != range.max) return size;
  std::vector<std::string> names;
  size.collect_symbols(names);
  const bool moves = std::ranges::any_of(names, [&](const std::string& name) {
    const auto found = symbols.find(name);
    return found == symbols.end() || found->second.min != found->second.max;
  });
  return moves ? SymInt(range.min) : size;
}

}  // namespace

Node::Node() = default;
Node::~Node() = default;

std::string Graph::unique_name(std::string_view hint) {
  std::string base = clean_name(hint);
  if (names_.emplace(base, 0).second) return base;
  while (true) {
    std::string name = fmt::format("{}_{}", base, ++names_[base]);
    if (names_.emplace(name, 0).second) return name;
  }
}

void Graph::rename(Value* value, std::string_view hint) {
  names_.erase(value->name);
  value->name = unique_name(hint);
}

Value* Graph::add_value(std::string_view hint, TensorType type, ValueKind kind) {
  auto value = std::make_unique<Value>();
  value->name = unique_name(hint);
  value->type = std::move(type);
  value->kind = kind;
  values_.push_back(std::move(value));
  return values_.back().get();
}

Value* Graph::add_input(std::string_view name, TensorType type) {
  Value* value = add_value(name, std::move(type), ValueKind::input);
  inputs.push_back(value);
  return value;
}

Value* Graph::add_weight(std::string_view name, std::string weight_name, Tensor data) {
  Value* value = add_value(name, {data.dtype(), constant_shape(data)}, ValueKind::weight);
  value->weight_name = std::move(weight_name);
  value->data = std::move(data);
  weights.push_back(value);
  return value;
}

void Graph::make_input(Value* weight, std::string_view name) {
  std::erase(weights, weight);
  const auto has_name = [&](const Value* value) { return value != weight && value->name == clean_name(name); };
  for (const auto& node : nodes_)
    if (const auto found = std::ranges::find_if(node->outputs, has_name); found != node->outputs.end()) {
      const std::string old = (*found)->name;
      (*found)->name = unique_name(old);
      names_.erase(old);
    }
  rename(weight, name);
  weight->kind = ValueKind::input;
  weight->weight_name.clear();
  weight->data = {};
  inputs.push_back(weight);
}

const std::string& Graph::add_output(Value* value, const std::string& name) {
  std::string unique = name;
  for (int i = 1; std::ranges::find(output_names, unique) != output_names.end(); ++i)
    unique = fmt::format("{}_{}", name, i);
  outputs.push_back(value);
  return output_names.emplace_back(std::move(unique));
}

Node* Graph::add_node(const OpInfo& op, ArgList args, std::vector<TensorType> types, std::string name_hint,
                      std::optional<NodeList::iterator> position) {
  auto owned = std::make_unique<Node>();
  Node* node = owned.get();
  node->op = &op;
  node->args = std::move(args);
  const std::string hint = name_hint.empty() ? short_name(op) : std::move(name_hint);
  for (TensorType& type : types) {
    for (SymInt& size : type.shape) size = settled(size, symbols);
    Value* value = add_value(hint, std::move(type), ValueKind::node);
    value->producer = node;
    value->index = node->outputs.size();
    node->outputs.push_back(value);
  }
  node->self_ = nodes_.insert(position.value_or(nodes_.end()), std::move(owned));
  return node;
}

Node* Graph::add_node_inferred(const OpInfo& op, ArgList args, std::string name_hint,
                               std::optional<NodeList::iterator> position) {
  std::vector<TensorType> types = infer_types(op, args);
  name_data_size(*this, op, args, types);
  return add_node(op, std::move(args), std::move(types), std::move(name_hint), position);
}

Graph::NodeList::iterator Graph::iterator_of(const Node* node) { return node->self_; }

void Graph::erase(NodeList::iterator position) {
  const Node& node = **position;
  const auto is_own = [&](const Value* v) { return v != nullptr && v->producer == &node; };
  bool used = std::any_of(outputs.begin(), outputs.end(), is_own);
  // Uses follow definitions, so only what stands behind the node can use it.
  for (auto it = std::next(position); it != nodes_.end() && !used; ++it)
    for_each_value((*it)->args, [&](const Value* v) { used |= is_own(v); });
  if (used) throw InternalError(fmt::format("{} is erased but its result is used", node.op_name()), "Graph::erase");
  for (Value* output : node.outputs) {
    names_.erase(output->name);
    output->producer = nullptr;
  }
  nodes_.erase(position);
}

void Graph::replace_all_uses(const Value* from, Value* to) {
  const auto replace = [&](Value*& value) {
    if (value == from) value = to;
  };
  for (const auto& node : nodes_) for_each_value(node->args, replace);
  std::for_each(outputs.begin(), outputs.end(), replace);
}

std::unordered_map<const Value*, std::vector<Node*>> Graph::users() const {
  std::unordered_map<const Value*, std::vector<Node*>> result;
  for (const auto& node : nodes_) for_each_value(node->args, [&](const Value* v) { result[v].push_back(node.get()); });
  return result;
}

bool Graph::is_output(const Value* v) const { return std::find(outputs.begin(), outputs.end(), v) != outputs.end(); }

void SourceLocation::adopt(const SourceLocation& other) {
  const auto before = [](const auto& a, const auto& b) { return a->index < b->index; };
  for (const auto& node : other.nodes) {
    const auto at = std::ranges::lower_bound(nodes, node, before);
    if (at == nodes.end() || (*at)->index != node->index) nodes.insert(at, node);
  }
}

namespace {

void number_model_nodes(Graph& graph, std::size_t& index) {
  for (const auto& node : graph.nodes()) {
    if (node->source.nodes.empty()) {
      std::string name(node->outputs.empty() ? node->op_name() : node->outputs[0]->name);
      node->source.nodes.push_back(std::make_shared<const ModelNode>(
          ModelNode{index, std::move(name), std::string(node->op_name()), node->source.module, node->source.code}));
    }
    ++index;
    for (const auto& region : node->regions) number_model_nodes(*region, index);
  }
}

}  // namespace

void note_model_nodes(Graph& graph) {
  std::size_t index = 0;
  number_model_nodes(graph, index);
}

Graph Graph::clone() const {
  Graph copy;
  copy.symbols = symbols;
  copy.bounds = bounds;
  copy.output_names = output_names;
  copy.in_spec = in_spec;
  copy.out_spec = out_spec;
  std::unordered_map<const Value*, Value*> copied;
  const auto copy_value = [&](const Value* value) {
    copy.values_.push_back(std::make_unique<Value>(*value));
    return copied[value] = copy.values_.back().get();
  };
  const auto translate = [&](Value*& value) {
    const auto it = copied.find(value);
    if (it == copied.end())
      throw InternalError(fmt::format("%{} is used but nothing defines it", value == nullptr ? "null" : value->name),
                          "Graph::clone");
    value = it->second;
  };
  for (const Value* value : inputs) copy.inputs.push_back(copy_value(value));
  for (const Value* value : weights) copy.weights.push_back(copy_value(value));
  for (const auto& node : nodes_) {
    auto owned = std::make_unique<Node>();
    owned->op = node->op;
    owned->args = node->args;
    owned->outputs = node->outputs;
    owned->source = node->source;
    owned->regions = clone_regions(*node);
    for_each_value(owned->args, translate);
    for (Value*& output : owned->outputs) {
      output = copy_value(output);
      output->producer = owned.get();
    }
    Node* raw = owned.get();
    raw->self_ = copy.nodes_.insert(copy.nodes_.end(), std::move(owned));
  }
  copy.outputs = outputs;
  std::for_each(copy.outputs.begin(), copy.outputs.end(), translate);
  for (const auto& value : copy.values_) copy.names_.emplace(value->name, 0);
  return copy;
}

}  // namespace aitune

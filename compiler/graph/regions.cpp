#include "compiler/graph/regions.h"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "compiler/ops/schema.h"

namespace aitune {

bool is_if(const Node& node) { return node.op->id == OpId::higher_order_cond_default; }
bool is_loop(const Node& node) { return node.op->id == OpId::higher_order_while_loop_default; }

namespace {

std::vector<Value*> values_of(const ArgList& args, std::initializer_list<std::size_t> lists) {
  std::vector<Value*> values;
  for (const std::size_t i : lists)
    for (const Arg& arg : args.at(i).list()) values.push_back(arg.value());
  return values;
}

}  // namespace

std::vector<Value*> region_operands(const Node& node) {
  return is_if(node) ? values_of(node.args, {1}) : values_of(node.args, {0, 1});
}

std::size_t carried_count(const Node& node) { return is_loop(node) ? node.args.at(0).list().size() : 0; }

std::vector<TensorType> region_result_types(const OpInfo& op, const ArgList& args, const Regions& regions) {
  if (regions.size() != 2) throw InvalidArgument(fmt::format("{} regions, not 2", regions.size()), op.name);
  std::vector<TensorType> types;
  if (op.id == OpId::higher_order_while_loop_default)
    for (const Value* carried : values_of(args, {0})) types.push_back(carried->type);
  else
    for (const Value* result : regions[0]->outputs) types.push_back(result->type);
  return types;
}

namespace {

std::optional<std::string> difference(std::string_view what, std::string_view here, const std::vector<Value*>& values,
                                      std::string_view there, const std::vector<Value*>& others) {
  if (values.size() != others.size())
    return fmt::format("there are {} {}s {} and {} {}", values.size(), what, here, others.size(), there);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i]->type != others[i]->type)
      return fmt::format("{} {} is {} {} and {} {}", what, i, to_string(values[i]->type), here,
                         to_string(others[i]->type), there);
  return std::nullopt;
}

std::optional<std::string> condition_problem(const Value* value) {
  if (value->type.dtype == DType::b8 && product(value->type.shape) == SymInt(1)) return std::nullopt;
  return fmt::format("its condition is {}, not one bool", to_string(value->type));
}

}  // namespace

std::optional<std::string> region_problem(const Node& node) {
  const Graph &first = *node.regions.at(0), &second = *node.regions.at(1);
  const std::vector<Value*> operands = region_operands(node);
  for (const auto& region : node.regions)
    if (auto problem = difference("operand", "outside", operands, "inside", region->inputs)) return problem;
  if (is_if(node)) {
    if (auto problem = condition_problem(node.args[0].value())) return problem;
    return difference("result", "in one branch", first.outputs, "in the other", second.outputs);
  }
  if (first.outputs.size() != 1) return fmt::format("its condition gives {} results", first.outputs.size());
  if (auto problem = condition_problem(first.outputs[0])) return problem;
  const std::vector<Value*> carried(operands.begin(),
                                    operands.begin() + static_cast<std::ptrdiff_t>(carried_count(node)));
  return difference("carried value", "before the loop", carried, "after a trip", second.outputs);
}

Regions clone_regions(const Node& node) {
  Regions copies;
  for (const auto& region : node.regions) copies.push_back(std::make_unique<Graph>(region->clone()));
  return copies;
}

void for_each_region(Graph& graph, const std::function<void(Graph&)>& f) {
  for (const auto& node : graph.nodes())
    for (const auto& region : node->regions) {
      for_each_region(*region, f);
      f(*region);
    }
}

void spread_symbols(Graph& graph) {
  for_each_region(graph, [&](Graph& region) {
    region.symbols = graph.symbols;
    region.bounds = graph.bounds;
  });
}

namespace {

/// Captures what is foreign; `captured` are the values that have inputs behind the region's own already.
void close_region(Graph& region, std::vector<Value*>& captured) {
  std::unordered_map<const Value*, Value*> own;
  for (Value* input : region.inputs) own[input] = input;
  for (Value* weight : region.weights) own[weight] = weight;
  for (const Value* value : captured) own[value] = region.add_input(value->name, value->type);
  const auto translate = [&](Value*& value) {
    Value*& inside = own[value];
    if (inside == nullptr && value->kind == ValueKind::weight) {
      inside = region.add_weight(value->name, value->weight_name, value->data);
    } else if (inside == nullptr) {
      inside = region.add_input(value->name, value->type);
      captured.push_back(value);
    }
    value = inside;
  };
  for (const auto& node : region.nodes()) {
    for_each_value(node->args, translate);
    for (Value* output : node->outputs) own[output] = output;
  }
  for (Value*& output : region.outputs) translate(output);
}

}  // namespace

std::vector<Value*> close_regions(Regions& regions) {
  std::vector<Value*> captured;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const std::size_t before = captured.size();
    close_region(*regions[i], captured);
    for (std::size_t earlier = 0; earlier < i; ++earlier)
      for (std::size_t k = before; k < captured.size(); ++k)
        regions[earlier]->add_input(captured[k]->name, captured[k]->type);
  }
  return captured;
}

void input_becomes_weight(Graph& region, std::size_t index, const Value& weight) {
  Value* input = region.inputs.at(index);
  Value* own = nullptr;
  for (Value* known : region.weights)
    if (known->data.data() == weight.data.data() && known->type == weight.type &&
        known->data.strides() == weight.data.strides())
      own = known;
  if (own == nullptr) own = region.add_weight(weight.name, weight.weight_name, weight.data);
  region.replace_all_uses(input, own);
  region.inputs.erase(region.inputs.begin() + static_cast<std::ptrdiff_t>(index));
}

}  // namespace aitune

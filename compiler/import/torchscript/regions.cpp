// Running a branch or the body of a loop into a graph of its own.

#include "compiler/graph/regions.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {

/// While it lives, nodes go to a new graph; what the program changes is undone at its end.
class Evaluator::RegionScope {
 public:
  explicit RegionScope(Evaluator& evaluator)
      : evaluator_(evaluator), outer_(evaluator.graph_), locals_(evaluator.frame().locals) {
    if (evaluator.journals_.size() + 1 >= kMaxRegionDepth)
      evaluator.unsupported("branches and loops that data decide lie too deep in each other");
    made_->symbols = evaluator.model_.symbols;
    evaluator_.around_.push_back(outer_);
    evaluator_.graph_ = made_.get();
    evaluator_.journals_.push_back({next_birth(), {}, evaluator.frames_.size() - 1});
  }
  ~RegionScope() {
    for (auto& [name, slot] : evaluator_.journals_.back().before) name.first->slots[name.second] = std::move(slot);
    for (auto& [list, state] : evaluator_.journals_.back().lists) {
      list->items = std::move(state.items);
      list->grown = std::move(state.grown);
    }
    for (auto& [dict, items] : evaluator_.journals_.back().dicts) dict->items = std::move(items);
    evaluator_.journals_.pop_back();
    evaluator_.frame().locals = std::move(locals_);
    evaluator_.around_.pop_back();
    evaluator_.graph_ = outer_;
  }
  RegionScope(const RegionScope&) = delete;
  RegionScope& operator=(const RegionScope&) = delete;

  RegionRun take(std::optional<Val> result) {
    RegionRun run{std::move(made_), evaluator_.frame().locals, {}, std::move(result)};
    for (const auto& [list, state] : evaluator_.journals_.back().lists)
      run.lists.emplace(list, ListState{list->items, list->grown});
    for (const auto& [dict, items] : evaluator_.journals_.back().dicts) run.dicts.emplace(dict, dict->items);
    for (const auto& [name, slot] : evaluator_.journals_.back().before)
      run.slots.emplace(name, name.first->slots[name.second].value);
    return run;
  }

 private:
  Evaluator& evaluator_;
  Graph* outer_;
  std::unordered_map<std::string, Val> locals_;
  std::unique_ptr<Graph> made_ = std::make_unique<Graph>();
};

Evaluator::RegionRun Evaluator::run_region(const std::function<std::optional<Val>()>& body) {
  RegionScope scope(*this);
  charge(frame().locals.size());
  std::optional<Val> result = body();
  return scope.take(std::move(result));
}

void Evaluator::changed(const Val& container) {
  if (const auto* list = container.get<ListPtr>(); list != nullptr && is_outside((*list)->born)) {
    charge((*list)->items.size());
    journals_.back().lists.try_emplace(*list, ListState{(*list)->items, (*list)->grown});
  }
  if (const auto* dict = container.get<DictPtr>(); dict != nullptr && is_outside((*dict)->born)) {
    charge((*dict)->items.size());
    journals_.back().dicts.try_emplace(*dict, (*dict)->items);
  }
  changed_.push_back(container);
}

void Evaluator::set_items(const ListPtr& list, Vals items) {
  changed(list);
  list->items = std::move(items);
  list->grown = nullptr;
}

void Evaluator::set_items(const DictPtr& dict, DictItems items) {
  changed(dict);
  dict->items = std::move(items);
}

Val Evaluator::unknown_number(Value* tensor, std::optional<DType> wanted) {
  const std::string reason = "it depends on the data of a tensor";
  if (!(product(tensor->type.shape) == SymInt(1)) || is_complex(tensor->type.dtype)) return Unknown{reason};
  const DType has = tensor->type.dtype;
  const DType type = wanted.value_or(has == DType::b8 ? DType::b8 : is_floating(has) ? DType::f64 : DType::i64);
  Val number = tensor;
  if (!tensor->type.shape.empty()) number = call_operator(*this, "reshape", {number, make_list({})}, {});
  if (has != type) {
    if (type == DType::b8)
      number = call_operator(*this, "ne", {number, SymInt(0)}, {});
    else
      number = call_operator(*this, "to", {number, SymInt(scalar_type_of(type))}, {});
  }
  return Unknown{reason, this->tensor(number)};
}

Value* Evaluator::condition_value(const Unknown& unknown, std::string_view what, std::string fix) {
  if (unknown.value == nullptr)
    unsupported(fmt::format("{} is not known when the model is tuned: {}", what, unknown.reason), std::move(fix));
  return unknown_number(unknown.value, DType::b8).get<Unknown>()->value;
}

Value* Evaluator::filler(Graph& graph, TensorType type) {
  for (SymInt& size : type.shape)
    if (!is_visible(size)) size = 0;
  const OpInfo& op = *find_op("aten.full.default");
  ArgList sizes(type.shape.begin(), type.shape.end());
  ArgList args = bind_arguments(op, {std::move(sizes), SymInt(0)}, {{"dtype", type.dtype}});
  Node* node = graph.add_node(op, std::move(args), {type}, "unset");
  node->source = location();
  return node->output();
}

Value* Evaluator::tensor_or_number(const Val& value) {
  if (value.is_tensor() || value.get<Stored>() != nullptr) return tensor(value);
  if (const auto* unknown = value.get<Unknown>()) return unknown->value;
  if (const auto* flag = value.get<bool>()) return tensor(Number{*flag, DType::b8});
  if (const auto* real = value.get<double>()) return tensor(Number{*real, DType::f64});
  if (const auto* size = value.get<SymInt>()) return tensor(Number{*size, DType::i64});
  return nullptr;
}

Node* Evaluator::add_region_node(OpId id, Value* condition, const Vals& carried, Regions regions) {
  ArgList values, operands;
  for (const Val& value : carried) values.emplace_back(*value.get<Value*>());
  for (const auto& region : regions)
    for (const Value* output : region->outputs) region->output_names.push_back(output->name);
  for (Value* captured : close_regions(regions)) operands.emplace_back(captured);
  ArgList args;
  if (condition != nullptr)
    args = {condition, operands};
  else
    args = {values, operands, None{}};
  std::vector<TensorType> types = region_result_types(op_info(id), args, regions);
  Node* node = graph_->add_node(op_info(id), std::move(args), std::move(types));
  made(*node);
  node->source = location();
  node->regions = std::move(regions);
  if (const auto problem = region_problem(*node)) throw InternalError(*problem, node->source.code);
  return node;
}

}  // namespace aitune::torchscript

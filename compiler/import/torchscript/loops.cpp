// A loop whose trips data decide: its body runs until it is known what it carries from trip to trip.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/graph_scope.h"
#include "compiler/import/torchscript/loop_builder.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

void collect_assigned(const std::vector<Stmt>& block, std::set<std::string>& names) {
  for (const Stmt& statement : block) {
    if (statement.kind == StmtKind::define) continue;  // it has names of its own
    for (const Expr& target : statement.targets)
      if (target.kind == ExprKind::name) names.insert(target.text);
    collect_assigned(statement.body, names);
    collect_assigned(statement.other, names);
  }
}

}  // namespace

Evaluator::LoopBuilder::LoopBuilder(Evaluator& evaluator, const Stmt& statement, const Unknown* trips,
                                    std::int64_t first)
    : evaluator_(evaluator), statement_(statement), place_(evaluator.location().code), first_(first) {
  if (trips != nullptr) {
    trips_ = trips->value;
    Leaf counter;
    counter.before = SymInt(first);
    counter.carried = true;
    leaves_.push_back(std::move(counter));
  }
  std::set<std::string> names;
  collect_assigned(statement.body, names);
  for (const std::string& name : names) {
    const auto known = evaluator.frame().locals.find(name);
    if (known != evaluator.frame().locals.end()) add(Carried{name, std::nullopt, known->second});
  }
}

bool Evaluator::LoopBuilder::build() {
  RegionRun body = run_body();
  while (!settle(body)) {
    evaluator_.discarded_.push_back(std::move(body.graph));
    if (starts_with_none_ && peels()) return false;
    body = run_body();
  }
  for (const auto& leaf : leaves_)
    if (leaf.is_own()) add_results(*body.graph, leaf);
  RegionRun condition = evaluator_.run_region([&] {
    Graph& graph = evaluator_.graph();
    bind(graph);
    graph.outputs.push_back(condition_of());
    return std::nullopt;
  });
  Vals initial;
  for (const Leaf& leaf : leaves_)
    if (leaf.is_own())
      for (Value* value : carried_form(leaf, evaluator_.tensor_or_number(leaf.before))) initial.emplace_back(value);
  Regions regions;
  regions.push_back(std::move(condition.graph));
  regions.push_back(std::move(body.graph));
  evaluator_.frame().offset = statement_.offset;
  const Node* node =
      evaluator_.add_region_node(OpId::higher_order_while_loop_default, nullptr, initial, std::move(regions));
  std::size_t next = 0;
  for (Leaf& leaf : leaves_) {
    if (leaf.same_as != nullptr) leaf.now = leaf.same_as->now;
    if (!leaf.is_own()) continue;
    Value* value = node->outputs.at(next++);
    std::vector<Value*> sizes;
    for (std::size_t i = 0; i < leaf.grown.dims.size(); ++i) sizes.push_back(node->outputs.at(next++));
    leaf.now = wrapped(leaf, evaluator_.without_padding(value, leaf.grown.dims, leaf.grown.bounds, sizes));
  }
  assign();
  return true;
}

void Evaluator::LoopBuilder::add(Carried carried) {
  add_leaves(carried);
  values_.push_back(std::move(carried));
}

void Evaluator::LoopBuilder::add_leaves(Carried& carried) {
  carried.first = leaves_.size();
  flatten(carried.before, [&](const Val& value) {
    Leaf leaf;
    leaf.before = value;
    const auto* unknown = value.get<Unknown>();
    const bool may_change =
        value.is_tensor() || value.get<Stored>() != nullptr || (unknown != nullptr && unknown->value != nullptr);
    // A list is the same one on every trip, and may become longer, until a trip is seen to make another one.
    leaf.carried = may_change && carried.before.get<ListPtr>() == nullptr;
    leaves_.push_back(std::move(leaf));
  });
  carried.count = leaves_.size() - carried.first;
}

void Evaluator::LoopBuilder::add(const ListPtr& list, const GrownItems& initial) {
  Carried carried{fmt::format("a list, appended to in the loop at {},", place_),
                  std::nullopt,
                  list,
                  leaves_.size(),
                  2,
                  list,
                  None{},
                  initial.joined,
                  initial.numbers};
  leaves_.resize(leaves_.size() + 2);
  start(carried, initial);
  values_.push_back(std::move(carried));
}

void Evaluator::LoopBuilder::start(const Carried& carried, const GrownItems& initial) {
  Leaf &rows = leaves_[carried.first], &count = leaves_[carried.first + 1];
  rows = {};
  count = {};
  rows.before = initial.rows;
  rows.carried = initial.rows.is_tensor();
  count.before = initial.count;
  count.carried = initial.joined;
}

Val Evaluator::LoopBuilder::rebuilt(const Val& value, std::size_t& leaf, int depth) const {
  if (const Maybe* maybe = maybe_of(value); maybe != nullptr && depth < kMaxCarriedDepth) {
    const Val present = leaves_[leaf++].now, held = rebuilt(maybe->value, leaf, depth + 1);
    return maybe_value(value.get<Unknown>()->reason, present, held);
  }
  const Vals* items = value.items();
  if (items == nullptr || depth >= kMaxCarriedDepth) return leaves_[leaf++].now;
  Vals made;
  for (const Val& item : *items) made.push_back(rebuilt(item, leaf, depth + 1));
  if (value.get<ListPtr>() != nullptr) return make_list(std::move(made));
  return make_tuple(std::move(made), (*value.get<TuplePtr>())->type);
}

GrownItems Evaluator::LoopBuilder::items_now(const Carried& carried) const {
  return {leaves_[carried.first].now, leaves_[carried.first + 1].now, carried.joined, carried.numbers};
}

Val Evaluator::LoopBuilder::wrapped(const Leaf& leaf, Value* value) {
  if (!leaf.number()) return value;
  return Unknown{"a loop changes it, as often as data decide", value};
}

void Evaluator::LoopBuilder::bind(Graph& graph) {
  find_same();
  for (Leaf& leaf : leaves_) {
    if (!leaf.is_own()) {
      leaf.now = leaf.same_as != nullptr ? leaf.same_as->now : leaf.before;
      continue;
    }
    const Value* initial = evaluator_.tensor_or_number(leaf.before);
    TensorType type = initial->type;
    Growth& grown = leaf.grown;
    for (std::size_t i = 0; i < grown.dims.size(); ++i) type.shape[grown.dims[i]] = grown.bounds[i];
    Value* value = graph.add_input(initial->name, std::move(type));
    std::vector<Value*> sizes;
    for (std::size_t i = 0; i < grown.dims.size(); ++i)
      sizes.push_back(graph.add_input("size", TensorType{DType::i64, {}}));
    value = evaluator_.without_padding(value, grown.dims, grown.bounds, sizes);
    grown.sizes.clear();
    for (const std::size_t d : grown.dims) grown.sizes.push_back(value->type.shape[d]);
    leaf.now = wrapped(leaf, value);
  }
  assign();
}

void Evaluator::LoopBuilder::find_same() {
  std::unordered_map<const Value*, const Leaf*> first;
  for (Leaf& leaf : leaves_) {
    leaf.same_as = nullptr;
    const auto* tensor = leaf.before.get<Value*>();
    if (!leaf.carried || leaf.split || tensor == nullptr) continue;
    const auto [known, fresh] = first.try_emplace(*tensor, &leaf);
    if (!fresh) leaf.same_as = known->second;
  }
}

std::vector<Value*> Evaluator::LoopBuilder::carried_form(const Leaf& leaf, Value* value) {
  if (leaf.grown.dims.empty()) return {value};
  std::vector<Value*> form = {evaluator_.padded(value, leaf.grown.dims, leaf.grown.bounds)};
  for (const std::size_t d : leaf.grown.dims)
    form.push_back(evaluator_.size_tensor(evaluator_.graph(), value->type.shape[d]));
  return form;
}

void Evaluator::LoopBuilder::add_results(Graph& body, const Leaf& leaf) {
  const GraphScope inside(evaluator_, body);
  for (Value* value : carried_form(leaf, leaf.next)) body.outputs.push_back(value);
}

void Evaluator::LoopBuilder::assign() {
  for (const Carried& carried : values_) {
    std::size_t leaf = carried.first;
    if (carried.list != nullptr) {
      evaluator_.set_list(carried.list, std::make_shared<const GrownItems>(items_now(carried)));
      continue;
    }
    const auto first = leaves_.begin() + static_cast<std::ptrdiff_t>(leaf);
    const bool same = std::none_of(first, first + static_cast<std::ptrdiff_t>(carried.count),
                                   [](const Leaf& l) { return l.carried; });
    Val value;
    if (carried.remade)
      value = evaluator_.copy_of(items_now(carried));
    else
      value = same && !is_spoiled(carried) ? carried.before : rebuilt(carried.before, leaf);
    if (carried.slot)
      evaluator_.set_slot(carried.slot->first, carried.slot->second, std::move(value));
    else if (!carried.holder.is_none())
      give_items(carried.holder, *value.items());
    else
      evaluator_.frame().locals[carried.name] = std::move(value);
  }
}

Val Evaluator::LoopBuilder::items_of(const DictItems& items) {
  Vals values;
  for (const auto& [key, value] : items) values.push_back(value);
  return make_tuple(std::move(values));
}

void Evaluator::LoopBuilder::give_items(const Val& holder, const Vals& items) {
  if (const auto* list = holder.get<ListPtr>()) return evaluator_.set_items(*list, items);
  const DictPtr& dict = *holder.get<DictPtr>();
  DictItems made = dict->items;
  for (std::size_t i = 0; i < made.size(); ++i) made[i].second = items[i];
  evaluator_.set_items(dict, std::move(made));
}

Evaluator::RegionRun Evaluator::LoopBuilder::run_body() {
  evaluator_.charge(1 + leaves_.size());
  return evaluator_.run_region([&]() -> std::optional<Val> {
    Graph& graph = evaluator_.graph();
    bind(graph);
    if (trips_ != nullptr) {
      const Val counter = leaves_[0].now;
      if (const auto trips = trips_at_most()) evaluator_.number_bounds_[counter.get<Unknown>()->value] = *trips;
      evaluator_.assign(statement_.targets[0], counter);
      leaves_[0].next =
          evaluator_.tensor(call_operator(evaluator_, "add", {counter.get<Unknown>()->value, SymInt(1)}, {}));
    }
    if (evaluator_.run_block(statement_.body))
      evaluator_.unsupported("a loop whose trips data decide returns from its middle",
                             "give the result to a name, and let the condition end the loop");
    // Values that were never set before the first trip need a graph to be made in.
    return std::nullopt;
  });
}

Value* Evaluator::LoopBuilder::condition_of() {
  if (trips_ != nullptr)
    return evaluator_.tensor(call_operator(evaluator_, "lt", {leaves_[0].now.get<Unknown>()->value, trips_}, {}));
  const Val condition = evaluator_.truth(evaluator_.evaluate(statement_.value));
  evaluator_.frame().offset = statement_.offset;
  if (const auto* unknown = condition.get<Unknown>())
    return evaluator_.condition_value(*unknown, "whether a loop goes on", "let it run a fixed number of times");
  return evaluator_.tensor_or_number(condition);
}

Val Evaluator::LoopBuilder::maybe_value(const std::string& reason, const Val& present, const Val& value) {
  const auto* flag = present.get<Unknown>();
  if (flag == nullptr || flag->value == nullptr) return present;
  Unknown made{reason};
  made.maybe = std::make_shared<const Maybe>(flag->value, value);
  return made;
}

bool Evaluator::LoopBuilder::runs_once() const {
  const SymInt* count = trips_ == nullptr ? nullptr : size_behind(*trips_);
  return count != nullptr && evaluator_.range_of(*count).min >= 1;
}

std::optional<SymInt> Evaluator::LoopBuilder::trips_at_most() const {
  const SymInt* count = trips_ == nullptr ? nullptr : size_behind(*trips_);
  const auto trips = count == nullptr ? std::nullopt : evaluator_.bound_of(*count);
  if (!trips) return std::nullopt;
  return evaluator_.range_of(*trips).min >= 0 ? *trips : max(SymInt(0), *trips);
}

const SymInt* Evaluator::LoopBuilder::size_behind(const Value& number) {
  const Node* made = number.producer;
  if (made == nullptr || made->op->id != OpId::aten_full_default) return nullptr;
  return std::get_if<SymInt>(&made->args.at(1));
}

std::optional<Val> Evaluator::run_loop(const Stmt& statement, const Unknown* trips) {
  frame().offset = statement.offset;
  if (LoopBuilder(*this, statement, trips).build()) return std::nullopt;
  // State that is None before: the first trip is by itself.
  assign(statement.targets[0], SymInt(0));
  if (std::optional<Val> result = run_block(statement.body)) return result;
  frame().offset = statement.offset;
  LoopBuilder(*this, statement, trips, 1).build();
  return std::nullopt;
}

}  // namespace aitune::torchscript

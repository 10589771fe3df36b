// A loop whose trips data decide: its body runs until it is known what it carries from trip to trip.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/graph_scope.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxCarriedDepth = 20;  // of lists within lists

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

class Evaluator::LoopBuilder {
 public:
  /// `first`: how many trips have run before it.
  LoopBuilder(Evaluator& evaluator, const Stmt& statement, const Unknown* trips, std::int64_t first = 0)
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

  /// False, and nothing is done, where the first trip is another one than those that follow, and runs in any case.
  bool build() {
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

 private:
  /// The dimensions of a tensor that have another size after a trip. It is carried with zeros behind it, up to bounds,
  /// and with numbers that say how much of it counts.
  struct Growth {
    std::vector<std::size_t> dims;
    std::vector<SymInt> bounds;
    std::vector<SymInt> sizes;  // in the region, before the trip
    bool bounded = false;       // by what the trips add
  };
  /// A tensor or a number among the values that the body changes.
  struct Leaf {
    Val before;            // the loop
    bool carried = false;  // from trip to trip; else every trip sees what was before
    Val now;               // in the region, or behind the loop
    Value* next = nullptr;
    Growth grown;
    const Leaf* same_as = nullptr;  // another one, which is the same tensor before and after every trip
    bool split = false;             // it turned out to be none
    bool is_own() const { return carried && same_as == nullptr; }
    bool number() const { return !before.is_tensor() && before.get<Stored>() == nullptr; }
  };
  /// A name, an attribute of an object, or what a list or a dict holds.
  struct Carried {
    std::string name;
    std::optional<SlotName> slot;
    Val before;                        // of a holder, a tuple of its items
    std::size_t first = 0, count = 0;  // its leaves
    ListPtr list{};                    // with as many items as data decide
    Val holder{};                      // a list or a dict with as many items after a trip as before
    bool joined = false, numbers = false;
    bool remade = false;  // a list that trips replace by longer ones
    bool is_name() const { return !slot && list == nullptr && holder.is_none(); }
    ListState state_before() const {
      const ListPtr& given = list != nullptr ? list : *before.get<ListPtr>();
      return {given->items, given->grown};
    }
  };

  void add(Carried carried) {
    add_leaves(carried);
    values_.push_back(std::move(carried));
  }
  void add_leaves(Carried& carried) {
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

  /// Carries the items of a list, and how many there are where that is not their first size.
  void add(const ListPtr& list, const GrownItems& initial) {
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
  void start(const Carried& carried, const GrownItems& initial) {
    Leaf &rows = leaves_[carried.first], &count = leaves_[carried.first + 1];
    rows = {};
    count = {};
    rows.before = initial.rows;
    rows.carried = initial.rows.is_tensor();
    count.before = initial.count;
    count.carried = initial.joined;
  }

  template <typename F>
  void flatten(const Val& value, F&& take, int depth = 0) {
    evaluator_.charge();
    if (const Maybe* maybe = maybe_of(value); maybe != nullptr && depth < kMaxCarriedDepth) {
      take(Unknown{value.get<Unknown>()->reason, maybe->present});
      return flatten(maybe->value, take, depth + 1);
    }
    const Vals* items = value.items();
    if (items == nullptr || depth >= kMaxCarriedDepth) return take(value);
    for (const Val& item : *items) flatten(item, take, depth + 1);
  }
  /// The value with its leaves as they are now.
  Val rebuilt(const Val& value, std::size_t& leaf, int depth = 0) const {
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
  static bool same_structure(const Val& a, const Val& b, int depth = 0) {
    if (const Maybe *x = maybe_of(a), *y = maybe_of(b); (x != nullptr || y != nullptr) && depth < kMaxCarriedDepth)
      return x != nullptr && y != nullptr && same_structure(x->value, y->value, depth + 1);
    const Vals *x = a.items(), *y = b.items();
    if (x == nullptr || y == nullptr || depth >= kMaxCarriedDepth) return x == nullptr && y == nullptr;
    if (a.index() != b.index() || x->size() != y->size()) return false;
    for (std::size_t i = 0; i < x->size(); ++i)
      if (!same_structure((*x)[i], (*y)[i], depth + 1)) return false;
    return true;
  }

  GrownItems items_now(const Carried& carried) const {
    return {leaves_[carried.first].now, leaves_[carried.first + 1].now, carried.joined, carried.numbers};
  }

  static Val wrapped(const Leaf& leaf, Value* value) {
    if (!leaf.number()) return value;
    return Unknown{"a loop changes it, as often as data decide", value};
  }

  /// Inputs of a region for what is carried, and the names bound to them.
  void bind(Graph& graph) {
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

  /// Two names of one tensor have to stay that: what is written by the one is read by the other.
  void find_same() {
    std::unordered_map<const Value*, const Leaf*> first;
    for (Leaf& leaf : leaves_) {
      leaf.same_as = nullptr;
      const auto* tensor = leaf.before.get<Value*>();
      if (!leaf.carried || leaf.split || tensor == nullptr) continue;
      const auto [known, fresh] = first.try_emplace(*tensor, &leaf);
      if (!fresh) leaf.same_as = known->second;
    }
  }
  bool split_others() {
    bool same = true;
    for (Leaf& leaf : leaves_) {
      if (leaf.same_as == nullptr || (leaf.same_as->carried && leaf.next == leaf.same_as->next)) continue;
      leaf.split = true;
      same = false;
    }
    return same;
  }

  /// A value as the loop carries it, made in the graph that grows.
  std::vector<Value*> carried_form(const Leaf& leaf, Value* value) {
    if (leaf.grown.dims.empty()) return {value};
    std::vector<Value*> form = {evaluator_.padded(value, leaf.grown.dims, leaf.grown.bounds)};
    for (const std::size_t d : leaf.grown.dims)
      form.push_back(evaluator_.size_tensor(evaluator_.graph(), value->type.shape[d]));
    return form;
  }
  void add_results(Graph& body, const Leaf& leaf) {
    const GraphScope inside(evaluator_, body);
    for (Value* value : carried_form(leaf, leaf.next)) body.outputs.push_back(value);
  }

  void assign() {
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

  static Val items_of(const DictItems& items) {
    Vals values;
    for (const auto& [key, value] : items) values.push_back(value);
    return make_tuple(std::move(values));
  }
  void give_items(const Val& holder, const Vals& items) {
    if (const auto* list = holder.get<ListPtr>()) return evaluator_.set_items(*list, items);
    const DictPtr& dict = *holder.get<DictPtr>();
    DictItems made = dict->items;
    for (std::size_t i = 0; i < made.size(); ++i) made[i].second = items[i];
    evaluator_.set_items(dict, std::move(made));
  }

  RegionRun run_body() {
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

  Value* condition_of() {
    if (trips_ != nullptr)
      return evaluator_.tensor(call_operator(evaluator_, "lt", {leaves_[0].now.get<Unknown>()->value, trips_}, {}));
    const Val condition = evaluator_.truth(evaluator_.evaluate(statement_.value));
    evaluator_.frame().offset = statement_.offset;
    if (const auto* unknown = condition.get<Unknown>())
      return evaluator_.condition_value(*unknown, "whether a loop goes on", "let it run a fixed number of times");
    return evaluator_.tensor_or_number(condition);
  }

  /// Looks at what a trip made of what it was given. True if what is carried is what has to be.
  bool settle(const RegionRun& body) {
    Graph& outside = evaluator_.graph();
    const GraphScope inside(evaluator_, *body.graph);
    bool settled = true;
    const std::size_t known = values_.size();
    for (const auto& [slot, value] : body.slots)
      if (std::ranges::none_of(values_, [&](const Carried& c) { return c.slot == slot; })) {
        add(Carried{"", slot, slot.first->slots[slot.second].value});
        settled = false;
      }
    // A write in a trip gives a name another tensor without an assignment.
    for (const auto& [name, before] : evaluator_.frame().locals) {
      const auto after = body.locals.find(name);
      if (after == body.locals.end() || identical(before, after->second) ||
          std::ranges::any_of(values_, [&](const Carried& c) { return c.is_name() && c.name == name; }))
        continue;
      add(Carried{name, std::nullopt, before});
      settled = false;
    }
    for (const auto& [list, state] : body.lists)
      if (std::ranges::none_of(values_, [&](const Carried& c) { return c.list == list || holds(c, list); })) {
        if (list->grown == nullptr && state.grown == nullptr && list->items.size() == state.items.size())
          add(Carried{"an item of a list", std::nullopt, make_tuple(list->items), 0, 0, nullptr, list});
        else
          add(list, grown_before(list, state, outside));
        settled = false;
      }
    for (const auto& [dict, items] : body.dicts)
      if (std::ranges::none_of(values_, [&](const Carried& c) { return holds(c, dict); })) {
        add(Carried{"an item of a dict", std::nullopt, items_of(dict->items), 0, 0, nullptr, dict});
        settled = false;
      }
    for (std::size_t v = 0; v < known; ++v) {
      if (values_[v].list != nullptr) {
        const ListState& state = body.lists.at(values_[v].list);
        if (state.grown == nullptr)
          evaluator_.unsupported("a trip of a loop that data decide leaves a list with another number of items",
                                 std::string(kGrownListFix));
        settled = settle(values_[v], *state.grown, outside) && settled;
        continue;
      }
      Carried& carried = values_[v];
      if (const auto* list = carried.holder.get<ListPtr>()) {
        const ListState& state = body.lists.at(*list);
        if (state.grown != nullptr || state.items.size() != (*list)->items.size()) {
          make_grown(carried, grown_before(*list, state, outside));
          settled = false;
          continue;
        }
      }
      const Val after = as_optional(carried, after_trip(carried, body));
      if (const auto settled_list = settle_remade(carried, after, body.lists, outside)) {
        settled = *settled_list && settled;
        continue;
      }
      if (!same_structure(carried.before, after)) {
        starts_with_none_ = starts_with_none_ || has_none(carried.before);
        if (!peels() && begin_with_none(carried, after, outside)) {
          settled = false;
          continue;
        }
        settled = spoil(carried, "a trip changes how many values it holds") && settled;
        continue;
      }
      if (carried.before.is_none() && !after.is_none() && !peels() && begin_with_none(carried, after, outside)) {
        starts_with_none_ = true;
        settled = false;
        continue;
      }
      std::size_t at = carried.first;
      flatten(after, [&](const Val& value) { settled = settle(leaves_[at++], value, carried, outside) && settled; });
    }
    return split_others() && settled;
  }

  static bool holds(const Carried& carried, const ListPtr& list) {
    const auto* held = carried.holder.get<ListPtr>();
    return held != nullptr && *held == list;
  }
  static bool holds(const Carried& carried, const DictPtr& dict) {
    const auto* held = carried.holder.get<DictPtr>();
    return held != nullptr && *held == dict;
  }
  Val after_trip(const Carried& carried, const RegionRun& body) const {
    if (carried.slot) return body.slots.at(*carried.slot);
    if (const auto* list = carried.holder.get<ListPtr>()) return make_tuple(body.lists.at(*list).items);
    const auto* dict = carried.holder.get<DictPtr>();
    if (dict == nullptr) return body.locals.at(carried.name);
    evaluator_.require_same_keys((*dict)->items, body.dicts.at(*dict));
    return items_of(body.dicts.at(*dict));
  }
  /// What a list is before the loop, in the form that a trip gives it.
  GrownItems grown_before(const ListPtr& list, const ListState& after, Graph& outside) {
    const ListState before{list->items, list->grown};
    if (after.grown == nullptr) {
      const GraphScope around(evaluator_, outside);
      if (auto grown = evaluator_.grown_by_itself(before)) return *std::move(grown);
      evaluator_.unsupported("a trip of a loop that data decide leaves a list with another number of items",
                             std::string(kGrownListFix));
    }
    const GraphScope around(evaluator_, outside);
    return evaluator_.as_grown(before, *after.grown);
  }
  /// A list whose items were carried one by one turns out to become longer.
  void make_grown(Carried& carried, const GrownItems& initial) {
    for (std::size_t i = carried.first; i < carried.first + carried.count; ++i) leaves_[i].carried = false;
    const ListPtr list = *carried.holder.get<ListPtr>();
    carried.holder = None{};
    carried.list = list;
    carried.before = list;
    carried.joined = initial.joined;
    carried.numbers = initial.numbers;
    carried.first = leaves_.size();
    carried.count = 2;
    leaves_.resize(leaves_.size() + 2);
    start(carried, initial);
  }

  /// outs = outs + [y]: a trip replaces a list by another one. Nothing where that is not what it does.
  std::optional<bool> settle_remade(Carried& carried, const Val& after, const ListStates& lists, Graph& outside) {
    const auto* list = after.get<ListPtr>();
    if (carried.remade) {
      if (list == nullptr || is_spoiled(carried)) return spoil(carried, "a trip makes something else of a list");
      return settle(carried, evaluator_.as_grown(state_in(lists, *list), items_now(carried)), outside);
    }
    if (list == nullptr || carried.before.get<ListPtr>() == nullptr || identical(carried.before, after))
      return std::nullopt;
    const ListState before = carried.state_before(), state = state_in(lists, *list);
    const bool sized = before.grown == nullptr && state.grown == nullptr && before.items.size() == state.items.size();
    const auto like = sized ? std::nullopt : evaluator_.grown_by_itself(state);
    if (!like || !like->columns.empty() || (before.grown != nullptr && !before.grown->columns.empty()))
      return std::nullopt;
    TensorType type = evaluator_.tensor(like->rows)->type;
    type.shape.erase(type.shape.begin());
    if (!evaluator_.is_known_in(outside, type)) return std::nullopt;
    for (std::size_t i = carried.first; i < carried.first + carried.count; ++i) leaves_[i].carried = false;
    carried.remade = true;
    carried.joined = like->joined;
    carried.numbers = like->numbers;
    carried.first = leaves_.size();
    carried.count = 2;
    leaves_.resize(leaves_.size() + 2);
    const GraphScope around(evaluator_, outside);
    start(carried, evaluator_.as_grown(before, *like));
    return false;
  }

  bool settle(Carried& carried, const GrownItems& after, Graph& outside) {
    if (after.joined && !carried.joined) {
      const GraphScope around(evaluator_, outside);
      carried.joined = true;
      start(carried, evaluator_.as_grown(carried.state_before(), after));
      return false;
    }
    const bool rows = settle(leaves_[carried.first], after.rows, carried, outside);
    return settle(leaves_[carried.first + 1], after.count, carried, outside) && rows;
  }

  bool settle(Leaf& leaf, const Val& after, const Carried& carried, Graph& outside) {
    const auto* poisoned = leaf.before.get<Unknown>();
    if (poisoned != nullptr && poisoned->value == nullptr) return true;
    if (!leaf.carried) {
      if (identical(leaf.before, after)) return true;
      starts_with_none_ = starts_with_none_ || leaf.before.is_none();
      Value* made = evaluator_.tensor_or_number(after);
      if (leaf.before.get<Uninitialized>() != nullptr && made != nullptr) {
        if (!evaluator_.is_known_in(outside, made->type))
          return spoil(leaf, describe(carried, leaf.before, nullptr, after, made));
        Value* zeros = evaluator_.filler(outside, made->type);
        const bool number = after.is_number() || after.get<Unknown>() != nullptr;
        leaf.before = number ? Val(Unknown{"a loop sets it", zeros}) : Val(zeros);
        leaf.carried = true;
        return false;
      }
      const Value* initial = evaluator_.tensor_or_number(leaf.before);
      const auto fits = [&] {
        return made->type.dtype == initial->type.dtype && made->type.shape.size() == initial->type.shape.size();
      };
      if (made == nullptr || initial == nullptr || !fits())
        return spoil(leaf, describe(carried, leaf.before, initial, after, made));
      leaf.carried = true;
      return false;
    }
    const Value* initial = evaluator_.tensor_or_number(leaf.before);
    leaf.next = evaluator_.tensor_or_number(after);
    const bool number = !after.is_tensor() && after.get<Stored>() == nullptr;
    if (leaf.next != nullptr && number == leaf.number()) {
      if (leaf.grown.dims.empty() && leaf.next->type == initial->type) return true;
      if (!number && leaf.next->type.dtype == initial->type.dtype &&
          leaf.next->type.shape.size() == initial->type.shape.size())
        return grow(leaf, *initial, outside);
    }
    return spoil(leaf, describe(carried, leaf.before, initial, after, leaf.next));
  }

  /// Follows dimensions that a trip changes. True where they are those that are followed, with bounds that hold.
  bool grow(Leaf& leaf, const Value& initial, Graph& outside) {
    Growth& grown = leaf.grown;
    bool fresh = false;
    for (std::size_t d = 0; d < initial.type.shape.size(); ++d) {
      if (std::ranges::find(grown.dims, d) != grown.dims.end() || leaf.next->type.shape[d] == initial.type.shape[d])
        continue;
      const auto at = std::ranges::upper_bound(grown.dims, d);
      grown.bounds.insert(grown.bounds.begin() + (at - grown.dims.begin()), evaluator_.largest_size_);
      grown.dims.insert(at, d);
      fresh = true;
    }
    leaf.split = leaf.split || fresh;
    if (fresh) grown.bounded = false;
    if (fresh || grown.bounded) return !fresh;
    grown.bounded = true;
    bool same = true;
    for (std::size_t i = 0; i < grown.dims.size(); ++i) {
      const std::size_t d = grown.dims[i];
      const auto bound = bound_of_growth(initial.type.shape[d], leaf.next->type.shape[d] - grown.sizes[i], outside);
      if (!bound || *bound == grown.bounds[i]) continue;
      grown.bounds[i] = *bound;
      same = false;
    }
    return same;
  }

  /// What so many trips make of a size at most, if each adds `growth`; nothing where that depends on the size itself,
  /// or where nothing bounds the trips.
  std::optional<SymInt> bound_of_growth(const SymInt& before, const SymInt& growth, Graph& outside) const {
    const auto first = evaluator_.bound_of(before), more = evaluator_.bound_of(growth);
    if (!first || !more) return std::nullopt;
    if (evaluator_.range_of(*more).max <= 0) return first;
    const auto trips = trips_at_most();
    if (!trips) return std::nullopt;
    const SymInt bound = *first + *trips * (evaluator_.range_of(*more).min >= 0 ? *more : max(SymInt(0), *more));
    return evaluator_.is_known_in(outside, TensorType{DType::u8, {bound}}) ? std::optional(bound) : std::nullopt;
  }

  bool has_none(const Val& value) {
    bool found = false;
    flatten(value, [&](const Val& item) { found = found || item.is_none(); });
    return found;
  }
  /// Whether the first trip may run by itself.
  bool peels() const { return first_ == 0 && runs_once(); }

  /// None, or a value, as data decide; `present` tells which.
  static Val maybe_value(const std::string& reason, const Val& present, const Val& value) {
    const auto* flag = present.get<Unknown>();
    if (flag == nullptr || flag->value == nullptr) return present;
    Unknown made{reason};
    made.maybe = std::make_shared<const Maybe>(flag->value, value);
    return made;
  }
  Val flag_of(bool present) { return Unknown{"a loop sets it", evaluator_.tensor_or_number(present)}; }

  /// What a trip makes of a value that may be None, where it leaves no doubt.
  Val as_optional(const Carried& carried, const Val& after) {
    if (maybe_of(carried.before) == nullptr || maybe_of(after) != nullptr || after.get<Unknown>() != nullptr)
      return after;
    std::size_t leaf = carried.first;
    const Val now = rebuilt(carried.before, leaf);
    const Maybe* before = maybe_of(now);
    if (before == nullptr) return after;
    const bool set = !after.is_none();
    return maybe_value(now.get<Unknown>()->reason, flag_of(set), set ? after : before->value);
  }

  /// Carries a value that is None before the loop as one that may be. False where it cannot be carried.
  bool begin_with_none(Carried& carried, const Val& after, Graph& outside) {
    if (!carried.before.is_none() || carried.holder.get<ListPtr>() != nullptr) return false;
    const Maybe* maybe = maybe_of(after);
    const auto unset = unset_like(maybe != nullptr ? maybe->value : after, outside);
    if (!unset) return false;
    leaves_[carried.first].carried = false;
    carried.before = maybe_value(fmt::format("a loop sets it, at {}", place_), flag_of(false), *unset);
    carried.first = leaves_.size();
    add_leaves(carried);
    return true;
  }
  std::optional<Val> unset_like(const Val& value, Graph& outside, int depth = 0) {
    if (value.is_none() || value.is_number() || value.get<std::string>() != nullptr) return value;
    if (const auto* tuple = value.get<TuplePtr>(); tuple != nullptr && depth < kMaxCarriedDepth) {
      Vals items;
      for (const Val& item : (*tuple)->items) {
        auto unset = unset_like(item, outside, depth + 1);
        if (!unset) return std::nullopt;
        items.push_back(*std::move(unset));
      }
      return make_tuple(std::move(items), (*tuple)->type);
    }
    const Value* made = evaluator_.tensor_or_number(value);
    if (made == nullptr || !evaluator_.is_known_in(outside, made->type)) return std::nullopt;
    Value* zeros = evaluator_.filler(outside, made->type);
    return value.is_tensor() || value.get<Stored>() != nullptr ? Val(zeros) : Val(Unknown{"a loop sets it", zeros});
  }

  /// Whether there is a trip in any case.
  bool runs_once() const {
    const SymInt* count = trips_ == nullptr ? nullptr : size_behind(*trips_);
    return count != nullptr && evaluator_.range_of(*count).min >= 1;
  }

  std::optional<SymInt> trips_at_most() const {
    const SymInt* count = trips_ == nullptr ? nullptr : size_behind(*trips_);
    const auto trips = count == nullptr ? std::nullopt : evaluator_.bound_of(*count);
    if (!trips) return std::nullopt;
    return evaluator_.range_of(*trips).min >= 0 ? *trips : max(SymInt(0), *trips);
  }

  /// The size that a number is.
  static const SymInt* size_behind(const Value& number) {
    const Node* made = number.producer;
    if (made == nullptr || made->op->id != OpId::aten_full_default) return nullptr;
    return std::get_if<SymInt>(&made->args.at(1));
  }

  static std::string describe(const Carried& carried, const Val& before, const Value* initial, const Val& after,
                              const Value* next) {
    const auto text = [](const Val& value, const Value* tensor) {
      return tensor != nullptr ? to_string(tensor->type) : std::string(value.kind());
    };
    return fmt::format("{} is {} before the loop and {} after a trip",
                       carried.slot ? carried.slot->second : printable(carried.name), text(before, initial),
                       text(after, next));
  }

  bool is_spoiled(const Carried& carried) const {
    for (std::size_t i = carried.first; i < carried.first + carried.count; ++i) {
      const auto* unknown = leaves_[i].before.get<Unknown>();
      if (unknown != nullptr && unknown->value == nullptr) return true;
    }
    return false;
  }

  /// What cannot be carried is not known in the loop, nor behind it; whoever reads it says why.
  bool spoil(Leaf& leaf, const std::string& why) {
    leaf.before = Unknown{fmt::format("{}, at {}", why, place_)};
    leaf.carried = false;
    return false;
  }
  bool spoil(Carried& carried, const std::string& why) {
    if (carried.count == 0) {  // an empty list
      carried.first = leaves_.size();
      carried.count = 1;
      leaves_.emplace_back();
      carried.before = Unknown{fmt::format("{}, at {}", why, place_)};
      leaves_.back().before = carried.before;
      return false;
    }
    bool fresh = false;
    for (std::size_t i = carried.first; i < carried.first + carried.count; ++i) {
      const auto* unknown = leaves_[i].before.get<Unknown>();
      if (unknown != nullptr && unknown->value == nullptr) continue;
      spoil(leaves_[i], why);
      fresh = true;
    }
    return !fresh;
  }

  Evaluator& evaluator_;
  const Stmt& statement_;
  const std::string place_;
  const std::int64_t first_;
  Value* trips_ = nullptr;
  bool starts_with_none_ = false;  // a value that a trip sets
  std::deque<Leaf> leaves_;        // the counter of a for loop first
  std::vector<Carried> values_;
};

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

// What a trip of a loop makes of what it was given: what has to be carried, and in which form.

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/graph_scope.h"
#include "compiler/import/torchscript/loop_builder.h"

namespace aitune::torchscript {

bool Evaluator::LoopBuilder::settle(const RegionRun& body) {
  Graph& outside = evaluator_.graph();
  const GraphScope inside(evaluator_, *body.graph);
  const std::size_t known = values_.size();
  take_up_changes(body, outside);
  bool settled = values_.size() == known;
  for (std::size_t v = 0; v < known; ++v) settled = settle(values_[v], body, outside) && settled;
  return split_others() && settled;
}

void Evaluator::LoopBuilder::take_up_changes(const RegionRun& body, Graph& outside) {
  for (const auto& [slot, value] : body.slots)
    if (std::ranges::none_of(values_, [&](const Carried& c) { return c.slot == slot; }))
      add(Carried{"", slot, slot.first->slots[slot.second].value});
  // A write in a trip gives a name another tensor without an assignment.
  for (const auto& [name, before] : evaluator_.frame().locals) {
    const auto after = body.locals.find(name);
    if (after == body.locals.end() || identical(before, after->second) ||
        std::ranges::any_of(values_, [&](const Carried& c) { return c.is_name() && c.name == name; }))
      continue;
    add(Carried{name, std::nullopt, before});
  }
  for (const auto& [list, state] : body.lists)
    if (std::ranges::none_of(values_, [&](const Carried& c) { return c.list == list || holds(c, list); })) {
      if (list->grown == nullptr && state.grown == nullptr && list->items.size() == state.items.size())
        add(Carried{"an item of a list", std::nullopt, make_tuple(list->items), 0, 0, nullptr, list});
      else
        add(list, grown_before(list, state, outside));
    }
  for (const auto& [dict, items] : body.dicts)
    if (std::ranges::none_of(values_, [&](const Carried& c) { return holds(c, dict); }))
      add(Carried{"an item of a dict", std::nullopt, items_of(dict->items), 0, 0, nullptr, dict});
}

bool Evaluator::LoopBuilder::settle(Carried& carried, const RegionRun& body, Graph& outside) {
  if (carried.list != nullptr) {
    const ListState& state = body.lists.at(carried.list);
    if (state.grown == nullptr)
      evaluator_.unsupported("a trip of a loop that data decide leaves a list with another number of items",
                             std::string(kGrownListFix));
    return settle(carried, *state.grown, outside);
  }
  if (const auto* list = carried.holder.get<ListPtr>()) {
    const ListState& state = body.lists.at(*list);
    if (state.grown != nullptr || state.items.size() != (*list)->items.size()) {
      make_grown(carried, grown_before(*list, state, outside));
      return false;
    }
  }
  const Val after = as_optional(carried, after_trip(carried, body));
  if (const auto settled_list = settle_remade(carried, after, body.lists, outside)) return *settled_list;
  if (!same_structure(carried.before, after)) {
    starts_with_none_ = starts_with_none_ || has_none(carried.before);
    if (!peels() && begin_with_none(carried, after, outside)) return false;
    return spoil(carried, "a trip changes how many values it holds");
  }
  if (carried.before.is_none() && !after.is_none() && !peels() && begin_with_none(carried, after, outside)) {
    starts_with_none_ = true;
    return false;
  }
  bool settled = true;
  std::size_t at = carried.first;
  flatten(after, [&](const Val& value) { settled = settle(leaves_[at++], value, carried, outside) && settled; });
  return settled;
}

Val Evaluator::LoopBuilder::after_trip(const Carried& carried, const RegionRun& body) const {
  if (carried.slot) return body.slots.at(*carried.slot);
  if (const auto* list = carried.holder.get<ListPtr>()) return make_tuple(body.lists.at(*list).items);
  const auto* dict = carried.holder.get<DictPtr>();
  if (dict == nullptr) return body.locals.at(carried.name);
  evaluator_.require_same_keys((*dict)->items, body.dicts.at(*dict));
  return items_of(body.dicts.at(*dict));
}

GrownItems Evaluator::LoopBuilder::grown_before(const ListPtr& list, const ListState& after, Graph& outside) {
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

void Evaluator::LoopBuilder::make_grown(Carried& carried, const GrownItems& initial) {
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

std::optional<bool> Evaluator::LoopBuilder::settle_remade(Carried& carried, const Val& after, const ListStates& lists,
                                                          Graph& outside) {
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

bool Evaluator::LoopBuilder::settle(Carried& carried, const GrownItems& after, Graph& outside) {
  if (after.joined && !carried.joined) {
    const GraphScope around(evaluator_, outside);
    carried.joined = true;
    start(carried, evaluator_.as_grown(carried.state_before(), after));
    return false;
  }
  const bool rows = settle(leaves_[carried.first], after.rows, carried, outside);
  return settle(leaves_[carried.first + 1], after.count, carried, outside) && rows;
}

bool Evaluator::LoopBuilder::settle(Leaf& leaf, const Val& after, const Carried& carried, Graph& outside) {
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

bool Evaluator::LoopBuilder::grow(Leaf& leaf, const Value& initial, Graph& outside) {
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
    const auto bound =
        bound_of_growth(initial.type.shape[d], evaluator_.at_most(leaf.next->type.shape[d]) - grown.sizes[i], outside);
    if (!bound || *bound == grown.bounds[i]) continue;
    grown.bounds[i] = *bound;
    same = false;
  }
  return same;
}

std::optional<SymInt> Evaluator::LoopBuilder::bound_of_growth(const SymInt& before, const SymInt& growth,
                                                              Graph& outside) const {
  const auto first = evaluator_.bound_of(before), more = evaluator_.bound_of(growth);
  if (!first || !more) return std::nullopt;
  if (evaluator_.range_of(*more).max <= 0) return first;
  const auto trips = trips_at_most();
  if (!trips) return std::nullopt;
  const SymInt bound = *first + *trips * (evaluator_.range_of(*more).min >= 0 ? *more : max(SymInt(0), *more));
  return evaluator_.is_known_in(outside, TensorType{DType::u8, {bound}}) ? std::optional(bound) : std::nullopt;
}

bool Evaluator::LoopBuilder::same_structure(const Val& a, const Val& b, int depth) {
  if (const Maybe *x = maybe_of(a), *y = maybe_of(b); (x != nullptr || y != nullptr) && depth < kMaxCarriedDepth)
    return x != nullptr && y != nullptr && same_structure(x->value, y->value, depth + 1);
  const Vals *x = a.items(), *y = b.items();
  if (x == nullptr || y == nullptr || depth >= kMaxCarriedDepth) return x == nullptr && y == nullptr;
  if (a.index() != b.index() || x->size() != y->size()) return false;
  for (std::size_t i = 0; i < x->size(); ++i)
    if (!same_structure((*x)[i], (*y)[i], depth + 1)) return false;
  return true;
}

bool Evaluator::LoopBuilder::split_others() {
  bool same = true;
  for (Leaf& leaf : leaves_) {
    if (leaf.same_as == nullptr || (leaf.same_as->carried && leaf.next == leaf.same_as->next)) continue;
    leaf.split = true;
    same = false;
  }
  return same;
}

bool Evaluator::LoopBuilder::has_none(const Val& value) {
  bool found = false;
  flatten(value, [&](const Val& item) { found = found || item.is_none(); });
  return found;
}

Val Evaluator::LoopBuilder::flag_of(bool present) {
  return Unknown{"a loop sets it", evaluator_.tensor_or_number(present)};
}

Val Evaluator::LoopBuilder::as_optional(const Carried& carried, const Val& after) {
  if (maybe_of(carried.before) == nullptr || maybe_of(after) != nullptr || after.get<Unknown>() != nullptr)
    return after;
  std::size_t leaf = carried.first;
  const Val now = rebuilt(carried.before, leaf);
  const Maybe* before = maybe_of(now);
  if (before == nullptr) return after;
  const bool set = !after.is_none();
  return maybe_value(now.get<Unknown>()->reason, flag_of(set), set ? after : before->value);
}

bool Evaluator::LoopBuilder::begin_with_none(Carried& carried, const Val& after, Graph& outside) {
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

std::optional<Val> Evaluator::LoopBuilder::unset_like(const Val& value, Graph& outside, int depth) {
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

std::string Evaluator::LoopBuilder::describe(const Carried& carried, const Val& before, const Value* initial,
                                             const Val& after, const Value* next) {
  const auto text = [](const Val& value, const Value* tensor) {
    return tensor != nullptr ? to_string(tensor->type) : std::string(value.kind());
  };
  return fmt::format("{} is {} before the loop and {} after a trip",
                     carried.slot ? carried.slot->second : printable(carried.name), text(before, initial),
                     text(after, next));
}

bool Evaluator::LoopBuilder::is_spoiled(const Carried& carried) const {
  for (std::size_t i = carried.first; i < carried.first + carried.count; ++i) {
    const auto* unknown = leaves_[i].before.get<Unknown>();
    if (unknown != nullptr && unknown->value == nullptr) return true;
  }
  return false;
}

bool Evaluator::LoopBuilder::spoil(Leaf& leaf, const std::string& why) {
  leaf.before = Unknown{fmt::format("{}, at {}", why, place_)};
  leaf.carried = false;
  return false;
}

bool Evaluator::LoopBuilder::spoil(Carried& carried, const std::string& why) {
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

}  // namespace aitune::torchscript

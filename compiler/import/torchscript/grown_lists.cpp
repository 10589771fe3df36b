// Lists that become longer as often as data decide: their items lie in one tensor, which branches merge and loops carry
// like any other.

#include <fmt/format.h>

#include <algorithm>

#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

SymShape without_first(const SymShape& shape) { return {shape.begin() + 1, shape.end()}; }

/// Whether the tensors can be joined along their first dimension.
bool can_join(const TensorType& a, const TensorType& b) {
  return a.dtype == b.dtype && !a.shape.empty() && a.shape.size() == b.shape.size() &&
         without_first(a.shape) == without_first(b.shape);
}

}  // namespace

bool Evaluator::is_outside(std::size_t born) const { return !journals_.empty() && born <= journals_.back().born; }

void Evaluator::set_list(const ListPtr& list, GrownPtr grown) {
  if (is_outside(list->born)) journals_.back().lists.try_emplace(list, ListState{list->items, list->grown});
  list->items.clear();
  list->grown = std::move(grown);
}

bool Evaluator::is_visible_to(const List& list, const TensorType& type) const {
  const auto inner = std::ranges::find_if(journals_, [&](const Journal& journal) { return list.born <= journal.born; });
  const auto depth = static_cast<std::size_t>(inner - journals_.begin()) + (inner == journals_.end() ? 0 : 1);
  std::vector<std::string> names;
  for (const SymInt& size : type.shape) size.collect_symbols(names);
  return std::ranges::all_of(names, [&](const std::string& name) {
    const auto home = homes_.find(name);
    if (home == homes_.end() || inner == journals_.end()) return true;
    const auto known = around_.begin() + static_cast<std::ptrdiff_t>(std::min(depth, around_.size()));
    return std::find(around_.begin(), known, home->second) != known;
  });
}

std::optional<GrownItems> Evaluator::grown_items(const Vals& items, const TensorType& like, bool numbers, bool joined) {
  GrownItems made{None{}, SymInt(static_cast<std::int64_t>(items.size())), joined, numbers};
  if (!joined) made.count = SymInt(0);
  if (items.empty()) {
    TensorType type = like;
    if (joined)
      type.shape[0] = 0;
    else
      type.shape.insert(type.shape.begin(), SymInt(0));
    made.rows = filler(*graph_, std::move(type));
    return made;
  }
  Vals values;
  charge(items.size());
  for (const Val& item : items) {
    Value* value = tensor_or_number(item);
    const bool number = !item.is_tensor() && item.get<Stored>() == nullptr;
    if (value == nullptr || number != numbers) return std::nullopt;
    if (joined ? !can_join(value->type, like) : value->type != like) return std::nullopt;
    values.emplace_back(value);
  }
  made.rows = call_operator(*this, joined ? "cat" : "stack", {make_list(std::move(values)), SymInt(0)}, {});
  return made;
}

GrownItems Evaluator::as_joined(const GrownItems& items) {
  Value* rows = tensor(items.rows);
  if (items.joined) return items;
  if (items.numbers || rows->type.shape.size() < 2)
    unsupported("a list takes tensors of different shapes inside of an if or a loop that data decide",
                std::string(kGrownListFix));
  const SymInt count = rows->type.shape[0];
  return {call_operator(*this, "flatten", {rows, SymInt(0), SymInt(1)}, {}), count, true, false};
}

GrownItems Evaluator::as_grown(const ListState& state, const GrownItems& like) {
  if (state.grown != nullptr && (state.grown->joined || !like.joined)) return *state.grown;
  if (!like.rows.is_tensor()) return like;
  if (state.grown != nullptr) return state.grown->rows.is_tensor() ? as_joined(*state.grown) : *state.grown;
  TensorType type = tensor(like.rows)->type;
  if (!like.joined) type.shape = without_first(type.shape);
  if (auto made = grown_items(state.items, type, like.numbers, like.joined)) return *std::move(made);
  if (!like.joined && !like.numbers)
    if (auto made = grown_items(state.items, type, false, true)) return *std::move(made);
  unsupported(fmt::format("a list takes {} inside of an if or a loop that data decide, and holds something else before",
                          to_string(type)),
              std::string(kGrownListFix));
}

std::optional<GrownItems> Evaluator::grown_by_itself(const ListState& state) {
  if (state.grown != nullptr) return *state.grown;
  if (state.items.empty()) return std::nullopt;
  const Val& first = state.items.front();
  const Value* value = tensor_or_number(first);
  if (value == nullptr) return std::nullopt;
  return grown_items(state.items, value->type, !first.is_tensor() && first.get<Stored>() == nullptr, false);
}

void Evaluator::append(const ListPtr& list, const Val& item, bool in_front) {
  if (!grows(list)) {
    changed(list);
    list->items.insert(in_front ? list->items.begin() : list->items.end(), item);
    return;
  }
  charge(10);
  if (item.get<TuplePtr>() != nullptr && zip(list, item))
    return append_parts(*list->grown, list->grown->pattern, item, in_front);
  if (list->grown != nullptr && !list->grown->columns.empty())
    unsupported(fmt::format("a list of tuples takes {}", item.kind()), "append tuples of one kind");
  Value* value = tensor_or_number(item);
  const bool number = !item.is_tensor() && item.get<Stored>() == nullptr;
  if (value == nullptr)
    unsupported(fmt::format("a list takes {} inside of an if or a loop that data decide", item.kind()),
                "append tensors, numbers, or tuples of them");
  if (!number && copies_.contains(owner_of(value)))
    unsupported("a list takes a tensor that is written into from one trip to the next", "append a clone() of it");
  if (!number) held_.insert(owner_of(value));
  const auto refuse = [&](const std::string& holds) {
    unsupported(fmt::format("a list holds {} and takes {} inside of an if or a loop that data decide", holds,
                            to_string(value->type)),
                std::string(kGrownListFix));
  };
  const bool joined = !number && !is_visible_to(*list, value->type);
  GrownItems now;
  if (list->grown != nullptr) {
    now = *list->grown;
    // Items that show a tensor, as those of unbind() do, are copied here.
    if (const Value* rows = tensor(now.rows); owner_of(rows) != rows) held_.insert(owner_of(rows));
  } else {
    auto made = grown_items(list->items, value->type, number, joined);
    if (!made && can_join(value->type, value->type)) made = grown_items(list->items, value->type, false, true);
    if (!made) refuse("something else");
    now = *std::move(made);
  }
  TensorType held = tensor(now.rows)->type;
  if (!now.joined) held.shape = without_first(held.shape);
  const bool fits = number == now.numbers && (now.joined ? can_join(held, value->type) : held == value->type);
  if (!fits && (number || now.numbers || now.joined || !can_join(held, value->type))) refuse(to_string(held));
  if (!fits || joined) now = as_joined(now);
  Val row = value;
  if (!now.joined) row = call_operator(*this, "unsqueeze", {row, SymInt(0)}, {});
  Vals all = in_front ? Vals{row, now.rows} : Vals{now.rows, row};
  now.rows = call_operator(*this, "cat", {make_list(std::move(all)), SymInt(0)}, {});
  if (now.joined) {
    if (const auto* known = now.count.get<SymInt>())
      now.count = *known + 1;
    else
      now.count = Unknown{"data decide how long a list is",
                          tensor(call_operator(*this, "add", {tensor(now.count), SymInt(1)}, {}))};
  }
  set_list(list, std::make_shared<const GrownItems>(std::move(now)));
}

GrownItems Evaluator::joined_rows(const GrownItems& a, const GrownItems& b) {
  GrownItems made = a;
  made.rows = call_operator(*this, "cat", {make_list({a.rows, b.rows}), SymInt(0)}, {});
  if (!made.joined) return made;
  const auto *x = a.count.get<SymInt>(), *y = b.count.get<SymInt>();
  if (x != nullptr && y != nullptr)
    made.count = *x + *y;
  else
    made.count =
        Unknown{"data decide how long a list is",
                tensor(call_operator(*this, "add", {tensor_or_number(a.count), tensor_or_number(b.count)}, {}))};
  return made;
}

ListPtr Evaluator::sum_of_lists(const ListPtr& a, const ListPtr& b) {
  charge(10);
  if (a->grown == nullptr && a->items.empty()) return copy_of(*b->grown);
  if (b->grown == nullptr && b->items.empty()) return copy_of(*a->grown);
  const ListState x{a->items, a->grown}, y{b->items, b->grown};
  const auto [first, second] = in_one_form(x, *graph_, y, *graph_);
  if (!first.columns.empty())
    unsupported("lists of tuples are added, as often as data decide", std::string(kGrownListFix));
  return copy_of(joined_rows(first, second));
}

void Evaluator::extend(const ListPtr& list, const ListPtr& more) {
  const ListPtr sum = sum_of_lists(list, more);
  set_list(list, sum->grown);
}

GrownPtr Evaluator::grown_for_places(const Val& value, std::initializer_list<const Val*> places) {
  const auto* list = value.get<ListPtr>();
  if (list == nullptr) return nullptr;
  if ((*list)->grown != nullptr) return (*list)->grown;
  const auto moves = [](const Val* place) {
    const auto* unknown = place->get<Unknown>();
    if (unknown != nullptr) return unknown->value != nullptr;
    return place->get<SymInt>() != nullptr && !place->integer();
  };
  if (std::ranges::none_of(places, moves)) return nullptr;
  auto grown = grown_by_itself({(*list)->items, nullptr});
  return grown ? std::make_shared<const GrownItems>(*std::move(grown)) : nullptr;
}

ListPtr Evaluator::copy_of(const GrownItems& items) {
  auto made = std::make_shared<List>();
  changed_.emplace_back(made);
  made->grown = std::make_shared<const GrownItems>(items);
  if (items.columns.empty()) return made;
  GrownItems copied = items;
  for (std::size_t i = 0; i < items.columns.size(); ++i) {
    const List& column = *items.columns[i];
    charge(column.items.size());
    copied.columns[i] = column.grown != nullptr ? copy_of(*column.grown) : make_list(column.items);
    copied.columns[i]->born = made->born;
    copied.columns[i]->column = i + 1;
    changed_.emplace_back(copied.columns[i]);
  }
  made->grown = std::make_shared<const GrownItems>(std::move(copied));
  return made;
}

ListPtr Evaluator::slice_of(const GrownItems& items, const Val& first, const Val& last, std::int64_t step) {
  const bool whole = first.is_none() && last.is_none();
  if (whole && step == 1) return copy_of(items);
  if (items.joined || !items.columns.empty() || step == 0 || (step < 0 && (!whole || step != -1)))
    unsupported("such a slice of a list with as many items as data decide", std::string(kGrownListFix));
  GrownItems part = items;
  if (step < 0)
    part.rows = call_operator(*this, "flip", {tensor(items.rows), make_list({SymInt(0)})}, {});
  else
    part.rows = call_operator(
        *this, "slice", {tensor(items.rows), SymInt(0), number_as_size(first), number_as_size(last), SymInt(step)}, {});
  return copy_of(part);
}

Val Evaluator::length_of(const GrownItems& items) {
  if (!items.columns.empty()) {
    const List& column = *items.columns[0];
    return column.grown != nullptr ? length_of(*column.grown) : Val(SymInt(column.items.size()));
  }
  return items.joined ? items.count : Val(tensor(items.rows)->type.shape[0]);
}

Val Evaluator::item_of(const GrownItems& items, const Val& place) {
  if (!items.columns.empty()) return row_of(items, items.pattern, place);
  Value* rows = tensor(items.rows);
  if (items.joined)
    unsupported("an item of a list whose tensors differ in size, as often as data decide", std::string(kGrownListFix));
  Val at = number_as_size(place);
  if (const auto known = at.integer(); known && *known < 0) at = rows->type.shape[0] + *known;
  if (at.get<SymInt>() == nullptr) unsupported(fmt::format("a list is indexed by {}", place.kind()));
  const Val item = call_operator(*this, "select", {rows, SymInt(0), at}, {});
  if (!items.numbers) return item;
  return Unknown{"it is in a list that data make longer", tensor(item)};
}

void Evaluator::set_item_of(const ListPtr& list, const GrownItems& items, const Val& place, const Val& item) {
  Value* value = tensor_or_number(item);
  const bool number = !item.is_tensor() && item.get<Stored>() == nullptr;
  if (items.joined || !items.columns.empty() || value == nullptr || number != items.numbers)
    unsupported(fmt::format("{} takes the place of another item of a list with as many as data decide", item.kind()),
                std::string(kGrownListFix));
  TensorType held = tensor(items.rows)->type;
  held.shape = without_first(held.shape);
  if (value->type != held)
    unsupported(fmt::format("a list holds {} and takes {} where data decide the place", to_string(held),
                            to_string(value->type)),
                "give it tensors of one type and size");
  if (!number) held_.insert(owner_of(value));
  Value* at = tensor_or_number(place);
  if (at == nullptr || at->type.dtype != DType::i64) unsupported(fmt::format("a list is indexed by {}", place.kind()));
  GrownItems now = items;
  now.rows = call_operator(*this, "index_put", {items.rows, make_list({at}), value}, {});
  set_list(list, std::make_shared<const GrownItems>(std::move(now)));
}

Val Evaluator::stacked(const GrownItems& items, std::int64_t dim) {
  if (!items.columns.empty()) invalid("tuples are stacked");
  Value* rows = tensor(items.rows);
  if (items.joined || items.numbers)
    unsupported("a stack of tensors that differ in size, as often as data decide", std::string(kGrownListFix));
  if (dim == 0) return call_operator(*this, "clone", {rows}, {});
  return call_operator(*this, "movedim", {rows, SymInt(0), SymInt(dim)}, {});
}

Val Evaluator::concatenated(const GrownItems& items, std::int64_t dim) {
  if (!items.columns.empty()) invalid("tuples are joined");
  Value* rows = tensor(items.rows);
  const auto rank = static_cast<std::int64_t>(rows->type.shape.size()) - (items.joined ? 0 : 1);
  if (rank < 1 || dim < -rank || dim >= rank || items.numbers)
    invalid("tensors of a list are joined where they have no dimension");
  if (dim < 0) dim += rank;
  if (items.joined) {
    if (dim != 0)
      unsupported(fmt::format("tensors that differ in their first size are joined along dimension {}", dim),
                  std::string(kGrownListFix));
    return call_operator(*this, "clone", {rows}, {});
  }
  const Val moved = dim == 0 ? Val(rows) : call_operator(*this, "movedim", {rows, SymInt(0), SymInt(dim)}, {});
  return call_operator(*this, "flatten", {moved, SymInt(dim), SymInt(dim + 1)}, {});
}

}  // namespace aitune::torchscript

// What changes lists, or makes new ones.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "compiler/import/torchscript/builtins.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;

bool is_grown(const Val& value) {
  const auto* list = value.get<ListPtr>();
  return list != nullptr && (*list)->grown != nullptr;
}

// The list to change. What lies in the file is state, which a compiled model has not.
const ListPtr& own_list(Call& call) {
  const auto* list = call[0].get<ListPtr>();
  if (list == nullptr) call.evaluator.unsupported(fmt::format("{} of {}", call.name, call[0].kind()));
  if ((*list)->stored)
    call.evaluator.unsupported("the model changes a list that it keeps", "return new values instead of storing them");
  return *list;
}
Vals& changed_items(Call& call) {
  const ListPtr& list = own_list(call);
  if (list->grown != nullptr)
    call.evaluator.unsupported(fmt::format("{} of {}", call.name, call[0].kind()), std::string(kGrownListFix));
  call.evaluator.changed(call[0]);
  return list->items;
}

Result append(Call& call) {
  call.evaluator.append(own_list(call), call[1]);
  return call[0];
}
Result insert(Call& call) {
  const ListPtr& list = own_list(call);
  if (call[1].integer() == 0 && call.evaluator.grows(list)) {
    call.evaluator.append(list, call[2], true);
    return Val(None{});
  }
  Vals& items = changed_items(call);
  const std::int64_t size = static_cast<std::int64_t>(items.size());
  std::int64_t at = known_integer(call, call[1]);
  at = std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  call.evaluator.charge(items.size());
  items.insert(items.begin() + at, call[2]);
  return Val(None{});
}
Result extend(Call& call) {
  const Result extended = extend_list(call);
  return extended ? Result(None{}) : std::nullopt;
}
Result pop(Call& call) {
  if (call[0].get<ListPtr>() == nullptr) return std::nullopt;
  const ListPtr& list = own_list(call);
  const Val place = call.size() > 1 ? call[1] : Val(SymInt(-1));
  if (list->grown != nullptr && (place.integer() == -1 || place.integer() == 0)) {
    const GrownPtr grown = list->grown;
    const bool last = place.integer() == -1;
    const Val from = last ? Val(None{}) : Val(SymInt(1)), to = last ? Val(SymInt(-1)) : Val(None{});
    call.evaluator.set_list(list, call.evaluator.slice_of(*grown, from, to, 1)->grown);
    return call.evaluator.item_of(*grown, place);
  }
  Vals& items = changed_items(call);
  const std::size_t at = place_in_list(call, place, items.size());
  Val value = items[at];
  call.evaluator.charge(1 + items.size() / 16);
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  return value;
}
Result delete_item(Call& call) {
  if (call[0].get<ListPtr>() == nullptr) return std::nullopt;
  pop(call);
  return Val(None{});
}
Result clear(Call& call) {
  if (call[0].get<ListPtr>() == nullptr) return std::nullopt;
  call.evaluator.set_items(own_list(call), {});
  return Val(None{});
}
Result set_item(Call& call) {
  if (call[0].get<ListPtr>() == nullptr) return std::nullopt;
  if (const GrownPtr grown = call.evaluator.grown_for_places(call[0], {&call[1]})) {
    call.evaluator.set_item_of(own_list(call), *grown, call[1], call[2]);
    return call[0];
  }
  Vals& items = changed_items(call);
  items[place_in_list(call, call[1], items.size())] = call[2];
  return call[0];
}

// The place of the first item that is equal, or one behind the last.
std::size_t search(Call& call, const Vals& items) {
  call.evaluator.charge(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto same = call.evaluator.same(items[i], call[1]);
    if (!same)
      call.evaluator.unsupported(fmt::format("{} compares {} with {}, which only data or sizes that move tell",
                                             call.name, items[i].kind(), call[1].kind()));
    if (*same) return i;
  }
  return items.size();
}
std::size_t find_item(Call& call, const Vals& items) {
  const std::size_t at = search(call, items);
  if (at == items.size())
    call.evaluator.invalid(fmt::format("{}: {} is not in the list", call.name, printable(to_text(call[1]))));
  return at;
}
Result remove(Call& call) {
  if (call[0].get<ListPtr>() == nullptr) return std::nullopt;
  Vals& items = changed_items(call);
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(find_item(call, items)));
  return Val(None{});
}
Result index(Call& call) {
  const auto* list = call.size() == 2 ? call[0].get<ListPtr>() : nullptr;
  if (list == nullptr || is_grown(call[0])) return std::nullopt;
  return SymInt(static_cast<std::int64_t>(find_item(call, (*list)->items)));
}
Result count(Call& call) {
  const auto* list = call.size() == 2 ? call[0].get<ListPtr>() : nullptr;
  if (list == nullptr || is_grown(call[0])) return std::nullopt;
  call.evaluator.charge((*list)->items.size());
  std::int64_t found = 0;
  for (const Val& item : (*list)->items) {
    const auto same = call.evaluator.same(item, call[1]);
    if (!same) call.evaluator.unsupported(fmt::format("count of {} in a list, which only data tell", item.kind()));
    found += *same ? 1 : 0;
  }
  return SymInt(found);
}

Result reverse(Call& call) {
  if (is_grown(call[0])) {
    const ListPtr& list = own_list(call);
    call.evaluator.set_list(list, call.evaluator.slice_of(*list->grown, None{}, None{}, -1)->grown);
    return Val(None{});
  }
  std::ranges::reverse(changed_items(call));
  return Val(None{});
}

// Numbers, strings, or tuples of them, as Python orders them.
bool is_less(Call& call, const Val& a, const Val& b, int depth = 0) {
  constexpr int kMaxTuples = 10;
  const auto *x = a.get<std::string>(), *y = b.get<std::string>();
  if (x != nullptr && y != nullptr) return *x < *y;
  if (a.get<TuplePtr>() != nullptr && b.get<TuplePtr>() != nullptr && depth < kMaxTuples)
    return std::ranges::lexicographical_compare(
        *a.items(), *b.items(), [&](const Val& one, const Val& two) { return is_less(call, one, two, depth + 1); });
  const auto p = plain_number(a), q = plain_number(b);
  if (!p || !q)
    call.evaluator.unsupported(
        fmt::format("{} orders {} and {}, which only data or sizes that move tell", call.name, a.kind(), b.kind()),
        "sort tensors by torch.sort");
  if (a.integer() && b.integer()) return *a.integer() < *b.integer();
  return *p < *q;
}
void order(Call& call, Vals& items) {
  const bool down = call.size() > 1 && call[1].get<bool>() != nullptr && *call[1].get<bool>();
  call.evaluator.charge(items.size());
  std::ranges::stable_sort(
      items, [&](const Val& a, const Val& b) { return down ? is_less(call, b, a) : is_less(call, a, b); });
}
Result sort(Call& call) {
  if (call[0].get<ListPtr>() == nullptr) return std::nullopt;
  order(call, changed_items(call));
  return Val(None{});
}
Result sorted(Call& call) {
  if (call[0].items() == nullptr) return std::nullopt;
  Vals items = *call[0].items();
  order(call, items);
  return make_list(std::move(items));
}

Result copy(Call& call) {
  if (call.size() != 1) return std::nullopt;
  if (is_grown(call[0])) return call.evaluator.copy_of(*(*call[0].get<ListPtr>())->grown);
  const Vals* items = call[0].items();
  if (items == nullptr) return std::nullopt;
  call.evaluator.charge(items->size());
  return make_list(*items);
}

}  // namespace

Result extend_list(Call& call) {
  const ListPtr& list = own_list(call);
  const auto* grown = call[1].get<ListPtr>();
  if (grown != nullptr && (*grown)->grown != nullptr) {
    call.evaluator.extend(list, *grown);
    return call[0];
  }
  const Vals* more = call[1].items();
  if (more == nullptr) return std::nullopt;
  const Vals copy = *more;
  call.evaluator.charge(copy.size());
  for (const Val& item : copy) call.evaluator.append(list, item);
  return call[0];
}

void add_lists(BuiltinTable& table) {
  table.add({"append"}, append);
  table.add({"insert"}, insert);
  table.add({"extend"}, extend);
  table.add({"pop"}, pop);
  table.add({"Delete"}, delete_item);
  table.add({"clear"}, clear);
  table.add({"_set_item"}, set_item);
  table.add({"remove"}, remove);
  table.add({"index"}, index);
  table.add({"count"}, count);
  table.add({"reverse"}, reverse);
  table.add({"sort"}, sort);
  table.add({"sorted"}, sorted);
  table.add({"list", "copy"}, copy);
}

}  // namespace aitune::torchscript

// Lists, tuples, dicts, ranges.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;
constexpr std::int64_t kMaxRange = 1'000'000;

// The list to change. What lies in the file is state, which a compiled model has not.
List& changed_list(Call& call) {
  const auto* list = call[0].get<ListPtr>();
  if (list == nullptr) call.evaluator.unsupported(fmt::format("{} of {}", call.name, call[0].kind()));
  if ((*list)->stored)
    call.evaluator.unsupported("the model changes a list that it keeps", "return new values instead of storing them");
  if ((*list)->grown != nullptr)
    call.evaluator.unsupported(fmt::format("{} of {}", call.name, call[0].kind()), std::string(kGrownListFix));
  call.evaluator.changed(call[0]);
  return **list;
}
Dict& changed_dict(Call& call) {
  const auto* dict = call[0].get<DictPtr>();
  if (dict == nullptr) call.evaluator.unsupported(fmt::format("{} of {}", call.name, call[0].kind()));
  if ((*dict)->stored)
    call.evaluator.unsupported("the model changes a dict that it keeps", "return new values instead of storing them");
  call.evaluator.changed(call[0]);
  return **dict;
}
std::int64_t known_integer(Call& call, const Val& value) {
  const auto known = value.integer();
  if (!known)
    call.evaluator.unsupported(
        fmt::format("{} needs an integer that is known when the model is tuned, not {}", call.name,
                    value.get<SymInt>() != nullptr ? "a size that moves" : value.kind()),
        "where it depends on a size that moves, give samples of one size");
  return *known;
}
// The place in a list, counted from its end if negative.
std::size_t index_in(Call& call, const Val& value, std::size_t size) {
  const std::int64_t given = known_integer(call, value), count = static_cast<std::int64_t>(size);
  const std::int64_t at = given < 0 ? given + count : given;
  if (at < 0 || at >= count) call.evaluator.invalid(fmt::format("index {} of a list of {}", given, size));
  return static_cast<std::size_t>(at);
}

Result len(Call& call) {
  if (call.size() != 1) return std::nullopt;
  const Val& value = call[0];
  if (const Vals* items = value.items()) return SymInt(static_cast<std::int64_t>(items->size()));
  if (const auto* dict = value.get<DictPtr>()) return SymInt(static_cast<std::int64_t>((*dict)->items.size()));
  if (const auto* text = value.get<std::string>()) return SymInt(static_cast<std::int64_t>(text->size()));
  if (value.get<Value*>() != nullptr) {
    const SymShape& shape = (*value.get<Value*>())->type.shape;
    if (!shape.empty()) return shape[0];
  }
  if (const auto* list = value.get<ListPtr>()) return call.evaluator.length_of(*(*list)->grown);
  if (const auto* object = value.get<ObjectPtr>()) return call.evaluator.call_method(*object, "__len__", {});
  return std::nullopt;
}

Result append(Call& call) {
  const auto* list = call[0].get<ListPtr>();
  if (list == nullptr || (*list)->stored) changed_list(call);
  call.evaluator.append(*list, call[1]);
  return call[0];
}
Result insert(Call& call) {
  auto& items = changed_list(call).items;
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
  if (call[0].get<DictPtr>() != nullptr) {
    auto& items = changed_dict(call).items;
    const auto found =
        std::ranges::find_if(items, [&](const auto& item) { return call.evaluator.same(item.first, call[1]) == true; });
    if (found == items.end()) {
      if (call.size() > 2) return call[2];
      call.evaluator.invalid("a dict has no such key");
    }
    Val value = found->second;
    items.erase(found);
    return value;
  }
  if (const auto* list = call[0].get<ListPtr>(); list != nullptr && (*list)->grown != nullptr)
    if (call.size() == 1 || call[1].integer() == -1) {
      const GrownPtr grown = (*list)->grown;
      call.evaluator.set_list(*list, call.evaluator.slice_of(*grown, None{}, SymInt(-1), 1)->grown);
      return call.evaluator.item_of(*grown, SymInt(-1));
    }
  auto& items = changed_list(call).items;
  const std::size_t at = index_in(call, call.size() > 1 ? call[1] : Val(SymInt(-1)), items.size());
  Val value = items[at];
  call.evaluator.charge(1 + items.size() / 16);
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  return value;
}
Result clear(Call& call) {
  if (call[0].get<DictPtr>() != nullptr)
    changed_dict(call).items.clear();
  else
    changed_list(call).items.clear();
  return Val(None{});
}
Result reverse(Call& call) {
  if (const auto* list = call[0].get<ListPtr>(); list != nullptr && (*list)->grown != nullptr) {
    call.evaluator.set_list(*list, call.evaluator.slice_of(*(*list)->grown, None{}, None{}, -1)->grown);
    return Val(None{});
  }
  std::ranges::reverse(changed_list(call).items);
  return Val(None{});
}
Result sort(Call& call) {
  if (call[0].get<ListPtr>() == nullptr) return std::nullopt;
  auto& items = changed_list(call).items;
  const auto text = [](const Val& value) { return value.get<std::string>(); };
  const bool texts = std::ranges::all_of(items, [&](const Val& item) { return text(item) != nullptr; });
  if (!texts)
    for (const Val& item : items) known_integer(call, item);
  const bool down = call.size() > 1 && call[1].get<bool>() != nullptr && *call[1].get<bool>();
  call.evaluator.charge(items.size());
  std::ranges::stable_sort(items, [&](const Val& a, const Val& b) {
    if (texts) return down ? *text(b) < *text(a) : *text(a) < *text(b);
    return down ? *a.integer() > *b.integer() : *a.integer() < *b.integer();
  });
  return Val(None{});
}

Result same_list(Call& call) {
  if (call.size() != 1) return std::nullopt;
  if (const auto* list = call[0].get<ListPtr>(); list != nullptr && (*list)->grown != nullptr)
    return call.evaluator.copy_of(*(*list)->grown);
  const Vals* items = call[0].items();
  if (items == nullptr) return std::nullopt;
  call.evaluator.charge(items->size());
  return make_list(*items);
}

Result copy(Call& call) {
  if (call[0].get<DictPtr>() != nullptr) {
    auto made = std::make_shared<Dict>();
    made->items = (*call[0].get<DictPtr>())->items;
    call.evaluator.charge(made->items.size());
    return made;
  }
  return same_list(call);
}

Result get_item(Call& call) {
  if (const auto* dict = call[0].get<DictPtr>()) {
    for (const auto& [key, value] : (*dict)->items)
      if (call.evaluator.same(key, call[1]) == true) return value;
    call.evaluator.invalid(fmt::format("a dict has no key {}", printable(to_text(call[1]))));
  }
  if (const GrownPtr grown = call.evaluator.grown_for_places(call[0], {&call[1]}))
    return call.evaluator.item_of(*grown, call[1]);
  const Vals* items = call[0].items();
  if (items == nullptr) return std::nullopt;
  return (*items)[index_in(call, call[1], items->size())];
}

Result set_item(Call& call) {
  if (call[0].get<DictPtr>() != nullptr) {
    auto& items = changed_dict(call).items;
    call.evaluator.charge(items.size());
    for (auto& [key, value] : items) {
      if (call.evaluator.same(key, call[1]) != true) continue;
      value = call[2];
      return Val(None{});
    }
    items.emplace_back(call[1], call[2]);
    return Val(None{});
  }
  auto& items = changed_list(call).items;
  items[index_in(call, call[1], items.size())] = call[2];
  return call[0];
}

// A slice of a list or a string; of a tensor it is an operator.
Result slice(Call& call) {
  const auto argument = [&](std::size_t i) { return call.size() > i ? call[i] : Val(None{}); };
  const Val from = argument(1), to = argument(2), by = argument(3);
  if (const GrownPtr grown = call.evaluator.grown_for_places(call[0], {&from, &to}))
    return call.evaluator.slice_of(*grown, from, to, by.is_none() ? 1 : known_integer(call, by));
  const auto* text = call[0].get<std::string>();
  const Vals* items = call[0].items();
  if (text == nullptr && items == nullptr) return std::nullopt;
  const auto size = static_cast<std::int64_t>(text != nullptr ? text->size() : items->size());
  const std::int64_t step = call.size() > 3 && !call[3].is_none() ? known_integer(call, call[3]) : 1;
  if (step == 0) call.evaluator.invalid("a slice whose step is zero");
  // Backwards it starts from the last item, and may end before the first.
  const std::int64_t least = step > 0 ? 0 : -1, most = step > 0 ? size : size - 1;
  const auto bound = [&](std::size_t i, std::int64_t otherwise) {
    if (call.size() <= i || call[i].is_none()) return otherwise;
    const std::int64_t at = known_integer(call, call[i]);
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, least, most);
  };
  const std::int64_t first = bound(1, step > 0 ? 0 : size - 1), last = bound(2, step > 0 ? size : -1);
  call.evaluator.charge(static_cast<std::size_t>(size));
  const std::int64_t stride = std::clamp(step, -size - 1, size + 1);
  std::string characters;
  Vals part;
  for (std::int64_t i = first; step > 0 ? i < last : i > last; i += stride) {
    if (text != nullptr)
      characters += (*text)[static_cast<std::size_t>(i)];
    else
      part.push_back((*items)[static_cast<std::size_t>(i)]);
  }
  if (text != nullptr) return characters;
  return make_list(std::move(part));
}

Result contains(Call& call) {
  const auto search = [&](const auto& range, const auto& of) -> Val {
    bool unknown = false;
    call.evaluator.charge(std::size(range));
    for (const auto& item : range) {
      const auto same = call.evaluator.same(of(item), call[1]);
      if (same == true) return true;
      unknown = unknown || !same;
    }
    if (unknown) return Unknown{"it looks for a value that is not known"};
    return false;
  };
  if (const auto* dict = call[0].get<DictPtr>())
    return search((*dict)->items, [](const auto& item) -> const Val& { return item.first; });
  if (const Vals* items = call[0].items()) return search(*items, std::identity());
  const auto *text = call[0].get<std::string>(), *part = call[1].get<std::string>();
  if (text != nullptr && part != nullptr) call.evaluator.charge(1 + text->size() * part->size() / 256);
  if (text != nullptr && part != nullptr) return text->find(*part) != std::string::npos;
  return std::nullopt;
}

template <int which>
Result dict_items(Call& call) {
  const auto* dict = call[0].get<DictPtr>();
  if (dict == nullptr) return std::nullopt;
  call.evaluator.charge((*dict)->items.size());
  Vals items;
  for (const auto& [key, value] : (*dict)->items) {
    if (which == 0) items.push_back(key);
    if (which == 1) items.push_back(value);
    if (which == 2) items.push_back(make_tuple({key, value}));
  }
  return make_list(std::move(items));
}
Result dict_get(Call& call) {
  const auto* dict = call[0].get<DictPtr>();
  if (dict == nullptr) return std::nullopt;
  for (const auto& [key, value] : (*dict)->items)
    if (call.evaluator.same(key, call[1]) == true) return value;
  return call.size() > 2 ? call[2] : Val(None{});
}
Result dict_update(Call& call) {
  const auto* more = call[1].get<DictPtr>();
  if (more == nullptr) return std::nullopt;
  const auto items = (*more)->items;
  for (const auto& [key, value] : items) {
    Vals args = {call[0], key, value};
    Keywords none;
    Call inner{call.evaluator, call.name, args, none};
    set_item(inner);
  }
  return Val(None{});
}
Result make_dict(Call& call) {
  auto dict = std::make_shared<Dict>();
  if (call.size() == 0) return dict;
  const Vals* pairs = call[0].items();
  if (pairs == nullptr) return std::nullopt;
  for (const Val& pair : *pairs) {
    const Vals* both = pair.items();
    if (both == nullptr || both->size() != 2) return std::nullopt;
    dict->items.emplace_back((*both)[0], (*both)[1]);
  }
  return dict;
}

Result range(Call& call) {
  std::int64_t first = 0, last = 0, step = 1;
  if (const auto* trips = call.size() == 1 ? call[0].get<SymInt>() : nullptr; trips != nullptr && !trips->is_constant())
    return Unknown{"it is a size that moves", call.evaluator.size_tensor(call.evaluator.graph(), *trips)};
  if (call.size() == 1) last = known_integer(call, call[0]);
  if (call.size() > 1) {
    first = known_integer(call, call[0]);
    last = known_integer(call, call[1]);
  }
  if (call.size() > 2) step = known_integer(call, call[2]);
  if (step == 0) call.evaluator.invalid("a range whose step is 0");
  Vals items;
  for (std::int64_t i = first; step > 0 ? i < last : i > last;) {
    if (static_cast<std::int64_t>(items.size()) == kMaxRange)
      call.evaluator.unsupported(fmt::format("a loop that runs more than {} times", kMaxRange));
    items.emplace_back(SymInt(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  call.evaluator.charge(items.size());
  return make_list(std::move(items));
}

// How many steps range(first, last, step) has.
Result range_length(Call& call) {
  const auto *first = call[0].get<SymInt>(), *last = call[1].get<SymInt>();
  const std::int64_t step = known_integer(call, call[2]);
  if (first == nullptr || last == nullptr) return std::nullopt;
  if (step == 0) call.evaluator.invalid("a range whose step is 0");
  const SymInt span = step > 0 ? *last - *first : *first - *last;
  if (step == INT64_MIN) return SymInt(span.as_constant().value_or(0) > 0 ? 1 : 0);
  const SymInt size = step > 0 ? step : -step;
  return max(SymInt(0), floordiv(span + size - 1, size));
}
Result derive_index(Call& call) {
  const auto *i = call[0].get<SymInt>(), *first = call[1].get<SymInt>(), *step = call[2].get<SymInt>();
  if (i == nullptr || first == nullptr || step == nullptr) return std::nullopt;
  return *first + *i * *step;
}

Result sum_of_list(Call& call) {
  if (Result sum = over_grown(call, "sum")) return sum;
  const Vals* items = call.size() == 1 ? call[0].items() : nullptr;
  if (items == nullptr) return std::nullopt;
  SymInt total = 0;
  double real = 0;
  bool whole = true;
  for (const Val& item : *items) {
    if (const auto* size = item.get<SymInt>())
      total += *size;
    else if (const auto* number = item.get<double>())
      whole = false, real += *number;
    else
      return std::nullopt;
  }
  if (whole) return total;
  const auto constant = total.as_constant();
  return constant ? Result(real + static_cast<double>(*constant)) : std::nullopt;
}

template <bool all>
Result all_or_any(Call& call) {
  if (Result decided = over_grown(call, all ? "all" : "any")) return decided;
  const auto* list = call.size() == 1 ? call[0].get<ListPtr>() : nullptr;
  if (list == nullptr || (*list)->grown != nullptr) return std::nullopt;
  Val result = all;
  for (const Val& item : (*list)->items) {
    const Val truth = call.evaluator.truth(item);
    if (truth.get<Unknown>() != nullptr)
      result = truth;
    else if (*truth.get<bool>() != all)
      return !all;
  }
  return result;
}

template <bool is>
Result identity(Call& call) {
  const Val &a = call[0], &b = call[1];
  if (a.is_none() || b.is_none()) return (a.is_none() && b.is_none()) == is;
  const auto *x = a.get<Value*>(), *y = b.get<Value*>();
  if (x != nullptr && y != nullptr) return (*x == *y) == is;
  const auto same = call.evaluator.same(a, b);
  if (!same) return Unknown{"it asks whether two values are one object"};
  return *same == is;
}

}  // namespace

Result over_grown(Call& call, std::string_view op) {
  const auto* list = call.size() == 1 ? call[0].get<ListPtr>() : nullptr;
  const GrownItems* items = list != nullptr ? (*list)->grown.get() : nullptr;
  if (items == nullptr || !items->numbers) return std::nullopt;
  const Val result = call_operator(call.evaluator, op, {call.evaluator.tensor(items->rows)}, {});
  return Unknown{"it is computed from a list that data make longer", call.evaluator.tensor(result)};
}

Result extend_list(Call& call) {
  const auto *list = call[0].get<ListPtr>(), *grown = call[1].get<ListPtr>();
  if (list == nullptr || (*list)->stored) changed_list(call);
  if (grown != nullptr && (*grown)->grown != nullptr) {
    call.evaluator.extend(*list, *grown);
    return call[0];
  }
  const Vals* more = call[1].items();
  if (more == nullptr) return std::nullopt;
  const Vals copy = *more;
  call.evaluator.charge(copy.size());
  for (const Val& item : copy) call.evaluator.append(*list, item);
  return call[0];
}

void add_containers(BuiltinTable& table) {
  table.add({"len"}, len);
  table.add({"append"}, append);
  table.add({"insert"}, insert);
  table.add({"extend"}, extend);
  table.add({"pop"}, pop);
  table.add({"clear"}, clear);
  table.add({"reverse"}, reverse);
  table.add({"sort"}, sort);
  table.add({"copy"}, copy);
  table.add({"list"}, same_list);
  table.add({"__getitem__"}, get_item);
  table.add({"_set_item"}, set_item);
  table.add({"slice"}, slice);
  table.add({"__contains__"}, contains);
  table.add({"keys"}, dict_items<0>);
  table.add({"values"}, dict_items<1>);
  table.add({"items"}, dict_items<2>);
  table.add({"get"}, dict_get);
  table.add({"update"}, dict_update);
  table.add({"dict"}, make_dict);
  table.add({"range"}, range);
  table.add({"__range_length"}, range_length);
  table.add({"__derive_index"}, derive_index);
  table.add({"sum"}, sum_of_list);
  table.add({"all"}, all_or_any<true>);
  table.add({"any"}, all_or_any<false>);
  table.add({"__is__"}, identity<true>);
  table.add({"__isnot__"}, identity<false>);
}

}  // namespace aitune::torchscript

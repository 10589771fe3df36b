// What lists, tuples, dicts and strings have in common; ranges.

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;
constexpr std::int64_t kMaxRange = 1'000'000;

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

Result get_item(Call& call) {
  if (const GrownPtr grown = call.evaluator.grown_for_places(call[0], {&call[1]}))
    return call.evaluator.item_of(*grown, call[1]);
  const Vals* items = call[0].items();
  if (items == nullptr) return std::nullopt;
  return (*items)[place_in_list(call, call[1], items->size())];
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
  if (const Maybe* maybe = maybe_of(a.is_none() ? b : a); maybe != nullptr && (a.is_none() || b.is_none())) {
    Value* present = maybe->present;
    if (is) present = call.evaluator.tensor(call_operator(call.evaluator, "logical_not", {present}, {}));
    return Unknown{"data decide whether it is None", present};
  }
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

void add_containers(BuiltinTable& table) {
  table.add({"len"}, len);
  table.add({"__getitem__"}, get_item);
  table.add({"slice"}, slice);
  table.add({"__contains__"}, contains);
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

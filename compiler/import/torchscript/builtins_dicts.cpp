// Dicts: their keys are known.

#include <fmt/format.h>

#include <algorithm>

#include "compiler/import/torchscript/builtins.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;

const Dict* dict_of(Call& call) {
  const auto* dict = call.size() == 0 ? nullptr : call[0].get<DictPtr>();
  return dict == nullptr ? nullptr : dict->get();
}
// The items of the dict to change. What lies in the file is state, which a compiled model has not.
DictItems& changed_entries(Call& call) {
  const DictPtr& dict = *call[0].get<DictPtr>();
  if (dict->stored)
    call.evaluator.unsupported("the model changes a dict that it keeps", "return new values instead of storing them");
  call.evaluator.changed(call[0]);
  return dict->items;
}
DictItems::iterator place_of_key(Call& call, DictItems& items, const Val& key) {
  const auto* found = find_in_dict(call.evaluator, items, key);
  return found == nullptr ? items.end() : items.begin() + (found - items.data());
}
void set(Call& call, const Val& key, const Val& value) {
  DictItems& items = changed_entries(call);
  const auto at = place_of_key(call, items, key);
  if (at != items.end())
    at->second = value;
  else
    items.emplace_back(key, value);
}
[[noreturn]] void refuse_key(Call& call) {
  call.evaluator.invalid(fmt::format("a dict has no key {}", printable(to_text(call[1]))));
}

Result get_entry(Call& call) {
  const Dict* dict = dict_of(call);
  if (dict == nullptr) return std::nullopt;
  const auto* found = find_in_dict(call.evaluator, dict->items, call[1]);
  if (found == nullptr) refuse_key(call);
  return found->second;
}
Result get_or_default(Call& call) {
  const Dict* dict = dict_of(call);
  if (dict == nullptr) return std::nullopt;
  if (const auto* found = find_in_dict(call.evaluator, dict->items, call[1])) return found->second;
  return call.size() > 2 ? call[2] : Val(None{});
}
Result set_entry(Call& call) {
  if (dict_of(call) == nullptr) return std::nullopt;
  set(call, call[1], call[2]);
  return Val(None{});
}
Result set_default(Call& call) {
  const Dict* dict = dict_of(call);
  if (dict == nullptr) return std::nullopt;
  if (const auto* found = find_in_dict(call.evaluator, dict->items, call[1])) return found->second;
  set(call, call[1], call[2]);
  return call[2];
}
Result pop_entry(Call& call) {
  if (dict_of(call) == nullptr) return std::nullopt;
  DictItems& items = changed_entries(call);
  const auto found = place_of_key(call, items, call[1]);
  if (found == items.end()) {
    if (call.size() > 2) return call[2];
    refuse_key(call);
  }
  Val value = found->second;
  items.erase(found);
  return value;
}
Result delete_entry(Call& call) {
  if (dict_of(call) == nullptr) return std::nullopt;
  pop_entry(call);
  return Val(None{});
}
Result pop_last_entry(Call& call) {
  if (dict_of(call) == nullptr) return std::nullopt;
  DictItems& items = changed_entries(call);
  if (items.empty()) call.evaluator.invalid("popitem of an empty dict");
  const auto [key, value] = items.back();
  items.pop_back();
  return make_tuple({key, value});
}
Result clear_dict(Call& call) {
  if (dict_of(call) == nullptr) return std::nullopt;
  changed_entries(call).clear();
  return Val(None{});
}
Result update_dict(Call& call) {
  const auto* more = dict_of(call) == nullptr ? nullptr : call[1].get<DictPtr>();
  if (more == nullptr) return std::nullopt;
  const DictItems items = (*more)->items;
  for (const auto& [key, value] : items) set(call, key, value);
  return Val(None{});
}

Result copy_dict(Call& call) {
  const Dict* dict = dict_of(call);
  if (dict == nullptr) return std::nullopt;
  auto made = std::make_shared<Dict>();
  made->items = dict->items;
  call.evaluator.charge(made->items.size());
  return made;
}
Result make_dict(Call& call) {
  if (dict_of(call) != nullptr) return copy_dict(call);
  auto dict = std::make_shared<Dict>();
  if (call.size() == 0) return dict;
  const Vals* pairs = call[0].items();
  if (pairs == nullptr) return std::nullopt;
  Vals args = {dict};
  Keywords none;
  Call made{call.evaluator, call.name, args, none};
  for (const Val& pair : *pairs) {
    const Vals* both = pair.items();
    if (both == nullptr || both->size() != 2) return std::nullopt;
    set(made, (*both)[0], (*both)[1]);
  }
  return dict;
}

template <int which>
Result dict_items(Call& call) {
  const Dict* dict = dict_of(call);
  if (dict == nullptr) return std::nullopt;
  call.evaluator.charge(dict->items.size());
  Vals items;
  for (const auto& [key, value] : dict->items) {
    if (which == 0) items.push_back(key);
    if (which == 1) items.push_back(value);
    if (which == 2) items.push_back(make_tuple({key, value}));
  }
  return make_list(std::move(items));
}

}  // namespace

const std::pair<Val, Val>* find_in_dict(Evaluator& evaluator, const DictItems& items, const Val& key) {
  evaluator.charge(items.size());
  for (const auto& item : items) {
    const auto same = evaluator.same(item.first, key);
    if (!same)
      evaluator.unsupported(
          fmt::format("a dict is asked for a key that only data or sizes that move tell: {}", key.kind()),
          "use keys that are known when the model is tuned");
    if (*same) return &item;
  }
  return nullptr;
}

void add_dicts(BuiltinTable& table) {
  table.add({"__getitem__"}, get_entry);
  table.add({"get"}, get_or_default);
  table.add({"_set_item"}, set_entry);
  table.add({"setdefault"}, set_default);
  table.add({"pop"}, pop_entry);
  table.add({"popitem"}, pop_last_entry);
  table.add({"Delete"}, delete_entry);
  table.add({"clear"}, clear_dict);
  table.add({"update"}, update_dict);
  table.add({"copy"}, copy_dict);
  table.add({"dict"}, make_dict);
  table.add({"keys"}, dict_items<0>);
  table.add({"values"}, dict_items<1>);
  table.add({"items"}, dict_items<2>);
}

}  // namespace aitune::torchscript

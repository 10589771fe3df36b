// Writes inside of a branch or loop into memory from outside: they go to a copy, and the names that show it get the
// copy. Then they are values like others, which branches merge and loops carry.

#include <fmt/format.h>

#include <algorithm>

#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxViews = 200;
constexpr int kMaxContainerDepth = 20;  // of containers

const Value* shown_by(const Value* value) {
  if (value->producer == nullptr) return nullptr;
  const Alias alias = alias_of(*value->producer, value->index);
  return alias.kind == Aliasing::fresh ? nullptr : alias.operand;
}

bool holds(const Val& value, const Value* owner, int depth = 0) {
  if (const auto* tensor = value.get<Value*>()) return owner_of(*tensor) == owner;
  if (depth >= kMaxContainerDepth) return false;
  if (const Maybe* maybe = maybe_of(value)) return holds(maybe->value, owner, depth + 1);
  if (const auto* list = value.get<ListPtr>(); list != nullptr && (*list)->grown != nullptr)
    return holds((*list)->grown->rows, owner, depth + 1) ||
           std::ranges::any_of((*list)->grown->columns,
                               [&](const ListPtr& column) { return holds(column, owner, depth + 1); });
  if (const Vals* items = value.items())
    return std::ranges::any_of(*items, [&](const Val& item) { return holds(item, owner, depth + 1); });
  if (const auto* dict = value.get<DictPtr>())
    return std::ranges::any_of((*dict)->items, [&](const auto& item) { return holds(item.second, owner, depth + 1); });
  return false;
}

/// The value with `now` wherever it holds the number; nothing where it does not.
std::optional<Val> with_changed(const Val& value, const Number& number, const Val& now, int depth = 0) {
  const auto* held = value.get<Number>();
  if (held != nullptr) return held->identity == number.identity ? std::optional(now) : std::nullopt;
  const Vals* items = value.items();
  if (items == nullptr || depth >= kMaxContainerDepth) return std::nullopt;
  Vals changed = *items;
  bool any = false;
  for (Val& item : changed)
    if (auto made = with_changed(item, number, now, depth + 1)) item = *std::move(made), any = true;
  if (!any) return std::nullopt;
  if (const auto* tuple = value.get<TuplePtr>()) return make_tuple(std::move(changed), (*tuple)->type);
  const auto* list = value.get<ListPtr>();
  if (list == nullptr) return std::nullopt;
  (*list)->items = std::move(changed);
  return value;
}

}  // namespace

const Value* owner_of(const Value* value) {
  for (int steps = 0; steps < kMaxViews; ++steps) {
    const Value* shown = shown_by(value);
    if (shown == nullptr) return value;
    value = shown;
  }
  return value;
}

void Evaluator::written(const Value* value) {
  if (value == nullptr) return;
  const Value* owner = owner_of(value);
  if (held_.contains(owner))
    unsupported("a tensor is written into after a list has taken it that data make longer", "append a clone() of it");
  refuse_write(owner);
  written_.insert(owner);
}

void Evaluator::replace_number(const Number& number, const Val& now) {
  for (Frame& frame : frames_) {
    charge(frame.locals.size());
    for (auto& [name, value] : frame.locals)
      if (auto changed = with_changed(value, number, now)) value = *std::move(changed);
  }
}

Value* Evaluator::written_number(const Number& number) {
  Value* made = tensor(number);
  replace_number(number, made);
  return made;
}

std::optional<Val> Evaluator::changed_number(const Number& number, const Number& now) {
  if (!journals_.empty() || number_tensors_.contains(number.identity)) return std::nullopt;
  const Val changed = Number{now.value, number.dtype, number.identity};
  replace_number(number, changed);
  return changed;
}

void Evaluator::made(const Node& node) {
  if (!journals_.empty()) journals_.back().made.insert(node.outputs.begin(), node.outputs.end());
}

Value* Evaluator::shown_in_copy(Value* value, const Value* owner, Value* copy) {
  if (value == owner) return copy;
  const Node& node = *value->producer;
  const Value* shown = shown_by(value);
  Value* moved = shown_in_copy(const_cast<Value*>(shown), owner, copy);
  ArgList args = node.args;
  for_each_value(args, [&](Value*& operand) {
    if (operand == shown) operand = moved;
  });
  std::vector<TensorType> types;
  for (const Value* output : node.outputs) types.push_back(output->type);
  Node* again = graph_->add_node(*node.op, std::move(args), std::move(types), value->name);
  again->source = location();
  made(*again);
  return again->output(value->index);
}

void Evaluator::take_memory_inside(const OpInfo& op, ArgList& args) {
  if (journals_.empty()) return;
  for (std::size_t i = 0; i < op.args.size(); ++i) {
    if (!op.args[i].written || !args[i].is_value()) continue;
    const Value* owner = owner_of(args[i].value());
    if (held_.contains(owner)) written(owner);  // says so
    refuse_write(owner);
    if (std::ranges::find(model_.inputs, owner) != model_.inputs.end())
      unsupported(fmt::format("the model writes into input {}", printable(owner->name)),
                  "let it write into a clone() of it");
    if (journals_.back().made.contains(owner)) continue;
    Value* copy = tensor(call_operator(*this, "clone", {const_cast<Value*>(owner)}, {}));
    copies_.insert(copy);
    for_each_value(args, [&](Value*& operand) {
      if (owner_of(operand) == owner) operand = shown_in_copy(operand, owner, copy);
    });
    replace_in_names(owner, copy);
    replace_in_attributes(owner, copy);
  }
}

Val Evaluator::seen_in_copy(const Val& value, const Value* owner, Value* copy, int depth) {
  if (!holds(value, owner, depth)) return value;
  if (const auto* shown = value.get<Value*>()) {
    // A view that was there before would have to see the write as well.
    if (*shown == owner || journals_.back().made.contains(*shown)) return shown_in_copy(*shown, owner, copy);
    return Unknown{"it shows memory that is written into inside of an if or a loop that data decide"};
  }
  const auto seen = [&](const Val& item) { return seen_in_copy(item, owner, copy, depth + 1); };
  if (const Maybe* maybe = maybe_of(value)) {
    Unknown made = *value.get<Unknown>();
    made.maybe = std::make_shared<const Maybe>(maybe->present, seen(maybe->value));
    return made;
  }
  if (const auto* tuple = value.get<TuplePtr>()) {
    Vals items;
    for (const Val& item : (*tuple)->items) items.push_back(seen(item));
    return make_tuple(std::move(items), (*tuple)->type);
  }
  if (const auto* list = value.get<ListPtr>(); list != nullptr && (*list)->grown == nullptr) {
    changed(value);
    for (Val& item : (*list)->items) item = seen(item);
    return value;
  }
  if (const auto* dict = value.get<DictPtr>()) {
    changed(value);
    for (auto& [key, item] : (*dict)->items) item = seen(item);
    return value;
  }
  unsupported(
      fmt::format("a tensor is written into inside of an if or a loop that data decide, and {} holds it", value.kind()),
      "keep it in a name of its own");
}

void Evaluator::replace_in_names(const Value* owner, Value* copy) {
  for (std::size_t f = 0; f < frames_.size(); ++f) {
    charge(frames_[f].locals.size());
    for (auto& [name, value] : frames_[f].locals) {
      if (!holds(value, owner)) continue;
      // What functions that have called this one know by a name is not put back behind the region.
      if (f < journals_.back().frame && value.get<ListPtr>() == nullptr && value.get<DictPtr>() == nullptr)
        value = Unknown{"it shows memory that is written into inside of an if or a loop that data decide"};
      else
        value = seen_in_copy(value, owner, copy);
    }
  }
}

void Evaluator::replace_in_attributes(const Value* owner, Value* copy) {
  std::vector<SlotName> held;
  for (const KeptState& state : states_) held.push_back(state.slot);
  for (const Val& value : changed_) {
    const auto* object = value.get<ObjectPtr>();
    if (object == nullptr) continue;
    charge((*object)->slots.size());
    for (const auto& [name, slot] : (*object)->slots) held.emplace_back(*object, name);
  }
  for (const auto& [object, name] : held) {
    const Val value = object->slots.at(name).value;
    if (holds(value, owner)) set_slot(object, name, seen_in_copy(value, owner, copy));
  }
}

}  // namespace aitune::torchscript

#include "compiler/import/torchscript/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "compiler/import/torchscript/ungiven_state.h"

namespace aitune::torchscript {
namespace {

constexpr std::size_t kMaxOutputs = 1000;
constexpr int kMaxOutputDepth = 50;

class Collector {
 public:
  Collector(Evaluator& evaluator, Graph& graph, std::vector<ChangedAttribute>& changed)
      : evaluator_(evaluator), graph_(graph), changed_(changed) {}

  void add(const Val& value, const std::string& name, int depth = 0) {
    if (depth > kMaxOutputDepth) refuse("the result is nested too deeply");
    if (value.is_none()) return;
    if (value.is_tensor() || value.get<Stored>() != nullptr) return add_tensor(evaluator_.tensor(value), name);
    if (const auto* dict = value.get<DictPtr>()) {
      for (const auto& [key, item] : (*dict)->items) add(item, printable(to_text(key), 100), depth + 1);
      return;
    }
    const Vals* items = value.items();
    if (const auto* unknown = value.get<Unknown>()) {
      if (unknown->value != nullptr) return add_tensor(unknown->value, name);
      refuse("the model returns something that data decide: " + unknown->reason);
    }
    if (value.is_number()) return add_tensor(evaluator_.tensor_or_number(value), name);
    if (const auto* list = value.get<ListPtr>(); list != nullptr && items == nullptr)
      throw Unsupported(fmt::format("the model returns {}", value.kind()), evaluator_.archive().where(),
                        "return torch.stack() or torch.cat() of it");
    if (items == nullptr) refuse(fmt::format("the model returns {}", value.kind()));
    const auto* tuple = value.get<TuplePtr>();
    const Class* type = tuple != nullptr ? (*tuple)->type : nullptr;
    for (std::size_t i = 0; i < items->size(); ++i)
      add((*items)[i], type != nullptr && i < type->fields.size() ? printable(type->fields[i].name, 100) : "",
          depth + 1);
  }

  void add_state(const ObjectPtr& object) {
    if (!visited_.insert(object.get()).second) return;
    for (auto& [name, slot] : object->slots) {
      const std::string path = object->path.empty() ? name : fmt::format("{}.{}", object->path, name);
      if (slot.saved)
        check_state(path, slot);
      else if (const auto* kept = slot.value.get<Value*>(); kept != nullptr && evaluator_.is_written_state(*kept))
        add_tensor(*kept, path);
      visit(slot.value, 0);
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Unsupported(what, evaluator_.archive().where(), "let the model take and return tensors");
  }

  void add_tensor(Value* value, const std::string& name) {
    if (graph_.outputs.size() == kMaxOutputs) refuse("the model returns too many tensors");
    graph_.add_output(value, name.empty() ? value->name : name);
  }

  void visit(const Val& value, int depth) {
    if (depth > kMaxOutputDepth) return;
    if (const auto* object = value.get<ObjectPtr>(); object != nullptr && (*object)->in_file) add_state(*object);
    if (const Vals* items = value.items())
      for (const Val& item : *items)
        if (item.get<ObjectPtr>() != nullptr) visit(item, depth + 1);
  }

  /// The same tensors, or values that are equal.
  bool unchanged(const Val& after, const Val& before, int depth = 0) {
    const Vals *x = after.items(), *y = before.items();
    if (x != nullptr && y != nullptr && x->size() == y->size() && depth < kMaxOutputDepth) {
      for (std::size_t i = 0; i < x->size(); ++i)
        if (!unchanged((*x)[i], (*y)[i], depth + 1)) return false;
      return true;
    }
    const auto is_tensor = [](const Val& value) { return value.is_tensor() || value.get<Stored>() != nullptr; };
    if (is_tensor(after) && is_tensor(before)) return evaluator_.tensor(after) == evaluator_.tensor(before);
    return equal(after, before) == true;
  }

  void check_state(const std::string& path, const Slot& slot) {
    const auto *before = slot.saved->get<Value*>(), *after = slot.value.get<Value*>();
    if (before != nullptr && after != nullptr && *before == *after) {
      if (evaluator_.is_written_state(*after)) add_tensor(*after, path);
      return;
    }
    const bool carried = slot.read_first && !slot.given;
    if (slot.value.is_tensor() || slot.value.get<Stored>() != nullptr) {
      if (carried)
        throw UngivenState(
            path,
            fmt::format("the model keeps state in its attribute {}: each call reads what the last one wrote",
                        printable(path)),
            evaluator_.archive().where(),
            fmt::format("give '{}' in the samples, as it is between calls: it becomes an input, and its new value an "
                        "output",
                        printable(path)));
      return add_tensor(evaluator_.tensor(slot.value), path);
    }
    // What was None becomes what the first call makes of it: every call here is a first one.
    if (!slot.read_first || slot.saved->is_none() || unchanged(slot.value, *slot.saved)) return;
    const ChangedAttribute change{path, *slot.saved, slot.value};
    const auto is_plain = [](const Val& value) { return value.is_number() || value.get<std::string>() != nullptr; };
    if (!is_plain(change.before) || !is_plain(change.after)) refuse_changed(change, evaluator_.archive().where());
    changed_.push_back(change);
  }

  Evaluator& evaluator_;
  Graph& graph_;
  std::vector<ChangedAttribute>& changed_;
  std::set<const Object*> visited_;
};

}  // namespace

void keep_changes(const ObjectPtr& model, const std::vector<ChangedAttribute>& changed) {
  for (const ChangedAttribute& change : changed)
    if (Slot* slot = find_slot(model, change.path)) slot->value = change.after;
}

void refuse_changed(const ChangedAttribute& changed, const std::string& where) {
  throw Unsupported(
      fmt::format("the model keeps state in its attribute {}: it was {} before the call and is {} after it",
                  printable(changed.path), printable(to_text(changed.before)), printable(to_text(changed.after))),
      where,
      fmt::format("give '{}' in the samples, as it is between calls: it becomes a constant", printable(changed.path)));
}

void set_outputs(Evaluator& evaluator, const Val& result, Graph& graph, std::vector<ChangedAttribute>& changed) {
  Collector collector(evaluator, graph, changed);
  collector.add(result, "");
  collector.add_state(evaluator.archive().model());
  if (graph.outputs.empty())
    throw Unsupported("the model returns no tensors", evaluator.archive().where(),
                      "let the model take and return tensors");
}

}  // namespace aitune::torchscript

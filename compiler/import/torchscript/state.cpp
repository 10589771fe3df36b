// Tensors that the model keeps and writes into: those that are given as inputs are copied first, and what is in the
// copy at the end is an output. The others are asked for: UngivenState.

#include <fmt/format.h>

#include <algorithm>

#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/import/torchscript/ungiven_state.h"

namespace aitune::torchscript {

void Evaluator::keep_state(const std::string& path) {
  const auto dot = path.rfind('.');
  ObjectPtr object = archive_.model();
  if (dot != std::string::npos) object = *find_slot(object, path.substr(0, dot))->value.get<ObjectPtr>();
  const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
  Slot& slot = object->slots.at(name);
  const auto* input = slot.value.get<Value*>();
  if (input == nullptr) return;
  Value* copy = tensor(call_operator(*this, "clone", {*input}, {}));
  states_.push_back({{object, name}, *input, copy});
  slot.value = copy;
}

bool Evaluator::is_written_state(const Value* value) const {
  const Value* owner = owner_of(value);
  return written_.contains(owner) &&
         std::ranges::any_of(states_, [&](const KeptState& state) { return state.copy == owner; });
}

void Evaluator::drop_unwritten_copies() {
  for (const KeptState& state : states_) {
    if (written_.contains(state.copy)) continue;
    model_.replace_all_uses(state.copy, state.input);
    model_.erase(model_.iterator_of(state.copy->producer));
  }
  states_.clear();
}

void Evaluator::refuse_write(const Value* owner) const {
  if (owner->kind != ValueKind::weight || find_slot(archive_.model(), owner->weight_name) == nullptr) return;
  const std::string path = printable(owner->weight_name);
  const std::string what = fmt::format("the model writes into its attribute {}, which is no input", path);
  if (path.ends_with("num_batches_tracked"))
    unsupported(what, "call model.eval() before saving: it is in training mode");
  throw UngivenState(
      owner->weight_name, what, location().code,
      fmt::format("give '{}' in the samples, as it is between calls: it becomes an input, and what is in "
                  "it after a call an output",
                  path));
}

}  // namespace aitune::torchscript

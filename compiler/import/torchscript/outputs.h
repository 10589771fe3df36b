#pragma once
// What comes out of a TorchScript model.

#include "compiler/graph/graph.h"
#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// A number, flag or string that the model keeps, and that a call changes.
struct ChangedAttribute {
  std::string path;
  Val before, after;
};
/// Sets the attributes to what they are after the call.
void keep_changes(const ObjectPtr& model, const std::vector<ChangedAttribute>& changed);
/// Says that the model keeps state there.
[[noreturn]] void refuse_changed(const ChangedAttribute& changed, const std::string& where);

/// Sets the graph's outputs: the tensors of forward()'s result, containers taken apart in order and Nones left out,
/// then the tensors that it stored in the model's attributes ("_state"). Unsupported for results that are no tensors,
/// and for state that goes from call to call without being an input.
void set_outputs(Evaluator& evaluator, const Val& result, Graph& graph, std::vector<ChangedAttribute>& changed);

}  // namespace aitune::torchscript

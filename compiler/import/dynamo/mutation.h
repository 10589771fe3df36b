#pragma once
// Programs that write to what they were given.

#include <string>
#include <string_view>
#include <vector>

#include "compiler/import/imported_model.h"

namespace aitune::dynamo {

/// Makes the writes of forward() to its inputs and to the model's buffers visible, through any chain of views: what was
/// written to is an output behind the others, of the same name, and a buffer is an input, too (`written`, `buffers`).
/// A warning names each with the first line that writes. Throws Unsupported, with `where`, for what cannot be: writes
/// inside of branches and loops, and the statistics of training. Writes to intermediate results are fine.
void lift_writes(ImportedModel& model, const std::string& where);

/// One line for all buffers of a model that keeps state: a language model has some for each layer. `place` may be
/// empty.
std::string state_warning(const std::vector<std::string>& buffers, std::string_view place);

/// A write to a weight would be seen in another one that has a part of its memory: throws Unsupported, which calls the
/// weight a `what`.
void refuse_shared_memory(const Graph& graph, const Value* written, std::string_view what, const std::string& where);

/// The samples with the first values of buffers where they give none.
void add_buffers(const ImportedModel& model, NamedTensors& call);

}  // namespace aitune::dynamo

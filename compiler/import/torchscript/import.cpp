#include "compiler/import/torchscript/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/dynamo/filled_constants.h"
#include "compiler/import/dynamo/mutation.h"
#include "compiler/import/torchscript/archive.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/inputs.h"
#include "compiler/import/torchscript/outputs.h"
#include "compiler/import/torchscript/ungiven_state.h"
#include "compiler/ops/data_sizes.h"
#include "format/zip_reader.h"

namespace aitune {
namespace {

using namespace torchscript;

// Running branches and bodies leaves constants that nothing reads any more.
void drop_unused_weights(Graph& graph) {
  std::unordered_set<const Value*> used(graph.outputs.begin(), graph.outputs.end());
  for (const auto& node : graph.nodes())
    for (const Value* operand : node->operands()) used.insert(operand);
  std::erase_if(graph.weights, [&](const Value* weight) { return !used.contains(weight); });
}

/// An argument as the program takes it: weights as values of the graph, numbers that move as 0-dim tensors.
Val prepared(Evaluator& evaluator, const Val& value) {
  if (value.get<Stored>() != nullptr) return evaluator.tensor(value);
  if (const auto* unknown = value.get<Unknown>()) return evaluator.unknown_number(unknown->value);
  Vals items;
  if (const Vals* given = value.items())
    for (const Val& item : *given) items.push_back(prepared(evaluator, item));
  if (value.get<ListPtr>() != nullptr) return make_list(std::move(items));
  if (const auto* tuple = value.get<TuplePtr>()) return make_tuple(std::move(items), (*tuple)->type);
  if (const auto* dict = value.get<DictPtr>())
    for (auto& [key, item] : (*dict)->items) item = prepared(evaluator, item);
  return value;
}

/// What lies in constants.pkl is called so by the archive.
constexpr std::string_view kFileConstant = "constants.";
/// Attributes that are written into are inputs by then. What is left is made anew in every call: torch.tensor([1, 2]).
bool is_constant(std::string_view) { return true; }

ImportedScript import_once(const Archive& archive, std::span<const NamedTensors> samples, std::span<const Input> shapes,
                           const ConstantEvaluator& constants, std::int64_t largest_size,
                           std::vector<ChangedAttribute>& changed) {
  ImportedScript imported;
  Graph& graph = imported.model.graph;
  BoundInputs inputs = bind_inputs(archive, samples, shapes, graph);
  imported.samples = std::move(inputs.samples);
  imported.model.arguments = std::move(inputs.arguments);
  Evaluator evaluator(archive, graph, constants, largest_size);
  for (Val& value : inputs.args) value = prepared(evaluator, value);
  for (const std::string& path : inputs.state) evaluator.keep_state(path);
  const Val result = evaluator.call_method(archive.model(), "forward", std::move(inputs.args));
  set_outputs(evaluator, result, graph, changed);
  evaluator.drop_unwritten_copies();
  imported.model.warnings = evaluator.warnings();
  for (const std::string& name : dynamo::copy_filled_constants(graph, is_constant, archive.where()))
    if (name.starts_with(kFileConstant)) imported.model.warnings.push_back(dynamo::filled_constant_warning(name));
  drop_unused_weights(graph);
  drop_unused_symbols(graph);
  spread_symbols(graph);
  dynamo::lift_writes(imported.model, archive.where());
  return imported;
}

/// A number that the model keeps may change in the first call ("it has warned"), if a second one computes the same and
/// leaves it as it is.
ImportedScript import_with_changes(const std::shared_ptr<const ZipReader>& zip, std::span<const NamedTensors> samples,
                                   std::span<const Input> shapes, const ConstantEvaluator& constants,
                                   std::int64_t largest_size) {
  std::vector<ChangedAttribute> changed, later;
  const Archive archive(zip);
  ImportedScript first = import_once(archive, samples, shapes, constants, largest_size, changed);
  if (changed.empty()) return first;
  const Archive again(zip);
  keep_changes(again.model(), changed);
  ImportedScript second = import_once(again, samples, shapes, constants, largest_size, later);
  if (!later.empty() || print(second.model.graph) != print(first.model.graph))
    refuse_changed(changed.front(), archive.where());
  return second;
}

/// The tensor that the file has for an attribute.
std::optional<Tensor> stored_tensor(const std::shared_ptr<const ZipReader>& zip, const std::string& path) {
  const Archive archive(zip);
  const Slot* slot = find_slot(archive.model(), path);
  const Stored* stored = slot == nullptr ? nullptr : slot->value.get<Stored>();
  return stored == nullptr ? std::nullopt : std::optional(stored->data);
}

/// State that the samples do not give: why that is asked for, and what the file has.
struct OwnState {
  UngivenState reason;
  Tensor first;
};

/// Says that the attributes are buffers which are written to, with their first values. What the first call makes a
/// tensor of another type has to be given as it is between calls: throws the reason.
void note_state(const std::vector<OwnState>& state, ImportedModel& model) {
  std::vector<std::string> names;
  Graph& graph = model.graph;
  for (const OwnState& own : state) {
    const std::string& path = own.reason.path();
    const auto argument = std::ranges::find(model.arguments, path, &Argument::name);
    auto& results = graph.output_names;
    const auto output = std::ranges::find(results.rbegin(), results.rend(), path);
    if (argument == model.arguments.end() || output == results.rend()) continue;
    const auto input = std::ranges::find(graph.inputs, argument->input, &Value::name);
    const auto index = static_cast<std::size_t>(results.rend() - output) - 1;
    if (input == graph.inputs.end() || (*input)->type != graph.outputs[index]->type) throw own.reason;
    if (std::ranges::find(results, argument->input) == results.end()) *output = argument->input;  // inner_past
    model.written.push_back({argument->input, *output, path});
    model.buffers.emplace_back(argument->input, own.first);
    names.push_back(printable(path));
  }
  if (!names.empty()) model.warnings.push_back(dynamo::state_warning(names, ""));
}

/// What the model writes to and the samples do not give begins with the value that the file has.
ImportedScript import_zip(const std::shared_ptr<const ZipReader>& zip, std::span<const NamedTensors> samples,
                          std::span<const Input> shapes, const ConstantEvaluator& constants,
                          std::int64_t largest_size) {
  constexpr std::size_t kMostState = 500;
  std::vector<NamedTensors> calls(samples.begin(), samples.end());
  std::vector<OwnState> state;
  const auto path_of = [](const OwnState& own) { return own.reason.path(); };
  while (true) {
    try {
      ImportedScript imported = import_with_changes(zip, calls, shapes, constants, largest_size);
      note_state(state, imported.model);
      return imported;
    } catch (const UngivenState& ungiven) {
      const auto first = stored_tensor(zip, ungiven.path());
      const bool known = std::ranges::find(state, ungiven.path(), path_of) != state.end();
      if (!first || known || state.size() == kMostState) throw;
      state.push_back({ungiven, *first});
      for (NamedTensors& call : calls) call.emplace_back(ungiven.path(), *first);
    }
  }
}

}  // namespace

ImportedScript import_torchscript(const std::filesystem::path& path, std::span<const NamedTensors> samples,
                                  std::span<const Input> shapes, const ConstantEvaluator& constants,
                                  std::int64_t largest_size) {
  ImportedScript imported =
      import_zip(std::make_shared<const ZipReader>(MappedFile::open(path)), samples, shapes, constants, largest_size);
  imported.model.name = path.stem().string();
  return imported;
}

ImportedScript import_torchscript(std::span<const std::byte> bytes, const std::string& where,
                                  std::span<const NamedTensors> samples, std::span<const Input> shapes,
                                  const ConstantEvaluator& constants, std::int64_t largest_size) {
  return import_zip(std::make_shared<const ZipReader>(bytes, where), samples, shapes, constants, largest_size);
}

std::vector<std::string> torchscript_inputs(const std::filesystem::path& path) {
  const Archive archive(std::make_shared<const ZipReader>(MappedFile::open(path)));
  return input_names(archive);
}

}  // namespace aitune

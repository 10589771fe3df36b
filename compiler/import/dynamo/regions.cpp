#include "compiler/import/dynamo/regions.h"

#include <fmt/format.h>

#include "compiler/import/dynamo/arguments.h"
#include "compiler/import/dynamo/operators.h"
#include "compiler/import/dynamo/targets.h"

namespace aitune::dynamo {
namespace {

/// Whether any tensor of the region is on a device of this type.
bool has_tensors_on(const JsonView& region, const std::string& type) {
  for (const auto& [name, tensor] : region.at("tensor_values").members()) {
    const auto device = tensor.find("device");
    if (!device || device->at("type").string() == type) return true;
  }
  return false;
}

// wrap_with_autocast(device, dtype, enabled, cache, graph, ...): enabled is the last bool but one, or the only one. On
// a machine with a GPU one of "cuda" is on around tensors of the CPU, too, for which it does nothing.
void check_autocast_off(const JsonView& node, const std::vector<JsonView>& settings, const JsonView& region) {
  if (node.at("target").string().find("autocast") == std::string::npos) return;
  constexpr std::size_t kEnabled = 2;
  if (settings.size() <= kEnabled) node.corrupt("an autocast region without its settings");
  const auto [kind, value] = settings[kEnabled].at("arg").tagged();
  if (kind != "as_bool") node.corrupt("an autocast region that does not say whether it is on");
  const auto [device_kind, device] = settings.front().at("arg").tagged();
  if (value.boolean() && (device_kind != "as_string" || has_tensors_on(region, device.string())))
    node.unsupported("torch.autocast is on in the model",
                     "export without it; enable_autocast or enabled_precisions lets tuning choose bf16");
}

void define_argument(const JsonView& name, const JsonView& argument, const Scope& outer, Scope& inner) {
  const Arg value = read_argument(argument, outer);
  if (value.is_value()) return inner.define_tensor(name, value.value());
  if (std::holds_alternative<SymInt>(value)) return inner.define_size(name, value.sym());
  argument.unsupported("an argument of a region that is neither a tensor nor a size");
}

JsonView name_of(const JsonView& argument) {
  const auto [kind, value] = argument.tagged();
  if (kind == "as_tensor") return value.at("name");
  if (kind == "as_sym_int") return value.at("as_name");
  argument.unsupported(fmt::format("a region with an input or result of the kind {}", printable(kind)));
}

}  // namespace

void inline_region(const JsonView& node, Scope& scope, Graph& graph, Problems& problems) {
  Scope inner(region_graph(node), scope);
  std::vector<JsonView> settings, arguments;
  bool after_graph = false;
  for (const JsonView& input : node.at("inputs").items()) {
    if (input.at("arg").tagged().first == "as_graph")
      after_graph = true;
    else
      (after_graph ? arguments : settings).push_back(input);
  }
  check_autocast_off(node, settings, inner.graph());
  const auto inputs = inner.graph().at("inputs").items();
  if (inputs.size() != arguments.size())
    node.corrupt(fmt::format("a region with {} inputs is given {} arguments", inputs.size(), arguments.size()));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    define_argument(name_of(inputs[i]), arguments[i].at("arg"), scope, inner);
  import_nodes(inner, graph, problems);

  std::vector<JsonView> results;
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (kind == "as_tensors")
      for (const JsonView& item : value.items()) results.push_back(item.at("name"));
    else
      results.push_back(name_of(output));
  }
  const auto outputs = inner.graph().at("outputs").items();
  if (outputs.size() != results.size())
    node.corrupt(fmt::format("a region with {} outputs has {} results", outputs.size(), results.size()));
  for (std::size_t i = 0; i < outputs.size(); ++i) define_argument(results[i], outputs[i], inner, scope);
}

}  // namespace aitune::dynamo

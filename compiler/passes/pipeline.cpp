#include "compiler/passes/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/error.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/passes/batched_products.h"
#include "compiler/passes/bound_numbers.h"
#include "compiler/passes/canonical_movement.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/decompose_attention.h"
#include "compiler/passes/fold_constants.h"
#include "compiler/passes/functionalise.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/simplify.h"
#include "compiler/passes/simplify_regions.h"
#include "compiler/passes/split_complex.h"
#include "compiler/passes/truncate_double.h"
#include "compiler/passes/widen_halves.h"

namespace aitune {
namespace {

struct Pass {
  std::string_view name;
  void (*run)(Graph&, const PassContext&);
};

constexpr auto kPasses = std::to_array<Pass>({
    // One way to say each thing.
    {"functionalise", functionalise},
    {"widen_halves", widen_halves},
    {"decompose", decompose},
    {"eliminate_dead_code", eliminate_dead_code},
    {"eliminate_common_subexpressions", eliminate_common_subexpressions},
    // What does not depend on inputs is computed now.
    {"fold_constants", fold_constants},
    {"split_complex", split_complex},
    {"decompose", decompose},
    {"eliminate_dead_code", eliminate_dead_code},
    {"fold_constants", fold_constants},
    {"truncate_double", truncate_double},
    {"simplify", simplify},
    {"fold_constants", fold_constants},
    {"simplify_regions", simplify_regions},
    {"eliminate_dead_code", eliminate_dead_code},
    {"fold_constants", fold_constants},
    {"fold_numbers", fold_numbers},
    {"fold_uniform", fold_uniform},
    {"simplify", simplify},
    // Patterns of several nodes become one operator.
    {"fuse_linear", fuse_linear},
    {"fold_constants", fold_constants},
    {"fuse_layer_norm", fuse_layer_norm},
    {"fuse_activations", fuse_activations},
    {"fuse_attention", fuse_attention},
    {"decompose_attention", decompose_attention},
    {"split_batches", split_batches},
    {"simplify", simplify},
    {"canonicalise_movement", canonicalise_movement},
    // Arithmetic moves into constant weights.
    {"fold_batch_norm", fold_batch_norm},
    {"eliminate_dead_code", eliminate_dead_code},
    {"fold_scales", fold_scales},
    {"eliminate_dead_code", eliminate_dead_code},
    {"untranspose_convolutions", untranspose_convolutions},
    {"merge_linears", merge_linears},
    {"fold_constants", fold_constants},
    {"simplify_regions", simplify_regions},
    {"simplify", simplify},
    {"canonicalise_movement", canonicalise_movement},
    {"eliminate_common_subexpressions", eliminate_common_subexpressions},
    {"eliminate_dead_code", eliminate_dead_code},
    // What memory is planned for.
    {"bound_numbers", bound_numbers},
});

void check_names(const std::set<std::string, std::less<>>& disabled) {
  const auto names = pass_names();
  for (const std::string& name : disabled) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    throw InvalidArgument(fmt::format("there is no pass called \"{}\"", name), "disabled passes",
                          fmt::format("The passes are {}", fmt::join(names, ", ")));
  }
}

/// Sizes that data decide may change their names, when two turn out to be the same.
TensorType without_data_sizes(const TensorType& type, const SymRanges& given) {
  TensorType result = type;
  for (SymInt& size : result.shape) {
    std::vector<std::string> names;
    size.collect_symbols(names);
    const bool known = std::ranges::all_of(names, [&](const std::string& name) { return given.contains(name); });
    if (!known) size = data_size();
  }
  return result;
}

/// Symbols have one meaning in a graph and in the regions inside of it.
void add_symbols(Graph& to, const Graph& from) {
  to.symbols.insert(from.symbols.begin(), from.symbols.end());
  to.bounds.insert(from.bounds.begin(), from.bounds.end());
}

/// On the graph, and on the regions inside of it. Symbols that a pass adds in one get names that no other has.
void run_everywhere(const Pass& pass, Graph& graph, const PassContext& context) {
  pass.run(graph, context);
  for (const auto& node : graph.nodes())
    for (const auto& region : node->regions) {
      add_symbols(*region, graph);
      run_everywhere(pass, *region, context);
      add_symbols(graph, *region);
    }
}

/// Inputs and outputs belong to the caller: count, order and types stay.
struct Interface {
  std::vector<TensorType> inputs, outputs;
  explicit Interface(const Graph& graph) {
    for (const Value* value : graph.inputs) inputs.push_back(value->type);
    SymRanges given;
    for (const TensorType& type : inputs)
      for (const SymInt& size : type.shape) {
        std::vector<std::string> names;
        size.collect_symbols(names);
        for (const std::string& name : names) given[name];
      }
    for (const Value* value : graph.outputs) outputs.push_back(without_data_sizes(value->type, given));
  }
  bool operator==(const Interface&) const = default;
};

}  // namespace

std::vector<std::string_view> pass_names() {
  std::vector<std::string_view> names;
  for (const Pass& pass : kPasses) {
    if (std::find(names.begin(), names.end(), pass.name) == names.end()) names.push_back(pass.name);
  }
  return names;
}

std::vector<PassReport> lower(Graph& graph, const LowerOptions& options) {
  check_names(options.disabled);
  const PassContext context{options};
  const Interface interface(graph);
  std::vector<PassReport> reports;
  for (const Pass& pass : kPasses) {
    if (options.disabled.contains(pass.name)) continue;
    const auto start = std::chrono::steady_clock::now();
    run_everywhere(pass, graph, context);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (options.verify) verify(graph, pass.name);
    if (Interface(graph) != interface) {
      throw InternalError(fmt::format("the pass {} changed the type of an input or output", pass.name));
    }
    if (options.dump) options.dump(pass.name, graph);
    reports.push_back({std::string(pass.name), elapsed.count(), graph.nodes().size()});
  }
  return reports;
}

}  // namespace aitune

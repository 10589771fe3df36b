#include "compiler/tuning/lowering.h"

#include "compiler/passes/bound_loops.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/functionalise.h"
#include "compiler/passes/simplify_regions.h"
#include "compiler/passes/widen_halves.h"

namespace aitune {
namespace {

/// Drops what no result needs, inside of branches and loops too. What does not run the reference need not know: random
/// numbers that only training reads.
void drop_dead_code(Graph& graph, const PassContext& context) {
  eliminate_dead_code(graph, context);
  simplify_regions(graph, context);  // results that nobody reads go,
  for (const auto& node : graph.nodes())
    for (const auto& region : node->regions) drop_dead_code(*region, context);
  simplify_regions(graph, context);  // and then operands
  eliminate_dead_code(graph, context);
}

}  // namespace

LowerOptions lower_options(const CompilationSettings& settings, Progress& progress,
                           std::vector<std::string>& warnings) {
  LowerOptions options;
  options.truncate_double = settings.truncate_double;
  options.decompose_attention = settings.decompose_attention;
  options.evaluator = reference_evaluator();
  options.warn = [&progress, &warnings](std::string_view message) {
    progress.warn(message);
    warnings.emplace_back(message);
  };
  return options;
}

Graph functional_program(const Graph& imported, const LowerOptions& options) {
  Graph program = imported.clone();
  note_model_nodes(program);
  functionalise(program, PassContext{options});
  widen_halves(program, PassContext{options});
  bound_loops(program, PassContext{options});
  drop_dead_code(program, PassContext{options});
  return program;
}

void warn_of_ignored_settings(const CompilationSettings& settings, Progress& progress,
                              std::vector<std::string>& warnings) {
  for (std::string& line : ignored_settings(settings, settings.engine.empty() ? "cpu" : settings.engine)) {
    progress.warn(line);
    warnings.push_back(std::move(line));
  }
}

}  // namespace aitune

#include "compiler/tuning/lowering.h"

#include <algorithm>

#include "compiler/passes/bound_loops.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/functionalise.h"
#include "compiler/passes/widen_halves.h"

namespace aitune {
namespace {

bool draws_numbers(const Graph& graph) {
  return std::ranges::any_of(graph.nodes(), [](const auto& node) {
    return !is_deterministic(*node) ||
           std::ranges::any_of(node->regions, [](const auto& region) { return draws_numbers(*region); });
  });
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
  // Nobody could run random numbers in the same way twice: those that only training reads go.
  if (draws_numbers(program)) eliminate_dead_code(program, PassContext{options});
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

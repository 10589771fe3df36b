#pragma once
// The way from an imported program to what is built, for tuning and dry runs alike.

#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/passes/pass.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/settings.h"

namespace aitune {

/// As the settings say. Constants fold by the reference engine; warnings are shown and added to `warnings`. Refers to
/// the last two arguments.
LowerOptions lower_options(const CompilationSettings& settings, Progress& progress, std::vector<std::string>& warnings);

/// The program as the interpreter runs it and lowering starts from it: writes are values, loops have ends. Throws what
/// functionalise and bound_loops refuse.
Graph functional_program(const Graph& imported, const LowerOptions& options);

/// A line for each setting that the settings' engine ignores, shown and added to `warnings`.
void warn_of_ignored_settings(const CompilationSettings& settings, Progress& progress,
                              std::vector<std::string>& warnings);

}  // namespace aitune

#pragma once
// What comes before plans, whether they are searched, refitted or built again as they were.

#include <span>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/passes/pass.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/settings.h"
#include "compiler/tuning/special_plans.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// What plans are built from.
struct Prepared {
  LowerOptions lowering;  ///< refers to the report and the progress that it was made with
  Graph program;          ///< as the reference runs it
  Graph lowered;
  SymValues opt_shape;              ///< sizes of the first sample, or those preferred
  std::vector<CommonShape> shapes;  ///< worth plans of their own
};

/// Lowers the graph, and runs the reference on the samples: they become tuned.samples, with one made for a preferred
/// shape that none has. Warnings, counts and the baseline go into tuned.report. `tuned` and `progress` outlive the
/// result. Throws InvalidArgument if there are no samples.
Prepared prepare(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                 const CompilationSettings& settings, Progress& progress, const SymValues& preferred,
                 TunedModel& tuned);

/// Where the nodes of the chosen plan run: fallbacks, and the share that is compiled.
void report_coverage(const Graph& lowered, const std::vector<Fallback>& fallbacks, TuneReport& report);

}  // namespace aitune

#pragma once
// Tuning one model: build, compare with the reference, time, choose.

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/decisions.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/report.h"
#include "compiler/tuning/settings.h"
#include "format/plan.h"

namespace aitune {

/// A recorded call: inputs in call order and the reference engine's outputs.
struct RecordedSample {
  std::vector<Tensor> inputs, outputs;
  std::vector<std::size_t> unsettled = {};  ///< outputs whose sizes a rounding decides: no use to compare with
  bool rearranged = false;                  ///< made from a sample, for what samples cannot show; not kept in the file
};

/// A plan for CPUs with less than this one has.
struct OtherPlan {
  BuiltPlan plan;
  std::string level;  ///< the best feature that it needs: "avx2"
  double bound = 0;   ///< accepted relative error
  Tactics tactics;    ///< what was chosen for its kernels
};

/// What tuning leaves behind: the chosen plan, and everything that the artifact keeps beside it.
struct TunedModel {
  BuiltPlan plan;
  std::vector<BuiltPlan> specials;  ///< for single shapes; their constants are in `plan`
  std::vector<OtherPlan> others;    ///< for lesser CPUs, the best first; their constants are in `plan`
  std::vector<RecordedSample> samples;
  /// Outputs of every block on the first sample, where there is more than one block: "block0.0", "block0.1",
  /// "block1.0", ... On another machine they tell which block is off.
  std::vector<std::pair<std::string, Tensor>> block_outputs;
  TuneReport report;
  Decisions decisions;
};

/// How a search is watched and ended from outside.
struct SearchHooks {
  std::function<bool()> stop;  ///< asked between candidates; true: the best so far is what is wanted
  /// Told of each plan that is right and faster than the one before, the first of them chosen by rule. The model is
  /// whole but for special plans and those for lesser CPUs, and only there during the call.
  std::function<void(TunedModel&)> improved;
  /// Inputs, in call order, on which autocast looks at the sizes of numbers; none: those of the samples.
  std::vector<std::vector<Tensor>> calibration = {};
};

/// Puts named tensors into the order of the graph's inputs. Names are the program's or positions. Throws
/// InvalidArgument listing what is missing, unknown or given twice.
std::vector<Tensor> order_inputs(const Graph& graph, const std::vector<std::pair<std::string, Tensor>>& named,
                                 const std::string& where);

/// Largest relative error accepted from a plan of this precision.
double error_bound(const CompilationSettings& settings, DType precision);

/// Tunes the graph as imported on the samples (each in call order). Tiles are chosen at the first sample's sizes, or at
/// those in `preferred` where it has the symbol; a shape that is preferred gets a sample made for it if there is none.
TunedModel tune_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                      const CompilationSettings& settings, Progress& progress, const SymValues& preferred = {},
                      const SearchHooks& hooks = {});

}  // namespace aitune

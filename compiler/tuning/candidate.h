#pragma once
// One plan: built, compared with the reference, timed.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/build.h"
#include "compiler/tuning/report.h"
#include "compiler/tuning/tune.h"
#include "runtime/instance.h"

namespace aitune {

/// A plan that was tried.
struct Candidate {
  BuildOptions options;  ///< that it was built with
  BuildResult built;
  std::unique_ptr<Instance> instance;
  CandidateReport report;
  Tactics tactics;      ///< what was chosen for its kernels
  std::size_t row = 0;  ///< of TuneReport::candidates
  /// Samples and outputs whose sizes differ from the reference's, as a rounding decides them.
  std::vector<std::pair<std::size_t, std::size_t>> unsettled;
};

/// Builds `lowered` with the options, runs it on every sample and times it on the first. `name` is as in
/// CandidateReport::precision; `bound` is the relative error accepted. A plan that is off is no exception: the report
/// says so. Outputs whose sizes a rounding decides are not held to the reference's: a warning among those of the build
/// names them.
Candidate try_candidate(const Graph& lowered, const BuildOptions& options, std::string name,
                        std::span<const RecordedSample> samples, double bound);

/// Compares the plan of `lowered` with the samples again, under another bound.
void validate_again(Candidate& candidate, const Graph& lowered, std::span<const RecordedSample> samples, double bound);

/// Notes in the samples what the candidate found unsettled.
void note_unsettled(const Candidate& candidate, std::span<RecordedSample> samples);

/// Times the plans again, run by run in turn, so that whatever disturbs the machine disturbs all of them: figures of
/// different moments may differ by more than the plans do.
void time_in_turn(std::span<Candidate* const> candidates, std::span<const Tensor> inputs);

}  // namespace aitune

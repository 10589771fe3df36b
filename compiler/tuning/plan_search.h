#pragma once
// The search for the fastest plan that is right: precisions in turn, and mixtures of them.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/build.h"
#include "compiler/tuning/candidate.h"
#include "compiler/tuning/report.h"
#include "compiler/tuning/search_end.h"
#include "compiler/tuning/timing_cache.h"

namespace aitune {

/// The precisions that settings, model and CPU leave: f32 first; bf16 where it is enabled, or where the model is in
/// bf16 itself; int8 where it is enabled. What is asked for and cannot be had is said in one line of `warnings`, and
/// shown.
std::vector<DType> precisions_to_try(const CompilationSettings& settings, const Graph& model, const CpuTarget& target,
                                     Progress& progress, std::vector<std::string>& warnings);

/// Writes what the report says of the plan that is kept; `bound` is the error that was accepted of it.
void report_candidate(const Candidate& candidate, double bound, TuneReport& report);

/// Tries plans and keeps the fastest that is right. Everything that is given by reference must outlive it.
class PlanSearch {
 public:
  /// `program` is what `lowered` was made of, and what the samples' outputs were computed with.
  PlanSearch(const Graph& program, const Graph& lowered, BuildOptions options, std::span<const RecordedSample> samples,
             std::span<const std::vector<Tensor>> calibration, TuneReport& report, SearchEnd& end,
             std::function<void(Candidate&, double)> improved);

  void try_precisions(std::span<const DType> precisions);

  std::optional<Candidate> take_best() { return std::move(best_); }
  double f32_bound() const { return f32_bound_; }

 private:
  /// A plan that is there soon, of what is known of kernels already, and of rules. Where nothing was left to rules, it
  /// is the plan in f32.
  std::optional<Candidate> try_by_rule();

  BuildOptions f32_options() const;

  /// Of a plan that is right, and faster than the last one that was told of.
  void tell_of(Candidate& candidate);

  void add_row(Candidate& candidate);

  /// What the rules leave in bf16 is computed in it, if that is right; how fast it is does not matter.
  void try_autocast(const Candidate& f32, std::span<Candidate* const> right);

  Candidate try_one(DType precision, std::string_view name = {});

  /// What loses bits for speed stays out if the samples come near the bound with it; a model that makes more of
  /// roundings than the default bound allows is held to what it can keep.
  Candidate try_f32();

  Candidate try_accurate(Candidate fast);

  double bound_of(DType precision) const;

  /// Whether a plan may stay. In bf16 there must be room left for inputs not seen; int8 has the user's own limit.
  bool fits(const Candidate& candidate) const;

  /// What is said of a precision that does not stay: called when the choice is made. Empty: nothing.
  using Complaint = std::function<void()>;
  Complaint try_bf16(Candidate& f32, std::optional<Candidate>& bf16, std::optional<Candidate>& mixed);

  Complaint try_int8(Candidate& f32, std::optional<Candidate>& int8, std::optional<Candidate>& mixed);

  std::optional<Candidate> try_mixture(Candidate& f32, Candidate& bf16, double bound);

  /// Takes the fastest.
  void choose(std::span<Candidate* const> right);

  void take(Candidate& candidate);

  void warn(std::string text);

  const Graph& program_;
  const Graph& lowered_;
  std::vector<std::vector<Tensor>> calibration_;  // for autocast's rules
  SearchEnd& end_;
  std::function<void(Candidate&, double)> improved_;  // with the bound; may be empty
  std::optional<double> told_;                        // milliseconds of the last plan that it was told of
  bool more_to_time_ = false;                         // rules had to choose for the first plan
  BuildOptions options_;
  double f32_bound_;
  TimingCache similar_;
  std::vector<RecordedSample> samples_;  // and, once there is a plan in f32, inputs like them
  std::size_t given_;                    // samples of the user's
  TuneReport& report_;
  std::optional<Candidate> best_;
};

}  // namespace aitune

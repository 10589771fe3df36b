#pragma once
// Plans with products of integers: what tensors are quantised with, and which products stay in f32.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "compiler/tuning/candidate.h"
#include "compiler/tuning/mixed_precision.h"

namespace aitune {

/// How the products of a model become products of integers.
struct Calibration {
  ProductScales scales;
  std::vector<ProductFacts> products;  ///< those with scales, with the error of each alone; times are not known yet
};

/// Runs the samples through the graph on the reference engine and chooses a scale for what each product reads: of its
/// whole range or clipped, whichever gives the smaller error of the model's outputs. Products that `f32` (the plan in
/// fp32) does not compile itself are left out. `is_over` ends the samples early.
Calibration calibrate_plan(const Graph& lowered, Candidate& f32, std::span<const RecordedSample> samples,
                           Progress* progress, const std::function<bool()>& is_over);

/// The plan with every product that has a scale in integers. `options` are those of f32; its target must have
/// AVX512_VNNI.
Candidate try_quantised(const Graph& lowered, const BuildOptions& options, const Calibration& calibration,
                        std::span<const RecordedSample> samples, double bound);

/// Searches for the fastest set of products in integers whose error is at most `bound`. What was tried goes into
/// `tried`; the best plan that is right comes back.
std::optional<Candidate> tune_quantised_mixture(const Graph& lowered, const BuildOptions& options,
                                                const Calibration& calibration, std::vector<ProductFacts> products,
                                                double f32_milliseconds, std::span<const RecordedSample> samples,
                                                double bound, std::vector<CandidateReport>& tried);

}  // namespace aitune

#include "compiler/tuning/quantised_tuning.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "compiler/tuning/calibration.h"
#include "compiler/tuning/mixed_tuning.h"
#include "compiler/tuning/sensitivity.h"

namespace aitune {
namespace {

/// Errors of single products are measured on this many samples, each way to quantise in about this time.
constexpr std::size_t kMeasuredSamples = 2;
constexpr double kMeasuringSeconds = 3;
/// Share of a plan's time that products may lose in integers before some are put back for speed alone.
constexpr double kWorthwhile = 0.03;
/// Share of the f32 plan's time below which a saving is taken for noise.
constexpr double kNoise = 0.01;

using ByNode = std::map<std::string, double>;

OperandRounding int8_rounding(const ProductScales& scales) {
  return {[&scales](const std::string& node, std::span<float> values) {
            const TensorScale scale = scales.at(node);
            for (float& v : values) v = scale.rounded(v);
          },
          round_weights};
}

BuildOptions quantised_options(const BuildOptions& options, const Calibration& calibration) {
  BuildOptions quantised = options;
  quantised.precision = DType::i8;
  quantised.scales = calibration.scales;
  return quantised;
}

}  // namespace

Calibration calibrate_plan(const Graph& lowered, Candidate& f32, std::span<const RecordedSample> samples,
                           Progress* progress, const std::function<bool()>& is_over) {
  if (progress) progress->stage("calibrate int8");
  ProductNames names;
  for (const ProductStep& p : f32.built.products) names.insert(p.node);
  const auto choices = calibrate(lowered, names, samples, progress, is_over);

  if (progress) progress->stage("errors of products");
  std::vector<ProductStep> steps;
  for (const ProductStep& p : f32.built.products)
    if (choices.contains(p.node)) steps.push_back(p);
  std::vector<std::vector<Tensor>> inputs;
  for (std::size_t s = 0; s < std::min(samples.size(), kMeasuredSamples); ++s) inputs.push_back(samples[s].inputs);
  const auto errors_with = [&](TensorScale ScaleChoice::* way) {
    ProductScales scales;
    for (const auto& [product, choice] : choices) scales[product] = choice.*way;
    return measure_errors(*f32.instance, steps, inputs, kMeasuringSeconds, int8_rounding(scales));
  };
  ByNode whole = errors_with(&ScaleChoice::whole), clipped = errors_with(&ScaleChoice::clipped);

  // What several products read is quantised once: they decide together.
  std::map<std::string, std::pair<double, double>> squares;  // by input: whole, clipped
  for (const auto& [product, choice] : choices) {
    squares[choice.input].first += whole[product] * whole[product];
    squares[choice.input].second += clipped[product] * clipped[product];
  }
  Calibration made;
  for (const ProductStep& p : steps) {
    const auto choice = choices.find(p.node);
    const auto [all, less] = squares.at(choice->second.input);
    const bool clip = less < all;
    if (!made.scales.emplace(p.node, clip ? choice->second.clipped : choice->second.whole).second) continue;
    made.products.push_back({p.node, 0, clip ? clipped.at(p.node) : whole.at(p.node), 0});
  }
  return made;
}

Candidate try_quantised(const Graph& lowered, const BuildOptions& options, const Calibration& calibration,
                        std::span<const RecordedSample> samples, double bound) {
  return try_candidate(lowered, quantised_options(options, calibration), "int8", samples, bound);
}

bool wants_kept_products(std::span<const ProductFacts> products, const CandidateReport& quantised, double bound) {
  if (!quantised.correct || quantised.worst_error > bound) return true;
  double lost = 0;
  for (const ProductFacts& p : products) lost += std::max(0.0, -p.gain);
  return lost > kWorthwhile * quantised.milliseconds * 1e3;
}

std::optional<Candidate> tune_quantised_mixture(const Graph& lowered, const BuildOptions& options,
                                                const Calibration& calibration, std::vector<ProductFacts> products,
                                                double f32_milliseconds, std::span<const RecordedSample> samples,
                                                double bound, std::vector<CandidateReport>& tried) {
  BuildOptions mixed = quantised_options(options, calibration);
  mixed.reuse_tactics = true;
  // The search leaves room below its bound for inputs not seen; the user's limit holds for the samples.
  MixedSearch search(std::move(products), bound / MixedSearch::kMost, kNoise * f32_milliseconds * 1e3);
  std::optional<Candidate> best;
  while (auto kept = search.next()) {
    if (best && options.is_over && options.is_over()) break;
    mixed.f32_products = std::move(*kept);
    Candidate candidate = try_candidate(lowered, mixed, "int8-mixed", samples, bound);
    CandidateReport& report = candidate.report;
    report.kept_in_fp32 = kept_products(candidate.built, search.products(), [&](const ProductFacts* product) {
      return product ? why_kept(*product, "int8", bound) : std::string("its sizes or values do not suit int8");
    });
    search.report(report.worst_error);
    candidate.row = tried.size();
    tried.push_back(report);
    if (report.correct && (!best || report.milliseconds < best->report.milliseconds)) best = std::move(candidate);
  }
  return best;
}

}  // namespace aitune

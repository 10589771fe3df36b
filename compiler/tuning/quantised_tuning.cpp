#include "compiler/tuning/quantised_tuning.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "compiler/tuning/calibration.h"
#include "compiler/tuning/mixed_tuning.h"
#include "compiler/tuning/sensitivity.h"

namespace aitune {
namespace {

/// Errors of single products are measured in about this time for each way to quantise.
constexpr double kMeasuringSeconds = 2;

OperandRounding int8_rounding(const ProductScales& scales) {
  return {[&scales](const std::string& node, std::span<float> values) { scales.at(node).round(values); },
          [&scales](const std::string& node, std::span<float> weights) { round_weights(weights, scales.at(node)); }};
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
  ProductNames names, shiftable;
  for (const ProductStep& p : f32.built.products) {
    names.insert(p.node);
    if (p.depth > 0) shiftable.insert(p.node);
  }
  const auto choices = calibrate(lowered, names, shiftable, samples, progress, is_over);

  if (progress) progress->stage("errors of products");
  const std::vector<std::vector<Tensor>> inputs = measured_inputs(samples);
  std::vector<ByNode> errors;  // by way
  for (std::size_t way = 0;; ++way) {
    ProductScales scales;
    for (const auto& [product, choice] : choices)
      if (way < choice.ways.size()) scales[product] = choice.ways[way];
    if (scales.empty()) break;
    std::vector<ProductStep> steps;
    for (const ProductStep& p : f32.built.products)
      if (scales.contains(p.node)) steps.push_back(p);
    errors.push_back(measure_errors(*f32.instance, steps, inputs, kMeasuringSeconds, int8_rounding(scales)));
  }

  // What several products read is quantised once: they decide together.
  std::map<std::string, std::vector<double>> squares;  // by input and way
  for (const auto& [product, choice] : choices) {
    auto& sums = squares[choice.input];
    sums.resize(choice.ways.size(), 0);
    for (std::size_t way = 0; way < choice.ways.size(); ++way) sums[way] += std::pow(errors[way].at(product), 2);
  }
  Calibration made;
  for (const auto& [product, choice] : choices) {
    const auto& sums = squares.at(choice.input);
    const auto way = static_cast<std::size_t>(std::ranges::min_element(sums) - sums.begin());
    made.scales[product] = choice.ways[way];
    made.products.push_back({product, 0, errors[way].at(product), 0});
  }
  return made;
}

Candidate try_quantised(const Graph& lowered, const BuildOptions& options, const Calibration& calibration,
                        std::span<const RecordedSample> samples, double bound) {
  return try_candidate(lowered, quantised_options(options, calibration), "int8", samples, bound);
}

std::optional<Candidate> tune_quantised_mixture(const Graph& lowered, const BuildOptions& options,
                                                const Calibration& calibration, std::vector<ProductFacts> products,
                                                double f32_milliseconds, std::span<const RecordedSample> samples,
                                                double bound, std::vector<CandidateReport>& tried) {
  // The search leaves room below its bound for inputs not seen; the user's limit holds for the samples.
  const MixtureKind kind{"int8-mixed", "int8", "its sizes or values do not suit int8", bound / MixedSearch::kMost,
                         bound};
  return search_mixture(lowered, quantised_options(options, calibration), kind, std::move(products), f32_milliseconds,
                        samples, bound, tried);
}

}  // namespace aitune

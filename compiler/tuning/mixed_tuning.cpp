#include "compiler/tuning/mixed_tuning.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "compiler/tuning/sensitivity.h"

namespace aitune {
namespace {

/// Errors of single products are measured on this many samples, in about this time.
constexpr std::size_t kMeasuredSamples = 2;
constexpr double kMeasuringSeconds = 4;
/// Share of a plan's time that products may lose in another precision before a mixture is built for speed alone.
constexpr double kWorthwhile = 0.03;
/// Share of the f32 plan's time below which a saving is taken for noise.
constexpr double kNoise = 0.01;

}  // namespace

std::string why_kept(const ProductFacts& product, std::string_view precision, double bound) {
  if (!std::isfinite(product.error)) return fmt::format("in {} it makes outputs that are not finite", precision);
  if (!(product.gain > 0)) return fmt::format("{} saves no time", precision);
  return fmt::format("{} here alone gives a relative error of {:.1e} of {:.0e} accepted", precision, product.error,
                     bound);
}

WhyKept why_by_facts(std::span<const ProductFacts> facts, std::string_view precision, double bound,
                     std::string_view unknown) {
  return [=](const std::string& node) {
    const auto fact = std::ranges::find(facts, node, &ProductFacts::node);
    return fact == facts.end() ? std::string(unknown) : why_kept(*fact, precision, bound);
  };
}

std::vector<KeptProduct> kept_products(const BuildResult& built, const WhyKept& why) {
  std::map<std::string, double> operations;
  double all = 0;
  for (const ProductStep& p : built.products) {
    all += p.operations;
    if (p.type == DType::f32) operations[p.node] += p.operations;
  }
  std::vector<KeptProduct> kept;
  for (const auto& [node, own] : operations) {
    const auto source = std::ranges::find(built.plan.plan.sources, node, &PlanSource::node);
    kept.push_back(
        {node, source == built.plan.plan.sources.end() ? std::string() : source->module, own / all, why(node)});
  }
  std::ranges::stable_sort(kept, std::greater(), &KeptProduct::share);
  return kept;
}

double mixed_limit(double bound) { return MixedSearch::kMost * bound; }

std::vector<ProductFacts> measure_gains(Candidate& f32, Candidate& other, std::span<const Tensor> inputs) {
  const std::vector<TimedPlan> plans = {{*f32.instance, f32.built.products}, {*other.instance, other.built.products}};
  const std::vector<ByNode> times = measure_times(plans, inputs);
  const ByNode &exact = times[0], &rounded = times[1];
  std::map<std::string, ProductFacts> facts;
  for (const ProductStep& p : other.built.products) {
    const auto before = exact.find(p.node);
    if (p.type == DType::f32 || before == exact.end()) continue;
    ProductFacts& product = facts[p.node];
    product.node = p.node;
    product.operations += p.operations;
    product.gain = before->second - rounded.at(p.node);
  }
  std::vector<ProductFacts> list;
  for (auto& [node, product] : facts) list.push_back(std::move(product));
  return list;
}

std::vector<std::vector<Tensor>> measured_inputs(std::span<const RecordedSample> samples) {
  std::vector<std::vector<Tensor>> inputs;
  for (const RecordedSample& sample : samples.first(std::min(samples.size(), kMeasuredSamples)))
    inputs.push_back(sample.inputs);
  return inputs;
}

void add_errors(std::vector<ProductFacts>& products, Candidate& f32, std::span<const RecordedSample> samples) {
  const ByNode errors = measure_errors(*f32.instance, f32.built.products, measured_inputs(samples), kMeasuringSeconds);
  for (ProductFacts& p : products) p.error = errors.at(p.node);
}

bool wants_mixture(std::span<const ProductFacts> products, const CandidateReport& throughout, double limit) {
  if (!throughout.correct || throughout.worst_error > limit) return true;
  double lost = 0;
  for (const ProductFacts& p : products) lost += std::max(0.0, -p.gain);
  return lost > kWorthwhile * throughout.milliseconds * 1e3;
}

std::optional<Candidate> search_mixture(const Graph& lowered, const BuildOptions& options, const MixtureKind& kind,
                                        std::vector<ProductFacts> products, double f32_milliseconds,
                                        std::span<const RecordedSample> samples, double bound,
                                        std::vector<CandidateReport>& tried) {
  BuildOptions mixed = options;
  mixed.reuse_tactics = true;
  MixedSearch search(std::move(products), kind.searched, kNoise * f32_milliseconds * 1e3);
  std::optional<Candidate> best;
  while (auto kept = search.next()) {
    if (best && options.is_over && options.is_over()) break;
    mixed.f32_products = std::move(*kept);
    Candidate candidate = try_candidate(lowered, mixed, std::string(kind.candidate), samples, bound);
    CandidateReport& report = candidate.report;
    report.kept_in_fp32 =
        kept_products(candidate.built, why_by_facts(search.products(), kind.precision, bound, kind.unknown));
    search.report(report.worst_error);
    candidate.row = tried.size();
    tried.push_back(report);
    const bool fits = report.correct && report.worst_error <= kind.accepted;
    if (fits && (!best || report.milliseconds < best->report.milliseconds)) best = std::move(candidate);
  }
  return best;
}

std::optional<Candidate> tune_mixture(const Graph& lowered, const BuildOptions& options,
                                      std::vector<ProductFacts> products, double f32_milliseconds,
                                      std::span<const RecordedSample> samples, double bound,
                                      std::vector<CandidateReport>& tried) {
  BuildOptions mixed = options;
  mixed.exact_values = true;
  const MixtureKind kind{"mixed", "bf16", kOddFactors, bound, mixed_limit(bound)};
  return search_mixture(lowered, mixed, kind, std::move(products), f32_milliseconds, samples, bound, tried);
}

}  // namespace aitune

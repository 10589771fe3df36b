#pragma once
// Plans that compute some products in bf16 and keep others in f32.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/tuning/candidate.h"
#include "compiler/tuning/mixed_precision.h"

namespace aitune {

/// The largest error that a plan with bf16 in it may have on the samples: the rest of `bound` is for inputs not seen.
double mixed_limit(double bound);

/// The products that both plans have and that the other one does not compute in f32, with the time that it saves there,
/// in microseconds. Their errors are not known yet.
std::vector<ProductFacts> measure_gains(Candidate& f32, Candidate& other, std::span<const Tensor> inputs);
/// The inputs of those samples that the errors of products are measured on: the first few.
std::vector<std::vector<Tensor>> measured_inputs(std::span<const RecordedSample> samples);
/// Fills in the errors. Takes a few seconds at most.
void add_errors(std::vector<ProductFacts>& products, Candidate& f32, std::span<const RecordedSample> samples);

/// Whether a mixture is worth building: products that are in another precision throughout miss the limit of the error,
/// or so many of them are slower that it shows.
bool wants_mixture(std::span<const ProductFacts> products, const CandidateReport& throughout, double limit);

/// Why a product stays in f32 of a plan in another precision ("bf16", "int8") that accepts errors up to `bound`.
std::string why_kept(const ProductFacts& product, std::string_view precision, double bound);
/// The reason for a product, by the name of its node.
using WhyKept = std::function<std::string(const std::string& node)>;
/// Of what was measured, which must outlive the function; `unknown` is for products of which nothing was.
WhyKept why_by_facts(std::span<const ProductFacts> facts, std::string_view precision, double bound,
                     std::string_view unknown);
/// Why bf16 may not be able to compute a product at all.
inline constexpr std::string_view kOddFactors = "bf16 takes its factors in pairs, and their number is odd";
/// The products of a plan that are in f32, the largest first, with the reason for each.
std::vector<KeptProduct> kept_products(const BuildResult& built, const WhyKept& why);

/// What distinguishes mixtures of f32 and one other precision.
struct MixtureKind {
  std::string_view candidate;  ///< what the candidates are called in reports
  std::string_view precision;  ///< the other precision, as why_kept() names it
  std::string_view unknown;    ///< why products are in f32 of which nothing was measured
  double searched = 0;         ///< the bound that MixedSearch gets; it leaves room below it for inputs not seen
  double accepted = 0;         ///< the largest error on the samples of a plan that is taken
};

/// Builds what MixedSearch proposes, with tactics that are timed already, until it has nothing better or time is over.
/// `f32_milliseconds` is the time of the plan in f32. Returns the fastest plan that is right to `bound` and accepted by
/// `kind`, if there is one; what was tried goes into `tried`.
std::optional<Candidate> search_mixture(const Graph& lowered, const BuildOptions& options, const MixtureKind& kind,
                                        std::vector<ProductFacts> products, double f32_milliseconds,
                                        std::span<const RecordedSample> samples, double bound,
                                        std::vector<CandidateReport>& tried);

/// Searches for the mixture that is fastest within mixed_limit(bound). `options` are those of the plan in bf16;
/// `f32_milliseconds` is what has to be beaten. Returns the best plan found; what was tried goes into `tried`. A few
/// builds whose timings are known already.
std::optional<Candidate> tune_mixture(const Graph& lowered, const BuildOptions& options,
                                      std::vector<ProductFacts> products, double f32_milliseconds,
                                      std::span<const RecordedSample> samples, double bound,
                                      std::vector<CandidateReport>& tried);

}  // namespace aitune

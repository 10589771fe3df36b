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

/// Searches for the mixture that is fastest within mixed_limit(bound). `options` are those of the plan in bf16;
/// `f32_milliseconds` is what has to be beaten. Returns the best plan found; what was tried goes into `tried`. A few
/// builds whose timings are known already.
std::optional<Candidate> tune_mixture(const Graph& lowered, const BuildOptions& options,
                                      std::vector<ProductFacts> products, double f32_milliseconds,
                                      std::span<const RecordedSample> samples, double bound,
                                      std::vector<CandidateReport>& tried);

}  // namespace aitune

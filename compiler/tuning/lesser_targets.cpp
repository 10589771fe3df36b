#include "compiler/tuning/lesser_targets.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace aitune {

std::vector<LesserTarget> lesser_targets(const CpuTarget& chosen) {
  std::vector<LesserTarget> targets;
  CpuTarget lesser = chosen;
  if (lesser.avx512_vnni) {
    lesser.avx512_vnni = false;
    if (!lesser.avx512_bf16) targets.push_back({lesser, DType::f32});
  }
  if (lesser.amx_bf16) {
    lesser.amx_bf16 = false;
    targets.push_back({lesser, DType::bf16});
  }
  if (lesser.avx512_bf16) {
    lesser.avx512_bf16 = false;
    targets.push_back({lesser, DType::f32});
  }
  if (lesser.avx512) {
    lesser.avx512 = false;
    targets.push_back({lesser, DType::f32});
  }
  return targets;
}

std::vector<OtherPlan> build_for_lesser_targets(const Graph& lowered, const Candidate& chosen,
                                                std::span<RecordedSample> samples, double f32_bound, TuneReport& report,
                                                const std::vector<OtherDecisions>* decided,
                                                std::vector<std::string>* misses) {
  std::vector<OtherPlan> plans;
  for (const LesserTarget& lesser : lesser_targets(chosen.built.plan.plan.target)) {
    BuildOptions options = chosen.options;
    options.target = lesser.target;
    options.settings.onednn = false;
    options.reuse_tactics = false;
    if (lesser.precision == DType::f32) {
      options.precision = DType::f32;
      options.f32_products.clear();
      options.scales.clear();
      options.exact_values = false;
    }
    const double bound = lesser.precision == DType::f32 ? f32_bound : report.accepted_error;
    const std::string level = lesser.target.feature_names().back();
    std::optional<TimingCache> tactics;
    if (decided) {
      const auto known = std::ranges::find(*decided, level, &OtherDecisions::level);
      if (known == decided->end()) continue;
      options.timings = &tactics.emplace(TimingCache::of_decisions(known->tactics));
    }
    Candidate candidate = try_candidate(
        lowered, options, fmt::format("{} for {}", precision_name(lesser.precision), level), samples, bound);
    report.candidates.push_back(candidate.report);
    if (misses && tactics) std::ranges::copy(tactics->misses(), std::back_inserter(*misses));
    if (candidate.report.correct) {
      note_unsettled(candidate, samples);
      plans.push_back({std::move(candidate.built.plan), level, bound, std::move(candidate.tactics)});
      continue;
    }
    report.warnings.push_back(
        fmt::format("hardware_compatible: the file has no plan for {}: {}", level, candidate.report.problem));
    if (options.progress) options.progress->warn(report.warnings.back());
  }
  return plans;
}

}  // namespace aitune

#include "compiler/tuning/refit.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/target_level.h"
#include "compiler/graph/specialise.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/lesser_targets.h"
#include "compiler/tuning/lowering.h"
#include "compiler/tuning/mixed_tuning.h"
#include "compiler/tuning/recording.h"
#include "compiler/tuning/special_plans.h"

namespace aitune {
namespace {

std::string level_of(const CpuTarget& target) {
  const auto names = target.feature_names();
  return names.empty() ? "x86_64" : names.back();
}

CpuTarget target_of(const std::string& level) {
  CpuTarget all;
  all.avx2_fma = all.avx512 = all.avx512_bf16 = all.amx_bf16 = true;
  return limit_target(all, level);
}

BuildOptions build_options(const Decisions& decisions, const CompilationSettings& settings, TimingCache& tactics,
                           Progress& progress) {
  BuildOptions options;
  options.settings = settings;
  options.target = target_of(decisions.target);
  options.precision = decisions.precision == "bf16" ? DType::bf16 : DType::f32;
  options.f32_products = decisions.f32_products;
  options.exact_values = decisions.exact_values;
  options.accurate = decisions.accurate;
  options.opt_shape = decisions.opt_shape;
  options.timings = &tactics;
  options.progress = &progress;
  return options;
}

/// The special plan for these sizes; nothing if it is off with the new weights. Sizes that no sample has get one.
std::optional<BuiltPlan> rebuild_special(const Graph& program, const LowerOptions& lowering, const SymValues& sizes,
                                         const Candidate& general, std::vector<RecordedSample>& samples, double bound) {
  std::vector<RecordedSample> own;
  for (const RecordedSample& sample : samples) {
    const SymValues found = bind_symbols(program, sample.inputs);
    if (std::ranges::all_of(sizes, [&](const auto& s) {
          const auto at = found.find(s.first);
          return at != found.end() && at->second == s.second;
        }))
      own.push_back(sample);
  }
  if (own.empty()) {
    SymValues all = bind_symbols(program, samples.front().inputs);
    for (const auto& [name, size] : sizes) all[name] = size;
    samples.push_back(resize_sample(program, samples.front(), all));
    own.push_back(samples.back());
  }
  Graph fixed = specialise(program, sizes);
  lower(fixed, lowering);
  BuildOptions options = general.options;
  for (const auto& [name, size] : sizes) options.opt_shape.erase(name);
  Candidate special = try_candidate(fixed, options, "a special plan", own, bound);
  if (!special.report.correct) return std::nullopt;
  return std::move(special.built.plan);
}

}  // namespace

Decisions decisions_of(const Graph& imported, const Candidate& chosen, const TimingCache& timings, double f32_bound,
                       const TuneReport& report) {
  Decisions d;
  d.program = program_digest(imported);
  d.weights = weight_facts(imported);
  d.chosen = report.chosen;
  d.precision = precision_name(chosen.options.precision);
  d.target = level_of(chosen.options.target);
  d.f32_products = chosen.options.f32_products;
  d.exact_values = chosen.options.exact_values;
  d.accurate = chosen.options.accurate;
  d.bound = report.accepted_error;
  d.f32_bound = f32_bound;
  d.opt_shape = chosen.options.opt_shape;
  for (const SpecialPlanReport& special : report.special_plans)
    if (special.problem.empty()) d.special_sizes.push_back(special.sizes);
  d.tactics = timings.decisions();
  return d;
}

TunedModel refit_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                       const CompilationSettings& settings, const Decisions& decisions, Progress& progress) {
  if (const auto lines = differences(decisions, imported); !lines.empty())
    throw InvalidArgument(fmt::format("{}", fmt::join(lines, "; ")), "refit",
                          "Give the model that was tuned with other values of its weights, or tune this one");
  if (samples.empty()) throw InvalidArgument("there are no samples in the file to compare with", "refit");
  const auto start = std::chrono::steady_clock::now();
  TunedModel tuned;
  TuneReport& report = tuned.report;
  report.samples = samples.size();
  progress.stage("lower");
  const LowerOptions lowering = lower_options(progress, report.warnings);
  const Graph program = functional_program(imported, lowering);
  Graph lowered = program.clone();
  lower(lowered, lowering);
  progress.stage("record");
  SymValues sizes;
  tuned.samples = record(program, samples, progress, report.baseline_milliseconds, sizes, report.warnings);

  TimingCache tactics = TimingCache::of_decisions(decisions.tactics);
  const BuildOptions options = build_options(decisions, settings, tactics, progress);
  const bool lossy = options.precision == DType::bf16;  // leaves room for inputs that no sample shows, as tuning does
  Candidate chosen = try_candidate(lowered, options, decisions.chosen, tuned.samples,
                                   lossy ? mixed_limit(decisions.bound) : decisions.bound);
  report.candidates.push_back(chosen.report);
  if (!chosen.report.correct)
    throw ValidationError("with the new weights the plan is too far from the reference: " + chosen.report.problem,
                          "refit", "Tune the model with these weights: aitune tune MODEL -o OUT.ait");
  report.chosen = decisions.chosen;
  report.milliseconds = chosen.report.milliseconds;
  report.worst_error = chosen.report.worst_error;
  report.accepted_error = decisions.bound;
  report.bf16_share = chosen.report.bf16_share;
  for (const SymValues& special : decisions.special_sizes)
    if (auto plan = rebuild_special(program, lowering, special, chosen, tuned.samples, decisions.bound))
      tuned.specials.push_back(std::move(*plan));
  if (settings.hardware_compatible)
    tuned.others = build_for_lesser_targets(lowered, chosen, tuned.samples, decisions.f32_bound, report);
  std::size_t fallen = 0;
  for (const Fallback& f : chosen.built.fallbacks) {
    report.fallbacks.push_back(fmt::format("{} ({}x): {}", f.op, f.count, f.reason));
    fallen += f.count;
  }
  report.nodes = lowered.nodes().size();
  report.compiled_share = report.nodes == 0 ? 1 : 1 - static_cast<double>(fallen) / static_cast<double>(report.nodes);
  share_all_constants(chosen.built.plan, tuned);
  tuned.plan = std::move(chosen.built.plan);
  record_blocks(tuned, settings.num_threads);
  tuned.decisions = decisions;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return tuned;
}

}  // namespace aitune

#include "compiler/tuning/refit.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "aitune/version.h"
#include "base/error.h"
#include "base/target_level.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/lesser_targets.h"
#include "compiler/tuning/mixed_tuning.h"
#include "compiler/tuning/preparation.h"
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
  all.avx512_vnni = level == "avx512_vnni";  // plans use it or bf16
  try {
    return limit_target(all, level);
  } catch (const InvalidArgument&) {
    throw Corrupt(fmt::format("there is no CPU level '{}'", shown(level)), "decision log");
  }
}

BuildOptions build_options(const Decisions& decisions, const CompilationSettings& settings, TimingCache& tactics,
                           Progress& progress) {
  BuildOptions options;
  options.settings = settings;
  options.target = target_of(decisions.target);
  options.precision = decisions.precision == "bf16"   ? DType::bf16
                      : decisions.precision == "int8" ? DType::i8
                                                      : DType::f32;
  options.scales = decisions.scales;
  options.f32_products = decisions.f32_products;
  options.exact_values = decisions.exact_values;
  options.accurate = decisions.accurate;
  options.opt_shape = decisions.opt_shape;
  options.timings = &tactics;
  options.progress = &progress;
  return options;
}

/// The bound that the chosen plan is held to: bf16 leaves room for inputs that no sample shows, as tuning does.
double chosen_bound(const Decisions& decisions) {
  return decisions.precision == "bf16" ? mixed_limit(decisions.bound) : decisions.bound;
}

/// What the report says of the chosen plan, whether it was searched or not.
void report_chosen(const Decisions& decisions, const Candidate& chosen, TuneReport& report) {
  report.chosen = decisions.chosen;
  report.milliseconds = chosen.report.milliseconds;
  report.worst_error = chosen.report.worst_error;
  report.accepted_error = decisions.bound;
  report.bf16_share = chosen.report.bf16_share;
  report.int8_share = chosen.report.int8_share;
}

bool has_sizes(const Graph& program, const RecordedSample& sample, const SymValues& sizes) {
  const SymValues found = bind_symbols(program, sample.inputs);
  return std::ranges::all_of(sizes, [&](const auto& s) {
    const auto at = found.find(s.first);
    return at != found.end() && at->second == s.second;
  });
}

/// The special plan for these sizes; nothing if it is off with the new weights. Sizes that no sample has get one.
std::optional<SpecialPlan> refit_special(const Prepared& prepared, const SpecialDecisions& special,
                                         const BuildOptions& general, std::vector<RecordedSample>& samples,
                                         double bound) {
  std::vector<RecordedSample> own;
  for (const RecordedSample& sample : samples)
    if (has_sizes(prepared.program, sample, special.sizes)) own.push_back(sample);
  if (own.empty()) {
    SymValues all = bind_symbols(prepared.program, samples.front().inputs);
    for (const auto& [name, size] : special.sizes) all[name] = size;
    samples.push_back(resize_sample(prepared.program, samples.front(), all));
    own.push_back(samples.back());
  }
  TimingCache tactics = TimingCache::of_decisions(special.tactics);
  BuildOptions options = general;
  options.timings = &tactics;
  Candidate plan = try_special_plan(prepared.program, prepared.lowering, options, special.sizes, own, bound);
  if (!plan.report.correct) return std::nullopt;
  return SpecialPlan{special.sizes, std::move(plan.built.plan), std::move(plan.tactics)};
}

/// Names a few things, and how many there are beside them.
std::string name_some(const std::vector<std::string>& names, std::string_view separator = ", ") {
  constexpr std::size_t kShown = 4;
  std::string text = fmt::format("{}", fmt::join(std::span(names).first(std::min(names.size(), kShown)), separator));
  return names.size() > kShown
             ? fmt::format("{}{}and {} more", text, separator == ", " ? " " : separator, names.size() - kShown)
             : text;
}

[[noreturn]] void refuse_log(const std::vector<std::string>& lines) {
  throw InvalidArgument(fmt::format("what was decided does not fit: {}", name_some(lines, "; ")), "decision log",
                        "Give the model, the inputs and the settings that it was made with, or tune anew without it");
}

/// What must be the same before anything is run.
void check_program_and_machine(const Decisions& decisions, const Graph& imported, const CompilationSettings& settings) {
  if (const CpuTarget needed = target_of(decisions.target); !host_cpu().covers(needed))
    throw Incompatible(fmt::format("the plan was decided for {}, and this CPU has {}", needed.str(), host_cpu().str()),
                       "decision log", "Build it on such a machine, or tune anew here");
  std::vector<std::string> lines;
  if (decisions.aitune != kVersion)
    lines.push_back(fmt::format("it was made by aitune {}, and this is {}", shown(decisions.aitune), kVersion));
  const std::vector<std::string> of_the_model = differences(decisions, imported);
  if (of_the_model.empty()) {
    std::vector<std::string> others;
    for (const WeightFacts& w : weight_facts(imported))
      if (std::ranges::find(decisions.weights, w) == decisions.weights.end())
        others.push_back(fmt::format("'{}'", shown(w.name)));
    if (!others.empty())
      lines.push_back(fmt::format("weights have other values (aitune refit is for that): {}", name_some(others)));
  }
  const auto calls_onednn = [](const Tactics& tactics) {
    return std::ranges::any_of(tactics, [](const auto& t) { return !t.second.onednn.empty(); });
  };
  if (calls_onednn(decisions.tactics) ||
      std::ranges::any_of(decisions.specials, [&](const auto& s) { return calls_onednn(s.tactics); })) {
    const MachineFacts now = machine_facts(settings.num_threads, settings.onednn), &then = decisions.machine;
    if (now.onednn != then.onednn)
      lines.push_back(fmt::format("it calls oneDNN {}, and here is {}", shown(then.onednn), now.onednn));
    if (now.threads != then.threads)
      lines.push_back(fmt::format("it calls oneDNN on {} threads, and here are {} (num_threads sets them)",
                                  then.threads, now.threads));
  }
  lines.insert(lines.end(), of_the_model.begin(), of_the_model.end());  // last, as they may be many
  if (!lines.empty()) refuse_log(lines);
}

void check_samples(const Decisions& decisions, const Prepared& prepared, const TunedModel& tuned) {
  std::vector<std::string> lines;
  if (tuned.samples.size() != decisions.samples.size())
    lines.push_back(
        fmt::format("there were {} samples, and now there are {}", decisions.samples.size(), tuned.samples.size()));
  for (std::size_t s = 0; lines.empty() && s < tuned.samples.size(); ++s)
    if (sample_digest(tuned.samples[s].inputs) != decisions.samples[s])
      lines.push_back(fmt::format("sample {} is another one", s));
  if (lines.empty() && prepared.opt_shape != decisions.opt_shape)
    lines.emplace_back("the sizes that it was tuned at are others");
  for (const SpecialDecisions& special : decisions.specials)
    if (std::ranges::find(prepared.shapes, special.sizes, &CommonShape::sizes) == prepared.shapes.end())
      lines.emplace_back("it has a plan for sizes that are no common ones");
  if (!lines.empty()) refuse_log(lines);
}

/// Refuses a plan that could not be built as it was, or is off.
void check_repeated(const Candidate& plan, const Tactics& decided, const TimingCache& tactics) {
  if (const auto misses = tactics.misses(); !misses.empty()) refuse_log({name_some(misses)});
  if (plan.tactics != decided) refuse_log({"it has choices for kernels that the model does not have"});
  if (!plan.report.correct)
    throw ValidationError("the plan is too far from the reference here: " + plan.report.problem, "decision log",
                          "Tune anew, without the log");
}

void repeat_specials(const Prepared& prepared, const Decisions& decisions, const BuildOptions& general,
                     TunedModel& tuned) {
  for (const SpecialDecisions& special : decisions.specials) {
    const auto shape = std::ranges::find(prepared.shapes, special.sizes, &CommonShape::sizes);
    std::vector<RecordedSample> own;
    for (const std::size_t s : shape->samples) own.push_back(tuned.samples[s]);
    TimingCache tactics = TimingCache::of_decisions(special.tactics);
    BuildOptions options = general;
    options.timings = &tactics;
    Candidate plan =
        try_special_plan(prepared.program, prepared.lowering, options, special.sizes, own, chosen_bound(decisions));
    check_repeated(plan, special.tactics, tactics);
    tuned.specials.push_back(std::move(plan.built.plan));
  }
}

void repeat_others(const Prepared& prepared, const Decisions& decisions, const Candidate& chosen, TunedModel& tuned) {
  std::vector<std::string> misses;
  tuned.others = build_for_lesser_targets(prepared.lowered, chosen, tuned.samples, decisions.f32_bound, tuned.report,
                                          &decisions.others, &misses);
  if (!misses.empty()) refuse_log({name_some(misses)});
  const auto same = [](const OtherPlan& plan, const OtherDecisions& decided) {
    return plan.level == decided.level && plan.tactics == decided.tactics;
  };
  if (!std::ranges::equal(tuned.others, decisions.others, same))
    refuse_log({"a plan for lesser CPUs cannot be built as it was"});
}

}  // namespace

Decisions facts_of(const Graph& imported, const TunedModel& tuned, const CompilationSettings& settings) {
  Decisions d;
  d.aitune = kVersion;
  d.machine = machine_facts(settings.num_threads, settings.onednn);
  d.program = program_digest(imported);
  d.weights = weight_facts(imported);
  for (const RecordedSample& sample : tuned.samples) d.samples.push_back(sample_digest(sample.inputs));
  return d;
}

Decisions decisions_of(const Decisions& facts, const Candidate& chosen, double f32_bound, const TunedModel& tuned) {
  Decisions d = facts;
  d.chosen = tuned.report.chosen;
  d.precision = precision_name(chosen.options.precision);
  d.target = level_of(chosen.options.target);
  d.f32_products = chosen.options.f32_products;
  if (chosen.options.precision == DType::i8) d.scales = chosen.options.scales;
  d.exact_values = chosen.options.exact_values;
  d.accurate = chosen.options.accurate;
  d.bound = tuned.report.accepted_error;
  d.f32_bound = f32_bound;
  d.opt_shape = chosen.options.opt_shape;
  d.tactics = chosen.tactics;
  for (const OtherPlan& other : tuned.others) d.others.push_back({other.level, other.tactics});
  return d;
}

TunedModel refit_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                       const CompilationSettings& settings, const Decisions& decisions, Progress& progress) {
  if (const auto lines = differences(decisions, imported); !lines.empty())
    throw InvalidArgument(name_some(lines, "; "), "refit",
                          "Give the model that was tuned with other values of its weights, or tune this one");
  if (samples.empty()) throw InvalidArgument("there are no samples in the file to compare with", "refit");
  const auto start = std::chrono::steady_clock::now();
  TunedModel tuned;
  TuneReport& report = tuned.report;
  const Prepared prepared = prepare(imported, samples, settings, progress, {}, tuned);
  TimingCache tactics = TimingCache::of_decisions(decisions.tactics);
  const BuildOptions options = build_options(decisions, settings, tactics, progress);
  Candidate chosen = try_candidate(prepared.lowered, options, decisions.chosen, tuned.samples, chosen_bound(decisions));
  report.candidates.push_back(chosen.report);
  if (!chosen.report.correct)
    throw ValidationError("with the new weights the plan is too far from the reference: " + chosen.report.problem,
                          "refit", "Tune the model with these weights: aitune tune MODEL -o OUT.ait");
  note_unsettled(chosen, tuned.samples);
  report_chosen(decisions, chosen, report);
  report_coverage(prepared.lowered, chosen.built.fallbacks, report);
  std::vector<SpecialDecisions> specials;
  for (const SpecialDecisions& special : decisions.specials)
    if (auto plan = refit_special(prepared, special, chosen.options, tuned.samples, decisions.bound)) {
      specials.push_back({std::move(plan->sizes), std::move(plan->tactics)});
      tuned.specials.push_back(std::move(plan->plan));
    }
  if (settings.hardware_compatible)
    tuned.others = build_for_lesser_targets(prepared.lowered, chosen, tuned.samples, decisions.f32_bound, report,
                                            &decisions.others);
  tuned.decisions = decisions_of(facts_of(imported, tuned, settings), chosen, decisions.f32_bound, tuned);
  tuned.decisions.specials = std::move(specials);
  share_all_constants(chosen.built.plan, tuned);
  tuned.plan = std::move(chosen.built.plan);
  record_blocks(tuned, settings.num_threads);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  tuned.decisions.measured = report.to_json();
  return tuned;
}

TunedModel repeat_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                        const CompilationSettings& settings, const Decisions& decisions, Progress& progress,
                        const SymValues& preferred) {
  TuneReport measured = TuneReport::from_json(decisions.measured, "decision log");
  check_program_and_machine(decisions, imported, settings);
  TunedModel tuned;
  const Prepared prepared = prepare(imported, samples, settings, progress, preferred, tuned);
  check_samples(decisions, prepared, tuned);
  TimingCache tactics = TimingCache::of_decisions(decisions.tactics);
  BuildOptions options = build_options(decisions, settings, tactics, progress);
  options.measure = false;
  Candidate chosen = try_candidate(prepared.lowered, options, decisions.chosen, tuned.samples, chosen_bound(decisions));
  check_repeated(chosen, decisions.tactics, tactics);
  note_unsettled(chosen, tuned.samples);
  report_chosen(decisions, chosen, tuned.report);
  repeat_specials(prepared, decisions, chosen.options, tuned);
  if (settings.hardware_compatible) repeat_others(prepared, decisions, chosen, tuned);
  share_all_constants(chosen.built.plan, tuned);
  tuned.plan = std::move(chosen.built.plan);
  record_blocks(tuned, settings.num_threads);
  tuned.decisions = decisions;
  tuned.decisions.measured = measured.to_json();
  tuned.report = std::move(measured);
  return tuned;
}

}  // namespace aitune

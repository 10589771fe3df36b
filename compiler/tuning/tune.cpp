#include "compiler/tuning/tune.h"

#include <algorithm>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/tuning/build.h"
#include "compiler/tuning/candidate.h"
#include "compiler/tuning/conditioning.h"
#include "compiler/tuning/engine_cache.h"
#include "compiler/tuning/engine_key.h"
#include "compiler/tuning/lesser_targets.h"
#include "compiler/tuning/lowering.h"
#include "compiler/tuning/plan_search.h"
#include "compiler/tuning/preparation.h"
#include "compiler/tuning/recording.h"
#include "compiler/tuning/refit.h"
#include "compiler/tuning/search_end.h"
#include "compiler/tuning/special_plans.h"
#include "compiler/tuning/stopwatch.h"
#include "compiler/tuning/timing_cache.h"
#include "format/program_names.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

namespace fs = std::filesystem;

/// Names the first size that the model was not exported for. (Types and fixed sizes are checked where symbols are
/// bound.)
void check_ranges(const Graph& graph, const Value& input, const Tensor& tensor, const std::string& where) {
  if (tensor.shape().size() != input.type.shape.size()) return;
  for (std::size_t d = 0; d < tensor.shape().size(); ++d) {
    const SymRange range = input.type.shape[d].range(graph.symbols);
    const std::int64_t size = tensor.shape()[d];
    if (input.type.shape[d].as_constant() || (size >= range.min && size <= range.max)) continue;
    throw InvalidArgument(
        fmt::format("dimension {} of input '{}' is {}, outside of its range [{}, {}]", d, input.name, size, range.min,
                    range.max == SymRange::kNoMax ? "any" : std::to_string(range.max)),
        where, "Use sizes within the ranges that the model was exported with");
  }
}

}  // namespace

std::vector<Tensor> order_inputs(const Graph& graph, const std::vector<std::pair<std::string, Tensor>>& named,
                                 const std::string& where) {
  std::vector<std::optional<Tensor>> slots(graph.inputs.size());
  std::string expected;
  for (const Value* input : graph.inputs)
    expected += (expected.empty() ? "" : ", ") + input->name + " " + to_string(input->type);
  for (const auto& [name, tensor] : named) {
    std::optional<std::size_t> at;
    for (std::size_t i = 0; i < graph.inputs.size(); ++i)
      if (graph.inputs[i]->name == in_program(name) || std::to_string(i) == name) at = i;
    if (!at)
      throw InvalidArgument(fmt::format("the model has no input '{}'", name), where, "Its inputs are: " + expected);
    if (slots[*at]) throw InvalidArgument(fmt::format("input '{}' is given twice", graph.inputs[*at]->name), where);
    slots[*at] = tensor;
  }
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i])
      throw InvalidArgument(fmt::format("input '{}' is missing", graph.inputs[i]->name), where,
                            "The model's inputs are: " + expected);
    check_ranges(graph, *graph.inputs[i], *slots[i], where);
    inputs.push_back(*slots[i]);
  }
  return inputs;
}

double error_bound(const CompilationSettings& settings, DType precision) {
  if (precision == DType::i8) return settings.max_quantisation_error;
  if (settings.max_relative_error > 0) return settings.max_relative_error;
  return precision == DType::f32 ? 1e-4 : 2e-2;
}

namespace {

/// Where no plan was kept because of workspace_size.
void refuse_memory(const CandidateReport& tried) {
  if (tried.problem.find("workspace_size") == std::string::npos) return;
  throw Unsupported("no plan keeps to the limit: " + tried.problem, "setting workspace_size",
                    "Allow more, or give narrower ranges of sizes (--shapes): memory is planned for the largest");
}

/// What to do where no plan gives the reference's outputs.
std::string advice_on_error(const CandidateReport& tried, const Graph& program, std::span<const RecordedSample> samples,
                            const CompilationSettings& settings) {
  if (settings.max_relative_error > 0)
    return "Allow more with max_relative_error, or leave it out; engine=reference always agrees";
  const double noise = rounding_noise(program, samples, 1, true);
  if (tried.worst_error <= kNoises * noise)
    return fmt::format(
        "Roundings alone change the model's outputs by {:.0e} of themselves: they are zero but for roundings, or the "
        "model is unstable. Allow as much with max_relative_error, or set engine=reference, which always agrees",
        noise);
  return "Set engine=reference, which always agrees, and report this: it is a bug of aitune";
}

/// Shows what would be kept if nothing came after it.
void show_interim(Candidate& candidate, double bound, const Graph& lowered, const TunedModel& so_far,
                  const Decisions& facts, const CompilationSettings& settings, const Stopwatch& clock,
                  const SearchHooks& hooks) {
  TunedModel interim;
  interim.samples = so_far.samples;
  note_unsettled(candidate, interim.samples);
  interim.report = so_far.report;
  if (interim.report.candidates.empty()) interim.report.candidates.push_back(candidate.report);
  report_candidate(candidate, bound, interim.report);
  report_coverage(lowered, candidate.built.fallbacks, interim.report);
  interim.report.stopped = "unfinished";
  interim.report.seconds = clock.seconds();
  interim.decisions = decisions_of(facts, candidate, error_bound(settings, DType::f32), interim);
  interim.decisions.measured = interim.report.to_json();
  interim.plan = std::move(candidate.built.plan);
  try {
    record_blocks(interim, settings.num_threads);
    hooks.improved(interim);
  } catch (...) {
    candidate.built.plan = std::move(interim.plan);
    throw;
  }
  candidate.built.plan = std::move(interim.plan);
}

/// Tuning without the engine cache. The report begins with `warnings`, which have been shown.
TunedModel search(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                  const CompilationSettings& settings, Progress& progress, const SymValues& preferred,
                  const SearchHooks& hooks, std::vector<std::string> warnings) {
  const Stopwatch clock;
  SearchEnd end(settings.tune_budget_seconds, hooks.stop);
  TunedModel tuned;
  TuneReport& report = tuned.report;
  report.warnings = std::move(warnings);
  const Prepared prepared = prepare(imported, samples, settings, progress, preferred, tuned);

  const bool use_cache = settings.timing_cache_path != "none";
  const std::filesystem::path cache_path = settings.timing_cache_path.empty()
                                               ? default_timing_cache_path()
                                               : std::filesystem::path(settings.timing_cache_path);
  std::string cache_warning;
  TimingCache timings = use_cache ? TimingCache::load(cache_path, &cache_warning) : TimingCache();
  if (!cache_warning.empty()) progress.warn(cache_warning);

  BuildOptions options;
  options.settings = settings;
  options.target = host_cpu();
  options.target.avx512_vnni = false;  // only kernels of int8 use it: other plans must not ask for it
  options.opt_shape = prepared.opt_shape;
  options.timings = &timings;
  options.progress = &progress;

  const auto save_timings = [&](bool last) {
    if (!use_cache) return;
    try {
      timings.save(cache_path);
    } catch (const Error& error) {
      if (last) progress.warn(std::string("timings were not saved: ") + error.what());
    }
  };
  if (use_cache) timings.save_at_times(cache_path);
  end.then([&] {
    progress.stage(end.why() == "budget" ? "end of the budget" : "interrupted");
    save_timings(false);
  });
  const Decisions facts = facts_of(imported, tuned, settings);
  std::function<void(Candidate&, double)> improved;
  if (hooks.improved)
    improved = [&](Candidate& candidate, double bound) {
      show_interim(candidate, bound, prepared.lowered, tuned, facts, settings, clock, hooks);
    };

  PlanSearch plans(prepared.program, prepared.lowered, options, tuned.samples, hooks.calibration, report, end,
                   improved);
  try {
    plans.try_precisions(precisions_to_try(settings, imported, host_cpu(), progress, report.warnings));
  } catch (...) {  // Ctrl-C in Python, an error: what was timed stays
    save_timings(false);
    throw;
  }
  auto best = plans.take_best();
  if (best) {
    note_unsettled(*best, tuned.samples);
    auto specials =
        tune_special_plans(prepared.program, prepared.lowering, *best, prepared.shapes, tuned.samples, report);
    if (settings.hardware_compatible)
      tuned.others = build_for_lesser_targets(prepared.lowered, *best, tuned.samples, plans.f32_bound(), report);
    tuned.decisions = decisions_of(facts, *best, plans.f32_bound(), tuned);
    for (SpecialPlan& special : specials) {
      tuned.decisions.specials.push_back({std::move(special.sizes), std::move(special.tactics)});
      tuned.specials.push_back(std::move(special.plan));
    }
    share_all_constants(best->built.plan, tuned);
  }
  save_timings(true);
  if (!best) refuse_memory(report.candidates.front());
  if (!best)
    throw ValidationError("no plan gives the reference's outputs: " + report.candidates.front().problem, "tune",
                          advice_on_error(report.candidates.front(), prepared.program, tuned.samples, settings));
  tuned.plan = std::move(best->built.plan);
  record_blocks(tuned, settings.num_threads);
  report.stopped = end.why();
  report.seconds = clock.seconds();
  tuned.decisions.measured = report.to_json();
  return tuned;
}

/// Whether the weights and the samples are those that the decisions were made with: then plans and figures are, too.
bool same_values(const Decisions& decisions, const Graph& imported, std::span<const std::vector<Tensor>> samples) {
  const auto same_sample = [](const std::vector<Tensor>& sample, const std::string& digest) {
    return sample_digest(sample) == digest;
  };
  return decisions.weights == weight_facts(imported) && samples.size() <= decisions.samples.size() &&
         std::ranges::equal(samples, std::span(decisions.samples).first(samples.size()), same_sample);
}

/// What an earlier tuning decided, built from it; nothing if there is none, or if it does not fit any more.
std::optional<TunedModel> from_cache(const EngineCache& cache, const std::string& key, const Graph& imported,
                                     std::span<const std::vector<Tensor>> samples, const CompilationSettings& settings,
                                     Progress& progress, const SymValues& preferred) {
  std::string warning;
  const auto decisions = cache.find(key, &warning);
  if (!warning.empty()) progress.warn(warning);
  if (!decisions) return std::nullopt;
  progress.stage("build from the engine cache");
  try {
    if (same_values(*decisions, imported, samples))
      return repeat_graph(imported, samples, settings, *decisions, progress, preferred);
    return refit_graph(imported, samples, settings, *decisions, progress);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) throw;
    progress.warn(std::string("what the engine cache has does not fit, and is searched again: ") + error.what());
    return std::nullopt;
  }
}

}  // namespace

TunedModel tune_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                      const CompilationSettings& settings, Progress& progress, const SymValues& preferred,
                      const SearchHooks& hooks) {
  const bool caches = (settings.cache_built_engines || settings.reuse_cached_engines) && settings.engine != "reference";
  std::vector<std::string> warnings;
  warn_of_ignored_settings(settings, progress, warnings);
  if (!caches || samples.empty())
    return search(imported, samples, settings, progress, preferred, hooks, std::move(warnings));
  const EngineCache cache(
      settings.engine_cache_dir.empty() ? default_engine_cache_path() : fs::path(settings.engine_cache_dir),
      static_cast<std::uint64_t>(settings.engine_cache_size));
  const std::string key = engine_key(imported, samples, preferred, settings, hooks.calibration);
  if (settings.reuse_cached_engines)
    if (auto tuned = from_cache(cache, key, imported, samples, settings, progress, preferred)) return std::move(*tuned);
  TunedModel tuned = search(imported, samples, settings, progress, preferred, hooks, std::move(warnings));
  if (settings.cache_built_engines && tuned.report.stopped.empty()) {
    try {
      cache.keep(key, tuned.decisions);
    } catch (const Error& error) {
      progress.warn(std::string("the engine cache was not written: ") + error.what());
    }
  }
  return tuned;
}

}  // namespace aitune

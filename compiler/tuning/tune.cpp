#include "compiler/tuning/tune.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/functionalise.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/build.h"
#include "compiler/tuning/timing_cache.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Median latency in milliseconds: at least 5 runs, about half a second.
double time_plan(Instance& instance, std::span<const Tensor> inputs) {
  std::vector<double> runs;
  for (double spent = 0; runs.size() < 5 || (spent < 0.5 && runs.size() < 200); spent += runs.back() / 1e3) {
    const auto start = Clock::now();
    instance.run(inputs);
    runs.push_back(seconds_since(start) * 1e3);
  }
  std::ranges::nth_element(runs, runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2));
  return runs[runs.size() / 2];
}

/// What is wrong with a plan's output, or nothing; raises `worst` to its error.
std::optional<std::string> compare(const Tensor& got, const Tensor& expected, double bound, double& worst) {
  if (got.dtype() != expected.dtype() || got.shape() != expected.shape())
    return fmt::format("it is {}, the reference gives {}", describe(got.dtype(), got.shape()),
                       describe(expected.dtype(), expected.shape()));
  if (all_finite(expected) && !all_finite(got)) {
    worst = std::numeric_limits<double>::infinity();
    return "it has NaN or Inf where the reference has none";
  }
  const double error = relative_error(got, expected);
  worst = std::max(worst, error);
  if (!(error <= bound)) return fmt::format("its relative error is {:.2e}, more than {:.0e}", error, bound);
  return std::nullopt;
}

/// Runs the plan on every sample; fills in correctness and error.
void validate(Instance& instance, std::span<const RecordedSample> samples, const Plan& plan, double bound,
              CandidateReport& report) {
  report.correct = true;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const auto outputs = instance.run(samples[s].inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (const auto problem = compare(outputs[i], samples[s].outputs[i], bound, report.worst_error);
          problem && report.correct) {
        report.correct = false;
        report.problem = fmt::format("output {} on sample {}: {}", plan.outputs[i].name, s, *problem);
      }
  }
}

std::vector<DType> precisions_to_try(const CompilationSettings& settings, const CpuTarget& target, Progress& progress,
                                     std::vector<std::string>& warnings) {
  std::vector<DType> list = {DType::f32};
  const auto note = [&](std::string text) {
    progress.warn(text);
    warnings.push_back(std::move(text));
  };
  if (settings.enabled_precisions.contains(DType::f16))
    note("enabled_precisions: the CPU engine has no fp16 kernels and ignores fp16");
  if (settings.enabled_precisions.contains(DType::bf16)) {
    if (settings.engine == "reference")
      note("enabled_precisions: the reference engine computes in the program's own types and ignores bf16");
    else if (target.avx512_bf16)
      list.push_back(DType::bf16);
    else
      note("enabled_precisions: this CPU has no AVX512_BF16 instructions, bf16 is left out");
  }
  return list;
}

std::vector<RecordedSample> record(const Graph& graph, std::span<const std::vector<Tensor>> samples, Progress& progress,
                                   double& baseline_ms) {
  std::vector<RecordedSample> recorded;
  for (const auto& inputs : samples) {
    progress.step(fmt::format("reference outputs of sample {}", recorded.size()), recorded.size(), samples.size());
    const auto start = Clock::now();
    auto outputs = evaluate(graph, inputs);
    if (recorded.empty()) baseline_ms = seconds_since(start) * 1e3;
    for (auto& output : outputs) output = output.contiguous();
    recorded.push_back({inputs, std::move(outputs)});
  }
  return recorded;
}

void record_blocks(TunedModel& tuned, int num_threads) {
  if (tuned.plan.plan.blocks.size() < 2) return;
  LoadOptions options;
  options.num_threads = num_threads;
  Instance instance(Program::from_built(tuned.plan, options));
  instance.run_blocks(tuned.samples.front().inputs, [&](std::size_t block, std::vector<Tensor> outputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i)
      tuned.block_outputs.emplace_back(fmt::format("block{}.{}", block, i), std::move(outputs[i]));
  });
}

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
      if (graph.inputs[i]->name == name || std::to_string(i) == name) at = i;
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
  if (settings.max_relative_error > 0) return settings.max_relative_error;
  return precision == DType::f32 ? 1e-4 : 2e-2;
}

TunedModel tune_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                      const CompilationSettings& settings, Progress& progress) {
  if (samples.empty())
    throw InvalidArgument("there are no samples to tune on", "tune",
                          "Give at least one set of inputs, representative of production");
  const auto start = Clock::now();
  TunedModel tuned;
  TuneReport& report = tuned.report;
  report.samples = samples.size();

  progress.stage("lower");
  LowerOptions lower_options;
  lower_options.evaluator = reference_evaluator();
  lower_options.warn = [&](std::string_view message) {
    progress.warn(message);
    report.warnings.emplace_back(message);
  };
  // The interpreter writes to no tensor, so it gets the program with its writes made values.
  Graph program = imported.clone();
  functionalise(program, PassContext{lower_options});
  Graph lowered = program.clone();
  lower(lowered, lower_options);

  progress.stage("record");
  tuned.samples = record(program, samples, progress, report.baseline_milliseconds);

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
  options.target.avx512_vnni = false;  // no kernel of ours uses it: the plan must not ask for it
  options.opt_shape = bind_symbols(imported, samples.front());
  options.timings = &timings;
  options.progress = &progress;

  std::optional<BuiltPlan> best;
  for (const DType precision : precisions_to_try(settings, host_cpu(), progress, report.warnings)) {
    progress.stage("tune " + std::string(precision_name(precision)));
    CandidateReport candidate;
    candidate.precision = precision_name(precision);
    const auto build_start = Clock::now();
    options.precision = precision;
    options.target.avx512_bf16 = precision == DType::bf16;
    options.target.amx_bf16 = precision == DType::bf16 && host_cpu().amx_bf16;
    BuildResult built = build(lowered, options);
    candidate.build_seconds = seconds_since(build_start);
    candidate.steps = built.plan.plan.steps.size();
    candidate.code_bytes = built.plan.code.size();
    candidate.constant_bytes = built.plan.constants.size();

    progress.stage("validate " + std::string(precision_name(precision)));
    LoadOptions load_options;
    load_options.num_threads = settings.num_threads;
    Instance instance(Program::from_built(built.plan, load_options));
    validate(instance, tuned.samples, built.plan.plan, error_bound(settings, precision), candidate);
    candidate.milliseconds = time_plan(instance, tuned.samples.front().inputs);
    if (!candidate.correct) {
      const std::string text = fmt::format("{} was given up: {}", candidate.precision, candidate.problem);
      progress.warn(text);
      report.warnings.push_back(text);
    } else if (!best || candidate.milliseconds < report.milliseconds) {
      report.chosen = candidate.precision;
      report.milliseconds = candidate.milliseconds;
      report.worst_error = candidate.worst_error;
      best = std::move(built.plan);
      report.fallbacks.clear();
      for (const auto& f : built.fallbacks)
        report.fallbacks.push_back(fmt::format("{} ({}x): {}", f.op, f.count, f.reason));
      std::size_t fallen = 0;
      for (const auto& f : built.fallbacks) fallen += f.count;
      const std::size_t nodes = lowered.nodes().size();
      report.compiled_share = nodes == 0 ? 1 : 1 - static_cast<double>(fallen) / static_cast<double>(nodes);
    }
    for (auto& w : built.warnings) {
      progress.warn(w);
      report.warnings.push_back(std::move(w));
    }
    report.candidates.push_back(std::move(candidate));
  }
  if (use_cache) {
    try {
      timings.save(cache_path);
    } catch (const Error& error) {
      progress.warn(std::string("timings were not saved: ") + error.what());
    }
  }
  if (!best)
    throw ValidationError(
        "no plan gives the reference's outputs: " + report.candidates.front().problem, "tune",
        "This is a bug of aitune unless max_relative_error is set too tight; engine=reference always agrees");
  tuned.plan = std::move(*best);
  record_blocks(tuned, settings.num_threads);
  report.seconds = seconds_since(start);
  return tuned;
}

}  // namespace aitune

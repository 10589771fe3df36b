#include "compiler/tuning/candidate.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "compiler/tuning/measure.h"
#include "compiler/tuning/stopwatch.h"
#include "format/plan_memory.h"
#include "runtime/program.h"
#include "runtime/shapes.h"

namespace aitune {
namespace {

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
  report.problem.clear();
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const auto outputs = instance.run(samples[s].inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (const auto problem = compare(outputs[i], samples[s].outputs[i], bound, report.worst_error);
          problem && report.correct) {
        report.correct = false;
        report.problem =
            fmt::format("output {} on {}: {}", plan.outputs[i].name,
                        samples[s].rearranged ? "a sample rearranged" : fmt::format("sample {}", s), *problem);
      }
  }
}

/// Bytes of intermediate results: at the largest sizes that the plan serves, or of the samples, where there is no
/// largest.
std::int64_t most_memory(const Plan& plan, std::span<const RecordedSample> samples) {
  if (const auto largest = largest_arena(plan)) return *largest;
  std::int64_t most = 0;
  for (const RecordedSample& sample : samples)
    most = std::max(most, bind_shapes(plan, refer_to(sample.inputs)).values[plan.arena_bytes]);
  return most;
}

/// Refuses a plan that needs more than workspace_size.
void check_memory(const Plan& plan, std::span<const RecordedSample> samples, const CompilationSettings& settings,
                  CandidateReport& report) {
  if (settings.workspace_size == 0) return;
  const std::int64_t most = most_memory(plan, samples);
  if (most <= settings.workspace_size) return;
  report.correct = false;
  report.problem =
      fmt::format("its intermediate results take {} bytes, and workspace_size is {}", most, settings.workspace_size);
}

/// Share of the products' operations that are done in this type.
double share_of(DType type, std::span<const ProductStep> products) {
  double all = 0, own = 0;
  for (const ProductStep& p : products) {
    all += p.operations;
    if (p.type == type) own += p.operations;
  }
  return all > 0 ? own / all : 0;
}

}  // namespace

Candidate try_candidate(const Graph& lowered, const BuildOptions& options, std::string name,
                        std::span<const RecordedSample> samples, double bound) {
  Candidate candidate;
  candidate.options = options;
  CandidateReport& report = candidate.report;
  report.precision = std::move(name);
  if (options.progress) options.progress->stage("tune " + report.precision);
  const Stopwatch clock;
  if (options.timings) options.timings->take_decisions();
  candidate.built = build(lowered, options);
  if (options.timings) candidate.tactics = options.timings->take_decisions();
  report.build_seconds = clock.seconds();
  const BuiltPlan& built = candidate.built.plan;
  report.steps = built.plan.steps.size();
  report.code_bytes = built.code.size();
  report.constant_bytes = built.constants.size();
  report.bf16_share = share_of(DType::bf16, candidate.built.products);
  report.int8_share = share_of(DType::u8, candidate.built.products);
  const auto first = refer_to(samples.front().inputs);
  report.arena_bytes = bind_shapes(built.plan, first).values[built.plan.arena_bytes];

  if (options.progress) options.progress->stage("validate " + report.precision);
  LoadOptions load_options;
  load_options.num_threads = options.settings.num_threads;
  candidate.instance = std::make_unique<Instance>(Program::from_built(built, load_options));
  validate(*candidate.instance, samples, built.plan, bound, report);
  check_memory(built.plan, samples, options.settings, report);
  if (!options.measure) return candidate;
  const TimedCall alone[] = {{candidate.instance.get(), samples.front().inputs}};
  report.milliseconds = median_milliseconds(alone).front();
  if (options.progress && report.correct) options.progress->measured(report.precision, report.milliseconds);
  return candidate;
}

void validate_again(Candidate& candidate, std::span<const RecordedSample> samples, double bound) {
  validate(*candidate.instance, samples, candidate.built.plan.plan, bound, candidate.report);
  check_memory(candidate.built.plan.plan, samples, candidate.options.settings, candidate.report);
}

void time_in_turn(std::span<Candidate* const> candidates, std::span<const Tensor> inputs) {
  std::vector<TimedCall> calls;
  for (const Candidate* c : candidates) calls.push_back({c->instance.get(), inputs});
  const auto times = median_milliseconds(calls);
  for (std::size_t i = 0; i < times.size(); ++i) candidates[i]->report.milliseconds = times[i];
}

}  // namespace aitune

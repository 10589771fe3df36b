#include "compiler/tuning/candidate.h"

#include <algorithm>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "compiler/tuning/conditioning.h"
#include "compiler/tuning/measure.h"
#include "compiler/tuning/stopwatch.h"
#include "format/plan_memory.h"
#include "runtime/program.h"
#include "runtime/shapes.h"

namespace aitune {
namespace {

/// Of a plan's output on a sample.
struct Complaint {
  std::size_t sample, output;
  bool sizes;  ///< it has others than the reference's
  std::string text;
};

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

bool of_other_sizes(const Tensor& got, const Tensor& expected) {
  return got.dtype() == expected.dtype() && got.shape().size() == expected.shape().size() &&
         got.shape() != expected.shape();
}

bool is_unsettled(const RecordedSample& sample, std::size_t output) {
  return std::ranges::find(sample.unsettled, output) != sample.unsettled.end();
}

std::string name_of(std::span<const RecordedSample> samples, std::size_t s) {
  return samples[s].rearranged ? "a sample rearranged" : fmt::format("sample {}", s);
}

/// Takes back the complaints about outputs whose sizes a rounding decides, and says so: nothing is wrong with a plan
/// that rounds otherwise.
void forgive_unsettled_sizes(const Graph& lowered, std::span<const RecordedSample> samples, const Plan& plan,
                             Candidate& candidate, std::vector<Complaint>& complaints) {
  candidate.unsettled.clear();
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const auto is_of_sizes = [&](const Complaint& c) { return c.sample == s && c.sizes; };
    if (std::ranges::none_of(complaints, is_of_sizes)) continue;
    const std::vector<bool> unsettled = unsettled_sizes(lowered, samples[s]);
    std::vector<std::string> names;
    std::erase_if(complaints, [&](const Complaint& c) {
      if (!is_of_sizes(c) || !unsettled[c.output]) return false;
      names.push_back(plan.outputs[c.output].name);
      candidate.unsettled.emplace_back(s, c.output);
      return true;
    });
    if (!names.empty())
      candidate.built.warnings.push_back(
          fmt::format("{}: a rounding decides the sizes of {} on {}, which were not compared there; take other samples",
                      candidate.report.precision, fmt::join(names, ", "), name_of(samples, s)));
  }
}

/// Runs the plan on every sample; fills in correctness and error.
void validate(const Graph& lowered, std::span<const RecordedSample> samples, double bound, Candidate& candidate) {
  const Plan& plan = candidate.built.plan.plan;
  CandidateReport& report = candidate.report;
  std::vector<Complaint> complaints;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const auto outputs = candidate.instance->run(samples[s].inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (of_other_sizes(outputs[i], samples[s].outputs[i]) && is_unsettled(samples[s], i)) continue;
      if (auto problem = compare(outputs[i], samples[s].outputs[i], bound, report.worst_error))
        complaints.push_back({s, i, of_other_sizes(outputs[i], samples[s].outputs[i]), std::move(*problem)});
    }
  }
  forgive_unsettled_sizes(lowered, samples, plan, candidate, complaints);
  report.correct = complaints.empty();
  report.problem.clear();
  if (report.correct) return;
  const Complaint& first = complaints.front();
  report.problem =
      fmt::format("output {} on {}: {}", plan.outputs[first.output].name, name_of(samples, first.sample), first.text);
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

/// What the plan needs, where that is more than workspace_size.
std::optional<std::int64_t> beyond_workspace(const Plan& plan, std::span<const RecordedSample> samples,
                                             const CompilationSettings& settings) {
  if (settings.workspace_size == 0) return std::nullopt;
  const std::int64_t most = most_memory(plan, samples);
  return most > settings.workspace_size ? std::optional(most) : std::nullopt;
}

/// Builds the plan; one that needs more than workspace_size once more, so that it takes less memory and more time.
BuildResult build_within_workspace(const Graph& lowered, const BuildOptions& options,
                                   std::span<const RecordedSample> samples) {
  BuildResult built = build(lowered, options);
  if (!beyond_workspace(built.plan.plan, samples, options.settings)) return built;
  BuildOptions thrifty = options;
  thrifty.shared_halos = true;
  return build(lowered, thrifty);
}

/// Refuses a plan that needs more than workspace_size.
void check_memory(const Plan& plan, std::span<const RecordedSample> samples, const CompilationSettings& settings,
                  CandidateReport& report) {
  const auto most = beyond_workspace(plan, samples, settings);
  if (!most) return;
  report.correct = false;
  report.problem =
      fmt::format("its intermediate results take {} bytes, and workspace_size is {}", *most, settings.workspace_size);
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
  candidate.built = build_within_workspace(lowered, options, samples);
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
  validate(lowered, samples, bound, candidate);
  check_memory(built.plan, samples, options.settings, report);
  if (!options.measure) return candidate;
  const TimedCall alone[] = {{candidate.instance.get(), samples.front().inputs}};
  report.milliseconds = median_milliseconds(alone).front();
  if (options.progress && report.correct) options.progress->measured(report.precision, report.milliseconds);
  return candidate;
}

void validate_again(Candidate& candidate, const Graph& lowered, std::span<const RecordedSample> samples, double bound) {
  validate(lowered, samples, bound, candidate);
  check_memory(candidate.built.plan.plan, samples, candidate.options.settings, candidate.report);
}

void note_unsettled(const Candidate& candidate, std::span<RecordedSample> samples) {
  for (const auto& [sample, output] : candidate.unsettled)
    if (sample < samples.size() && !is_unsettled(samples[sample], output)) samples[sample].unsettled.push_back(output);
}

void time_in_turn(std::span<Candidate* const> candidates, std::span<const Tensor> inputs) {
  std::vector<TimedCall> calls;
  for (const Candidate* c : candidates) calls.push_back({c->instance.get(), inputs});
  const auto times = median_milliseconds(calls);
  for (std::size_t i = 0; i < times.size(); ++i) candidates[i]->report.milliseconds = times[i];
}

}  // namespace aitune

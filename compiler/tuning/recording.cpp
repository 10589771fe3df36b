#include "compiler/tuning/recording.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "compiler/graph/regions.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/rewrite.h"
#include "compiler/tuning/stopwatch.h"
#include "format/shared_constants.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

/// Names the branches and bodies of loops that no sample has run: nothing of them is compared.
void warn_of_untried_regions(const Graph& graph, const std::set<const Node*>& tried, Progress& progress,
                             std::vector<std::string>& warnings) {
  for (const auto& node : graph.nodes())
    for (std::size_t i = 0; i < node->regions.size(); ++i) {
      const Graph& region = *node->regions[i];
      if (region.nodes().empty() || tried.contains(region.nodes().front().get())) {
        warn_of_untried_regions(region, tried, progress, warnings);
        continue;
      }
      const std::string_view what = is_loop(*node) ? "body" : i == 0 ? "first branch" : "second branch";
      warnings.push_back(
          fmt::format("no sample runs the {} of {}: it is compiled, and not compared", what, describe_node(*node)));
      progress.warn(warnings.back());
    }
}

/// Seconds of the fastest of some more runs: the first one finds cold caches, and memory that is not there yet.
double time_again(const Graph& graph, const std::vector<Tensor>& inputs) {
  constexpr double kEnough = 0.2;
  constexpr int kRuns = 10;
  const Stopwatch all;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns && all.seconds() < kEnough; ++run) {
    const Stopwatch clock;
    evaluate(graph, inputs);
    best = std::min(best, clock.seconds());
  }
  return best;
}

bool has_nan(const Tensor& t) {
  if (!is_floating(t.dtype())) return false;
  const Tensor values = t.to(DType::f64);
  const double* const first = values.as<double>();
  return std::any_of(first, first + values.numel(), [](double v) { return std::isnan(v); });
}

/// Says which outputs of the model itself are no numbers on a sample: then nothing can be said of a plan's.
void warn_of_nan(const Graph& graph, const std::vector<Tensor>& outputs, std::size_t sample, Progress& progress,
                 std::vector<std::string>& warnings) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!has_nan(outputs[i])) continue;
    warnings.push_back(
        fmt::format("the model answers NaN in output '{}' of sample {}: plans are compared where it does not",
                    graph.output_names[i], sample));
    progress.warn(warnings.back());
  }
}

}  // namespace

std::vector<RecordedSample> record(const Graph& graph, std::span<const std::vector<Tensor>> samples, Progress& progress,
                                   double& baseline_ms, SymValues& opt_shape, std::vector<std::string>& warnings) {
  std::vector<RecordedSample> recorded;
  std::set<const Node*> tried;
  for (const auto& inputs : samples) {
    progress.step(fmt::format("reference outputs of sample {}", recorded.size()), recorded.size(), samples.size());
    const Stopwatch clock;
    auto outputs = evaluate(
        graph, inputs, [&](const Node& node, std::span<const Tensor>) { tried.insert(&node); },
        recorded.empty() ? &opt_shape : nullptr);
    if (recorded.empty()) baseline_ms = std::min(clock.seconds(), time_again(graph, inputs)) * 1e3;
    for (auto& output : outputs) output = output.contiguous();
    warn_of_nan(graph, outputs, recorded.size(), progress, warnings);
    recorded.push_back({inputs, std::move(outputs)});
  }
  warn_of_untried_regions(graph, tried, progress, warnings);
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

void share_all_constants(BuiltPlan& chosen, TunedModel& tuned) {
  std::vector<BuiltPlan*> plans;
  for (BuiltPlan& special : tuned.specials) plans.push_back(&special);
  for (OtherPlan& other : tuned.others) plans.push_back(&other.plan);
  share_constants(chosen, plans);
}

}  // namespace aitune

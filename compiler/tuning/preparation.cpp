#include "compiler/tuning/preparation.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/lowering.h"
#include "compiler/tuning/recording.h"

namespace aitune {
namespace {

/// Of the graph and of its regions.
std::size_t count_nodes(const Graph& graph) {
  std::size_t count = graph.nodes().size();
  for (const auto& node : graph.nodes())
    for (const auto& region : node->regions) count += count_nodes(*region);
  return count;
}

/// The shapes to build special plans for. A preferred shape that no sample has gets one, which is kept with the others.
std::vector<CommonShape> common_shapes_of(const Graph& program, std::vector<RecordedSample>& samples,
                                          const SymValues& preferred, int limit, Progress& progress) {
  std::vector<SymValues> sizes;
  sizes.reserve(samples.size());
  for (const RecordedSample& sample : samples) sizes.push_back(bind_symbols(program, sample.inputs));
  SymValues wanted;
  if (!preferred.empty()) {
    wanted = sizes.front();
    for (const auto& [name, size] : preferred) wanted.at(name) = size;
  }
  auto shapes = common_shapes(sizes, wanted, static_cast<std::size_t>(limit));
  for (CommonShape& shape : shapes) {
    if (!shape.samples.empty()) continue;
    try {
      samples.push_back(resize_sample(program, samples.front(), shape.sizes));
      shape.samples.push_back(samples.size() - 1);
    } catch (const InvalidArgument& error) {
      progress.warn(std::string("the opt shape gets no plan of its own: a sample cannot be brought to it: ") +
                    error.what());
    }
  }
  std::erase_if(shapes, [](const CommonShape& shape) { return shape.samples.empty(); });
  return shapes;
}

}  // namespace

Prepared prepare(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                 const CompilationSettings& settings, Progress& progress, const SymValues& preferred,
                 TunedModel& tuned) {
  if (samples.empty())
    throw InvalidArgument("there are no samples to tune on", "tune",
                          "Give at least one set of inputs, representative of production");
  TuneReport& report = tuned.report;
  report.samples = samples.size();
  progress.stage("lower");
  LowerOptions lowering = lower_options(settings, progress, report.warnings);
  Graph program = functional_program(imported, lowering);
  Graph lowered = program.clone();
  lower(lowered, lowering);
  progress.stage("record");
  SymValues opt_shape;
  tuned.samples = record(program, samples, progress, report.baseline_milliseconds, opt_shape, report.warnings);
  for (const auto& [name, size] : preferred) opt_shape[name] = size;
  auto shapes = common_shapes_of(program, tuned.samples, preferred, settings.max_special_plans, progress);
  return {std::move(lowering), std::move(program), std::move(lowered), std::move(opt_shape), std::move(shapes)};
}

void report_coverage(const Graph& lowered, const std::vector<Fallback>& fallbacks, TuneReport& report) {
  report.fallbacks.clear();
  std::size_t fallen = 0;
  for (const Fallback& f : fallbacks) {
    report.fallbacks.push_back(fmt::format("{} ({}x): {}", f.op, f.count, f.reason));
    fallen += f.count;
  }
  report.nodes = count_nodes(lowered);
  report.compiled_share = report.nodes == 0 ? 1 : 1 - static_cast<double>(fallen) / static_cast<double>(report.nodes);
}

}  // namespace aitune

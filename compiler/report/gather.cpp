#include "compiler/report/gather.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "base/error.h"
#include "compiler/import/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/report/gather_nodes.h"
#include "compiler/report/gather_plan.h"
#include "compiler/report/measured.h"
#include "compiler/report/value_errors.h"
#include "compiler/tuning/lowering.h"
#include "compiler/tuning/tune.h"
#include "format/manifest.h"
#include "runtime/shapes.h"

namespace aitune {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostTimes = 1000;                   // in a report; more are thinned out
constexpr std::size_t kGathered = std::size_t{256} << 20;  // bytes of values that wait for their comparison

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Runs `once` until the time is over, and at least `least` times.
LatencyReport measure(std::string of, double seconds, std::size_t least, const std::function<void()>& once) {
  std::vector<double> times;
  for (const auto start = Clock::now(); times.size() < least || ms_since(start) < seconds * 1e3;) {
    const auto begin = Clock::now();
    once();
    times.push_back(ms_since(begin));
  }
  LatencyReport report{.of = std::move(of), .runs = times.size()};
  for (const double t : times) report.mean += t / static_cast<double>(times.size());
  std::ranges::sort(times);
  const std::size_t kept = std::min(kMostTimes, times.size());
  for (std::size_t i = 0; i < kept; ++i)
    report.times.push_back(times[kept == 1 ? 0 : i * (times.size() - 1) / (kept - 1)]);
  return report;
}

std::vector<std::string> describe_tensors(const std::vector<PlanTensor>& tensors,
                                          std::span<const std::int64_t> values) {
  std::vector<std::string> texts;
  for (const PlanTensor& tensor : tensors) {
    Shape shape;
    for (const ExprId id : tensor.memory_shape()) shape.push_back(values[id]);
    texts.push_back(fmt::format("{}: {}", tensor.name, describe(tensor.dtype, shape)));
  }
  return texts;
}

/// The program in the file, as imported, as the interpreter runs it, and as it was lowered.
struct Programs {
  Graph imported, program, lowered;
  std::vector<Tensor> inputs;
};

std::optional<Programs> read_program(const std::filesystem::path& path, const NamedTensors& sample, ModelReport& report,
                                     Progress& progress) {
  if (!report.portable) {
    report.warnings.emplace_back("The PyTorch program is not in the file: there is no graph, and no error by value");
    return std::nullopt;
  }
  try {
    const std::vector<NamedTensors> samples = {sample};
    auto [model, calls] = import_model(path, IRType::dynamo, samples, recorded_shapes(path), reference_evaluator());
    std::vector<std::string> ignored;  // tuning has told of them
    const LowerOptions lowering = lower_options(recorded_settings(path), progress, ignored);
    Programs programs;
    programs.inputs = order_inputs(model.graph, calls.at(0), "report");
    programs.program = functional_program(model.graph, lowering);
    programs.lowered = programs.program.clone();
    lower(programs.lowered, lowering);
    programs.imported = std::move(model.graph);
    return programs;
  } catch (const Error& error) {
    report.warnings.push_back(fmt::format("The program in the file cannot be read: {}", error.what()));
    return std::nullopt;
  }
}

void time_steps(Instance& instance, const std::vector<Tensor>& inputs, double seconds, std::vector<StepReport>& steps) {
  constexpr std::size_t kLeast = 5;
  std::vector<double> best(steps.size(), std::numeric_limits<double>::infinity());
  std::size_t rounds = 0;
  for (const auto start = Clock::now(); rounds < kLeast || ms_since(start) < seconds * 1e3; ++rounds)
    for (const StepTime& time : instance.profile(inputs))
      best[time.step] = std::min(best[time.step], std::chrono::duration<double, std::micro>(time.elapsed).count());
  const Plan& plan = instance.program_for(inputs).plan();
  for (std::size_t s = 0; s < steps.size(); ++s)
    if (std::isfinite(best[s]) && !is_control(plan.steps[s].kind)) steps[s].microseconds = best[s];
}

void add_errors(Instance& instance, const std::vector<Tensor>& inputs, const Programs& programs,
                std::vector<StepReport>& steps) {
  const Plan& plan = instance.program_for(inputs).plan();
  std::map<std::string, double> errors;
  for (const ValueError& row : compare_values(values_of(programs.lowered, programs.inputs), values_of(instance, inputs),
                                              value_names(plan), kGathered))
    if (double& worst = errors.try_emplace(std::string(without_time(row.name)), row.error).first->second;
        !(row.error <= worst))
      worst = row.error;
  const auto places = step_places(plan);
  for (std::size_t s = 0; s < steps.size(); ++s)
    for (ValueReport& value : steps[s].values)
      if (const auto found = errors.find(places[s] + value.name); found != errors.end()) value.error = found->second;
}

NamedTensors sample_of(const std::filesystem::path& path, const ReportOptions& options) {
  if (!options.inputs.empty()) return options.inputs;
  auto samples = file_samples(path);
  if (samples.empty())
    throw InvalidArgument("the file holds no samples", path.string(), "Give inputs with --input FILE");
  return std::move(samples.front());
}

}  // namespace

double LatencyReport::percentile(double share) const {
  if (times.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(times.size())));
  return times[std::clamp<std::size_t>(rank, 1, times.size()) - 1];
}

ModelReport gather_report(const std::filesystem::path& path, const ReportOptions& options, Progress& progress) {
  progress.stage("load");
  LoadOptions load;
  load.num_threads = options.threads;
  const auto program = Program::open(path, load);
  Instance instance(program);
  const NamedTensors sample = sample_of(path, options);
  const std::vector<Tensor> inputs = in_plan_order(program->plan(), sample, "report");
  const Program& chosen = instance.program_for(inputs);
  const Plan& plan = chosen.plan();
  const PlanShapes shapes = bind_shapes(plan, refer_to(inputs));

  ModelReport report = describe_file(path, *program->manifest());
  report.plan = chosen.where();
  if (const auto at = report.plan.rfind(kPlanFolder); at != std::string::npos) report.plan.erase(0, at);
  report.precision = plan.precision;
  report.inputs = describe_tensors(plan.inputs, shapes.values);
  report.outputs = describe_tensors(plan.outputs, shapes.values);
  report.arena_bytes = shapes.values[plan.arena_bytes];
  report.code_bytes = static_cast<std::int64_t>(chosen.code().size());
  report.constant_bytes = static_cast<std::int64_t>(chosen.constants().size());
  for (const std::size_t bytes : shapes.input_bytes) report.input_bytes += static_cast<std::int64_t>(bytes);
  for (const std::size_t bytes : shapes.output_bytes) report.output_bytes += static_cast<std::int64_t>(bytes);
  report.machine = describe_machine(plan, chosen.pool().threads());

  progress.stage("measure the plan");
  measure("", 0.2, 3, [&] { instance.run(inputs); });  // until clocks and caches have settled
  report.after = measure("tuned plan", options.seconds, 10, [&] { instance.run(inputs); });
  report.steps = describe_steps(plan, shapes.values);
  report.arena = describe_memory(plan, shapes.values, report.steps);
  time_steps(instance, inputs, options.seconds / 2, report.steps);

  progress.stage("read the program");
  const auto programs = read_program(path, sample, report, progress);
  NodesReport nodes = describe_nodes(plan, programs ? &programs->imported : nullptr);
  connect(plan, nodes, report.steps);
  if (programs && options.reference) {
    progress.stage("measure the reference engine");
    report.before =
        measure("reference engine", options.seconds, 1, [&] { evaluate(programs->program, programs->inputs); });
    progress.stage("compare with the reference engine");
    add_errors(instance, inputs, *programs, report.steps);
  }
  report.blocks = describe_blocks(plan, report.steps);
  report.modules = describe_modules(nodes.nodes);
  report.nodes = std::move(nodes.nodes);
  report.has_graph = nodes.has_graph;
  return report;
}

}  // namespace aitune

// aitune bench: latency of a tuned model, warm and cold.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "tools/commands.h"
#include "tools/model.h"
#include "tools/numbers.h"
#include "tools/plan_text.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions {
  std::string model, module, precision;
  std::vector<std::string> inputs;
  int threads = 0, cold = 0;
  std::uint64_t weight_budget = 0;
  double seconds = 2;
  bool steps = false, child = false;
};

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// The value below which `share` of the sorted times lie (nearest rank).
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

struct Cold {
  double ms = 0, peak_mb = 0;
};

/// Starts this program afresh on the model and waits for its first answer.
Cold first_answer(const BenchOptions& options) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw IoError(std::string("cannot make a pipe: ") + std::strerror(errno));
  std::vector<std::string> words = {"aitune",          "bench",
                                    options.model,     "--answer-once",
                                    "--threads",       std::to_string(options.threads),
                                    "--weight-budget", std::to_string(options.weight_budget)};
  for (const auto& input : options.inputs) words.insert(words.end(), {"--input", input});
  if (!options.module.empty()) words.insert(words.end(), {"--module", options.module});
  if (!options.precision.empty()) words.insert(words.end(), {"--precision", options.precision});
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  const auto start = Clock::now();
  const pid_t pid = fork();
  if (pid < 0) throw IoError(std::string("cannot start a process: ") + std::strerror(errno));
  if (pid == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execv("/proc/self/exe", argv.data());
    _exit(127);
  }
  close(ends[1]);
  char byte = 0;
  const bool answered = read(ends[0], &byte, 1) == 1;
  Cold cold{ms_since(start), 0};
  close(ends[0]);
  int status = 0;
  rusage usage{};
  wait4(pid, &status, 0, &usage);
  if (!answered || status != 0) throw InternalError("the fresh process gave no answer", options.model);
  cold.peak_mb = static_cast<double>(usage.ru_maxrss) / 1024;
  return cold;
}

/// What one step of the plan takes.
struct StepRow {
  std::size_t step;
  double microseconds;  ///< the fastest of some runs
  std::string name, engine, nodes;
  nlohmann::ordered_json model_nodes;
};

/// Steps that ran, in order. Branches and loops are left out: their steps are here.
std::vector<StepRow> time_steps(Model& model, const std::vector<Tensor>& inputs) {
  const Plan& plan = model.program_for(inputs).plan();
  constexpr int kRounds = 15;
  constexpr double kNever = 1e30;
  std::vector<double> best(plan.steps.size(), kNever);
  for (int round = 0; round < kRounds; ++round)
    for (const auto& time : model.instance().profile(inputs))
      best[time.step] = std::min(best[time.step], std::chrono::duration<double, std::micro>(time.elapsed).count());
  std::vector<StepRow> rows;
  for (std::size_t i = 0; i < best.size(); ++i) {
    const PlanStep& step = plan.steps[i];
    if (best[i] < kNever && !is_control(step.kind))
      rows.push_back(
          {i, best[i], step.name, plan.blocks[step.block].engine, nodes_text(plan, step), nodes_json(plan, step)});
  }
  return rows;
}

double total_of(const std::vector<StepRow>& rows) {
  double total = 0;
  for (const StepRow& row : rows) total += row.microseconds;
  return total;
}

/// Share of the time that is not spent on the reference engine.
double compiled_share(const std::vector<StepRow>& rows) {
  double compiled = 0;
  for (const StepRow& row : rows)
    if (row.engine != "reference") compiled += row.microseconds;
  const double total = total_of(rows);
  return total > 0 ? compiled / total : 1;
}

void print_steps(const std::vector<StepRow>& rows) {
  const double total = total_of(rows);
  for (const StepRow& row : rows)
    fmt::print("{:4} {:9.1f} us {:5.1f}%  {:9} {}  {}\n", row.step, row.microseconds, 100 * row.microseconds / total,
               row.engine, row.name.substr(0, 64), row.nodes.substr(0, 120));
  fmt::print("{:.1f} % of the time is spent in compiled blocks\n", 100 * compiled_share(rows));
}

nlohmann::ordered_json steps_json(const std::vector<StepRow>& rows) {
  auto list = nlohmann::ordered_json::array();
  for (const StepRow& row : rows)
    list.push_back({{"step", row.step},
                    {"us", row.microseconds},
                    {"engine", row.engine},
                    {"name", row.name},
                    {"nodes", row.nodes},
                    {"model_nodes", row.model_nodes}});
  return list;
}

void bench(const BenchOptions& options, const Common& common) {
  LoadOptions load;
  load.module = options.module;
  load.num_threads = options.threads;
  load.weight_budget = options.weight_budget;
  load.precision = options.precision;
  if (options.child) {
    Model model(options.model, load);
    const auto samples = model.samples(options.inputs);
    model.instance().run(samples.front());
    [[maybe_unused]] const auto written = write(STDOUT_FILENO, "1", 1);
    return;
  }
  Model model(options.model, load);
  const auto samples = model.samples(options.inputs);
  const auto& inputs = samples.front();
  for (const auto start = Clock::now(); ms_since(start) < 200;) model.instance().run(inputs);
  std::vector<double> times;
  for (const auto start = Clock::now();
       times.size() < 10 || (ms_since(start) < options.seconds * 1e3 && times.size() < 1000000);) {
    const auto begin = Clock::now();
    model.instance().run(inputs);
    times.push_back(ms_since(begin));
  }
  std::ranges::sort(times);
  const double median = percentile(times, 0.5);
  nlohmann::ordered_json json = {{"model", options.model},
                                 {"precision", model.program().plan().precision},
                                 {"plan", plan_entry(model.program_for(inputs))},
                                 {"runs", times.size()},
                                 {"median_ms", median},
                                 {"p90_ms", percentile(times, 0.9)},
                                 {"p99_ms", percentile(times, 0.99)},
                                 {"min_ms", times.front()},
                                 {"per_second", 1e3 / median},
                                 {"threads", model.program().pool().threads()}};
  std::vector<double> cold_ms;
  double peak = 0;
  for (int i = 0; i < options.cold; ++i) {
    const Cold cold = first_answer(options);
    cold_ms.push_back(cold.ms);
    peak = std::max(peak, cold.peak_mb);
  }
  if (!cold_ms.empty()) {
    std::ranges::sort(cold_ms);
    json["cold_ms"] = percentile(cold_ms, 0.5);
    json["cold_peak_mb"] = peak;
    json["cold_runs"] = cold_ms.size();
  }
  std::vector<StepRow> steps;
  if (options.steps) steps = time_steps(model, inputs);
  if (common.json) {
    if (options.steps) {
      json["compiled_time_share"] = compiled_share(steps);
      json["steps"] = steps_json(steps);
    }
    print_json(json);
    return;
  }
  fmt::print("{} ({}, {} threads): median {}, p90 {}, p99 {}, {:.1f} per second ({} runs)\n", options.model,
             model.program().plan().precision, model.program().pool().threads(), human_time(median),
             human_time(percentile(times, 0.9)), human_time(percentile(times, 0.99)), 1e3 / median, times.size());
  if (model.program().special_count() > 0) fmt::print("by {}\n", json["plan"].get<std::string>());
  if (!cold_ms.empty())
    fmt::print("fresh process to first answer: median {}, peak memory {:.0f} MB ({} processes)\n",
               human_time(percentile(cold_ms, 0.5)), peak, cold_ms.size());
  if (options.steps) print_steps(steps);
}

}  // namespace

void add_bench_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("bench", "Measure the latency of a tuned model");
  const auto options = std::make_shared<BenchOptions>();
  command->add_option("model", options->model, "the .ait file")->required();
  command->add_option("-i,--input", options->inputs, "inputs; the first recorded sample if left out");
  command->add_option("--seconds", options->seconds, "how long to measure")->check(number_from(0.01, 3600));
  command->add_option("--threads", options->threads, "threads, 0 as tuned")->check(integer_from(0, 1024));
  add_module_option(*command, options->module);
  add_weight_budget_option(*command, options->weight_budget);
  command->add_option("--precision", options->precision, "the plan to measure: fp32, bf16 or int8");
  command->add_option("--cold", options->cold, "also start this many fresh processes, from exec to first answer")
      ->expected(0, 1)
      ->default_str("5")
      ->check(integer_from(0, 1000));
  command->add_flag("--steps", options->steps, "also print the time of every step");
  command->add_flag("--answer-once", options->child)->group("");
  add_common_options(*command, common);
  add_custom_ops_option(*command);
  command->callback([options, &common] { bench(*options, common); });
}

}  // namespace aitune::tools

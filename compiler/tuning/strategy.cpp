#include "compiler/tuning/strategy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/memory.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/batch_sizes.h"
#include "compiler/tuning/measure.h"
#include "compiler/tuning/special_plans.h"
#include "runtime/instance.h"
#include "runtime/shapes.h"

namespace aitune {
namespace {

constexpr std::array kNames = {"OneBackendStrategy", "FirstWinsStrategy", "MaxThroughputStrategy", "MinLatencyStrategy",
                               "LatencyBudgetStrategy"};
constexpr double kSecondsPerBatch = 0.1, kSecondsInTurn = 0.3;
/// Batch sizes that are no better than this, twice in a row, end the search: larger ones only take longer.
constexpr double kWorthwhile = 1.03;

/// Whether a call with these inputs leaves most of the machine's memory to others.
bool leaves_memory(const Program& program, std::span<const Tensor> inputs) {
  constexpr std::uint64_t kShare = 4;  // one part in so many
  const Plan& plan = program.plan();
  const std::int64_t needs = bind_shapes(plan, refer_to(inputs)).values[plan.arena_bytes];
  return static_cast<std::uint64_t>(needs) <= memory_limit() / kShare;
}

/// A plan at the batch size that suits the strategy.
struct Contender {
  Built built;
  std::unique_ptr<Instance> instance;
  std::vector<Tensor> inputs;
  std::int64_t batch = 0;
  double milliseconds = 0;

  double throughput() const { return 1e3 * static_cast<double>(batch) / std::max(milliseconds, 1e-9); }
};

/// Inputs of every batch size to try, the smallest first; those that samples cannot be brought to are left out.
class Batches {
 public:
  Batches(const Graph& graph, std::span<const Tensor> sample)
      : graph_(graph), sample_(sample.begin(), sample.end()), symbol_(batch_symbol(graph)) {
    if (!symbol_) return;
    sizes_ = bind_symbols(graph, sample_);
    list_ = batch_sizes(graph.symbols.at(*symbol_));
  }

  /// Calls `look` with each batch and its inputs until that returns false.
  void each(const std::function<bool(std::int64_t, std::vector<Tensor>)>& look) {
    if (!symbol_) {
      look(batch_of(sample_), sample_);
      return;
    }
    bool any = false;
    for (const std::int64_t size : list_) {
      sizes_[*symbol_] = size;
      std::optional<std::vector<Tensor>> inputs;
      try {
        inputs = resize_inputs(graph_, sample_, sizes_);
      } catch (const Error& error) {
        if (error.code() == ErrorCode::internal) throw;
        continue;
      }
      any = true;
      if (!look(size, std::move(*inputs))) return;
    }
    if (!any) look(batch_of(sample_), sample_);
  }

 private:
  const Graph& graph_;
  std::vector<Tensor> sample_;
  std::optional<std::string> symbol_;
  SymValues sizes_;
  std::vector<std::int64_t> list_;
};

/// Finds the batch size; false if none suits.
bool find_batch(const TuneStrategy& strategy, Contender& contender) {
  const bool throughput = strategy.kind() != TuneStrategy::Kind::min_latency;
  const bool budget = strategy.kind() == TuneStrategy::Kind::latency_budget;
  int worse = 0;
  bool found = false;
  Batches batches(contender.built.imported.graph, contender.built.tuned.samples.front().inputs);
  batches.each([&](std::int64_t batch, std::vector<Tensor> inputs) {
    if (found && !leaves_memory(*contender.built.program, inputs)) return false;
    const TimedCall call[] = {{contender.instance.get(), inputs}};
    const double milliseconds = median_milliseconds(call, kSecondsPerBatch).front();
    if (budget && milliseconds > strategy.latency_budget_ms()) return false;
    const double before = found ? contender.throughput() : 0;
    const double now = 1e3 * static_cast<double>(batch) / std::max(milliseconds, 1e-9);
    worse = now < before * kWorthwhile ? worse + 1 : 0;
    if (now > before) {
      contender.batch = batch;
      contender.milliseconds = milliseconds;
      contender.inputs = std::move(inputs);
      found = true;
    }
    return throughput && worse < 2;
  });
  return found;
}

/// Whether other backends may do better. What is wrong with the model's file or the samples is so for all of them.
bool is_of_backend(const Error& error) {
  const ErrorCode code = error.code();
  return code == ErrorCode::unsupported || code == ErrorCode::validation || code == ErrorCode::unavailable ||
         code == ErrorCode::incompatible;
}

/// The work of one choice.
class Choice {
 public:
  using Build = std::function<Built(const TorchTensorRTAotBackendConfig&)>;

  Choice(const TuneStrategy& strategy, const Build& build, Progress& progress)
      : strategy_(strategy), build_(build), progress_(progress) {}

  Built run() {
    const auto kind = strategy_.kind();
    std::optional<Contender> best;
    for (std::size_t i = 0; i < strategy_.backends().size(); ++i) {
      if (best && interrupted_) break;
      std::optional<Contender> next = try_backend(i);
      if (!next) continue;
      if (!fast_enough(*next)) continue;
      if (kind == TuneStrategy::Kind::one_backend || kind == TuneStrategy::Kind::first_wins)
        return finish(std::move(*next));
      if (!best || beats(*next, *best)) {
        best = std::move(next);
        best_row_ = rows_.size() - 1;
      }
    }
    if (best) return finish(std::move(*best), best_row_);
    return fall_back();
  }

 private:
  std::optional<Contender> try_backend(std::size_t index) {
    const auto& backends = strategy_.backends();
    if (backends.size() > 1)
      progress_.stage(fmt::format("backend {} of {}: {}", index + 1, backends.size(), describe(backends[index])));
    return contend(backends[index], strategy_.kind() == TuneStrategy::Kind::one_backend);
  }

  /// Builds and measures. An error is that of tuning if there is nothing else to try; otherwise it is reported.
  std::optional<Contender> contend(const Backend& backend, bool only) {
    BackendReport& row = rows_.emplace_back();
    row.backend = describe(backend);
    try {
      Contender contender;
      contender.built = build_(config_of(backend, common_config(strategy_)));
      const TuneReport& report = contender.built.tuned.report;
      interrupted_ = report.stopped == "interrupted";
      contender.instance = std::make_unique<Instance>(contender.built.program);
      contender.inputs = contender.built.tuned.samples.front().inputs;
      contender.batch = batch_of(contender.inputs);
      contender.milliseconds = report.milliseconds;
      row.speedup = report.baseline_milliseconds / std::max(report.milliseconds, 1e-9);
      if (looks_for_batches() && !find_batch(strategy_, contender))
        throw ValidationError(fmt::format("no batch size is answered within {} ms", strategy_.latency_budget_ms()));
      row.batch = contender.batch;
      row.milliseconds = contender.milliseconds;
      return contender;
    } catch (const Error& error) {
      if (only || !is_of_backend(error)) throw;
      row.problem = error.what();
      progress_.warn(fmt::format("{} is out: {}", row.backend, error.what()));
      return std::nullopt;
    }
  }

  bool looks_for_batches() const {
    return strategy_.kind() != TuneStrategy::Kind::one_backend && strategy_.kind() != TuneStrategy::Kind::first_wins;
  }

  bool fast_enough(const Contender& contender) {
    const bool eager = contender.built.config.compile_config.engine == "reference";
    if (!strategy_.validates_performance() || eager) return true;
    BackendReport& row = rows_.back();
    const double wanted = 1 + strategy_.min_speedup_threshold_percent() / 100;
    if (row.speedup >= wanted) return true;
    row.problem =
        fmt::format("it is {:.2f} times as fast as TorchEagerBackend, and {:.2f} is asked", row.speedup, wanted);
    progress_.warn(fmt::format("{} is out: {}", row.backend, row.problem));
    return false;
  }

  /// Figures of different moments may differ by more than the plans do: both are measured again, in turn.
  bool beats(Contender& challenger, Contender& best) {
    const TimedCall calls[] = {{challenger.instance.get(), challenger.inputs}, {best.instance.get(), best.inputs}};
    const auto times = median_milliseconds(calls, kSecondsInTurn);
    challenger.milliseconds = times[0];
    best.milliseconds = times[1];
    rows_.back().milliseconds = times[0];
    rows_[best_row_].milliseconds = times[1];
    if (strategy_.kind() == TuneStrategy::Kind::min_latency) return times[0] < times[1];
    return challenger.throughput() > best.throughput();
  }

  Built fall_back() {
    if (strategy_.validates_performance()) {
      const bool budget = strategy_.kind() == TuneStrategy::Kind::latency_budget;
      if (auto eager = contend(TorchEagerBackend{}, !budget)) return finish(std::move(*eager));
    }
    std::string problems;
    for (const BackendReport& row : rows_) problems += fmt::format("\n  {}: {}", row.backend, row.problem);
    throw ValidationError("no backend is left:" + problems, std::string(strategy_.name()),
                          "Give other backends, or ask for less");
  }

  Built finish(Contender contender, std::optional<std::size_t> row = std::nullopt) {
    TuneReport& report = contender.built.tuned.report;
    rows_[row.value_or(rows_.size() - 1)].stays = true;
    report.strategy = strategy_.name();
    report.selected_batch_size = looks_for_batches() ? contender.batch : 0;
    report.backends = std::move(rows_);
    return std::move(contender.built);
  }

  const TuneStrategy& strategy_;
  const Build& build_;
  Progress& progress_;
  std::vector<BackendReport> rows_;
  std::size_t best_row_ = 0;
  bool interrupted_ = false;
};

/// The settings that are not the default, as JSON.
std::string changed_settings(const CompilationSettings& settings) {
  const auto now = nlohmann::ordered_json::parse(settings.recorded_json());
  const auto usual = nlohmann::ordered_json::parse(CompilationSettings().recorded_json());
  std::string text;
  for (const auto& [field, value] : now.items())
    if (value != usual.at(field))
      text += fmt::format(", {}={}", field, value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return text;
}

}  // namespace

TorchTensorRTAotBackend::TorchTensorRTAotBackend(TorchTensorRTAotBackendConfig config) : config_(std::move(config)) {
  if (config_.pickle_protocol < 2 || config_.pickle_protocol > 5)
    throw InvalidArgument(fmt::format("pickle_protocol is {}", config_.pickle_protocol),
                          "TorchTensorRTAotBackendConfig", "It is 2 to 5; 4 is the default");
}

TuneStrategy::TuneStrategy(Kind kind, std::vector<Backend> backends, double min_speedup_threshold_percent,
                           double latency_budget_ms)
    : kind_(kind),
      backends_(std::move(backends)),
      min_speedup_(min_speedup_threshold_percent),
      latency_budget_ms_(latency_budget_ms),
      validates_performance_(kind != Kind::one_backend) {
  if (backends_.empty()) throw InvalidArgument("there are no backends", std::string(name()), "Give at least one");
  if (!std::isfinite(min_speedup_) || min_speedup_ < 0)
    throw InvalidArgument(fmt::format("min_speedup_threshold_percent is {}", min_speedup_), std::string(name()),
                          "Give a percentage from 0 on, such as 1 for 1 % faster");
  if (kind == Kind::latency_budget && !(latency_budget_ms_ > 0 && std::isfinite(latency_budget_ms_)))
    throw InvalidArgument(fmt::format("latency_budget_ms is {}", latency_budget_ms_), std::string(name()),
                          "Give milliseconds above 0");
}

std::string_view TuneStrategy::name() const { return kNames.at(static_cast<std::size_t>(kind_)); }

std::string describe(const Backend& backend) {
  const auto* const compiled = std::get_if<TorchTensorRTAotBackend>(&backend);
  if (!compiled) return "TorchEagerBackend()";
  return fmt::format("TorchTensorRTAotBackend(ir={}{})", ir_name(compiled->config().ir),
                     changed_settings(compiled->config().compile_config));
}

TorchTensorRTAotBackendConfig config_of(const Backend& backend, const TorchTensorRTAotBackendConfig& like) {
  if (const auto* const compiled = std::get_if<TorchTensorRTAotBackend>(&backend)) return compiled->config();
  TorchTensorRTAotBackendConfig config = like;
  config.compile_config.engine = "reference";
  return config;
}

TorchTensorRTAotBackendConfig common_config(const TuneStrategy& strategy) {
  for (const Backend& backend : strategy.backends())
    if (const auto* const compiled = std::get_if<TorchTensorRTAotBackend>(&backend)) return compiled->config();
  return {};
}

Built choose_backend(const TuneStrategy& strategy,
                     const std::function<Built(const TorchTensorRTAotBackendConfig&)>& build, Progress& progress) {
  if (!strategy.validates_performance() && strategy.min_speedup_threshold_percent() != kDefaultMinSpeedupPercent)
    progress.warn(
        fmt::format("min_speedup_threshold_percent is ignored: {} keeps what is right, unless "
                    "enable_performance_validation() asks for more",
                    strategy.name()));
  return Choice(strategy, build, progress).run();
}

}  // namespace aitune

#pragma once
// Backends, and strategies that decide among them. Plain values: they are copied, and may be shared by modules. Names
// and meanings are those of NVIDIA AITune.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "compiler/import/input.h"
#include "compiler/import/ir.h"
#include "compiler/tuning/settings.h"

namespace aitune {

inline constexpr int kDefaultPickleProtocol = 4;

/// Configuration of the backend.
struct TorchTensorRTAotBackendConfig {
  IRType ir = IRType::dynamo;  ///< torch.export.save; ts: torch.jit.save; fx: torch.save of a GraphModule
  CompilationSettings compile_config;
  /// Ranges of the inputs' sizes, by name or in call order. Those of a .pt2 may be narrowed; where the file has none
  /// (ts, fx), the samples give the others.
  std::vector<Input> inputs;
  int pickle_protocol = kDefaultPickleProtocol;  ///< 2 to 5: protocol of the pickles inside the .ait
};

/// Compiles ahead of time with every engine that the machine has.
class TorchTensorRTAotBackend {
 public:
  /// Throws InvalidArgument for a pickle protocol that is not 2 to 5.
  explicit TorchTensorRTAotBackend(TorchTensorRTAotBackendConfig config = {});
  const TorchTensorRTAotBackendConfig& config() const { return config_; }

 private:
  TorchTensorRTAotBackendConfig config_;
};

/// The model as it is, operator by operator on the reference engine: what others are measured against.
class TorchEagerBackend {};

using Backend = std::variant<TorchTensorRTAotBackend, TorchEagerBackend>;

/// How a module's plan is chosen among those of several backends. Whatever the strategy, a backend whose outputs are
/// not the reference engine's on every sample is out.
class TuneStrategy {
 public:
  enum class Kind {
    one_backend,     ///< exactly one, whose errors are those of tuning
    first_wins,      ///< the first that builds, is right and is faster than TorchEagerBackend
    max_throughput,  ///< the most samples in a second, at the batch size that gives them
    min_latency,     ///< the soonest answer at the smallest batch size
    latency_budget,  ///< the most samples in a second among the batch sizes that are answered within the budget
  };

  Kind kind() const { return kind_; }
  /// Those that are tried, in order; at least one.
  const std::vector<Backend>& backends() const { return backends_; }
  /// How much faster than TorchEagerBackend a backend must be to stay, where that is asked.
  double min_speedup_threshold_percent() const { return min_speedup_; }
  double latency_budget_ms() const { return latency_budget_ms_; }
  bool validates_performance() const { return validates_performance_; }
  /// Whether a backend that is not faster than TorchEagerBackend gives way to it. By default OneBackendStrategy leaves
  /// that out and the others do it.
  TuneStrategy& enable_performance_validation(bool enable = true) {
    validates_performance_ = enable;
    return *this;
  }
  /// "MinLatencyStrategy".
  std::string_view name() const;

 protected:
  /// Throws InvalidArgument for no backends, or a threshold or a budget that is no number above what it can be.
  TuneStrategy(Kind kind, std::vector<Backend> backends, double min_speedup_threshold_percent,
               double latency_budget_ms = 0);

 private:
  Kind kind_;
  std::vector<Backend> backends_;
  double min_speedup_;
  double latency_budget_ms_;
  bool validates_performance_;
};

inline constexpr double kDefaultMinSpeedupPercent = 1;

class OneBackendStrategy : public TuneStrategy {
 public:
  explicit OneBackendStrategy(Backend backend = TorchTensorRTAotBackend{},
                              double min_speedup_threshold_percent = kDefaultMinSpeedupPercent)
      : TuneStrategy(Kind::one_backend, {std::move(backend)}, min_speedup_threshold_percent) {}
  const Backend& backend() const { return backends().front(); }
};

class FirstWinsStrategy : public TuneStrategy {
 public:
  explicit FirstWinsStrategy(std::vector<Backend> backends = {TorchTensorRTAotBackend{}},
                             double min_speedup_threshold_percent = kDefaultMinSpeedupPercent)
      : TuneStrategy(Kind::first_wins, std::move(backends), min_speedup_threshold_percent) {}
};

class MaxThroughputStrategy : public TuneStrategy {
 public:
  explicit MaxThroughputStrategy(std::vector<Backend> backends = {TorchTensorRTAotBackend{}},
                                 double min_speedup_threshold_percent = kDefaultMinSpeedupPercent)
      : TuneStrategy(Kind::max_throughput, std::move(backends), min_speedup_threshold_percent) {}
};

class MinLatencyStrategy : public TuneStrategy {
 public:
  explicit MinLatencyStrategy(std::vector<Backend> backends = {TorchTensorRTAotBackend{}},
                              double min_speedup_threshold_percent = kDefaultMinSpeedupPercent)
      : TuneStrategy(Kind::min_latency, std::move(backends), min_speedup_threshold_percent) {}
};

/// An error if no batch size is answered within the budget.
class LatencyBudgetStrategy : public TuneStrategy {
 public:
  explicit LatencyBudgetStrategy(double latency_budget_ms, std::vector<Backend> backends = {TorchTensorRTAotBackend{}},
                                 double min_speedup_threshold_percent = kDefaultMinSpeedupPercent)
      : TuneStrategy(Kind::latency_budget, std::move(backends), min_speedup_threshold_percent, latency_budget_ms) {}
};

}  // namespace aitune

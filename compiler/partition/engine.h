#pragma once
// The compile half of an engine.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "format/plan.h"

namespace aitune {

struct Block;       // compiler/partition/partition.h
class PlanBuilder;  // compiler/memory/plan_builder.h
class TimingCache;  // compiler/tuning/timing_cache.h
class Progress;     // compiler/tuning/progress.h

/// What an engine may use and should aim at when it compiles a block.
struct EngineOptions {
  CpuTarget target;
  DType precision = DType::f32;  ///< storage type of floating intermediates and weights: f32 or bf16
  /// With precision bf16: products with constant weights that are computed in f32, by the name of their value.
  std::set<std::string, std::less<>> f32_products;
  /// With precision bf16: what a bf16 product reads is rounded for that product alone; other readers see it in f32.
  bool exact_values = false;
  /// No tactic that loses bits for speed, as Winograd's algorithm does.
  bool accurate = false;
  int num_threads = 0;         ///< threads at run time; 0: all
  int optimization_level = 3;  ///< 0: choose by rule, no timing; 5: widest search
  int averaged_runs = 1;       ///< a candidate's time is the best average of so many runs
  bool onednn = true;          ///< calls of oneDNN are candidates where it is installed
  /// oneDNN must need less than this share of our kernel's time: a plan that calls it needs it installed.
  double onednn_share = 0.97;
  SymValues opt_shape;             ///< symbol values that candidates are timed at
  TimingCache* timings = nullptr;  ///< may be null: nothing is remembered
  /// What was fastest for products whatever follows them, within one tuning; may be null. With `reuse_tactics` a
  /// product that is new only in what follows it takes that and is not timed.
  TimingCache* similar = nullptr;
  bool reuse_tactics = false;
  Progress* progress = nullptr;  ///< may be null
  /// Asked before each candidate search; true: no more is timed, and what is not known is chosen by rule. May be empty.
  std::function<bool()> is_over;
};

/// Yes, or no with the reason that the user reads.
struct Support {
  bool supported = true;
  std::string reason;
  static Support yes() { return {}; }
  static Support no(std::string why) { return {false, std::move(why)}; }
};

/// One engine's compile half. Implementations are stateless apart from caches they synchronise themselves: const
/// methods may be called from many threads.
class CompileEngine {
 public:
  virtual ~CompileEngine() = default;
  virtual std::string_view name() const = 0;
  /// Whether this engine can execute the node, with its types and arguments, in `graph`.
  virtual Support supports(const Node& node, const EngineOptions& options) const = 0;
  /// Compiles a block and appends its steps, buffers, code and constants to `plan`, whose current block it is. The
  /// block's inputs and outputs are contiguous row-major tensors at plan.buffer_of(their outer value). Candidates are
  /// timed here. Throws Unsupported if the block proves impossible: pass_through_build_failures decides what happens
  /// then.
  virtual void compile(const Block& block, const EngineOptions& options, PlanBuilder& plan) const = 0;
};

}  // namespace aitune

#pragma once
// From a lowered graph to a plan in one precision.

#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/target.h"
#include "compiler/graph/graph.h"
#include "compiler/memory/plan_builder.h"
#include "compiler/partition/partition.h"
#include "compiler/passes/quantise.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/settings.h"
#include "compiler/tuning/timing_cache.h"
#include "format/plan.h"

namespace aitune {

/// What a build starts from.
struct BuildOptions {
  CompilationSettings settings;
  CpuTarget target;
  DType precision = DType::f32;                     ///< f32, bf16, or i8: products of integers, the rest in f32
  std::set<std::string, std::less<>> f32_products;  ///< as in EngineOptions; with i8 too
  ProductScales scales;                             ///< with i8: of the products that may be products of integers
  bool exact_values = false;                        ///< as in EngineOptions
  bool accurate = false;                            ///< as in EngineOptions
  SymValues opt_shape;                              ///< symbol values at which candidates are timed
  TimingCache* timings = nullptr;
  TimingCache* similar = nullptr;  ///< as in EngineOptions
  bool reuse_tactics = false;      ///< as in EngineOptions
  bool shared_halos = false;       ///< halos share their memory with other results and are zeroed at every run
  Progress* progress = nullptr;
  std::function<bool()> is_over;  ///< as in EngineOptions
  bool measure = true;            ///< whether the plan's latency is measured once it is built
};

/// A plan and what the user should know about it.
struct BuildResult {
  BuiltPlan plan;
  std::vector<ProductStep> products;  ///< with constant weights, in the order of their steps
  std::vector<Fallback> fallbacks;
  std::vector<std::string> warnings;
};

/// Partitions the graph among the engines and builds every block. A block that an engine fails to build, whatever the
/// reason, goes to the reference engine with a warning; under pass_through_build_failures that is the error it was.
BuildResult build(const Graph& lowered, const BuildOptions& options);
/// The same with other engines than the settings' (best first, the fallback last), which outlive the call.
BuildResult build(const Graph& lowered, const BuildOptions& options, std::span<const CompileEngine* const> engines);

/// Shows how `build` would cut the graph, without building anything. The partition lives as long as the call.
void look_at_partition(const Graph& lowered, const BuildOptions& options,
                       const std::function<void(const Partition&)>& look);

}  // namespace aitune

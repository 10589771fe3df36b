#pragma once
// Plans for single shapes beside the general one: which shapes, and whether they are worth it.

#include <functional>
#include <span>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/candidate.h"

namespace aitune {

/// Sizes that are worth a plan of their own.
struct CommonShape {
  SymValues sizes;
  std::vector<std::size_t> samples;  ///< which have these sizes
  bool preferred = false;            ///< it is the user's opt shape
  bool operator==(const CommonShape&) const = default;
};

/// The preferred sizes, where there are any, then the sizes of samples, most frequent first, as far as they are a tenth
/// of the samples: at most `limit`. Nothing for samples without symbols.
std::vector<CommonShape> common_shapes(std::span<const SymValues> samples, const SymValues& preferred,
                                       std::size_t limit);

/// Inputs like the given ones in which every one has the sizes that the graph gives it at `sizes`: their elements,
/// repeated along the dimensions that grow. Throws InvalidArgument where there are no elements to repeat.
std::vector<Tensor> resize_inputs(const Graph& graph, std::span<const Tensor> inputs, const SymValues& sizes);

/// A sample like the given one in which the inputs are resized so. Outputs are the reference's. Throws what the
/// reference throws.
RecordedSample resize_sample(const Graph& graph, const RecordedSample& sample, const SymValues& sizes);

/// A special plan that was worth it.
struct SpecialPlan {
  SymValues sizes;
  BuiltPlan plan;
  Tactics tactics;
};

/// The plan for these sizes alone, made of `program` (as imported, functional) with the general plan's options, and
/// compared with samples that have them.
Candidate try_special_plan(const Graph& program, const LowerOptions& lowering, const BuildOptions& general,
                           const SymValues& sizes, std::span<const RecordedSample> samples, double bound);

/// Builds a plan for each of the shapes like the general plan, and keeps those that give the reference's outputs and
/// save settings.special_plan_gain of the general plan's time. What was tried goes into `report`.
std::vector<SpecialPlan> tune_special_plans(const Graph& program, const LowerOptions& lowering, Candidate& general,
                                            std::span<const CommonShape> shapes,
                                            std::span<const RecordedSample> samples, TuneReport& report);

}  // namespace aitune

#pragma once
// What each product of a model costs in precision and in time.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "compiler/memory/plan_builder.h"
#include "runtime/instance.h"

namespace aitune {

/// A figure of each product, by the name of its node.
using ByNode = std::map<std::string, double>;

/// How the operands of a product lose bits.
struct OperandRounding {
  std::function<void(const std::string& node, std::span<float>)> input;    ///< what the product of this node reads
  std::function<void(const std::string& node, std::span<float>)> weights;  ///< what one output of it multiplies with
};
/// Everything to the nearest bf16, halves to even.
OperandRounding bf16_rounding();

/// Relative errors of a plan's outputs (the worst over outputs and samples) when one product at a time reads rounded
/// operands and multiplies by rounded weights. By node.
///
/// Nothing is built for it: in the plan in f32, the product's step is shown rounded copies of what it reads. That is a
/// little too much where its epilogue reads the same value, or where weights in bf16 are packed exactly. Where one
/// product at a time would take longer than `seconds`, neighbours are rounded together and share what comes out.
ByNode measure_errors(Instance& f32, std::span<const ProductStep> products,
                      std::span<const std::vector<Tensor>> samples, double seconds,
                      const OperandRounding& rounding = bf16_rounding());

/// A plan whose products are to be timed.
struct TimedPlan {
  Instance& instance;
  std::span<const ProductStep> products;
};

/// Microseconds that each product takes within its plan, the fastest of some runs, by node; one map for each plan. The
/// plans run in turn, so that whatever disturbs the machine disturbs all of them.
std::vector<ByNode> measure_times(std::span<const TimedPlan> plans, std::span<const Tensor> inputs);

}  // namespace aitune

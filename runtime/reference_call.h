#pragma once
// A reference step with everything bound: the operator's call on tensors that lie in the plan's buffers.

#include <memory>
#include <vector>

#include "engines/reference/run/op_call.h"
#include "format/plan.h"

namespace aitune {

/// Arguments and results of one reference step for one set of shapes. Not movable: `tensors` points inside.
class ReferenceCall {
 public:
  /// @param values  of the plan's expressions
  /// Throws Unsupported if the reference engine lacks the operator.
  ReferenceCall(const Plan& plan, const PlanStep& step, std::span<const std::int64_t> values);
  ReferenceCall(const ReferenceCall&) = delete;
  ReferenceCall& operator=(const ReferenceCall&) = delete;

  /// A tensor of the call and the plan view that it shows. Its address must be set before run().
  struct BoundTensor {
    Tensor* tensor;
    std::uint32_t view;
  };
  const std::vector<BoundTensor>& tensors() const { return tensors_; }

  /// Throws what the operator throws.
  void run() { reference::run_op({op_, args_, results_}); }

  /// Whether the operator finds the shapes of its results out. Then prepare_results must come before each run().
  bool reports_extents() const { return reports_extents_; }
  /// Gives the results all the memory of their buffers, whose sizes in bytes these are.
  void prepare_results(std::span<const std::size_t> bytes);
  const std::vector<Tensor>& results() const { return results_; }
  /// Takes over sizes that have become known since the call was made: in numbers and in the shapes of its tensors.
  void rebind(const Plan& plan, const PlanStep& step, std::span<const std::int64_t> values);

 private:
  reference::OpArg make_arg(const Plan& plan, const PlanArg& arg, std::span<const std::int64_t> values);
  void collect_tensors(reference::OpArg& arg, const PlanArg& from);
  static void rebind(reference::OpArg& arg, const Plan& plan, const PlanArg& from,
                     std::span<const std::int64_t> values);

  OpId op_;
  bool reports_extents_ = false;
  std::vector<reference::OpArg> args_;
  std::vector<Tensor> results_;
  std::vector<BoundTensor> tensors_;
};

/// The tensor that a view shows, without memory yet.
Tensor make_view(const PlanView& view, std::span<const std::int64_t> values);

}  // namespace aitune

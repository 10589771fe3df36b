#pragma once
// One caller's running state of a program.

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/arena.h"
#include "runtime/bound_plan.h"
#include "runtime/program.h"

namespace aitune {

/// How long one step took in a run.
struct StepTime {
  std::size_t step = 0;  ///< index into Plan::steps of the plan that ran
  std::chrono::nanoseconds elapsed{};
};

/// Memory and prepared calls for running a program, its special plans included: they share one arena. Used by one
/// thread at a time; make one for each caller. Once shapes have been seen, running them again allocates nothing (the
/// reference engine's operators may), unless the plan has release_memory.
class Instance {
 public:
  explicit Instance(std::shared_ptr<const Program> program);

  const Program& program() const { return *program_; }
  /// What runs inputs of these dtypes and shapes: the program or one of its special plans. Throws as output_shapes.
  const Program& program_for(std::span<const Tensor> inputs);

  /// Shapes of the outputs for inputs of these dtypes and shapes (their data is not looked at): the largest possible
  /// where data decide a size. The result lives until the next call. Throws InvalidArgument with what was expected and
  /// what came.
  std::span<const Shape> output_shapes(std::span<const TensorRef> inputs);

  /// Runs the plan from the caller's memory into the caller's memory. Inputs may be strided (they are copied then);
  /// outputs are contiguous, of the dtype and shape that output_shapes gives, and overlap neither inputs nor each
  /// other. Throws InvalidArgument before anything ran; outputs are unspecified after any other error.
  void run(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
           const StepObserver* observer = nullptr);
  /// The shapes that the outputs of the last run() really have, until the next call. They differ from output_shapes
  /// where data decide a size; the elements stand row-major in this shape at the beginning of the memory given.
  std::span<const Shape> result_shapes() const { return bindings_.front()->results(); }
  /// The same, with fresh tensors for the outputs, in the shapes that they really have.
  std::vector<Tensor> run(std::span<const Tensor> inputs, const StepObserver* observer = nullptr);

  /// The same, with `probe` around every step: for experiments on a plan, such as tuning's.
  std::vector<Tensor> run(std::span<const Tensor> inputs, StepProbe& probe);
  /// Bytes of buffer `id` of the plan that ran last, at the shapes of that run.
  std::size_t buffer_bytes(std::uint32_t id) const;

  /// Bytes of the arena and of copies of strided inputs that it holds now. Of a plan with release_memory, none between
  /// runs.
  std::size_t held_bytes() const;

  /// Called after the last step of each block with copies of the block's outputs. Blocks inside of a branch or loop are
  /// left out: the block around them gives what they do.
  using BlockObserver = std::function<void(std::size_t block, std::vector<Tensor> outputs)>;
  /// Runs everything, and shows every block's outputs on the way; returns the program's outputs.
  std::vector<Tensor> run_blocks(std::span<const Tensor> inputs, const BlockObserver& observer);
  /// The outputs of block `block` alone, as they are when it has finished.
  std::vector<Tensor> run_until_block(std::span<const Tensor> inputs, std::size_t block);

  /// Called with each value of the lowered graph that a step has left in memory, right after the step, as it lies
  /// there: strided, and overwritten later. Steps of branches and loops show theirs each time that they run.
  using ValueObserver = std::function<void(std::size_t step, const PlanValue& value, const Tensor& tensor)>;
  /// Runs everything as always, every kernel as fused as it is, and shows the values on the way.
  std::vector<Tensor> run_values(std::span<const Tensor> inputs, const ValueObserver& observer);

  /// One run with the time of every step, in order: of all its trips in a loop, and none where a branch left it out.
  std::vector<StepTime> profile(std::span<const Tensor> inputs);

 private:
  BoundPlan& bind(std::span<const TensorRef> inputs);
  BoundPlan& prepare(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs);
  std::vector<Tensor> outputs_for(std::span<const TensorRef> inputs);
  std::unique_ptr<BoundPlan> make_binding(std::span<const TensorRef> inputs) const;
  void cut_to_results(std::vector<Tensor>& outputs) const;
  BoundPlan& add_binding(std::span<const TensorRef> inputs);
  void check_memory(const BoundPlan& bound) const;
  void release_memory();
  class MemoryRelease;
  void check_output(const BoundPlan& bound, std::size_t index, const TensorRef& output) const;
  void check_overlap(const BoundPlan& bound, std::span<const TensorRef> inputs,
                     std::span<const TensorRef> outputs) const;
  std::byte* input_memory(const BoundPlan& bound, std::size_t index, const TensorRef& input);

  std::shared_ptr<const Program> program_;
  Arena arena_;
  std::vector<std::unique_ptr<BoundPlan>> bindings_;  // the most recent one in front
  const BoundPlan* filled_ = nullptr;                 // the binding whose fill steps the arena holds
  std::vector<Arena> staging_;                        // one for each input: where strided ones are copied to
};

}  // namespace aitune

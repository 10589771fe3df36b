#pragma once
// A plan bound to one set of input shapes: every size evaluated, every call prepared. Running it allocates nothing.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "engines/cpu/run/kernel_step.h"
#include "engines/cpu/run/onednn_step.h"
#include "runtime/program.h"
#include "runtime/reference_call.h"
#include "runtime/shapes.h"

namespace aitune {

/// Told of each step when it has run, with how long it took: as often as a loop runs it, and not at all where a branch
/// leaves it out. Steps that run others are told of behind them, without their time.
using StepObserver = std::function<void(std::size_t step, std::chrono::nanoseconds elapsed)>;

/// Told of each step before it runs, with the addresses of its buffers in the step's order (none for reference steps);
/// what it writes there holds until it writes again or memory moves. Told also when the step has run, so that it can
/// put things back.
class StepProbe {
 public:
  virtual ~StepProbe() = default;
  virtual void before(std::size_t step, std::span<void*> buffers) = 0;
  virtual void after(std::size_t step, std::span<void*> buffers) = 0;
};

/// Prepared calls of one program for one set of shapes. Used by one thread at a time.
class BoundPlan {
 public:
  /// Throws Corrupt if, with these sizes, a buffer leaves its memory or a view its buffer.
  BoundPlan(const Program& program, PlanShapes shapes);
  BoundPlan(const BoundPlan&) = delete;
  BoundPlan& operator=(const BoundPlan&) = delete;

  const Program& program() const { return program_; }
  const PlanShapes& shapes() const { return shapes_; }
  std::size_t arena_bytes() const { return arena_bytes_; }

  /// Where intermediate results go: arena_bytes() bytes that outlive the next run.
  void set_arena(std::byte* arena);
  /// Where input or output number `index` is.
  void set_input(std::size_t index, std::byte* data) { point(inputs_[index], data); }
  void set_output(std::size_t index, std::byte* data) { point(outputs_[index], data); }

  /// Runs all steps. The arena, inputs and outputs have been set. Throws what an operator of the reference engine
  /// throws, with the step named.
  /// `filled`: what fill steps write is in the arena already, since this plan was the last to run in it.
  void run(const StepObserver* observer = nullptr, bool filled = false);
  /// The same, with `probe` around every step.
  void run(StepProbe& probe);
  /// The view's tensor in the memory now set. It owns nothing.
  Tensor view(std::uint32_t index);
  /// Value `index` of those that step `step`, which has just run, left in memory. It owns nothing. Throws Corrupt if it
  /// leaves its buffer.
  Tensor value_of(std::size_t step, std::size_t index);
  /// Shapes of the outputs of the last run; they differ from shapes().outputs where data decide a size.
  std::span<const Shape> results() const { return results_; }

 private:
  struct Fill {
    std::size_t slot = 0, offset = 0, bytes = 0;
    std::uint32_t pattern = 0;
    bool in_arena = false;
  };
  /// What a step needs that depends on sizes which data decide, or finds them out.
  struct Late {
    bool refresh = false;                        ///< something must be evaluated before it runs
    const PlanDefinition* definition = nullptr;  ///< what it finds out
    std::vector<std::int64_t> found;
    std::vector<std::size_t> result_bytes;   ///< of reference steps that report extents: room for each result
    const PlanKernel* contract = nullptr;    ///< cpu_kernel: what each run is held to
    std::vector<std::int64_t> buffer_bytes;  ///< of its buffers
    std::vector<std::int64_t> contract_values;
    std::size_t first_param = 0;
    std::vector<const PlanGuard*> guards;  ///< that must hold whenever it runs
  };
  struct Control {
    std::size_t first = 0, second = 0;  // steps in each range
    std::optional<std::int64_t> limit;  // of a loop's trips
  };
  struct Step {
    StepKind kind = StepKind::cpu_kernel;
    std::span<void*> buffers;  // within slots_
    cpu::KernelCall kernel;
    Fill fill;
    std::size_t copied = 0;  // bytes
    Control control;
    std::unique_ptr<ReferenceCall> reference;
    std::unique_ptr<cpu::BoundOneDnn> onednn;
    std::unique_ptr<Late> late;
  };
  /// What must follow when a piece of memory moves: slots of kernels and tensors of reference calls.
  struct Place {
    std::byte* base = nullptr;
    std::vector<std::pair<std::size_t, std::size_t>> slots;  // slot, offset from base
    std::vector<std::pair<Tensor*, std::size_t>> tensors;
  };

  void check_buffers() const;
  void check_views();
  void check_view(std::uint32_t index) const;
  void check_fill(const PlanStep& step) const;
  void check_kernel(const PlanStep& step, std::span<const std::int64_t> params) const;
  bool is_misfit(const PlanStep& step, bool in_range) const;
  std::vector<bool> steps_in_ranges() const;
  void prepare(const PlanStep& step, bool in_range);
  void add_slot(std::uint32_t buffer);
  std::size_t value(ExprId id) const { return static_cast<std::size_t>(shapes_.values[id]); }
  Place& place_of(const PlanBuffer& buffer);
  void point(Place& place, std::byte* base);
  void attach_guards();
  void run_step(Step& step, std::size_t index);
  void execute(Step& step, std::size_t index);
  void prepare_late(Step& step, std::size_t index);
  void refresh(Step& step, std::size_t index);
  void take_found_sizes(Step& step, std::size_t index);
  void find_results();
  /// Runs steps [begin, end), those with ranges as they say. `visit(index)` runs a step that has none, or is told of
  /// one that has when its ranges have run.
  template <typename Visit>
  void run_range(std::size_t begin, std::size_t end, const Visit& visit);
  template <typename Visit>
  void run_control(std::size_t index, const Visit& visit);
  void check_copy(const PlanStep& step) const;

  const Program& program_;
  PlanShapes shapes_;
  std::vector<std::uint32_t> known_;  // of plans with sizes that data decide: plan_data.h
  std::vector<PlanDefinition> definitions_;
  std::set<std::uint32_t> misfits_;  // views whose sizes are wrong for these inputs
  std::vector<Shape> results_;
  std::size_t arena_bytes_ = 0;
  std::vector<Step> steps_;
  std::vector<void*> slots_;          // buffer arrays of all kernels, one after another
  std::vector<std::int64_t> params_;  // likewise their parameters
  Place arena_, constants_;
  std::vector<Place> inputs_, outputs_;
};

}  // namespace aitune

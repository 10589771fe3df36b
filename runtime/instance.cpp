#include "runtime/instance.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/memory.h"

namespace aitune {
namespace {

/// Prepared calls are kept for this many sets of shapes.
constexpr std::size_t kMaxBindings = 32;

bool same_inputs(const BoundPlan& bound, const Plan& plan, std::span<const TensorRef> inputs) {
  const auto& shapes = bound.shapes().inputs;
  if (shapes.size() != inputs.size()) return false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype != plan.inputs[i].dtype || !std::ranges::equal(inputs[i].shape, shapes[i])) return false;
  }
  return true;
}

struct MemoryRange {
  const std::byte* begin;
  std::size_t bytes;
  bool overlaps(const MemoryRange& other) const {
    return bytes != 0 && other.bytes != 0 && std::less<>()(begin, other.begin + other.bytes) &&
           std::less<>()(other.begin, begin + bytes);
  }
};

/// What a tensor of `bytes` bytes reaches, whatever its strides: none of it where they are 0, in front of its first
/// element where they are negative.
MemoryRange range_of(const TensorRef& t, std::size_t bytes) {
  const auto* data = static_cast<const std::byte*>(t.data);
  if (t.strides.empty() || bytes == 0) return {data, bytes};
  std::int64_t first = 0, last = 0;
  for (std::size_t d = 0; d < t.shape.size(); ++d) {
    const std::int64_t reach = (t.shape[d] - 1) * t.strides[d];
    (reach < 0 ? first : last) += reach;
  }
  const auto size = static_cast<std::int64_t>(dtype_size(t.dtype));
  return {data + first * size, static_cast<std::size_t>((last - first + 1) * size)};
}

void check_strides(const TensorRef& t, std::size_t index) {
  if (t.strides.empty() || t.strides.size() == t.shape.size()) return;
  throw InvalidArgument(fmt::format("{} strides for {} dimensions", t.strides.size(), t.shape.size()),
                        fmt::format("input {}", index));
}

}  // namespace

Instance::Instance(std::shared_ptr<const Program> program)
    : program_(std::move(program)), staging_(program_->plan().inputs.size()) {}

std::unique_ptr<BoundPlan> Instance::make_binding(std::span<const TensorRef> inputs) const {
  const auto bound = [&](const Program& program) {
    return std::make_unique<BoundPlan>(program, bind_shapes(program.plan(), inputs));
  };
  const Program& chosen = program_->choose(inputs);
  try {
    return bound(chosen);
  } catch (const InvalidArgument&) {
    if (&chosen == program_.get()) throw;
    return bound(*program_);  // what is wrong with the inputs, the general plan says with its ranges
  }
}

BoundPlan& Instance::add_binding(std::span<const TensorRef> inputs) {
  filled_ = nullptr;
  auto bound = make_binding(inputs);
  check_memory(*bound);
  if (!program_->plan().release_memory) {
    if (bound->arena_bytes() > arena_.size()) {
      Arena larger(bound->arena_bytes());
      for (auto& other : bindings_) other->set_arena(larger.data());
      arena_ = std::move(larger);
    }
    bound->set_arena(arena_.data());
  }
  if (bindings_.size() >= kMaxBindings) bindings_.pop_back();
  bindings_.insert(bindings_.begin(), std::move(bound));
  return *bindings_.front();
}

void Instance::check_memory(const BoundPlan& bound) const {
  if (bound.arena_bytes() <= arena_.size()) return;
  if (const std::uint64_t limit = memory_limit(); bound.arena_bytes() > limit)
    throw Unavailable(fmt::format("intermediate results at these sizes take {} bytes of memory, and {} is all there "
                                  "can be here",
                                  bound.arena_bytes(), limit),
                      program_->where(), "Give smaller inputs, or run it on a machine with more memory");
}

void Instance::release_memory() {
  arena_ = Arena();
  for (Arena& copy : staging_) copy = Arena();
  filled_ = nullptr;
}

std::size_t Instance::held_bytes() const {
  std::size_t bytes = arena_.size();
  for (const Arena& copy : staging_) bytes += copy.size();
  return bytes;
}

BoundPlan& Instance::bind(std::span<const TensorRef> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) check_strides(inputs[i], i);
  const auto known =
      std::ranges::find_if(bindings_, [&](const auto& bound) { return same_inputs(*bound, program_->plan(), inputs); });
  if (known == bindings_.end()) return add_binding(inputs);
  std::rotate(bindings_.begin(), known, known + 1);
  return *bindings_.front();
}

std::span<const Shape> Instance::output_shapes(std::span<const TensorRef> inputs) {
  return bind(inputs).shapes().outputs;
}

void Instance::check_output(const BoundPlan& bound, std::size_t index, const TensorRef& output) const {
  const PlanTensor& expected = program_->plan().outputs[index];
  const Shape& shape = bound.shapes().outputs[index];
  const auto refuse = [&](std::string what) {
    throw InvalidArgument(std::move(what), fmt::format("output {} '{}'", index, expected.name));
  };
  if (output.dtype != expected.dtype || !std::ranges::equal(output.shape, shape)) {
    refuse(fmt::format("the memory given is {}, but the result is {}", describe(output.dtype, output.shape),
                       describe(expected.dtype, shape)));
  }
  if (!output.strides.empty() && output.strides.size() != output.shape.size()) refuse("strides do not match the rank");
  if (!output.is_plain()) refuse("the memory given must be contiguous and aligned to its elements");
  if (!output.data && bound.shapes().output_bytes[index] != 0) refuse("the memory given is null");
}

void Instance::check_overlap(const BoundPlan& bound, std::span<const TensorRef> inputs,
                             std::span<const TensorRef> outputs) const {
  const PlanShapes& shapes = bound.shapes();
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    const auto memory = range_of(outputs[o], shapes.output_bytes[o]);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (memory.overlaps(range_of(inputs[i], shapes.input_bytes[i]))) {
        throw InvalidArgument(fmt::format("the memory of output {} overlaps input {}", o, i));
      }
    }
    for (std::size_t other = 0; other < o; ++other) {
      if (memory.overlaps(range_of(outputs[other], shapes.output_bytes[other]))) {
        throw InvalidArgument(fmt::format("the memory of output {} overlaps output {}", o, other));
      }
    }
  }
}

std::byte* Instance::input_memory(const BoundPlan& bound, std::size_t index, const TensorRef& input) {
  const std::size_t bytes = bound.shapes().input_bytes[index];
  if (!input.data && bytes != 0) {
    throw InvalidArgument("the memory given is null",
                          fmt::format("input {} '{}'", index, program_->plan().inputs[index].name));
  }
  if (input.is_plain()) return static_cast<std::byte*>(input.data);
  Arena& staging = staging_[index];
  if (staging.size() < bytes) staging = Arena(bytes);
  copy_contiguous(input, staging.data());
  return staging.data();
}

/// Gives memory back at the end of a run, however it ends, where the plan says so.
class Instance::MemoryRelease {
 public:
  explicit MemoryRelease(Instance& instance) : instance_(instance) {}
  ~MemoryRelease() {
    if (instance_.program_->plan().release_memory) instance_.release_memory();
  }
  MemoryRelease(const MemoryRelease&) = delete;
  MemoryRelease& operator=(const MemoryRelease&) = delete;

 private:
  Instance& instance_;
};

BoundPlan& Instance::prepare(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs) {
  BoundPlan& bound = bind(inputs);
  if (outputs.size() != program_->plan().outputs.size()) {
    throw InvalidArgument(
        fmt::format("the model gives {} outputs, memory for {} came", program_->plan().outputs.size(), outputs.size()));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) check_output(bound, i, outputs[i]);
  check_overlap(bound, inputs, outputs);
  if (program_->plan().release_memory) {
    arena_ = Arena(bound.arena_bytes());
    bound.set_arena(arena_.data());
    filled_ = nullptr;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) bound.set_input(i, input_memory(bound, i, inputs[i]));
  for (std::size_t i = 0; i < outputs.size(); ++i) bound.set_output(i, static_cast<std::byte*>(outputs[i].data));
  return bound;
}

void Instance::run(std::span<const TensorRef> inputs, std::span<const TensorRef> outputs,
                   const StepObserver* observer) {
  const MemoryRelease release(*this);
  BoundPlan& bound = prepare(inputs, outputs);
  const bool filled = filled_ == &bound;
  filled_ = &bound;
  bound.run(observer, filled);
}

std::vector<Tensor> Instance::outputs_for(std::span<const TensorRef> inputs) {
  const auto shapes = output_shapes(inputs);
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const PlanTensor& output = program_->plan().outputs[i];
    // Memory for the largest size is rarely used whole: it is not touched.
    outputs.push_back(output.largest.empty() ? Tensor(output.dtype, shapes[i])
                                             : Tensor::uninitialised(output.dtype, shapes[i]));
  }
  return outputs;
}

void Instance::cut_to_results(std::vector<Tensor>& outputs) const {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (program_->plan().outputs[i].largest.empty()) continue;
    const Shape& shape = result_shapes()[i];
    Tensor& whole = outputs[i];
    Tensor cut(whole.dtype(), shape, contiguous_strides(shape), whole.owner(), whole.data());
    whole = cut.byte_size() < whole.byte_size() / 2 ? cut.clone() : cut;
  }
}

std::vector<Tensor> Instance::run(std::span<const Tensor> inputs, const StepObserver* observer) {
  const auto input_refs = refer_to(inputs);
  auto outputs = outputs_for(input_refs);
  run(input_refs, refer_to(outputs), observer);
  cut_to_results(outputs);
  return outputs;
}

std::vector<Tensor> Instance::run(std::span<const Tensor> inputs, StepProbe& probe) {
  const auto input_refs = refer_to(inputs);
  auto outputs = outputs_for(input_refs);
  filled_ = nullptr;
  const MemoryRelease release(*this);
  prepare(input_refs, refer_to(outputs)).run(probe);
  cut_to_results(outputs);
  return outputs;
}

const Program& Instance::program_for(std::span<const Tensor> inputs) { return bind(refer_to(inputs)).program(); }

std::size_t Instance::buffer_bytes(std::uint32_t id) const {
  const BoundPlan& bound = *bindings_.front();
  return static_cast<std::size_t>(bound.shapes().values[bound.program().plan().buffers[id].bytes]);
}

std::vector<Tensor> Instance::run_blocks(std::span<const Tensor> inputs, const BlockObserver& observer) {
  const Plan& plan = program_for(inputs).plan();
  // Steps in ranges run any number of times: what they leave is told of by the blocks around them.
  std::vector<std::size_t> last_step(plan.blocks.size(), plan.steps.size());
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    last_step[plan.steps[i].block] = i;
    if (is_control(plan.steps[i].kind)) i += plan.steps[i].ranges[0] + plan.steps[i].ranges[1];
  }
  const StepObserver after_step = [&](std::size_t step, std::chrono::nanoseconds) {
    const std::size_t block = plan.steps[step].block;
    if (last_step[block] != step) return;
    std::vector<Tensor> outputs;
    for (const auto view : plan.blocks[block].outputs) outputs.push_back(bindings_.front()->view(view).clone());
    observer(block, std::move(outputs));
  };
  return run(inputs, &after_step);
}

std::vector<Tensor> Instance::run_until_block(std::span<const Tensor> inputs, std::size_t block) {
  const std::size_t count = program_for(inputs).plan().blocks.size();
  if (block >= count) throw InvalidArgument(fmt::format("there is no block {}: the plan has {}", block, count));
  std::vector<Tensor> result;
  run_blocks(inputs, [&](std::size_t b, std::vector<Tensor> outputs) {
    if (b == block) result = std::move(outputs);
  });
  return result;
}

std::vector<Tensor> Instance::run_values(std::span<const Tensor> inputs, const ValueObserver& observer) {
  const Plan& plan = program_for(inputs).plan();
  const StepObserver after_step = [&](std::size_t step, std::chrono::nanoseconds) {
    const auto& values = plan.steps[step].values;
    for (std::size_t i = 0; i < values.size(); ++i) observer(step, values[i], bindings_.front()->value_of(step, i));
  };
  return run(inputs, &after_step);
}

std::vector<StepTime> Instance::profile(std::span<const Tensor> inputs) {
  std::vector<StepTime> times(program_for(inputs).plan().steps.size());
  for (std::size_t i = 0; i < times.size(); ++i) times[i].step = i;
  const StepObserver observer = [&](std::size_t step, std::chrono::nanoseconds elapsed) {
    times[step].elapsed += elapsed;
  };
  run(inputs, &observer);
  return times;
}

}  // namespace aitune

#include "runtime/bound_plan.h"

#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "format/bytes.h"
#include "format/plan_kernel.h"

namespace aitune {
namespace {

constexpr std::int64_t kArenaAlignment = 64;  // generated code may rely on it

void fill_pattern(std::byte* to, std::size_t bytes, std::uint32_t pattern) {
  const auto low = pattern & 0xff;
  if (pattern == low * 0x01010101u) {
    std::memset(to, static_cast<int>(low), bytes);
    return;
  }
  std::size_t at = 0;
  for (; at + sizeof pattern <= bytes; at += sizeof pattern) std::memcpy(to + at, &pattern, sizeof pattern);
  std::memcpy(to + at, &pattern, bytes - at);
}

/// Names the step, and the model's node if it is known, in front of what an operator said.
[[noreturn]] void rethrow_in_step(const Plan& plan, std::size_t index, const Error& e) {
  const PlanStep& step = plan.steps[index];
  std::string where = fmt::format("step {} ({})", index, step.name);
  if (!step.sources.empty()) where += fmt::format(", node {}", plan.sources[step.sources[0]].node);
  if (!e.where().empty()) where += ": " + e.where();
  // What a plan hands to an operator comes from its file: arguments of the wrong kind are the file's fault.
  if (e.code() == ErrorCode::internal) throw Corrupt(e.problem(), where);
  throw_error(e.code(), e.problem(), where, e.fix());
}

}  // namespace

BoundPlan::BoundPlan(const Program& program, PlanShapes shapes) : program_(program), shapes_(std::move(shapes)) {
  const Plan& plan = program.plan();
  const std::int64_t arena = shapes_.values[plan.arena_bytes];
  if (arena < 0) throw Corrupt(fmt::format("the plan's arena has {} bytes", arena), program.where());
  arena_bytes_ = static_cast<std::size_t>(arena);
  check_buffers();
  check_views();
  inputs_.resize(plan.inputs.size());
  outputs_.resize(plan.outputs.size());
  std::size_t slots = 0, params = 0;
  for (const PlanStep& step : plan.steps) {
    slots += step.buffers.size();
    params += step.params.size();
  }
  slots_.reserve(slots);  // calls point into these: they must not move
  params_.reserve(params);
  steps_.reserve(plan.steps.size());
  for (const PlanStep& step : plan.steps) prepare(step);
  // Constants are never written: read_plan lets no step write there that says what it writes, and the pages are
  // read-only for those that don't.
  point(constants_, const_cast<std::byte*>(program.constants().data()));
}

void BoundPlan::check_buffers() const {
  const Plan& plan = program_.plan();
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    const PlanBuffer& b = plan.buffers[i];
    std::size_t room = 0;
    switch (b.space) {
      case BufferSpace::input:
        room = shapes_.input_bytes[b.index];
        break;
      case BufferSpace::output:
        room = shapes_.output_bytes[b.index];
        break;
      case BufferSpace::constant:
        room = program_.constants().size();
        break;
      case BufferSpace::arena:
        room = arena_bytes_;
        break;
    }
    const std::int64_t offset = shapes_.values[b.offset], bytes = shapes_.values[b.bytes];
    if (offset < 0 || bytes < 0 || !fits(value(b.offset), value(b.bytes), room)) {
      throw Corrupt(fmt::format("buffer {} of the plan needs bytes {}+{} of {}", i, offset, bytes, room),
                    program_.where());
    }
    if (b.space == BufferSpace::arena && offset % kArenaAlignment != 0) {
      throw Corrupt(
          fmt::format("buffer {} of the plan lies at {}, not at a multiple of {}", i, offset, kArenaAlignment),
          program_.where());
    }
  }
}

void BoundPlan::check_views() const {
  const Plan& plan = program_.plan();
  for (std::size_t i = 0; i < plan.views.size(); ++i) {
    const PlanView& view = plan.views[i];
    const PlanBuffer& buffer = plan.buffers[view.buffer];
    const Tensor tensor = make_view(view, shapes_.values);
    const auto element = dtype_size(view.dtype);
    if (static_cast<std::size_t>(tensor.numel()) > value(buffer.bytes) / element ||
        value(buffer.offset) % std::min<std::size_t>(element, 8) != 0) {
      throw Corrupt(fmt::format("view {} of the plan, {}, does not fit its buffer ({} bytes at {})", i,
                                describe(view.dtype, tensor.shape()), value(buffer.bytes), value(buffer.offset)),
                    program_.where());
    }
  }
}

void BoundPlan::check_fill(const PlanStep& step) const {
  const auto offset = shapes_.values[step.params[0]], bytes = shapes_.values[step.params[1]];
  const auto room = value(program_.plan().buffers[step.buffers[0]].bytes);
  if (offset < 0 || bytes < 0 || !fits(value(step.params[0]), value(step.params[1]), room)) {
    throw Corrupt(fmt::format("fill step {} needs bytes {}+{} of {}", step.name, offset, bytes, room),
                  program_.where());
  }
}

void BoundPlan::check_copy(const PlanStep& step) const {
  const auto bytes = shapes_.values[step.params[0]];
  for (const auto buffer : step.buffers) {
    const auto room = shapes_.values[program_.plan().buffers[buffer].bytes];
    if (bytes >= 0 && bytes <= room) continue;
    throw Corrupt(fmt::format("copy step {} needs {} bytes of {}", step.name, bytes, room), program_.where());
  }
}

void BoundPlan::check_kernel(const PlanStep& step, std::span<const std::int64_t> params) const {
  const Plan& plan = program_.plan();
  const PlanKernel* kernel = find_kernel(plan, step.entry);
  if (!kernel) throw InternalError("read_plan did not miss the kernel of step " + step.name, program_.where());
  std::vector<std::int64_t> bytes;
  bytes.reserve(step.buffers.size());
  for (const auto buffer : step.buffers) bytes.push_back(shapes_.values[plan.buffers[buffer].bytes]);
  try {
    check_call(*kernel, {params, shapes_.values[step.tasks], bytes}, "step " + step.name);
  } catch (const Corrupt& e) {
    throw Corrupt(e.problem(), program_.where());
  }
}

BoundPlan::Place& BoundPlan::place_of(const PlanBuffer& buffer) {
  switch (buffer.space) {
    case BufferSpace::input:
      return inputs_[buffer.index];
    case BufferSpace::output:
      return outputs_[buffer.index];
    case BufferSpace::constant:
      return constants_;
    case BufferSpace::arena:
      break;
  }
  return arena_;
}

void BoundPlan::add_slot(std::uint32_t buffer) {
  const PlanBuffer& b = program_.plan().buffers[buffer];
  place_of(b).slots.emplace_back(slots_.size(), value(b.offset));
  slots_.push_back(nullptr);
}

void BoundPlan::prepare(const PlanStep& step) {
  const Plan& plan = program_.plan();
  Step bound;
  bound.kind = step.kind;
  const std::size_t first_slot = slots_.size();
  for (const auto buffer : step.buffers) add_slot(buffer);
  bound.buffers = {slots_.data() + first_slot, step.buffers.size()};
  if (step.kind == StepKind::cpu_kernel) {
    bound.kernel.function = program_.code().entry(step.entry);
    bound.kernel.args = {slots_.data() + first_slot, params_.data() + params_.size()};
    bound.kernel.tasks = shapes_.values[step.tasks];
    bound.kernel.serial = step.serial;
    for (const ExprId id : step.params) params_.push_back(shapes_.values[id]);
    check_kernel(step, std::span(params_).last(step.params.size()));
  } else if (step.kind == StepKind::fill) {
    check_fill(step);
    bound.fill = {first_slot, value(step.params[0]), value(step.params[1]),
                  static_cast<std::uint32_t>(shapes_.values[step.params[2]]),
                  plan.buffers[step.buffers[0]].space == BufferSpace::arena};
  } else if (step.kind == StepKind::copy) {
    check_copy(step);
    bound.copied = value(step.params[0]);
  } else if (is_control(step.kind)) {
    bound.control = {step.ranges[0], step.ranges[1], std::nullopt};
    if (!step.params.empty()) bound.control.limit = shapes_.values[step.params[0]];
  } else if (step.kind == StepKind::onednn) {
    bound.onednn = std::make_unique<cpu::BoundOneDnn>(program_.onednn(steps_.size()), slots_.data() + first_slot,
                                                      program_.pool().threads());
  } else {
    bound.reference = std::make_unique<ReferenceCall>(plan, step, shapes_.values);
    for (const auto& [tensor, view] : bound.reference->tensors()) {
      const PlanBuffer& b = plan.buffers[plan.views[view].buffer];
      place_of(b).tensors.emplace_back(tensor, value(b.offset));
    }
  }
  steps_.push_back(std::move(bound));
}

void BoundPlan::point(Place& place, std::byte* base) {
  if (place.base == base) return;
  place.base = base;
  for (const auto& [slot, offset] : place.slots) slots_[slot] = base + offset;
  for (const auto& [tensor, offset] : place.tensors) tensor->rebase(base + offset);
}

void BoundPlan::set_arena(std::byte* arena) { point(arena_, arena); }

Tensor BoundPlan::view(std::uint32_t index) {
  const PlanView& view = program_.plan().views[index];
  const PlanBuffer& b = program_.plan().buffers[view.buffer];
  Tensor tensor = make_view(view, shapes_.values);
  tensor.rebase(place_of(b).base + value(b.offset));
  return tensor;
}

void BoundPlan::run_step(Step& step, std::size_t index) {
  switch (step.kind) {
    case StepKind::cpu_kernel:
      return cpu::run_kernel(step.kernel, program_.pool());
    case StepKind::fill: {
      const Fill& fill = step.fill;
      return fill_pattern(static_cast<std::byte*>(slots_[fill.slot]) + fill.offset, fill.bytes, fill.pattern);
    }
    case StepKind::reference:
      try {
        return step.reference->run();
      } catch (const Error& e) {
        rethrow_in_step(program_.plan(), index, e);
      } catch (const std::logic_error& e) {  // a list that is shorter than its operator wants
        rethrow_in_step(program_.plan(), index, Corrupt(e.what()));
      }
    case StepKind::onednn:
      return step.onednn->run(program_.pool());
    case StepKind::copy:
      std::memmove(step.buffers[1], step.buffers[0], step.copied);
      return;
    case StepKind::branch:
    case StepKind::loop:
      break;  // run_control
  }
  throw InternalError(fmt::format("step {} has a kind that read_plan should have refused", index));
}

template <typename Visit>
void BoundPlan::run_control(std::size_t index, const Visit& visit) {
  const Step& step = steps_[index];
  const Control& control = step.control;
  const std::size_t first = index + 1, second = first + control.first, end = second + control.second;
  const auto condition = [&] { return *static_cast<const std::uint8_t*>(step.buffers[0]) != 0; };
  if (step.kind == StepKind::branch)
    return condition() ? run_range(first, second, visit) : run_range(second, end, visit);
  for (std::int64_t trips = 0;; ++trips) {
    run_range(first, second, visit);
    if (!condition()) return;
    if (control.limit && trips >= *control.limit) {
      const PlanStep& planned = program_.plan().steps[index];
      const std::string node =
          planned.sources.empty() ? "" : ", node " + program_.plan().sources[planned.sources[0]].node;
      throw InvalidArgument(fmt::format("a loop does not end within {} trips", *control.limit),
                            fmt::format("step {} ({}){}", index, planned.name, node),
                            "Give inputs for which it ends sooner");
    }
    run_range(second, end, visit);
  }
}

template <typename Visit>
void BoundPlan::run_range(std::size_t begin, std::size_t end, const Visit& visit) {
  for (std::size_t i = begin; i < end; ++i) {
    const Step& step = steps_[i];
    if (is_control(step.kind)) run_control(i, visit);
    visit(i);
    if (is_control(step.kind)) i += step.control.first + step.control.second;
  }
}

void BoundPlan::run(const StepObserver* observer, bool filled) {
  using Clock = std::chrono::steady_clock;
  run_range(0, steps_.size(), [&](std::size_t i) {
    Step& step = steps_[i];
    if (filled && step.kind == StepKind::fill && step.fill.in_arena) return;
    const auto start = observer ? Clock::now() : Clock::time_point();
    if (!is_control(step.kind)) run_step(step, i);
    if (observer) (*observer)(i, Clock::now() - start);
  });
}

void BoundPlan::run(StepProbe& probe) {
  run_range(0, steps_.size(), [&](std::size_t i) {
    Step& step = steps_[i];
    if (is_control(step.kind)) return;
    const std::span<void*> buffers = step.kind == StepKind::reference ? std::span<void*>() : step.buffers;
    probe.before(i, buffers);
    run_step(step, i);
    probe.after(i, buffers);
  });
}

}  // namespace aitune

#include "runtime/bound_plan.h"

#include <algorithm>
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
  if (has_data_symbols(plan)) {
    known_ = known_after(plan);
    definitions_ = plan_definitions(plan, known_);
  }
  results_ = shapes_.outputs;
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
  const std::vector<bool> in_ranges = steps_in_ranges();
  for (std::size_t i = 0; i < plan.steps.size(); ++i) prepare(plan.steps[i], in_ranges[i]);
  attach_guards();
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

void BoundPlan::check_views() {
  const Plan& plan = program_.plan();
  for (std::uint32_t i = 0; i < plan.views.size(); ++i)
    if (known_.empty() || view_known(plan.views[i], known_) == 0) {
      try {
        check_view(i);
      } catch (const Corrupt&) {
        misfits_.insert(i);
      }
    }
}

/// Whether sizes do not fit that the inputs decide. Steps of a range may be for other sizes than those at hand: then
/// they are checked when they run, and refused if they do. Any other step is refused now.
bool BoundPlan::is_misfit(const PlanStep& step, bool in_range) const {
  if (misfits_.empty()) return false;
  const auto used = [&](const auto& self, const PlanArg& arg) -> std::optional<std::uint32_t> {
    if (arg.kind == PlanArg::Kind::tensor && misfits_.contains(arg.tensor)) return arg.tensor;
    for (const PlanArg& item : arg.list)
      if (const auto view = self(self, item)) return view;
    return std::nullopt;
  };
  std::optional<std::uint32_t> misfit;
  for (const std::uint32_t view : step.results)
    if (misfits_.contains(view)) misfit = view;
  for (const PlanArg& arg : step.args)
    if (const auto view = used(used, arg)) misfit = view;
  if (misfit && !in_range) check_view(*misfit);
  return misfit.has_value();
}

/// Which steps lie in ranges of others.
std::vector<bool> BoundPlan::steps_in_ranges() const {
  const std::vector<PlanStep>& steps = program_.plan().steps;
  std::vector<bool> inside(steps.size());
  std::size_t end = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    inside[i] = i < end;
    if (is_control(steps[i].kind)) end = std::max(end, i + 1 + steps[i].ranges[0] + steps[i].ranges[1]);
  }
  return inside;
}

void BoundPlan::check_view(std::uint32_t index) const {
  const PlanView& view = program_.plan().views[index];
  const PlanBuffer& buffer = program_.plan().buffers[view.buffer];
  const auto element = dtype_size(view.dtype);
  std::int64_t count = 1;
  for (const ExprId id : view.shape) {
    const std::int64_t size = shapes_.values[id];
    // Sizes beside a zero count as well: none may be out of all bounds.
    if (size < 0 || __builtin_mul_overflow(count, std::max<std::int64_t>(size, 1), &count)) count = -1;
    if (count < 0) break;
  }
  const bool empty = std::ranges::any_of(view.shape, [&](ExprId id) { return shapes_.values[id] == 0; });
  if (count >= 0 && (empty || static_cast<std::size_t>(count) <= value(buffer.bytes) / element) &&
      value(buffer.offset) % std::min<std::size_t>(element, 8) == 0)
    return;
  Shape shape;
  for (const ExprId id : view.shape) shape.push_back(shapes_.values[id]);
  throw Corrupt(fmt::format("view {} of the plan, {}, does not fit its buffer ({} bytes at {})", index,
                            describe(view.dtype, shape), value(buffer.bytes), value(buffer.offset)),
                program_.where());
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
  // Nothing writes there: check_call() lets kernels write into a buffer's own bytes alone.
  alignas(kArenaAlignment) static constexpr std::byte kNothing[kEmptyBufferBytes]{};
  const PlanBuffer& b = program_.plan().buffers[buffer];
  const bool empty = value(b.bytes) == 0;
  if (!empty) place_of(b).slots.emplace_back(slots_.size(), value(b.offset));
  slots_.push_back(empty ? const_cast<std::byte*>(kNothing) : nullptr);
}

void BoundPlan::prepare(const PlanStep& step, bool in_range) {
  const Plan& plan = program_.plan();
  Step bound;
  bound.kind = step.kind;
  const std::size_t first_slot = slots_.size();
  const std::size_t first_param = params_.size();
  for (const auto buffer : step.buffers) add_slot(buffer);
  bool is_late = (!known_.empty() && step_needs(plan, step, known_) != 0) || is_misfit(step, in_range);
  const auto check_now = [&](const auto& check) {
    if (is_late) return;
    try {
      check();
    } catch (const Corrupt&) {
      if (!in_range) throw;
      is_late = true;
    }
  };
  bound.buffers = {slots_.data() + first_slot, step.buffers.size()};
  if (step.kind == StepKind::cpu_kernel) {
    bound.kernel.function = program_.code().entry(step.entry);
    bound.kernel.args = {slots_.data() + first_slot, params_.data() + params_.size()};
    bound.kernel.tasks = shapes_.values[step.tasks];
    bound.kernel.serial = step.serial;
    for (const ExprId id : step.params) params_.push_back(shapes_.values[id]);
    check_now([&] { check_kernel(step, std::span(params_).last(step.params.size())); });
  } else if (step.kind == StepKind::fill) {
    check_now([&] { check_fill(step); });
    bound.fill = {first_slot, value(step.params[0]), value(step.params[1]),
                  static_cast<std::uint32_t>(shapes_.values[step.params[2]]),
                  plan.buffers[step.buffers[0]].space == BufferSpace::arena && !step.every_run && !is_late};
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
  const bool reports = bound.reference && bound.reference->reports_extents();
  const bool late_results = !known_.empty() && std::ranges::any_of(step.results, [&](std::uint32_t view) {
    return view_known(plan.views[view], known_) != 0;
  });
  if (is_late || reports || late_results) {
    bound.late = std::make_unique<Late>();
    bound.late->refresh = is_late || late_results;
    bound.late->first_param = first_param;
    prepare_late(bound, steps_.size());
  }
  steps_.push_back(std::move(bound));
}

/// Guards of ranges stand at their first steps.
void BoundPlan::attach_guards() {
  for (const PlanGuard& guard : program_.plan().guards) {
    if (guard.before == 0) continue;
    Step& step = steps_.at(guard.before - 1);
    if (!step.late) step.late = std::make_unique<Late>();
    step.late->guards.push_back(&guard);
  }
}

void BoundPlan::prepare_late(Step& step, std::size_t index) {
  const Plan& plan = program_.plan();
  const PlanStep& planned = plan.steps[index];
  Late& late = *step.late;
  for (const PlanDefinition& definition : definitions_)
    if (definition.step == index) late.definition = &definition;
  if (late.definition) {
    late.found.resize(late.definition->symbols.size());
    if (!step.reference || !step.reference->reports_extents())
      throw Corrupt(
          fmt::format("step {} ({}) is to find sizes out, and its operator finds out none", index, planned.name),
          program_.where());
  }
  if (step.reference && step.reference->reports_extents())
    for (const auto view : planned.results) {
      const PlanBuffer& buffer = plan.buffers[plan.views[view].buffer];
      if (value(buffer.offset) % std::min<std::size_t>(dtype_size(plan.views[view].dtype), 8) != 0)
        throw Corrupt(fmt::format("view {} of the plan lies at {}", view, value(buffer.offset)), program_.where());
      late.result_bytes.push_back(value(buffer.bytes));
    }
  if (step.kind != StepKind::cpu_kernel) return;
  late.contract = find_kernel(plan, planned.entry);
  if (!late.contract)
    throw InternalError("read_plan did not miss the kernel of step " + planned.name, program_.where());
  late.contract_values.resize(late.contract->exprs.size());
  for (const auto buffer : planned.buffers) late.buffer_bytes.push_back(shapes_.values[plan.buffers[buffer].bytes]);
}

/// Before the step runs: what depends on sizes that data have decided meanwhile. Nothing is trusted that was not
/// checked with these very sizes.
void BoundPlan::refresh(Step& step, std::size_t index) {
  const Plan& plan = program_.plan();
  const PlanStep& planned = plan.steps[index];
  Late& late = *step.late;
  switch (step.kind) {
    case StepKind::cpu_kernel: {
      const std::span params(params_.data() + late.first_param, planned.params.size());
      for (std::size_t i = 0; i < params.size(); ++i) params[i] = shapes_.values[planned.params[i]];
      step.kernel.tasks = shapes_.values[planned.tasks];
      try {
        check_call(*late.contract, {params, step.kernel.tasks, late.buffer_bytes}, planned.name, late.contract_values);
      } catch (const Corrupt& e) {
        throw Corrupt(e.problem(), program_.where());
      }
      return;
    }
    case StepKind::fill:
      check_fill(planned);
      step.fill.offset = value(planned.params[0]);
      step.fill.bytes = value(planned.params[1]);
      step.fill.pattern = static_cast<std::uint32_t>(shapes_.values[planned.params[2]]);
      return;
    case StepKind::reference:
      for (const auto& [tensor, view] : step.reference->tensors()) {
        // Results of operators that report extents get memory without a shape; one view may be operand and result.
        const auto& results = step.reference->results();
        const bool is_result = std::ranges::any_of(results, [&](const Tensor& result) { return &result == tensor; });
        if (!is_result || !step.reference->reports_extents()) check_view(view);
      }
      return step.reference->rebind(plan, planned, shapes_.values);
    case StepKind::onednn:  // its sizes are constants
    case StepKind::copy:    // read_plan has seen that theirs are known before any step runs
    case StepKind::branch:
    case StepKind::loop:
      return;
  }
}

/// After a step that reports extents: they become known, and must be those that the plan says.
void BoundPlan::take_found_sizes(Step& step, std::size_t index) {
  const Plan& plan = program_.plan();
  const PlanStep& planned = plan.steps[index];
  Late& late = *step.late;
  const std::vector<Tensor>& results = step.reference->results();
  if (late.definition) {
    for (std::size_t i = 0; i < late.found.size(); ++i) {
      const PlanSymbol& s = plan.symbols[late.definition->symbols[i]];
      const Tensor& result = results[s.result];
      if (s.dim >= result.shape().size())
        throw Corrupt(
            fmt::format("symbol {} is dimension {} of {}", s.name, s.dim, describe(result.dtype(), result.shape())));
      late.found[i] = result.size(s.dim);
    }
    bind_found_sizes(plan, *late.definition, late.found, shapes_);
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& stated = plan.views[planned.results[i]].shape;
    const Shape& shape = results[i].shape();
    bool same = stated.size() == shape.size();
    for (std::size_t d = 0; same && d < shape.size(); ++d) same = shape[d] == shapes_.values[stated[d]];
    if (!same)
      throw Corrupt(fmt::format("result {} is {}, and the plan has another shape for it", i,
                                describe(results[i].dtype(), shape)));
  }
}

/// The shapes that outputs have now. Whoever reads them trusts that their memory is as large.
void BoundPlan::find_results() {
  const Plan& plan = program_.plan();
  for (std::size_t o = 0; o < plan.outputs.size(); ++o) {
    const PlanTensor& output = plan.outputs[o];
    if (output.largest.empty()) continue;
    for (std::size_t d = 0; d < output.shape.size(); ++d) results_[o][d] = shapes_.values[output.shape[d]];
    if (static_cast<std::size_t>(element_count(results_[o])) > shapes_.output_bytes[o] / dtype_size(output.dtype))
      throw Corrupt(fmt::format("output '{}' is {}, more than the plan has memory for", output.name,
                                describe(output.dtype, results_[o])),
                    program_.where());
  }
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
  check_view(index);
  Tensor tensor = make_view(view, shapes_.values);
  tensor.rebase(place_of(b).base + value(b.offset));
  return tensor;
}

Tensor BoundPlan::value_of(std::size_t step, std::size_t index) {
  const PlanValue& planned = program_.plan().steps.at(step).values.at(index);
  const PlanBuffer& buffer = program_.plan().buffers[planned.buffer];
  const auto element = static_cast<std::int64_t>(dtype_size(planned.dtype));
  Shape shape, strides;
  std::int64_t last = shapes_.values[planned.offset], count = 1;
  bool fits_in = last >= 0, empty = false;
  for (std::size_t d = 0; d < planned.shape.size(); ++d) {
    shape.push_back(shapes_.values[planned.shape[d]]);
    strides.push_back(shapes_.values[planned.strides[d]]);
    std::int64_t reach = 0;
    fits_in = fits_in && shape[d] >= 0 && strides[d] >= 0 &&
              !__builtin_mul_overflow(std::max<std::int64_t>(shape[d] - 1, 0), strides[d], &reach) &&
              !__builtin_add_overflow(last, reach, &last) &&
              !__builtin_mul_overflow(count, std::max<std::int64_t>(shape[d], 1), &count);
    empty = empty || shape[d] == 0;
  }
  std::int64_t end = 0;
  fits_in = fits_in && !__builtin_add_overflow(last, 1, &end) && !__builtin_mul_overflow(end, element, &end) &&
            // whoever copies it needs no more memory than the buffer has
            (empty || (end <= shapes_.values[buffer.bytes] && count <= shapes_.values[buffer.bytes] / element)) &&
            shapes_.values[buffer.offset] % std::min<std::int64_t>(element, 8) == 0;
  if (!fits_in)
    throw Corrupt(fmt::format("value {} of step {} of the plan does not fit its buffer", planned.name, step),
                  program_.where());
  std::byte* base = place_of(buffer).base + shapes_.values[buffer.offset] + shapes_.values[planned.offset] * element;
  return Tensor(planned.dtype, std::move(shape), std::move(strides), nullptr, base);
}

void BoundPlan::run_step(Step& step, std::size_t index) {
  if (!step.late) return execute(step, index);
  if (step.late->refresh) refresh(step, index);
  if (!step.late->result_bytes.empty()) step.reference->prepare_results(step.late->result_bytes);
  execute(step, index);
  if (step.late->result_bytes.empty()) return;
  try {
    take_found_sizes(step, index);
  } catch (const Error& e) {
    rethrow_in_step(program_.plan(), index, e);
  }
}

void BoundPlan::execute(Step& step, std::size_t index) {
  program_.before_step(index);
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
    if (step.late)
      for (const PlanGuard* guard : step.late->guards) check_guard(program_.plan(), *guard, shapes_);
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
  find_results();
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
  find_results();
}

}  // namespace aitune

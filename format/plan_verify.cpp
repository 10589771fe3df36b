// Whether a plan means something that may be executed: every index, every constant offset, every kind.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/ops.h"
#include "format/bytes.h"
#include "format/onednn_payload.h"
#include "format/plan.h"
#include "format/plan_data.h"
#include "format/plan_eval.h"
#include "format/plan_kernel.h"

namespace aitune {
namespace {

constexpr std::size_t kMaxRank = 64;
constexpr std::int64_t kMostOffset = std::int64_t{1} << 48;
constexpr std::size_t kMaxListDepth = 8;
constexpr std::uint32_t kMaxThreads = 1024;

class Verifier {
 public:
  Verifier(const Plan& plan, std::size_t code_size, std::size_t constants_size, std::string_view where)
      : plan_(plan),
        code_size_(code_size),
        own_constants_(constants_size),
        constants_size_(plan.shared_constants != 0 ? plan.shared_constants : constants_size),
        where_(where) {}

  void run() {
    check(plan_.shared_constants == 0 || own_constants_ == 0,
          "the plan has {} bytes of constants of its own, and shares another's", own_constants_);
    check_exprs(plan_.exprs, plan_.symbols.size());
    for (const PlanSymbol& s : plan_.symbols)
      if (s.data) check_index(s.step, plan_.steps.size(), "the step of symbol " + s.name + ":");
    known_ = known_after(plan_);
    until_ = known_until(plan_);
    constant_ = constant_values(plan_.exprs);
    check_symbols();
    for (const auto& t : plan_.inputs) {
      check_tensor(t, "input");
      check(t.largest.empty(), "input '{}' has a shape that data decide", t.name);
    }
    for (const auto& t : plan_.outputs) check_tensor(t, "output");
    check_expr(plan_.arena_bytes, "the arena's size");
    check_known(plan_.arena_bytes, 0, "the arena's size");
    for (std::size_t i = 0; i < plan_.buffers.size(); ++i) check_buffer(i);
    for (std::size_t i = 0; i < plan_.views.size(); ++i) check_view(i);
    for (std::size_t i = 0; i < plan_.blocks.size(); ++i) {
      check_indices(plan_.blocks[i].outputs, plan_.views.size(), fmt::format("block {}: view", i));
    }
    for (std::size_t i = 0; i < plan_.kernels.size(); ++i) check_kernel(i);
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) check_step(i);
    for (const PlanSource& source : plan_.sources) check_indices(source.origins, plan_.origins.size(), "node");
    check(std::ranges::all_of(plan_.origins, [](const PlanSource& s) { return s.origins.empty(); }),
          "a node of the model comes from others");
    check_ranges();
    check_outputs_written();
    for (const PlanGuard& guard : plan_.guards) {
      check_expr(guard.lhs, "a guard");
      check_expr(guard.rhs, "a guard");
      check_guard(guard);
    }
    check(plan_.num_threads <= kMaxThreads, "the plan asks for {} threads", plan_.num_threads);
  }

 private:
  template <typename... Args>
  void check(bool good, fmt::format_string<Args...> format, Args&&... args) const {
    if (!good) throw Corrupt(fmt::format(format, std::forward<Args>(args)...), where_);
  }

  void check_index(std::size_t index, std::size_t count, std::string_view what) const {
    check(index < count, "{} {} does not exist: there are {}", what, index, count);
  }
  void check_indices(const std::vector<std::uint32_t>& indices, std::size_t count, std::string_view what) const {
    for (const auto i : indices) check_index(i, count, what);
  }
  void check_expr(ExprId id, std::string_view what) const {
    check(id < plan_.exprs.size(), "{} is expression {} of {}", what, id, plan_.exprs.size());
  }
  void check_dtype(DType dtype, std::string_view what) const {
    check(static_cast<unsigned>(dtype) <= static_cast<unsigned>(DType::bf16), "{} has the unknown dtype {}", what,
          static_cast<unsigned>(dtype));
  }
  void check_shape(const std::vector<ExprId>& shape, std::string_view what) const {
    check(shape.size() <= kMaxRank, "{} has {} dimensions", what, shape.size());
    for (const ExprId id : shape) {
      check_expr(id, what);
      check(constant_[id].value_or(0) >= 0, "{} has a negative size", what);
    }
  }

  void check_exprs(const std::vector<PlanExpr>& exprs, std::size_t symbols) const {
    for (std::size_t i = 0; i < exprs.size(); ++i) {
      const PlanExpr& e = exprs[i];
      check(e.op <= PlanExpr::Op::max, "expression {} has the unknown operation {}", i, static_cast<unsigned>(e.op));
      if (e.op == PlanExpr::Op::symbol) {
        check(e.value >= 0 && static_cast<std::uint64_t>(e.value) < symbols, "expression {} is symbol {} of {}", i,
              e.value, symbols);
      } else if (e.op != PlanExpr::Op::constant) {
        check(e.lhs < i && e.rhs < i, "expression {} uses a later one ({}, {})", i, e.lhs, e.rhs);
      }
    }
  }

  void check_symbols() const {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < plan_.symbols.size(); ++i) {
      const PlanSymbol& s = plan_.symbols[i];
      check(!s.name.empty() && names.insert(s.name).second, "symbol {} has no name of its own: '{}'", i, s.name);
      check(s.range.min >= 0 && s.range.min <= s.range.max, "symbol {} has the range [{}, {}]", s.name, s.range.min,
            s.range.max);
      if (s.data) {
        check_data_symbol(s, i);
        continue;
      }
      check_index(s.input, plan_.inputs.size(), "input");
      const auto& shape = plan_.inputs[s.input].shape;
      check_index(s.dim, shape.size(), "dimension");
      check_expr(shape[s.dim], "an input's size");
      check(s.factor >= 1 && s.offset > -kMostOffset && s.offset < kMostOffset,
            "symbol {} is the size less {}, divided by {}", s.name, s.offset, s.factor);
      if (s.factor != 1 || s.offset != 0) continue;  // a size that gives no whole number does not fit the shape then
      const PlanExpr& size = plan_.exprs[shape[s.dim]];
      check(size.op == PlanExpr::Op::symbol && static_cast<std::uint64_t>(size.value) == i,
            "symbol {} is not the size that it is taken from", s.name);
    }
  }

  /// A step finds the size out, and memory was planned before.
  void check_data_symbol(const PlanSymbol& s, std::size_t index) const {
    const PlanStep& step = plan_.steps[s.step];
    check(step.kind == StepKind::reference, "symbol {} comes from step {}, which is no operator", s.name, s.step);
    check_index(s.result, step.results.size(), "the result of symbol " + s.name + ":");
    check_index(step.results[s.result], plan_.views.size(), "view");
    const auto& shape = plan_.views[step.results[s.result]].shape;
    check_index(s.dim, shape.size(), "dimension");
    check_expr(shape[s.dim], "a result's size");
    const PlanExpr& size = plan_.exprs[shape[s.dim]];
    check(size.op == PlanExpr::Op::symbol && static_cast<std::uint64_t>(size.value) == index,
          "symbol {} is not the size that it is taken from", s.name);
    check_expr(s.at_most, "the limit of a symbol");
    check_known(s.at_most, 0, "the limit of a symbol");
  }

  /// The expression has its value when so many steps have run.
  void check_known(ExprId id, std::uint32_t when, std::string_view what) const {
    check(known_[id] <= when, "{} depends on a size that step {} finds out only then", what, known_[id] - 1);
  }

  /// The expression means something at step i.
  void check_within(ExprId id, std::uint32_t i, std::string_view what) const {
    check(i < until_[id], "{} depends on a size that holds up to step {} alone", what, until_[id]);
  }

  /// A guard is checked before a step, or when its sizes are known.
  void check_guard(const PlanGuard& guard) const {
    check(guard.before <= plan_.steps.size(), "a guard is checked before step {} of {}", guard.before,
          plan_.steps.size());
    const std::uint32_t known = std::max(known_[guard.lhs], known_[guard.rhs]);
    if (guard.before != 0) check(known < guard.before, "a guard depends on a size that is found out only later");
    const std::uint32_t when = guard.before != 0 ? guard.before - 1 : known == 0 ? 0 : known - 1;
    if (known == 0) return;
    check_within(guard.lhs, when, "a guard");
    check_within(guard.rhs, when, "a guard");
  }

  void check_tensor(const PlanTensor& tensor, std::string_view kind) const {
    check(std::ranges::none_of(tensor.name, [](unsigned char c) { return c < ' ' || c == 127; }),
          "the name of an {} has control characters", kind);
    const auto what = fmt::format("{} '{}'", kind, tensor.name);
    check_dtype(tensor.dtype, what);
    check_shape(tensor.shape, what);
    for (const ExprId id : tensor.shape)
      check(until_[id] == plan_.steps.size(), "{} has a size that a step finds out within a range", what);
    check_shape(tensor.largest, what);
    check(tensor.largest.empty() || tensor.largest.size() == tensor.shape.size(), "{} has two ranks", what);
    for (const ExprId id : tensor.memory_shape()) check_known(id, 0, what);
  }

  void check_buffer(std::size_t i) const {
    const PlanBuffer& b = plan_.buffers[i];
    const auto what = fmt::format("buffer {}", i);
    check(b.space <= BufferSpace::arena, "{} is in the unknown space {}", what, static_cast<unsigned>(b.space));
    check_expr(b.offset, what);
    check_expr(b.bytes, what);
    check_known(b.offset, 0, what);
    check_known(b.bytes, 0, what);
    const auto offset = constant_[b.offset], bytes = constant_[b.bytes];
    check(offset.value_or(0) >= 0 && bytes.value_or(0) >= 0, "{} has a negative offset or size", what);
    switch (b.space) {
      case BufferSpace::input:
        check_index(b.index, plan_.inputs.size(), what + ": input");
        break;
      case BufferSpace::output:
        check_index(b.index, plan_.outputs.size(), what + ": output");
        break;
      case BufferSpace::constant:
        check(offset && bytes && fits(*offset, *bytes, constants_size_),
              "{} lies outside the constants, which have {} bytes", what, constants_size_);
        check(*offset % 64 == 0, "{} is a constant at {}, which is not a multiple of 64", what, *offset);
        break;
      case BufferSpace::arena:
        if (const auto arena = constant_[plan_.arena_bytes]; offset && bytes && arena) {
          check(*arena >= 0 && fits(*offset, *bytes, *arena), "{} ({}+{}) lies outside the arena, which has {} bytes",
                what, *offset, *bytes, *arena);
        }
        break;
    }
  }

  void check_view(std::size_t i) const {
    const PlanView& v = plan_.views[i];
    const auto what = fmt::format("view {}", i);
    check_index(v.buffer, plan_.buffers.size(), what + ": buffer");
    check_dtype(v.dtype, what);
    check_shape(v.shape, what);
    const auto room = constant_[plan_.buffers[v.buffer].bytes];
    auto size = static_cast<std::int64_t>(dtype_size(v.dtype));
    for (const ExprId id : v.shape) {
      if (!constant_[id]) return;
      size = evaluate_operation(PlanExpr::Op::mul, size, *constant_[id]);
    }
    check(!room || size <= *room, "{} needs {} bytes of a buffer that has {}", what, size, room.value_or(0));
  }

  BufferSpace space_of_view(std::uint32_t view) const { return plan_.buffers[plan_.views[view].buffer].space; }
  static bool writable(BufferSpace space) { return space == BufferSpace::output || space == BufferSpace::arena; }

  void check_step(std::size_t i) const {
    const PlanStep& s = plan_.steps[i];
    const auto what = fmt::format("step {} ({})", i, s.name);
    check_indices(s.sources, plan_.sources.size(), what + ": source");
    check_index(s.block, plan_.blocks.size(), what + ": block");
    check_indices(s.buffers, plan_.buffers.size(), what + ": buffer");
    check_indices(s.results, plan_.views.size(), what + ": view");
    for (const ExprId id : s.params) check_expr(id, what + ": parameter");
    check_expr(s.tasks, what + ": number of tasks");
    check(is_control(s.kind) ? s.ranges.size() == 2 : s.ranges.empty(), "{} has {} ranges of steps", what,
          s.ranges.size());
    for (const PlanValue& value : s.values) check_value(value, what);
    check_kind(s, what);
    const auto now = static_cast<std::uint32_t>(i);
    const std::uint32_t needs = step_needs(plan_, s, known_);
    check(needs <= now, "{} depends on a size that step {} finds out only then", what, needs - 1);
    const std::uint32_t until = step_until(plan_, s, until_);
    check(now < until, "{} depends on a size that holds up to step {} alone", what, until);
    for (const auto r : s.results) {
      const std::uint32_t size = view_known(plan_.views[r], known_);
      check(size <= now + 1, "{} has a result whose size step {} finds out only then", what, size - 1);
    }
  }

  /// Whether it lies inside of its buffer is checked when it is read: running needs no values.
  void check_value(const PlanValue& v, const std::string& what) const {
    check_index(v.buffer, plan_.buffers.size(), what + ": a value's buffer");
    check_dtype(v.dtype, what + ": a value");
    check_expr(v.offset, what + ": a value's offset");
    check_shape(v.shape, what + ": a value");
    check(v.strides.size() == v.shape.size(), "{}: a value has {} strides for {} dimensions", what, v.strides.size(),
          v.shape.size());
    for (const ExprId id : v.strides) check_expr(id, what + ": a value's stride");
  }

  void check_kind(const PlanStep& s, const std::string& what) const {
    switch (s.kind) {
      case StepKind::cpu_kernel:
        return check_cpu_kernel(s, what);
      case StepKind::reference:
        return check_reference(s, what);
      case StepKind::fill:
        return check_fill(s, what);
      case StepKind::onednn:
        return check_onednn(s, what);
      case StepKind::copy:
        return check_copy(s, what);
      case StepKind::branch:
      case StepKind::loop:
        return check_control(s, what);
    }
    check(false, "{} has the unknown kind {}", what, static_cast<unsigned>(s.kind));
  }

  void check_kernel(std::size_t i) const {
    const PlanKernel& k = plan_.kernels[i];
    const auto what = fmt::format("kernel {}", i);
    check(k.entry < code_size_, "{} is at {} of the code, which has {} bytes", what, k.entry, code_size_);
    check(i == 0 || k.entry > plan_.kernels[i - 1].entry, "{} does not lie behind the one before", what);
    check_exprs(k.exprs, k.params);
    check_index(k.tasks, k.exprs.size(), what + ": expression");
    for (const auto& a : k.accesses) {
      check_index(a.buffer, k.buffers, what + ": buffer");
      check_index(a.first, k.exprs.size(), what + ": expression");
      check_index(a.end, k.exprs.size(), what + ": expression");
    }
  }

  /// A call whose arguments do not depend on symbols is checked here, others when shapes are known.
  void check_cpu_kernel(const PlanStep& s, const std::string& what) const {
    check_expr(s.tasks, what + ": number of tasks");
    check(constant_[s.tasks].value_or(0) >= 0, "{} has a negative number of tasks", what);
    const PlanKernel* kernel = find_kernel(plan_, s.entry);
    check(kernel != nullptr, "{} enters the code at {}, where no kernel begins", what, s.entry);
    check(s.buffers.size() == kernel->buffers && s.params.size() == kernel->params,
          "{} calls its kernel with {} buffers and {} parameters; it takes {} and {}", what, s.buffers.size(),
          s.params.size(), kernel->buffers, kernel->params);
    for (const auto& a : kernel->accesses) {
      check(!a.written || writable(plan_.buffers[s.buffers[a.buffer]].space), "{} writes into an input or a constant",
            what);
    }
    std::vector<std::int64_t> params, bytes;
    bool known = constant_[s.tasks].has_value();
    const auto add = [&](std::vector<std::int64_t>& to, ExprId id) {
      known = known && constant_[id];
      to.push_back(constant_[id].value_or(0));
    };
    for (const ExprId id : s.params) add(params, id);
    for (const auto b : s.buffers) add(bytes, plan_.buffers[b].bytes);
    if (known) check_call(*kernel, {params, *constant_[s.tasks], bytes}, what);
  }

  void check_reference(const PlanStep& s, const std::string& what) const {
    if (!find_op_id(s.op)) {
      if (!s.op.starts_with("aten."))
        throw Unsupported(fmt::format("{} is the custom operator {}, whose library is not loaded", what, s.op), where_,
                          "Name the library: --custom-ops LIBRARY, or aitune_load_custom_ops(). In Python, give the "
                          "function before loading: aitune.custom_op(name, function), or aitune.load_custom_ops()");
      throw Unsupported(fmt::format("{} is the operator {}, which this aitune does not know", what, s.op), where_,
                        "Install a newer aitune, or tune the model again with this one");
    }
    for (const PlanArg& a : s.args) check_arg(a, what, 0);
    check(!s.results.empty(), "{} has no result", what);
    for (const auto r : s.results) check(writable(space_of_view(r)), "{} writes into an input or a constant", what);
  }

  void check_arg(const PlanArg& a, const std::string& what, std::size_t depth) const {
    check(depth <= kMaxListDepth, "{} has lists nested deeper than {}", what, kMaxListDepth);
    check(a.kind <= PlanArg::Kind::list, "{} has an argument of the unknown kind {}", what,
          static_cast<unsigned>(a.kind));
    if (a.kind == PlanArg::Kind::integer) check_expr(a.integer, what);
    if (a.kind == PlanArg::Kind::dtype) check_dtype(a.dtype, what);
    if (a.kind == PlanArg::Kind::tensor) check_index(a.tensor, plan_.views.size(), what + ": view");
    if (a.kind == PlanArg::Kind::list) {
      for (const PlanArg& item : a.list) check_arg(item, what, depth + 1);
    }
  }

  void check_fill(const PlanStep& s, const std::string& what) const {
    check(s.buffers.size() == 1 && s.params.size() == 3, "{} is a fill with {} buffers and {} parameters, not 1 and 3",
          what, s.buffers.size(), s.params.size());
    const PlanBuffer& buffer = plan_.buffers[s.buffers[0]];
    check(writable(buffer.space), "{} fills an input or a constant", what);
    const auto offset = constant_[s.params[0]], bytes = constant_[s.params[1]], room = constant_[buffer.bytes];
    check(offset.value_or(0) >= 0 && bytes.value_or(0) >= 0, "{} has a negative offset or size", what);
    if (offset && bytes && room) check(fits(*offset, *bytes, *room), "{} leaves its buffer", what);
  }

  void check_onednn(const PlanStep& s, const std::string& what) const {
    const OneDnnPayload payload = read_onednn_payload(s.payload, fmt::format("{}: {}", where_, what));
    for (const OneDnnPart& part : payload.parts) {
      check_index(part.weights, s.buffers.size(), what + ": weights");
      check(!part.layout.empty(), "{} does not say how its weights lie", what);
      check(plan_.buffers[s.buffers[part.weights]].space == BufferSpace::constant,
            "{} has weights that are no constant", what);
    }
    for (const OneDnnAccess& a : onednn_accesses(payload)) {
      check_index(a.buffer, s.buffers.size(), what + ": operand");
      const PlanBuffer& buffer = plan_.buffers[s.buffers[a.buffer]];
      check(!a.written || writable(buffer.space), "{} writes into an input or a constant", what);
      const auto room = constant_[buffer.bytes];
      check(room && fits(a.offset, a.bytes, static_cast<std::uint64_t>(*room)),
            "{} touches bytes {}+{} of a buffer that has {}", what, a.offset, a.bytes, room.value_or(0));
    }
  }

  void check_copy(const PlanStep& s, const std::string& what) const {
    check(s.buffers.size() == 2 && s.params.size() == 1, "{} is a copy with {} buffers and {} parameters, not 2 and 1",
          what, s.buffers.size(), s.params.size());
    check(writable(plan_.buffers[s.buffers[1]].space), "{} writes into an input or a constant", what);
    check(known_[s.params[0]] == 0, "{} depends on a size that data decide", what);
    const auto bytes = constant_[s.params[0]];
    check(bytes.value_or(0) >= 0, "{} has a negative size", what);
    for (const auto b : s.buffers) {
      const auto room = constant_[plan_.buffers[b].bytes];
      check(!bytes || !room || *bytes <= *room, "{} leaves its buffer", what);
    }
  }

  void check_control(const PlanStep& s, const std::string& what) const {
    check(!s.buffers.empty(), "{} has no condition", what);
    check(constant_[plan_.buffers[s.buffers[0]].bytes].value_or(0) >= 1, "{} has a condition without a byte", what);
    check(s.params.size() <= (s.kind == StepKind::loop ? 1u : 0u), "{} has {} parameters", what, s.params.size());
    for (const ExprId id : s.params) {
      check_known(id, 0, what);
      check(constant_[id].value_or(0) >= 0, "{} has a negative limit of trips", what);
    }
  }

  /// Ranges lie in each other, within the steps, and not too deep.
  void check_ranges() const {
    std::vector<std::size_t> ends;  // of the ranges that the present step lies in, the innermost last
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      while (!ends.empty() && ends.back() <= i) ends.pop_back();
      const PlanStep& s = plan_.steps[i];
      if (!is_control(s.kind)) continue;
      const std::size_t room = (ends.empty() ? plan_.steps.size() : ends.back()) - i - 1;
      const std::size_t first = s.ranges[0], second = s.ranges[1];
      check(first <= room && second <= room - first, "step {} ({}) has ranges of {} and {} steps where {} follow", i,
            s.name, first, second, room);
      ends.push_back(i + 1 + first + second);
      ends.push_back(i + 1 + first);
      check(ends.size() / 2 <= kMaxPlanDepth, "step {} ({}) lies in more than {} ranges", i, s.name, kMaxPlanDepth);
    }
  }

  /// Which of its buffers a kernel writes only its code knows: an output counts as written when a step has it.
  void check_outputs_written() const {
    std::vector<bool> written(plan_.outputs.size());
    const auto mark = [&](std::uint32_t buffer) {
      if (plan_.buffers[buffer].space == BufferSpace::output) written[plan_.buffers[buffer].index] = true;
    };
    for (const PlanStep& s : plan_.steps) {
      for (const auto b : s.buffers) mark(b);
      for (const auto r : s.results) mark(plan_.views[r].buffer);
    }
    for (std::size_t i = 0; i < written.size(); ++i) {
      check(written[i], "no step writes output '{}'", plan_.outputs[i].name);
    }
  }

  const Plan& plan_;
  const std::size_t code_size_, own_constants_, constants_size_;
  const std::string where_;
  std::vector<std::optional<std::int64_t>> constant_;
  std::vector<std::uint32_t> known_;  // when the value of each expression is known: plan_data.h
  std::vector<std::uint32_t> until_;  // up to which step it is
};

}  // namespace

void verify_plan(const Plan& plan, std::size_t code_size, std::size_t constants_size, std::string_view where) {
  try {
    Verifier(plan, code_size, constants_size, where).run();
  } catch (const Corrupt& e) {
    if (!e.where().empty()) throw;
    throw Corrupt(e.problem(), std::string(where));  // from an expression, which knows no file
  }
}

}  // namespace aitune

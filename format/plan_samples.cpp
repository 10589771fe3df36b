#include "format/plan_samples.h"

#include <cstring>

namespace aitune::samples {
namespace {

// for i in [begin, end): buffers[1][i] = buffers[0][i] + buffers[0][i]
constexpr std::uint8_t kTwice[] = {0x48, 0x39, 0xd6, 0x7d, 0x20, 0x48, 0x8b, 0x0f, 0x48, 0x8b, 0x01, 0x48, 0x8b,
                                   0x49, 0x08, 0xf3, 0x0f, 0x10, 0x04, 0xb0, 0xf3, 0x0f, 0x58, 0xc0, 0xf3, 0x0f,
                                   0x11, 0x04, 0xb1, 0x48, 0xff, 0xc6, 0x48, 0x39, 0xf2, 0x75, 0xea, 0xc3};

// n = params[0]; for i in [begin, end): for j < n: buffers[2][i*n+j] = buffers[0][i*n+j] + buffers[1][j]
constexpr std::uint8_t kAddRow[] = {0x48, 0x39, 0xd6, 0x7d, 0x5c, 0x48, 0x8b, 0x0f, 0x48, 0x8b, 0x7f, 0x08, 0x4c, 0x8b,
                                    0x09, 0x48, 0x8b, 0x41, 0x08, 0x4c, 0x8b, 0x41, 0x10, 0x48, 0x8b, 0x0f, 0x49, 0x89,
                                    0xca, 0x4c, 0x0f, 0xaf, 0xd6, 0x4b, 0x8d, 0x3c, 0x90, 0x4c, 0x8d, 0x04, 0x8d, 0x00,
                                    0x00, 0x00, 0x00, 0x4f, 0x8d, 0x0c, 0x91, 0x48, 0x85, 0xc9, 0x7e, 0x1d, 0x45, 0x31,
                                    0xd2, 0xf3, 0x43, 0x0f, 0x10, 0x04, 0x91, 0xf3, 0x42, 0x0f, 0x58, 0x04, 0x90, 0xf3,
                                    0x42, 0x0f, 0x11, 0x04, 0x97, 0x49, 0xff, 0xc2, 0x4c, 0x39, 0xd1, 0x75, 0xe6, 0x48,
                                    0xff, 0xc6, 0x4c, 0x01, 0xc7, 0x4d, 0x01, 0xc1, 0x48, 0x39, 0xd6, 0x75, 0xd0, 0xc3};

/// Appends at the next multiple of 64 and returns where.
std::size_t append(std::vector<std::byte>& segment, std::span<const std::byte> bytes) {
  segment.resize((segment.size() + 63) / 64 * 64);
  const std::size_t at = segment.size();
  segment.insert(segment.end(), bytes.begin(), bytes.end());
  return at;
}

/// The parameters say how much there is: the code itself knows its tasks alone.
PlanKernel twice_kernel(std::uint64_t entry) {
  PlanKernel k{entry, 2, 1, {}, 0, {}};  // params = {elements}
  k.exprs = {{PlanExpr::Op::symbol, 0, 0, 0},
             {PlanExpr::Op::constant, 0, 0, 0},
             {PlanExpr::Op::constant, 4, 0, 0},
             {PlanExpr::Op::mul, 0, 0, 2}};
  k.accesses = {{0, 1, 3, false}, {1, 1, 3, true}};
  return k;
}

PlanKernel add_row_kernel(std::uint64_t entry) {
  PlanKernel k{entry, 3, 2, {}, 1, {}};  // params = {columns, rows}
  k.exprs = {{PlanExpr::Op::symbol, 0, 0, 0},   {PlanExpr::Op::symbol, 1, 0, 0}, {PlanExpr::Op::constant, 0, 0, 0},
             {PlanExpr::Op::constant, 4, 0, 0}, {PlanExpr::Op::mul, 0, 0, 3},    {PlanExpr::Op::mul, 0, 1, 4}};
  k.accesses = {{0, 2, 5, false}, {1, 2, 4, false}, {2, 2, 5, true}};
  return k;
}

std::uint32_t buffer_of(const Plan& plan, std::uint32_t view) { return plan.views[view].buffer; }

PlanStep kernel(std::string name, std::uint32_t block, std::vector<std::uint32_t> buffers, std::uint64_t entry,
                ExprId tasks) {
  PlanStep step;
  step.name = std::move(name);
  step.block = block;
  step.buffers = std::move(buffers);
  step.entry = entry;
  step.tasks = tasks;
  return step;
}

}  // namespace

std::uint32_t add_view(Plan& plan, BufferSpace space, std::uint32_t index, ExprId offset, DType dtype,
                       std::vector<ExprId> shape) {
  ExprId bytes = plan.constant(static_cast<std::int64_t>(dtype_size(dtype)));
  for (const ExprId size : shape) bytes = plan.add(PlanExpr{PlanExpr::Op::mul, 0, bytes, size});
  plan.buffers.push_back({space, index, offset, bytes});
  plan.views.push_back({static_cast<std::uint32_t>(plan.buffers.size() - 1), dtype, std::move(shape)});
  return static_cast<std::uint32_t>(plan.views.size() - 1);
}

namespace {

BuiltPlan kernel_plan_for(const SymInt& size) {
  BuiltPlan built;
  Plan& plan = built.plan;
  plan.precision = "fp32";
  if (!size.is_constant()) plan.symbols = {{"s0", {1, 16}, 0, 0}};
  const ExprId rows = plan.add(size), columns = plan.constant(4), zero = plan.constant(0);
  plan.inputs = {{"x", DType::f32, {rows, columns}}};
  plan.outputs = {{"y", DType::f32, {rows, columns}}};
  plan.arena_bytes = plan.add(size * SymInt(16) + SymInt(64));

  const float row[] = {1, 2, 3, 4};
  const auto row_at = plan.constant(static_cast<std::int64_t>(append(built.constants, std::as_bytes(std::span(row)))));
  const auto x = add_view(plan, BufferSpace::input, 0, zero, DType::f32, {rows, columns});
  const auto h = add_view(plan, BufferSpace::arena, 0, plan.constant(64), DType::f32, {rows, columns});
  const auto r = add_view(plan, BufferSpace::constant, 0, row_at, DType::f32, {columns});
  const auto y = add_view(plan, BufferSpace::output, 0, zero, DType::f32, {rows, columns});

  plan.sources = {{"mul", "aten.mul.Tensor", "scale", "model.py:3 in forward: x * 2"},
                  {"add", "aten.add.Tensor", "shift", "model.py:4 in forward: x + row"}};
  plan.blocks = {{"cpu", "", {h}}, {"cpu", "", {y}}};
  const auto twice = append(built.code, std::as_bytes(std::span(kTwice)));
  const auto add_row = append(built.code, std::as_bytes(std::span(kAddRow)));
  plan.steps.push_back(kernel("twice", 0, {buffer_of(plan, x), buffer_of(plan, h)}, twice, plan.add(size * SymInt(4))));
  plan.steps.push_back(
      kernel("add_row", 1, {buffer_of(plan, h), buffer_of(plan, r), buffer_of(plan, y)}, add_row, rows));
  plan.steps[0].sources = {0};
  plan.steps[1].sources = {1};
  plan.steps[0].params = {plan.steps[0].tasks};
  plan.steps[1].params = {columns, rows};
  plan.kernels = {twice_kernel(twice), add_row_kernel(add_row)};
  if (!size.is_constant()) plan.guards = {{rows, plan.constant(1), false, "s0 >= 1"}};
  return built;
}

}  // namespace

BuiltPlan kernel_plan() { return kernel_plan_for(SymInt::symbol("s0")); }

BuiltPlan fixed_kernel_plan(std::int64_t rows) { return kernel_plan_for(rows); }

BuiltPlan reference_plan() {
  BuiltPlan built;
  Plan& plan = built.plan;
  plan.precision = "fp32";
  plan.symbols = {{"s0", {1, SymRange::kNoMax}, 0, 0}};
  const ExprId rows = plan.add(SymInt::symbol("s0")), columns = plan.constant(3), zero = plan.constant(0);
  plan.inputs = {{"x", DType::f32, {rows, columns}}};
  plan.outputs = {{"y", DType::f32, {rows, columns}}, {"z", DType::f32, {plan.constant(2)}}};
  plan.arena_bytes = zero;
  const auto x = add_view(plan, BufferSpace::input, 0, zero, DType::f32, {rows, columns});
  const auto y = add_view(plan, BufferSpace::output, 0, zero, DType::f32, {rows, columns});
  const auto z = add_view(plan, BufferSpace::output, 1, zero, DType::f32, {plan.constant(2)});
  plan.sources = {{"relu", "aten.relu.default", "act", "model.py:3 in forward: relu(x)", {0}}};
  plan.origins = {{"relu_", "aten.relu_.default", "act", "model.py:3 in forward: relu(x)", {}}};
  plan.blocks = {{"reference", "no compiled engine takes aten.relu.default", {y}}, {"cpu", "", {z}}};

  PlanStep relu;
  relu.kind = StepKind::reference;
  relu.name = relu.op = "aten.relu.default";
  relu.sources = {0};
  relu.args.resize(1);
  relu.args[0].kind = PlanArg::Kind::tensor;
  relu.args[0].tensor = x;
  relu.results = {y};
  const ExprId one = plan.constant(1);
  relu.values = {{"relu", buffer_of(plan, y), DType::f32, zero, {rows, columns}, {columns, one}}};
  plan.steps.push_back(std::move(relu));

  PlanStep fill;
  fill.kind = StepKind::fill;
  fill.name = "fill";
  fill.block = 1;
  fill.buffers = {buffer_of(plan, z)};
  fill.params = {zero, plan.constant(8), plan.constant(0x3fc00000)};  // 1.5f
  plan.steps.push_back(std::move(fill));
  return built;
}

BuiltPlan data_plan() {
  BuiltPlan built;
  Plan& plan = built.plan;
  plan.precision = "fp32";
  plan.symbols = {{"s0", {1, 64}, 0, 0}, {"u0", {0, SymRange::kNoMax}, 0, 0, true, 0, 0, 0}};
  const ExprId all = plan.add(SymInt::symbol("s0")), kept = plan.add(SymInt::symbol("u0"));
  const ExprId one = plan.constant(1), zero = plan.constant(0);
  plan.symbols[1].at_most = all;
  plan.inputs = {{"x", DType::f32, {all}}};
  plan.outputs = {{"y", DType::f32, {kept}, {all}}, {"z", DType::i64, {kept, one}, {all, one}}};
  plan.arena_bytes = plan.add(SymInt::symbol("s0") * SymInt(4));
  const auto x = add_view(plan, BufferSpace::input, 0, zero, DType::f32, {all});
  // Buffers have room for the most that there can be.
  const auto y = add_view(plan, BufferSpace::output, 0, zero, DType::f32, {all});
  const auto z = add_view(plan, BufferSpace::output, 1, zero, DType::i64, {all, one});
  const auto h = add_view(plan, BufferSpace::arena, 0, zero, DType::f32, {all});
  plan.views[y].shape = plan.views[h].shape = {kept};
  plan.views[z].shape = {kept, one};
  plan.views.push_back({plan.views[z].buffer, DType::i64, {kept}});
  const auto flat = static_cast<std::uint32_t>(plan.views.size() - 1);
  plan.sources = {{"nonzero", "aten.nonzero.default", "", "model.py:3 in forward: nonzero(x)"}};
  plan.blocks = {{"reference", "data decide the size of its result", {z, h}}, {"cpu", "", {y}}};
  const auto tensor = [](std::uint32_t view) {
    PlanArg arg;
    arg.kind = PlanArg::Kind::tensor;
    arg.tensor = view;
    return arg;
  };
  PlanArg dim;
  dim.kind = PlanArg::Kind::integer;
  dim.integer = zero;
  PlanStep find, take;
  find.kind = take.kind = StepKind::reference;
  find.name = find.op = "aten.nonzero.default";
  find.sources = {0};
  find.args = {tensor(x)};
  find.results = {z};
  take.name = take.op = "aten.index_select.default";
  take.args = {tensor(x), dim, tensor(flat)};
  take.results = {h};
  plan.steps = {find, take};
  const auto twice = append(built.code, std::as_bytes(std::span(kTwice)));
  plan.steps.push_back(kernel("twice", 1, {buffer_of(plan, h), buffer_of(plan, y)}, twice, kept));
  plan.steps[2].params = {kept};
  plan.kernels = {twice_kernel(twice)};
  plan.guards = {{all, kept, false, "s0 >= u0"}};
  return built;
}

namespace {

PlanStep reference(const Plan& plan, std::string op, std::uint32_t block, std::initializer_list<std::uint32_t> operands,
                   std::uint32_t result) {
  PlanStep step;
  step.kind = StepKind::reference;
  step.name = step.op = std::move(op);
  step.block = block;
  for (const auto view : operands) {
    step.args.emplace_back().kind = PlanArg::Kind::tensor;
    step.args.back().tensor = view;
    step.buffers.push_back(buffer_of(plan, view));
  }
  step.results = {result};
  step.buffers.push_back(buffer_of(plan, result));
  return step;
}

PlanStep copy(Plan& plan, std::uint32_t block, std::uint32_t from, std::uint32_t to, std::int64_t bytes) {
  PlanStep step;
  step.kind = StepKind::copy;
  step.name = "copy";
  step.block = block;
  step.buffers = {buffer_of(plan, from), buffer_of(plan, to)};
  step.params = {plan.constant(bytes)};
  return step;
}

PlanArg number(double value) {
  PlanArg arg;
  arg.kind = PlanArg::Kind::number;
  arg.number = value;
  return arg;
}

}  // namespace

BuiltPlan control_plan() {
  BuiltPlan built;
  Plan& plan = built.plan;
  plan.precision = "fp32";
  const ExprId zero = plan.constant(0), four = plan.constant(4);
  plan.inputs = {{"x", DType::f32, {four}}, {"n", DType::i64, {}}, {"c", DType::b8, {}}};
  plan.outputs = {{"y", DType::f32, {four}}, {"z", DType::f32, {four}}};
  plan.arena_bytes = plan.constant(256);
  const auto x = add_view(plan, BufferSpace::input, 0, zero, DType::f32, {four});
  const auto n = add_view(plan, BufferSpace::input, 1, zero, DType::i64, {});
  const auto c = add_view(plan, BufferSpace::input, 2, zero, DType::b8, {});
  const auto y = add_view(plan, BufferSpace::output, 0, zero, DType::f32, {four});
  const auto z = add_view(plan, BufferSpace::output, 1, zero, DType::f32, {four});
  const auto trip = add_view(plan, BufferSpace::arena, 0, zero, DType::i64, {});
  const auto go = add_view(plan, BufferSpace::arena, 0, plan.constant(64), DType::b8, {});
  const auto next = add_view(plan, BufferSpace::arena, 0, plan.constant(128), DType::i64, {});
  const auto twice = add_view(plan, BufferSpace::arena, 0, plan.constant(192), DType::f32, {four});
  plan.sources = {{"y", "higher_order.while_loop.default", "", "model.py:3 in forward: for i in range(n)"}};
  plan.blocks = {
      {"reference", "", {}}, {"control", "", {y}}, {"reference", "", {}}, {"control", "", {z}}, {"reference", "", {}}};

  PlanStep start = reference(plan, "aten.mul.Scalar", 0, {n}, trip);  // 0
  start.args.push_back(number(0));
  plan.steps.push_back(std::move(start));
  plan.steps.push_back(copy(plan, 1, x, y, 16));
  PlanStep loop;
  loop.kind = StepKind::loop;
  loop.name = "loop";
  loop.block = 1;
  loop.sources = {0};
  loop.buffers = {buffer_of(plan, go), buffer_of(plan, trip), buffer_of(plan, y)};
  loop.params = {plan.constant(10)};
  loop.ranges = {1, 4};
  plan.steps.push_back(std::move(loop));
  plan.steps.push_back(reference(plan, "aten.lt.Tensor", 2, {trip, n}, go));
  PlanStep add = reference(plan, "aten.add.Scalar", 2, {trip}, next);
  add.args.push_back(number(1));
  add.args.push_back(number(1));
  plan.steps.push_back(std::move(add));
  PlanStep doubled = reference(plan, "aten.mul.Scalar", 2, {y}, twice);
  doubled.args.push_back(number(2));
  plan.steps.push_back(std::move(doubled));
  plan.steps.push_back(copy(plan, 2, next, trip, 8));
  plan.steps.push_back(copy(plan, 2, twice, y, 16));
  PlanStep branch;
  branch.kind = StepKind::branch;
  branch.name = "if";
  branch.block = 3;
  branch.buffers = {buffer_of(plan, c)};
  branch.ranges = {1, 1};
  plan.steps.push_back(std::move(branch));
  plan.steps.push_back(copy(plan, 4, y, z, 16));
  plan.steps.push_back(reference(plan, "aten.neg.default", 4, {y}, z));
  return built;
}

BuiltPlan region_plan() {
  BuiltPlan built;
  Plan& plan = built.plan;
  plan.precision = "fp32";
  plan.symbols = {{"s0", {1, 64}, 0, 0}, {"u0", {0, SymRange::kNoMax}, 0, 0, true, 1, 0, 0}};
  const ExprId all = plan.add(SymInt::symbol("s0")), kept = plan.add(SymInt::symbol("u0"));
  const ExprId zero = plan.constant(0), one = plan.constant(1);
  plan.symbols[1].at_most = all;
  plan.inputs = {{"x", DType::f32, {all}}, {"c", DType::b8, {}}};
  plan.outputs = {{"y", DType::f32, {}}};
  plan.arena_bytes = plan.add(SymInt::symbol("s0") * SymInt(128));
  const auto x = add_view(plan, BufferSpace::input, 0, zero, DType::f32, {all});
  const auto c = add_view(plan, BufferSpace::input, 1, zero, DType::b8, {});
  const auto y = add_view(plan, BufferSpace::output, 0, zero, DType::f32, {});
  const auto z = add_view(plan, BufferSpace::arena, 0, zero, DType::i64, {all, one});
  const auto h = add_view(plan, BufferSpace::arena, 0, plan.add(SymInt::symbol("s0") * SymInt(64)), DType::f32, {all});
  plan.views[z].shape = {kept, one};
  plan.views[h].shape = {kept};
  plan.views.push_back({plan.views[z].buffer, DType::i64, {kept}});
  const auto flat = static_cast<std::uint32_t>(plan.views.size() - 1);
  plan.blocks = {{"control", "", {y}}, {"reference", "", {}}};
  PlanStep branch;
  branch.kind = StepKind::branch;
  branch.name = "if";
  branch.buffers = {buffer_of(plan, c)};
  branch.ranges = {3, 1};
  plan.steps.push_back(std::move(branch));
  plan.steps.push_back(reference(plan, "aten.nonzero.default", 1, {x}, z));
  PlanStep take = reference(plan, "aten.index_select.default", 1, {x, flat}, h);
  PlanArg dim;
  dim.kind = PlanArg::Kind::integer;
  dim.integer = zero;
  take.args.insert(take.args.begin() + 1, dim);
  plan.steps.push_back(std::move(take));
  for (const auto operand : {h, x}) {
    plan.steps.push_back(reference(plan, "aten.sum.default", 1, {operand}, y));
    plan.steps.back().args.emplace_back();
  }
  plan.guards = {{all, kept, false, "s0 >= u0"}, {all, plan.constant(2), false, "s0 >= 2", 2}};
  return built;
}

}  // namespace aitune::samples

#include "runtime/instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "base/error.h"
#include "format/plan_samples.h"

namespace aitune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LoadOptions threads(int count) {
  LoadOptions options;
  options.num_threads = count;
  return options;
}

Tensor random_input(std::int64_t rows, std::int64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  Tensor x(DType::f32, {rows, columns});
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = std::uniform_real_distribution<float>(-1, 1)(random);
  return x;
}

void expect_kernel_plan_result(const Tensor& x, const Tensor& y) {
  ASSERT_EQ(y.shape(), x.shape());
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    ASSERT_EQ(y.as<float>()[i], 2 * x.as<float>()[i] + static_cast<float>(i % 4 + 1)) << "element " << i;
  }
}

std::string refusal(Instance& instance, std::vector<Tensor> inputs) {
  try {
    instance.run(inputs);
    return "accepted";
  } catch (const InvalidArgument& e) {
    return e.what();
  }
}

/// The plan with what its first step leaves in memory: 2 * x, as rows, and transposed.
BuiltPlan plan_with_values() {
  auto built = samples::kernel_plan();
  Plan& plan = built.plan;
  const ExprId rows = plan.add(SymInt::symbol("s0")), four = plan.constant(4), one = plan.constant(1),
               zero = plan.constant(0);
  const std::uint32_t buffer = plan.steps[0].buffers[1];
  plan.steps[0].values = {{"twice", buffer, DType::f32, zero, {rows, four}, {four, one}},
                          {"turned", buffer, DType::f32, zero, {four, rows}, {one, four}}};
  return built;
}

TEST(Instance, ShowsTheValuesThatStepsLeave) {
  Instance instance(Program::from_built(plan_with_values(), threads(1)));
  const Tensor inputs[] = {random_input(3, 4, 5)};
  std::vector<std::string> names;
  const auto outputs = instance.run_values(inputs, [&](std::size_t step, const PlanValue& value, const Tensor& tensor) {
    EXPECT_EQ(step, 0u);
    names.push_back(value.name);
    const Tensor whole = tensor.contiguous();
    for (std::int64_t i = 0; i < 12; ++i) {
      const std::int64_t from = value.name == "twice" ? i : i % 3 * 4 + i / 3;
      EXPECT_EQ(whole.as<float>()[i], 2 * inputs[0].as<float>()[from]) << value.name << " " << i;
    }
  });
  EXPECT_THAT(names, ElementsAre("twice", "turned"));
  expect_kernel_plan_result(inputs[0], outputs[0]);
}

/// dynamically_allocate_resources
TEST(Instance, HoldsMemoryOnlyWhileItRunsWhereThePlanSaysSo) {
  auto built = samples::kernel_plan();
  const Tensor wide = random_input(6, 8, 2);
  const Tensor strided(DType::f32, {6, 4}, {8, 1}, wide.owner(), wide.data());
  Instance keeps(Program::from_built(built, threads(1)));
  keeps.run({&strided, 1});
  EXPECT_GT(keeps.held_bytes(), 6 * 4 * sizeof(float));  // beside the copy there is the arena
  built.plan.release_memory = true;
  const auto bytes = serialize_plan(built);  // read where they lie
  Instance instance(Program::from_plan(bytes, "a plan", threads(1)));
  for (const std::int64_t rows : {3, 6, 3}) {
    const Tensor inputs[] = {rows == 6 ? strided : random_input(rows, 4, 5)};
    EXPECT_EQ(instance.held_bytes(), 0u);
    std::size_t held = 0;
    const StepObserver observer = [&](std::size_t, std::chrono::nanoseconds) {
      held = std::max(held, instance.held_bytes());
    };
    expect_kernel_plan_result(inputs[0].contiguous(), instance.run(inputs, &observer)[0]);
    EXPECT_GT(held, 0u);
    EXPECT_EQ(instance.held_bytes(), 0u);
  }
  const Tensor wrong(DType::f64, {3, 4});
  EXPECT_THAT(refusal(instance, {wrong}), HasSubstr("f64"));
  const StepObserver failing = [](std::size_t, std::chrono::nanoseconds) { throw IoError("in the middle"); };
  const Tensor inputs[] = {random_input(3, 4, 5)};
  EXPECT_THROW(instance.run(inputs, &failing), IoError);
  EXPECT_EQ(instance.held_bytes(), 0u);
}

TEST(Instance, AValueOutsideItsBufferIsRefusedWhenItIsShown) {
  const std::pair<std::int64_t, std::int64_t> offsets_and_strides[] = {
      {1, 4}, {0, 5}, {-1, 4}, {0, -4}, {0, std::int64_t{1} << 62}, {std::int64_t{1} << 62, 4}};
  // Many elements in one place would need more memory than the plan does.
  auto crowded = plan_with_values();
  crowded.plan.steps[0].values[0].shape[0] = crowded.plan.constant(std::int64_t{1} << 40);
  crowded.plan.steps[0].values[0].strides[0] = crowded.plan.constant(0);
  Instance crowd(Program::from_built(crowded, threads(1)));
  const Tensor three[] = {random_input(3, 4, 5)};
  EXPECT_THROW(crowd.run_values(three, [](std::size_t, const PlanValue&, const Tensor&) {}), Corrupt);
  for (const auto& [offset, stride] : offsets_and_strides) {
    auto built = plan_with_values();
    built.plan.steps[0].values[0].offset = built.plan.constant(offset);
    built.plan.steps[0].values[0].strides[0] = built.plan.constant(stride);
    Instance instance(Program::from_built(built, threads(1)));
    const Tensor inputs[] = {random_input(3, 4, 5)};
    expect_kernel_plan_result(inputs[0], instance.run(inputs)[0]);  // running needs no values
    EXPECT_THROW(instance.run_values(inputs, [](std::size_t, const PlanValue&, const Tensor&) {}), Corrupt)
        << offset << ", " << stride;
  }
}

TEST(Instance, RunsGeneratedCode) {
  for (const int n : {1, 2, 4}) {
    Instance instance(Program::from_built(samples::kernel_plan(), threads(n)));
    for (const std::int64_t rows : {1, 16, 3, 1}) {
      const Tensor inputs[] = {random_input(rows, 4, static_cast<unsigned>(rows))};
      const auto outputs = instance.run(inputs);
      ASSERT_EQ(outputs.size(), 1u);
      expect_kernel_plan_result(inputs[0], outputs[0]);
    }
  }
}

TEST(Instance, RunsReferenceAndFillSteps) {
  Instance instance(Program::from_built(samples::reference_plan(), threads(1)));
  const Tensor inputs[] = {random_input(5, 3, 7)};
  for (int round = 0; round < 2; ++round) {
    const auto outputs = instance.run(inputs);
    for (int i = 0; i < 15; ++i) EXPECT_EQ(outputs[0].as<float>()[i], std::max(0.f, inputs[0].as<float>()[i]));
    EXPECT_EQ(outputs[1].as<float>()[0], 1.5f);
    EXPECT_EQ(outputs[1].as<float>()[1], 1.5f);
  }
}

TEST(Instance, HoldsCallsOfKernelsToWhatTheyTouch) {
  const auto refusal_of = [](const std::function<void(Plan&)>& spoil) -> std::string {
    auto built = samples::kernel_plan();
    spoil(built.plan);
    try {
      const Tensor x = random_input(3, 4, 1);
      Instance(Program::from_built(built, threads(1))).run(std::span(&x, 1));
      return "accepted";
    } catch (const Corrupt& e) {
      return e.what();
    }
  };
  const auto s0 = SymInt::symbol("s0");
  EXPECT_THAT(refusal_of([&](Plan& p) { p.steps[0].params = {p.add(s0 * SymInt(400))}; }), HasSubstr("tasks"));
  EXPECT_THAT(refusal_of([&](Plan& p) { p.steps[1].params[0] = p.constant(40); }),
              HasSubstr("buffer 0 with 48 bytes; it touches bytes 0 to 480"));
  EXPECT_THAT(refusal_of([&](Plan& p) {
                p.arena_bytes = p.constant(1024);
                p.buffers[1].offset = p.constant(4);
              }),
              HasSubstr("not at a multiple of 64"));
  EXPECT_EQ(refusal_of([](Plan&) {}), "accepted");
}

TEST(Instance, TakesStridedAndMisalignedInputs) {
  Instance instance(Program::from_built(samples::kernel_plan(), threads(1)));
  const Tensor columns = random_input(4, 6, 1);  // its transpose is the input
  const Tensor strided(DType::f32, {6, 4}, {1, 6}, columns.owner(), columns.data());
  expect_kernel_plan_result(strided.contiguous(), instance.run(std::span(&strided, 1))[0]);

  const Tensor plain = random_input(2, 4, 2);
  std::vector<std::byte> bytes(plain.byte_size() + 1);
  std::memcpy(bytes.data() + 1, plain.data(), plain.byte_size());
  const Tensor odd = Tensor::borrow(DType::f32, {2, 4}, bytes.data() + 1);
  expect_kernel_plan_result(plain, instance.run(std::span(&odd, 1))[0]);
}

TEST(Instance, RefusesWrongInputsWithWhatItExpected) {
  Instance instance(Program::from_built(samples::kernel_plan(), threads(1)));
  EXPECT_THAT(refusal(instance, {}), HasSubstr("takes 1 inputs (x), got 0"));
  EXPECT_THAT(refusal(instance, {Tensor(DType::f64, {1, 4})}),
              HasSubstr("wrong dtype: expected f32[s0,4] (s0 in [1,16]), got f64[1,4]"));
  EXPECT_THAT(refusal(instance, {Tensor(DType::f32, {4})}), HasSubstr("wrong rank"));
  EXPECT_THAT(refusal(instance, {Tensor(DType::f32, {2, 5})}), HasSubstr("wrong size of dimension 1"));
  EXPECT_THAT(refusal(instance, {Tensor(DType::f32, {17, 4})}), HasSubstr("dimension 0 is out of range"));
  EXPECT_THAT(refusal(instance, {Tensor(DType::f32, {0, 4})}), HasSubstr("dimension 0 is out of range"));
  EXPECT_THAT(refusal(instance, {Tensor::borrow(DType::f32, {1, 4}, nullptr)}), HasSubstr("null"));
  EXPECT_EQ(refusal(instance, {Tensor(DType::f32, {16, 4})}), "accepted");
}

TEST(Instance, RefusesWrongOutputMemory) {
  Instance instance(Program::from_built(samples::kernel_plan(), threads(1)));
  const Tensor x = random_input(2, 4, 3);
  Tensor y(DType::f32, {2, 4}), wide(DType::f32, {2, 5}), integers(DType::i32, {2, 4});
  const auto refused = [&](const TensorRef& output) {
    const TensorRef input(x);
    try {
      instance.run(std::span(&input, 1), std::span(&output, 1));
      return std::string("accepted");
    } catch (const InvalidArgument& e) {
      return std::string(e.what());
    }
  };
  EXPECT_EQ(refused(TensorRef(y)), "accepted");
  expect_kernel_plan_result(x, y);
  EXPECT_THAT(refused(TensorRef(wide)), HasSubstr("f32[2,5], but the result is f32[2,4]"));
  EXPECT_THAT(refused(TensorRef(integers)), HasSubstr("i32[2,4]"));
  EXPECT_THAT(refused(TensorRef(x)), HasSubstr("overlaps input 0"));
  EXPECT_THAT(refused(TensorRef(DType::f32, y.shape(), nullptr)), HasSubstr("null"));
  const Tensor transposed(DType::f32, {2, 4}, {1, 2}, y.owner(), y.data());
  EXPECT_THAT(refused(TensorRef(transposed)), HasSubstr("contiguous"));
}

TEST(Instance, AStridedInputReachesNoFurtherThanItsElements) {
  Instance instance(Program::from_built(samples::kernel_plan(), threads(1)));
  Tensor memory(DType::f32, {16});
  std::ranges::fill_n(memory.as<float>(), 16, 3.0F);
  const Shape shape = {2, 4};
  const auto run = [&](std::array<std::int64_t, 2> strides, std::size_t from, std::size_t to) {
    TensorRef input(DType::f32, shape, memory.as<float>() + from);
    input.strides = strides;
    const TensorRef output(DType::f32, shape, memory.as<float>() + to);
    instance.run(std::span(&input, 1), std::span(&output, 1));
  };
  run({0, 0}, 3, 4);   // one number, and the output right behind it
  run({0, 1}, 12, 4);  // a row, twice
  run({-4, -1}, 7, 8);
  EXPECT_THROW(run({-4, -1}, 15, 4), InvalidArgument);
  EXPECT_THROW(run({0, 1}, 8, 4), InvalidArgument);
}

TEST(Instance, SizesThatBreakThePlanAreRefusedWhenTheyCome) {
  auto built = samples::kernel_plan();  // the arena has room for 8 rows only
  built.plan.arena_bytes = built.plan.constant(64 + 8 * 16);
  Instance instance(Program::from_built(built, threads(1)));
  const Tensor small = random_input(8, 4, 1), large = random_input(9, 4, 1);
  expect_kernel_plan_result(small, instance.run(std::span(&small, 1))[0]);
  EXPECT_THROW(instance.run(std::span(&large, 1)), Corrupt);
  expect_kernel_plan_result(small, instance.run(std::span(&small, 1))[0]);
}

TEST(Instance, GuardsRefuseSizesThatTheModelCannotTake) {
  auto built = samples::kernel_plan();
  Plan& plan = built.plan;
  const SymInt rows = SymInt::symbol("s0");
  plan.guards.push_back({plan.add(mod(rows, 2)), plan.constant(0), true, "s0 % 2 == 0"});
  plan.guards.push_back({plan.constant(6), plan.add(rows), false, "6 >= s0"});
  Instance instance(Program::from_built(built, threads(1)));
  EXPECT_EQ(refusal(instance, {random_input(4, 4, 1)}), "accepted");
  const std::string odd = refusal(instance, {random_input(3, 4, 1)});
  EXPECT_THAT(odd, HasSubstr("the model needs s0 % 2 == 0 (s0 is dimension 0 of input 'x', 3)"));
  EXPECT_THAT(refusal(instance, {random_input(8, 4, 1)}), HasSubstr("the model needs 6 >= s0"));
}

TEST(Instance, ShowsTheOutputsOfBlocks) {
  Instance instance(Program::from_built(samples::kernel_plan(), threads(1)));
  const Tensor x = random_input(3, 4, 5);
  const auto first = instance.run_until_block(std::span(&x, 1), 0);
  ASSERT_EQ(first.size(), 1u);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(first[0].as<float>()[i], 2 * x.as<float>()[i]);
  std::vector<std::size_t> seen;
  const auto outputs =
      instance.run_blocks(std::span(&x, 1), [&](std::size_t block, const std::vector<Tensor>& tensors) {
        seen.push_back(block);
        EXPECT_EQ(tensors.size(), 1u);
      });
  EXPECT_THAT(seen, ElementsAre(0, 1));
  expect_kernel_plan_result(x, outputs[0]);
  EXPECT_THROW(instance.run_until_block(std::span(&x, 1), 2), InvalidArgument);
}

TEST(Instance, ProfilesEveryStep) {
  Instance instance(Program::from_built(samples::kernel_plan(), threads(1)));
  const Tensor x = random_input(3, 4, 5);
  const auto times = instance.profile(std::span(&x, 1));
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[1].step, 1u);
}

TEST(Instance, RemembersManyShapes) {
  auto built = samples::kernel_plan();
  built.plan.symbols[0].range = {1, 100};
  Instance instance(Program::from_built(built, threads(2)));
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t rows = 100; rows >= 1; rows -= 3) {
      const Tensor x = random_input(rows, 4, 9);
      expect_kernel_plan_result(x, instance.run(std::span(&x, 1))[0]);
    }
  }
}

TEST(Instance, ManyInstancesOfOneProgramAtOnce) {
  const auto program = Program::from_built(samples::kernel_plan(), threads(3));
  std::vector<std::jthread> callers;
  for (unsigned c = 0; c < 4; ++c) {
    callers.emplace_back([&, c] {
      Instance instance(program);
      for (unsigned round = 0; round < 200; ++round) {
        const Tensor x = random_input(1 + (c + round) % 16, 4, 100 * c + round);
        expect_kernel_plan_result(x, instance.run(std::span(&x, 1))[0]);
      }
    });
  }
}

Tensor numbers(const std::vector<float>& values) { return Tensor::of<float>(DType::f32, values); }

TEST(Instance, FindsOutSizesThatDataDecide) {
  Instance instance(Program::from_built(samples::data_plan(), threads(2)));
  for (const std::vector<float>& x :
       std::vector<std::vector<float>>{{0, 3, 0, -1, 5}, {0, 0, 0, 0, 0}, {1, 2, 3, 4, 5}, {0}, {7}, {0, 0, 0, 0, 9}}) {
    std::vector<float> y;
    std::vector<std::int64_t> z;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (x[i] != 0) y.push_back(2 * x[i]), z.push_back(static_cast<std::int64_t>(i));
    const Tensor input = numbers(x);
    const auto count = static_cast<std::int64_t>(y.size());
    EXPECT_EQ(instance.output_shapes(std::vector<TensorRef>{TensorRef(input)})[0], input.shape());
    const auto outputs = instance.run(std::span(&input, 1));
    ASSERT_EQ(outputs[0].shape(), Shape{count});
    ASSERT_EQ(outputs[1].shape(), (Shape{count, 1}));
    EXPECT_TRUE(std::equal(y.begin(), y.end(), outputs[0].as<float>()));
    EXPECT_TRUE(std::equal(z.begin(), z.end(), outputs[1].as<std::int64_t>()));
    instance.run_blocks(std::span(&input, 1), [&](std::size_t, const std::vector<Tensor>& values) {
      for (const Tensor& value : values) EXPECT_EQ(value.size(0), count);
    });
  }
}

/// Whatever the plan says, nothing is written where no memory is.
TEST(Instance, HoldsSizesThatDataDecideToWhatIsPlanned) {
  const auto refusal_of = [](const std::function<void(Plan&)>& spoil) -> std::string {
    auto built = samples::data_plan();
    spoil(built.plan);
    const Tensor x = numbers({1, 2, 3, 4, 5, 6, 7, 8});
    try {
      Instance(Program::from_built(built, threads(1))).run(std::span(&x, 1));
      return "accepted";
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::internal) << e.what();
      return e.what();
    }
  };
  EXPECT_EQ(refusal_of([](Plan&) {}), "accepted");
  EXPECT_THAT(refusal_of([](Plan& p) { p.symbols[1].range.max = 7; }),
              HasSubstr("u0 is 8, and the plan is for 0 to 7"));
  EXPECT_THAT(refusal_of([](Plan& p) { p.symbols[1].at_most = p.constant(5); }), HasSubstr("0 to 5"));
  EXPECT_THAT(refusal_of([](Plan& p) { p.symbols[1].range.min = 9; }), HasSubstr("u0 is 8"));
  // Memory for fewer than there are: of the result, of what is taken, of what the kernel reads and writes.
  EXPECT_THAT(refusal_of([](Plan& p) { p.buffers[2].bytes = p.constant(56); }), HasSubstr("there is room for 7"));
  EXPECT_THAT(refusal_of([](Plan& p) { p.buffers[3].bytes = p.constant(28); }), HasSubstr("does not fit its buffer"));
  EXPECT_THAT(refusal_of([](Plan& p) { p.buffers[1].bytes = p.constant(28); }), HasSubstr("touches bytes 0 to 32"));
  EXPECT_THAT(refusal_of([&](Plan& p) { p.steps[2].params = {p.add(SymInt::symbol("u0") * SymInt(2))}; }),
              HasSubstr("divides its work into 16"));
  // A result of another shape than the plan says.
  EXPECT_THAT(refusal_of([](Plan& p) { p.views[2].shape[1] = p.constant(2); }), HasSubstr("another shape"));
  EXPECT_THAT(refusal_of([](Plan& p) { p.views[2].shape.pop_back(); }), HasSubstr("another shape"));
  EXPECT_THAT(
      refusal_of([](Plan& p) { p.guards.push_back({p.constant(3), p.add(SymInt::symbol("u0")), false, "3 >= u0"}); }),
      HasSubstr("the model needs 3 >= u0 (u0 is decided by data in aten.nonzero.default, 8)"));
  // An output that claims more than its memory.
  EXPECT_THAT(refusal_of([&](Plan& p) { p.outputs[0].shape = {p.add(SymInt::symbol("u0") * SymInt(3))}; }),
              HasSubstr("more than the plan has memory for"));
  EXPECT_THAT(refusal_of([&](Plan& p) { p.outputs[0].shape = {p.add(SymInt::symbol("u0") - SymInt(9))}; }),
              HasSubstr("negative"));
  // A view that is operand and result of an operator that reports extents: what it reads is checked all the same.
  EXPECT_THAT(refusal_of([](Plan& p) {
                PlanStep again = p.steps[0];
                p.views.push_back({p.views[2].buffer, DType::i64, {p.add(SymInt::symbol("u0") * SymInt(100))}});
                again.args[0].tensor = again.results[0] = static_cast<std::uint32_t>(p.views.size() - 1);
                p.steps.insert(p.steps.begin() + 1, again);
              }),
              HasSubstr("does not fit its buffer"));
  // An operator that finds nothing out.
  EXPECT_THAT(refusal_of([](Plan& p) {
                p.steps[0].op = "aten.relu.default";
                p.steps[0].args.resize(1);
              }),
              HasSubstr("finds out none"));
}

std::vector<Tensor> control_inputs(std::int64_t trips, bool flag) {
  Tensor x(DType::f32, {4});
  for (int i = 0; i < 4; ++i) x.as<float>()[i] = static_cast<float>(i - 1);
  return {x, Tensor::scalar(DType::i64, trips), Tensor::scalar(DType::b8, flag)};
}

void expect_control_result(Instance& instance, std::int64_t trips, bool flag) {
  const auto outputs = instance.run(control_inputs(trips, flag));
  for (int i = 0; i < 4; ++i) {
    const float y = static_cast<float>(i - 1) * std::exp2(static_cast<float>(std::max<std::int64_t>(trips, 0)));
    ASSERT_EQ(outputs[0].as<float>()[i], y) << trips << " trips";
    ASSERT_EQ(outputs[1].as<float>()[i], flag ? y : -y) << trips << " trips";
  }
}

TEST(ControlSteps, LoopsAndBranchesGoAsDataTell) {
  Instance instance(Program::from_built(samples::control_plan(), threads(1)));
  for (const std::int64_t trips : {0, 3, 10, -5, 1})
    for (const bool flag : {true, false}) expect_control_result(instance, trips, flag);
}

TEST(ControlSteps, ALimitOfTripsEndsALoop) {
  Instance instance(Program::from_built(samples::control_plan(), threads(1)));
  for (const std::int64_t trips : {std::int64_t{11}, INT64_MAX}) {
    const std::string message = refusal(instance, control_inputs(trips, true));
    EXPECT_THAT(message, HasSubstr("does not end within 10 trips"));
    EXPECT_THAT(message, HasSubstr("step 2 (loop), node y"));
  }
  expect_control_result(instance, 10, false);
}

TEST(ControlSteps, SizesAreFoundOutInABranch) {
  Instance instance(Program::from_built(samples::region_plan(), threads(1)));
  const auto inputs = [](std::vector<float> values, bool flag) {
    Tensor x(DType::f32, {static_cast<std::int64_t>(values.size())});
    std::ranges::copy(values, x.as<float>());
    return std::vector<Tensor>{x, Tensor::scalar(DType::b8, flag)};
  };
  for (const bool flag : {true, false, true}) {
    EXPECT_EQ(instance.run(inputs({0, 2, 0, 3, 5}, flag))[0].as<float>()[0], 10);
    EXPECT_EQ(instance.run(inputs({0, 0, 0}, flag))[0].as<float>()[0], 0);
  }
  // The guard is the branch's: other inputs may be smaller.
  EXPECT_EQ(instance.run(inputs({7}, false))[0].as<float>()[0], 7);
  EXPECT_THAT(refusal(instance, inputs({7}, true)), HasSubstr("the model needs s0 >= 2"));
  EXPECT_EQ(instance.run(inputs({7, 1}, true))[0].as<float>()[0], 8);
}

TEST(ControlSteps, ManyThreadsRunOneProgram) {
  const auto program = Program::from_built(samples::control_plan(), threads(2));
  std::vector<std::thread> callers;
  for (int t = 0; t < 6; ++t)
    callers.emplace_back([&, t] {
      Instance instance(program);
      for (int i = 0; i < 50; ++i) expect_control_result(instance, (t + i) % 11, i % 2 == 0);
    });
  for (auto& caller : callers) caller.join();
}

TEST(ControlSteps, AreProfiledAndTheirBlocksShown) {
  Instance instance(Program::from_built(samples::control_plan(), threads(1)));
  const auto times = instance.profile(control_inputs(4, false));
  ASSERT_EQ(times.size(), 11U);
  for (std::size_t i = 0; i < times.size(); ++i) EXPECT_EQ(times[i].step, i);
  EXPECT_GT(times[5].elapsed.count(), 0);
  EXPECT_EQ(times[9].elapsed.count(), 0);  // the branch that did not run
  std::vector<std::size_t> blocks;
  instance.run_blocks(control_inputs(4, false), [&](std::size_t block, std::vector<Tensor> outputs) {
    blocks.push_back(block);
    if (block == 3) {
      EXPECT_EQ(outputs.at(0).as<float>()[3], -32);
    }
  });
  EXPECT_THAT(blocks, ElementsAre(0, 1, 3));
}

}  // namespace
}  // namespace aitune

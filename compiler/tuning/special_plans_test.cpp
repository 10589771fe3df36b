#include "compiler/tuning/special_plans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/error.h"
#include "compiler/tuning/tune.h"
#include "runtime/program.h"

namespace aitune {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kNet = R"(graph(%x: f32[s0,3,8,8]) where s0 in [1,8] {
  weight %w: f32[8,3,3,3] "w" = random(1)
  weight %f: f32[5,512] "f" = random(2)
  %a = aten.conv2d.default(%x, %w, None, [1, 1], [1, 1])
  %r = aten.relu.default(%a)
  %v = aten.flatten.using_ints(%r, 1)
  %y = aten.linear.default(%v, %f)
  return %y
})";

SymValues rows(std::int64_t count) { return {{"s0", count}}; }

TEST(CommonShapes, AreTheFrequentOnesAndThePreferredOne) {
  std::vector<SymValues> samples = {rows(2), rows(4), rows(4), rows(8), rows(8), rows(8)};
  EXPECT_THAT(common_shapes(samples, {}, 2),
              ElementsAre(CommonShape{rows(8), {3, 4, 5}}, CommonShape{rows(4), {1, 2}}));
  EXPECT_THAT(common_shapes(samples, rows(2), 2),
              ElementsAre(CommonShape{rows(2), {0}, true}, CommonShape{rows(8), {3, 4, 5}}));
  EXPECT_THAT(common_shapes(samples, rows(5), 9), SizeIs(4));
  EXPECT_THAT(common_shapes(samples, rows(5), 0), IsEmpty());
  EXPECT_THAT(common_shapes(std::vector<SymValues>{{}}, {}, 4), IsEmpty());  // nothing moves
  for (int i = 0; i < 20; ++i) samples.push_back(rows(8));
  EXPECT_THAT(common_shapes(samples, {}, 9), SizeIs(1));  // the others are rare
}

Tensor random_input(Shape shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor t(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = normal(random);
  return t;
}

TEST(ResizeSample, RepeatsElements) {
  const Graph graph = parse_graph("graph(%x: f32[s0,2]) where s0 in [1,8] {\n return %x\n}");
  RecordedSample sample;
  sample.inputs = {random_input({2, 2}, 1)};
  const RecordedSample larger = resize_sample(graph, sample, rows(5));
  EXPECT_EQ(larger.inputs[0].shape(), (Shape{5, 2}));
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 2; ++j)
      EXPECT_EQ(larger.inputs[0].as<float>()[i * 2 + j], sample.inputs[0].as<float>()[i % 2 * 2 + j]);
  EXPECT_EQ(larger.outputs[0].shape(), (Shape{5, 2}));
  EXPECT_EQ(resize_sample(graph, sample, rows(1)).inputs[0].shape(), (Shape{1, 2}));
  sample.inputs = {Tensor(DType::f32, {0, 2})};
  EXPECT_THROW(resize_sample(graph, sample, rows(1)), InvalidArgument);
}

CompilationSettings settings() {
  CompilationSettings s;
  s.timing_cache_path = "none";
  s.min_block_size = 1;
  s.num_threads = 1;
  s.optimization_level = 0;
  s.special_plan_gain = -1;  // keep them: what is faster here is not this test's business
  return s;
}

TEST(SpecialPlans, AreTunedForCommonShapesAndThePreferredOne) {
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 3, 8, 8}, 1)}, {random_input({4, 3, 8, 8}, 2)}};
  const TunedModel tuned = tune_graph(parse_graph(kNet), samples, settings(), silent, rows(6));
  ASSERT_EQ(tuned.specials.size(), 3U);
  ASSERT_EQ(tuned.samples.size(), 3U);  // one was made for the preferred shape
  EXPECT_EQ(tuned.samples[2].inputs[0].shape(), (Shape{6, 3, 8, 8}));
  ASSERT_EQ(tuned.report.special_plans.size(), 3U);
  EXPECT_TRUE(tuned.report.special_plans[0].preferred);
  for (const BuiltPlan& special : tuned.specials) {
    EXPECT_TRUE(special.plan.symbols.empty());
    EXPECT_TRUE(special.constants.empty());
  }
  const auto program = Program::from_built(tuned.plan, {}, tuned.specials);
  Instance with(program), general(Program::from_built(tuned.plan));
  for (std::int64_t n = 1; n <= 8; ++n) {
    const Tensor x[] = {random_input({n, 3, 8, 8}, 5)};
    EXPECT_EQ(&with.program_for(x) != program.get(), n == 2 || n == 4 || n == 6) << n;
    EXPECT_LT(relative_error(with.run(x)[0], general.run(x)[0]), 1e-5) << n;
  }
}

TEST(SpecialPlans, LeaveToDataWhatDataDecide) {
  Progress silent;
  const Graph graph = parse_graph(R"(graph(%x: f32[s0,4]) where s0 in [1,8] {
    %r = aten.relu.default(%x)
    %i = aten.nonzero.default(%r)
    return %i
  })");
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 4}, 1)}, {random_input({3, 4}, 2)}};
  const TunedModel tuned = tune_graph(graph, samples, settings(), silent);
  ASSERT_EQ(tuned.specials.size(), 2U);
  const auto program = Program::from_built(tuned.plan, {}, tuned.specials);
  Instance with(program), general(Program::from_built(tuned.plan));
  for (std::int64_t n = 1; n <= 8; ++n) {
    const Tensor x[] = {random_input({n, 4}, 5)};
    EXPECT_EQ(&with.program_for(x) != program.get(), n == 2 || n == 3) << n;
    const Tensor got = with.run(x)[0].contiguous(), expected = general.run(x)[0].contiguous();
    ASSERT_EQ(got.shape(), expected.shape()) << n;
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.byte_size()), 0) << n;
  }
}

TEST(SpecialPlans, AreNotKeptWithoutGain) {
  Progress silent;
  CompilationSettings s = settings();
  s.special_plan_gain = 1;  // nothing saves all of the time
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 3, 8, 8}, 1)}};
  const TunedModel tuned = tune_graph(parse_graph(kNet), samples, s, silent);
  EXPECT_TRUE(tuned.specials.empty());
  ASSERT_EQ(tuned.report.special_plans.size(), 1U);
  EXPECT_NE(tuned.report.special_plans[0].problem.find("does not save"), std::string::npos);
  s.max_special_plans = 0;
  EXPECT_TRUE(tune_graph(parse_graph(kNet), samples, s, silent).report.special_plans.empty());
}

}  // namespace
}  // namespace aitune

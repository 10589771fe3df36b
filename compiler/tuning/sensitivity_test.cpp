#include "compiler/tuning/sensitivity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/target.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/mixed_tuning.h"

namespace aitune {
namespace {

// A residual, a depthwise convolution, a convolution with padding, linear layers with a permutation between them.
constexpr const char* kNet = R"(graph(%x: f32[1,16,12,12]) {
  weight %w1: f32[32,16,3,3] "w1" = random(1)
  weight %w2: f32[32,32,1,1] "w2" = random(2)
  weight %wd: f32[32,1,3,3] "wd" = random(3)
  weight %w3: f32[32,32,1,1] "w3" = random(4)
  weight %f: f32[24,32] "f" = random(5)
  %a = aten.conv2d.default(%x, %w1, None, [1, 1], [1, 1])
  %r = aten.relu.default(%a)
  %b = aten.conv2d.default(%r, %w2, None)
  %d = aten.conv2d.default(%b, %wd, None, [1, 1], [1, 1], [1, 1], 32)
  %s = aten.add.Tensor(%d, %r)
  %t = aten.relu.default(%s)
  %c = aten.conv2d.default(%t, %w3, None)
  %u = aten.add.Tensor(%c, %t)
  %p = aten.permute.default(%u, [0, 2, 3, 1])
  %y = aten.linear.default(%p, %f)
  return %y
})";

Tensor random_input(Shape shape) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Tensor t(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = normal(random);
  return t;
}

class Products : public testing::Test {
 protected:
  Products() : graph_(parse_graph(kNet)) {
    const Tensor x = random_input({1, 16, 12, 12});
    samples_.push_back({{x}, evaluate(graph_, std::vector<Tensor>{x})});
    LowerOptions lowering;
    lowering.evaluator = reference_evaluator();
    lower(graph_, lowering);
    options_.settings.min_block_size = 1;
    options_.settings.optimization_level = 0;
    options_.target = host_cpu();
    options_.target.avx512_vnni = options_.target.avx512_bf16 = options_.target.amx_bf16 = false;
  }

  Candidate try_one(DType precision, NodeNames kept = {}, bool exact = false) {
    options_.precision = precision;
    options_.target.avx512_bf16 = precision == DType::bf16;
    options_.f32_products = std::move(kept);
    options_.exact_values = exact;
    return try_candidate(graph_, options_, std::string(precision_name(precision)), samples_, 1);
  }

  Graph graph_;
  std::vector<RecordedSample> samples_;
  BuildOptions options_;
};

TEST_F(Products, AreNamedWithTheirOperations) {
  const Candidate f32 = try_one(DType::f32);
  ASSERT_EQ(f32.built.products.size(), 4U);
  EXPECT_DOUBLE_EQ(f32.built.products[0].operations, 2.0 * 144 * 32 * 16 * 9);
  EXPECT_DOUBLE_EQ(f32.built.products[3].operations, 2.0 * 144 * 24 * 32);
  EXPECT_DOUBLE_EQ(f32.report.bf16_share, 0);
}

TEST_F(Products, ErrorsAreThoseOfPlansWithOneProductInBf16) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  Candidate f32 = try_one(DType::f32);
  const std::vector<std::vector<Tensor>> inputs = {samples_[0].inputs};
  const Tensor before = f32.instance->run(samples_[0].inputs)[0];
  const auto errors = measure_errors(*f32.instance, f32.built.products, inputs, 10);
  EXPECT_EQ(relative_error(f32.instance->run(samples_[0].inputs)[0], before), 0) << "something was left rounded";
  ASSERT_EQ(errors.size(), 4U);
  NodeNames all;
  for (const auto& [node, error] : errors) all.insert(node);
  for (const auto& [node, error] : errors) {
    EXPECT_GT(error, 1e-4) << node;
    NodeNames others = all;
    others.erase(node);
    const Candidate alone = try_one(DType::bf16, others, true);
    EXPECT_GT(alone.report.bf16_share, 0);
    EXPECT_LT(alone.report.worst_error, 1.01 * error) << node;
    // Winograd's algorithm keeps the weights exact.
    EXPECT_GT(alone.report.worst_error, 0.6 * error) << node;
  }
}

TEST_F(Products, KeptInF32AllOfThemGiveTheF32Plan) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  NodeNames all;
  for (const ProductStep& p : try_one(DType::f32).built.products) all.insert(p.node);
  const Candidate none = try_one(DType::bf16, all);
  EXPECT_LT(none.report.worst_error, 1e-5);
  EXPECT_DOUBLE_EQ(none.report.bf16_share, 0);
}

TEST_F(Products, GroupsOfNeighboursShareTheirError) {
  Candidate f32 = try_one(DType::f32);
  const std::vector<std::vector<Tensor>> inputs = {samples_[0].inputs};
  double one_by_one = 0, together = 0;
  for (const auto& [node, e] : measure_errors(*f32.instance, f32.built.products, inputs, 10)) one_by_one += e * e;
  for (const auto& [node, e] : measure_errors(*f32.instance, f32.built.products, inputs, 1e-9)) together += e * e;
  EXPECT_NEAR(std::sqrt(together), std::sqrt(one_by_one), 0.3 * std::sqrt(one_by_one));
}

TEST_F(Products, AMixtureMeetsABoundThatBf16Misses) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  Candidate f32 = try_one(DType::f32);
  Candidate bf16 = try_one(DType::bf16);
  const double bound = 0.8 * bf16.report.worst_error;
  auto products = measure_gains(f32, bf16, samples_[0].inputs);
  ASSERT_EQ(products.size(), 4U);
  for (auto& p : products) p.gain = p.operations;  // what it saves here is not this test's business
  add_errors(products, f32, samples_);
  std::vector<CandidateReport> tried;
  CandidateReport missing = bf16.report;
  missing.correct = false;
  EXPECT_TRUE(wants_mixture(products, missing, mixed_limit(bound)));
  const auto mixed = tune_mixture(graph_, options_, products, 0, samples_, bound, tried);
  ASSERT_TRUE(mixed);
  EXPECT_LE(mixed->report.worst_error, mixed_limit(bound));
  EXPECT_GT(mixed->report.bf16_share, 0.3);
  EXPECT_LT(mixed->report.bf16_share, 1);
  ASSERT_FALSE(mixed->report.kept_in_fp32.empty());
  EXPECT_NE(mixed->report.kept_in_fp32[0].why.find("alone gives a relative error"), std::string::npos);
  EXPECT_FALSE(tried.empty());
}

TEST_F(Products, ThatAreNotFiniteInBf16StayInF32) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  Candidate f32 = try_one(DType::f32);
  Candidate bf16 = try_one(DType::bf16);
  auto products = measure_gains(f32, bf16, samples_[0].inputs);
  for (auto& p : products) p.gain = p.operations;
  add_errors(products, f32, samples_);
  products[0].error = std::numeric_limits<double>::infinity();
  std::vector<CandidateReport> tried;
  const auto mixed = tune_mixture(graph_, options_, products, 0, samples_, 0.5, tried);
  ASSERT_TRUE(mixed);
  ASSERT_EQ(mixed->report.kept_in_fp32.size(), 1U);
  EXPECT_EQ(mixed->report.kept_in_fp32[0].node, products[0].node);
  EXPECT_NE(mixed->report.kept_in_fp32[0].why.find("not finite"), std::string::npos);
}

}  // namespace
}  // namespace aitune

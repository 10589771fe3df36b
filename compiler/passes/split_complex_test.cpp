#include "compiler/passes/split_complex.h"

#include <fmt/format.h>

#include "compiler/passes/cleanup.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

const std::vector<PassFunction> kSplit = {decompose, split_complex, decompose, eliminate_dead_code};

void expect_real(const Graph& graph) {
  for (const auto& node : graph.nodes())
    for (const Value* output : node->outputs)
      EXPECT_FALSE(is_complex(output->type.dtype)) << node->op_name() << " in\n" << print(graph);
}

TEST(SplitComplex, RotaryEmbeddings) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,4,2,8], %a: f32[4,1,4]) where s0 in [1,4] {
    weight %w: c64[4,1,4] "w" = random(1)
    %v: f32[s0,4,2,4,2] = aten.view.default(%x, [s0, 4, 2, 4, 2])
    %z: c64[s0,4,2,4] = aten.view_as_complex.default(%v)
    %one: f32[4,1,4] = aten.ones_like.default(%a)
    %p: c64[4,1,4] = aten.polar.default(%one, %a)
    %r: c64[s0,4,2,4] = aten.mul.Tensor(%z, %p)
    %q: c64[s0,4,2,4] = aten.mul.Tensor(%r, %w)
    %b: f32[s0,4,2,4,2] = aten.view_as_real.default(%q)
    %y: f32[s0,4,2,8] = aten.view.default(%b, [s0, 4, 2, 8])
    return %y
  })",
                                 kSplit, {{"s0", 3}});
  expect_real(graph);
}

TEST(SplitComplex, ComplexInputsAndOutputsStay) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,4], %z: f32[4]) where s0 in [1,4] {
    %c: c64[s0,4] = aten.complex.default(%x, %z)
    %d: c64[s0,4] = aten.div.Tensor(%c, %x)
    %e: c64[s0,4] = aten.exp.default(%d)
    %s: c64[s0,4] = aten.sub.Tensor(%e, %c, alpha=0.5)
    %n: f32[s0,4] = aten.abs.default(%s)
    %g: f32[s0,4] = aten.angle.default(%s)
    return %s, %n, %g
  })",
                                 kSplit, {{"s0", 3}});
  EXPECT_THAT(ops_of(graph), Contains("aten.complex.default").Times(1));
  EXPECT_EQ(graph.outputs.front()->type.dtype, DType::c64);
}

TEST(SplitComplex, ProductsOfMatrices) {
  const Graph products = check_pass(R"(graph(%x: f32[2,3,4], %z: f32[2,3,4]) {
    weight %w: c64[2,4,5] "w" = random(1)
    %c: c64[2,3,4] = aten.complex.default(%x, %z)
    %y: c64[2,3,5] = aten.bmm.default(%c, %w)
    %r: f32[2,3,5,2] = aten.view_as_real.default(%y)
    return %r
  })",
                                    kSplit);
  expect_real(products);
  EXPECT_THAT(ops_of(products), Contains("aten.bmm.default").Times(2));
}

/// A size with one product, one with two, an odd one, and a prime that is too large for two.
class Fourier : public ::testing::TestWithParam<int> {};

TEST_P(Fourier, ForthAndBackByProducts) {
  const int n = GetParam(), half = n / 2 + 1;
  const Graph graph = check_pass(fmt::format(R"(graph(%x: f32[s0,{0},3], %z: f32[s0,{0},3]) where s0 in [1,4] {{
    %r: c64[s0,{1},3] = aten._fft_r2c.default(%x, [1], 1, True)
    %o: f32[s0,{0},3] = aten._fft_c2r.default(%r, [1], 2, {0})
    %c: c64[s0,{0},3] = aten.complex.default(%x, %z)
    %f: c64[s0,{0},3] = aten._fft_c2c.default(%c, [1, 2], 0, True)
    %b: c64[s0,{0},3] = aten._fft_c2c.default(%f, [1], 2, False)
    %p: f32[s0,{0},3,2] = aten.view_as_real.default(%b)
    %m: f32[s0,{1},3] = aten.abs.default(%r)
    return %o, %p, %m
  }})",
                                             n, half),
                                 kSplit, {{"s0", 2}}, 1e-4);
  expect_real(graph);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Fourier, ::testing::Values(1, 2, 7, 16, 400, 360, 257, 1024));

TEST(SplitComplex, TransformsThatFitNoProductStay) {
  const Graph graph = check_pass(R"(graph(%x: f32[4099]) {
    %r: c64[2050] = aten._fft_r2c.default(%x, [0], 0, True)
    %m: f32[2050] = aten.abs.default(%r)
    return %m
  })",
                                 kSplit, {}, 1e-4);
  EXPECT_THAT(ops_of(graph), Contains("aten._fft_r2c.default"));
}

TEST(SplitComplex, ShortTimeTransform) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,800]) where s0 in [1,4] {
    weight %w: f32[300] "w" = random(1)
    %y: c64[s0,201,6] = aten.stft.center(%x, 400, 160, 300, %w, center=True, pad_mode="reflect", normalized=False, onesided=None, return_complex=True)
    %m: f32[s0,201,6] = aten.abs.default(%y)
    return %m
  })",
                                 kSplit, {{"s0", 2}}, 1e-4);
  expect_real(graph);
}

}  // namespace
}  // namespace aitune

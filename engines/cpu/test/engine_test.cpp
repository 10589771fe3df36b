// Blocks through the CPU engine against the reference engine, on random inputs.

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>

#include "compiler/ops/schema.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/build.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

struct Case {
  const char* name;
  const char* text;
  bool bf16 = true;  ///< whether the precision bf16 applies
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"pointwise", R"(graph(%x: f32[2,3,5], %y: f32[5]) {
      %a = aten.add.Tensor(%x, %y)
      %b = aten.relu.default(%a)
      %c = aten.mul.Tensor(%b, %x)
      return %c
    })"},
    {"views", R"(graph(%x: f32[2,6,4]) {
      %a = aten.permute.default(%x, [0, 2, 1])
      %b = aten.view.default(%a, [2, 24])
      %c = aten.slice.Tensor(%b, 1, 3, 17, 2)
      %d = aten.mul.Scalar(%c, 2.0)
      return %d
    })"},
    {"conv_relu", R"(graph(%x: f32[2,3,9,11]) {
      weight %w: f32[8,3,3,3] "w" = random(1)
      weight %b: f32[8] "b" = random(2)
      %y = aten.convolution.default(%x, %w, %b, [2, 2], [1, 1], [1, 1], False, [0, 0], 1)
      %z = aten.relu.default(%y)
      return %z
    })"},
    {"residual", R"(graph(%x: f32[1,16,8,8]) {
      weight %w1: f32[16,16,3,3] "w1" = random(1)
      weight %w2: f32[16,16,1,1] "w2" = random(2)
      %a = aten.convolution.default(%x, %w1, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
      %b = aten.relu.default(%a)
      %c = aten.convolution.default(%b, %w2, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
      %d = aten.add.Tensor(%c, %b)
      %e = aten.relu.default(%d)
      %f = aten.convolution.default(%e, %w1, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1)
      %g = aten.add.Scalar(%f, 1.0)
      return %g, %e
    })"},
    {"depthwise_and_excite", R"(graph(%x: f32[2,16,12,12]) {
      weight %w: f32[16,1,5,5] "w" = random(1)
      weight %v: f32[16,16,1,1] "v" = random(2)
      weight %b: f32[16] "b" = random(3)
      %a = aten.convolution.default(%x, %w, %b, [2, 2], [2, 2], [1, 1], False, [0, 0], 16)
      %h = aten.hardswish.default(%a)
      %m = aten.mean.dim(%h, [-2, -1], True)
      %s = aten.convolution.default(%m, %v, %b, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
      %t = aten.hardsigmoid.default(%s)
      %u = aten.mul.Tensor(%t, %h)
      %y = aten.convolution.default(%u, %v, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
      return %y
    })"},
    {"grouped_conv", R"(graph(%x: f32[2,8,7,7]) {
      weight %w: f32[12,4,3,3] "w" = random(1)
      weight %b: f32[12] "b" = random(2)
      %y = aten.convolution.default(%x, %w, %b, [1, 1], [1, 1], [1, 1], False, [0, 0], 2)
      %z = aten.sigmoid.default(%y)
      return %z
    })"},
    {"pools", R"(graph(%x: f32[2,5,10,10]) {
      %a = aten.max_pool2d.default(%x, [3, 3], [2, 2], [1, 1], [1, 1], False)
      %b = aten.avg_pool2d.default(%a, [2, 2], [2, 2], [1, 1], False, False, None)
      %c = aten.avg_pool2d.default(%a, [3, 3], [1, 1], [1, 1], False, True, None)
      return %b, %c
    })"},
    {"linear_norm_gelu", R"(graph(%x: f32[2,7,24]) {
      weight %w: f32[40,24] "w" = random(1)
      weight %b: f32[40] "b" = random(2)
      weight %g: f32[40] "g" = random(3)
      %a = aten.linear.default(%x, %w, %b)
      %h = aten.gelu.default(%a, approximate="none")
      %n = aten.layer_norm.default(%h, [40], %g, %b, 1e-05, True)
      %t = aten.tanh.default(%n)
      %s = aten._softmax.default(%t, -1, False)
      %u = aten._softmax.default(%t, 1, False)
      return %s, %u
    })"},
    {"attention", R"(graph(%x: f32[2,6,32], %m: bool[2,1,6,6]) {
      weight %w: f32[96,32] "w" = random(1)
      weight %o: f32[32,32] "o" = random(2)
      %a = aten.linear.default(%x, %w, None)
      %q0 = aten.slice.Tensor(%a, 2, 0, 32, 1)
      %k0 = aten.slice.Tensor(%a, 2, 32, 64, 1)
      %v0 = aten.slice.Tensor(%a, 2, 64, 96, 1)
      %q1 = aten.view.default(%q0, [2, 6, 4, 8])
      %k1 = aten.view.default(%k0, [2, 6, 4, 8])
      %v1 = aten.view.default(%v0, [2, 6, 4, 8])
      %q = aten.permute.default(%q1, [0, 2, 1, 3])
      %k = aten.permute.default(%k1, [0, 2, 1, 3])
      %v = aten.permute.default(%v1, [0, 2, 1, 3])
      %y = aten.scaled_dot_product_attention.default(%q, %k, %v)
      %c = aten.scaled_dot_product_attention.default(%q, %k, %v, None, 0.0, True)
      %s = aten.add.Tensor(%y, %c)
      %p = aten.permute.default(%s, [0, 2, 1, 3])
      %r = aten.view.default(%p, [2, 6, 32])
      %z = aten.linear.default(%r, %o, None)
      return %z
    })"},
    {"embedding", R"(graph(%i: i64[2,9]) {
      weight %t: f32[50,24] "t" = random(1)
      weight %p: f32[9,24] "p" = random(2)
      %e = aten.embedding.default(%t, %i)
      %a = aten.add.Tensor(%e, %p)
      %n = aten.layer_norm.default(%a, [24])
      return %n
    })"},
    {"cat_channels", R"(graph(%x: f32[2,8,6,6]) {
      weight %w: f32[8,8,3,3] "w" = random(1)
      weight %v: f32[4,16,1,1] "v" = random(2)
      %a = aten.convolution.default(%x, %w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
      %b = aten.cat.default([%a, %x], 1)
      %r = aten.relu.default(%b)
      %c = aten.convolution.default(%r, %v, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
      return %c
    })"},
    {"channels_last_block", R"(graph(%x: f32[1,12,6,6]) {
      weight %w: f32[12,1,7,7] "w" = random(1)
      weight %l: f32[48,12] "l" = random(2)
      weight %k: f32[12,48] "k" = random(3)
      weight %s: f32[12,1,1] "s" = random(4)
      %a = aten.convolution.default(%x, %w, None, [1, 1], [3, 3], [1, 1], False, [0, 0], 12)
      %p = aten.permute.default(%a, [0, 2, 3, 1])
      %n = aten.layer_norm.default(%p, [12])
      %h = aten.linear.default(%n, %l, None)
      %g = aten.gelu.default(%h, approximate="none")
      %o = aten.linear.default(%g, %k, None)
      %q = aten.permute.default(%o, [0, 3, 1, 2])
      %m = aten.mul.Tensor(%q, %s)
      %y = aten.add.Tensor(%m, %x)
      return %y
    })"},
    // The zeros around an image move with its size.
    {"moving_images", R"(graph(%x: f32[2,3,h,w]) where h in [9,64], w in [12,40] {
      weight %w: f32[8,3,3,3] "w" = random(1)
      weight %b: f32[8] "b" = random(2)
      weight %d: f32[8,1,5,5] "d" = random(3)
      weight %g: f32[8,4,3,3] "g" = random(4)
      weight %v: f32[8,8,3,3] "v" = random(5)
      %a = aten.convolution.default(%x, %w, %b, [2, 2], [1, 1], [1, 1], False, [0, 0], 1)
      %r = aten.relu.default(%a)
      %p = aten.max_pool2d.default(%r, [3, 3], [2, 2], [1, 1], [1, 1], False)
      %e = aten.convolution.default(%p, %d, None, [1, 1], [2, 2], [1, 1], False, [0, 0], 8)
      %f = aten.convolution.default(%e, %g, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 2)
      %k = aten.convolution.default(%f, %v, None, [1, 1], [2, 2], [2, 2], False, [0, 0], 1)
      %n = aten.add.Tensor(%k, %p)
      %q = aten.avg_pool2d.default(%n, [2, 2], [1, 1], [1, 1], False, False)
      %m = aten.mean.dim(%n, [2, 3], False)
      return %q, %m
    })"},
    {"moving_pools", R"(graph(%x: f32[1,4,h,w], %z: f32[1,4,h,w]) where h in [9,64], w in [12,40] {
      %a = aten.max_pool2d.default(%x, [3, 3], [2, 2], [1, 1], [1, 1], True)
      %b = aten.max_pool2d.default(%z, [2, 2], [2, 2], [0, 0], [2, 2], False)
      %c = aten.avg_pool2d.default(%x, [3, 3], [2, 2], [1, 1], False, True)
      return %a, %b, %c
    })",
     false},
    {"moving_volumes", R"(graph(%x: f32[1,3,d,h,6]) where d in [5,20], h in [7,40] {
      weight %w: f32[4,3,3,3,3] "w" = random(1)
      %a = aten.convolution.default(%x, %w, None, [1, 2, 1], [1, 1, 1], [1, 1, 1], False, [0, 0, 0], 1)
      return %a
    })"},
    {"moving_signals", R"(graph(%x: f32[2,4,n]) where n in [9,500] {
      weight %w: f32[6,4,5] "w" = random(1)
      %a = aten.convolution.default(%x, %w, None, [2], [2], [1], False, [0], 1)
      %b = aten.gelu.default(%a)
      return %b
    })"},
    {"moving_resampling",
     R"(graph(%x: f32[2,3,h,w], %z: f32[2,3,k,w], %g: f32[2,5,w,2]) where h in [9,64], w in [12,40], k in [4,30] {
      %a = aten.upsample_bilinear2d.vec(%x, [k, w], False, None)
      %b = aten.upsample_bilinear2d.vec(%z, [h, h], True, None)
      %c = aten.upsample_nearest2d.vec(%z, [h, w], None)
      %d = aten.upsample_bicubic2d.vec(%x, None, False, [2.0, 2.0])
      %e = aten.reflection_pad2d.default(%x, [2, 3, 1, 0])
      %f = aten.roll.default(%x, [3, -20], [2, 3])
      %s = aten.grid_sampler_2d.default(%x, %g, 0, 0, False)
      %t = aten.grid_sampler_2d.default(%x, %g, 0, 1, True)
      return %a, %b, %c, %d, %e, %f, %s, %t
    })",
     false},
    {"moving_slices", R"(graph(%x: f32[n,4], %past: f32[p,4]) where n in [2,16], p in [3,20] {
      weight %table: f32[64,4] "table" = random(1)
      %a = aten.slice.Tensor(%table, 0, p, p + n)
      %b = aten.add.Tensor(%x, %a)
      %c = aten.cat.default([%past, %b])
      %d = aten.slice.Tensor(%c, 0, n - 1, 9223372036854775807)
      return %c, %d
    })",
     false},
    {"dynamic_batch", R"(graph(%x: f32[s0,3,8,8]) where s0 in [1,16] {
      weight %w: f32[8,3,3,3] "w" = random(1)
      weight %f: f32[5,128] "f" = random(2)
      %a = aten.convolution.default(%x, %w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
      %r = aten.relu.default(%a)
      %p = aten.max_pool2d.default(%r, [2, 2], [2, 2], [0, 0], [1, 1], False)
      %v = aten.view.default(%p, [s0, 128])
      %y = aten.linear.default(%v, %f, None)
      return %y
    })"},
    {"compare_and_select", R"(graph(%x: f32[4,6], %n: i64[6]) {
      %i = aten.arange.start_step(0, 6, 1)
      %m = aten.lt.Tensor(%i, %n)
      %y = aten.where.self(%m, %x, %x)
      %z = aten.masked_fill.Scalar(%y, %m, 3.0)
      %s = aten.sum.dim_IntList(%z, [1])
      return %z, %s, %m
    })",
     false},
};

class CpuEngineTest : public testing::TestWithParam<std::tuple<Case, int>> {};

Tensor random_tensor(const TensorType& type, const SymValues& sizes, std::mt19937& random) {
  Shape shape;
  for (const auto& size : type.shape) shape.push_back(size.evaluate(sizes));
  Tensor t(type.dtype, shape);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    if (type.dtype == DType::f32)
      t.as<float>()[i] = normal(random);
    else if (type.dtype == DType::i64)
      t.as<std::int64_t>()[i] = static_cast<std::int64_t>(random() % 6);
    else
      t.as<bool>()[i] = i % 6 == 0 || random() % 2 == 0;
  }
  return t;
}

TEST_P(CpuEngineTest, AgreesWithTheReference) {
  const auto& [test, precision] = GetParam();
  const bool half = precision != 0;
  if (half && (!test.bf16 || !host_cpu().avx512_bf16)) GTEST_SKIP() << "bf16 does not apply";
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Graph graph = parse_graph(test.text);
  BuildOptions options;
  options.target = host_cpu();
  options.precision = half ? DType::bf16 : DType::f32;
  options.settings.min_block_size = 1;
  options.settings.require_full_compilation = true;
  for (const auto& [name, range] : graph.symbols) options.opt_shape[name] = range.min + 1;
  const BuildResult built = build(graph, options);
  ASSERT_TRUE(built.warnings.empty()) << built.warnings.front();
  Instance instance(Program::from_built(built.plan));
  for (const std::int64_t batch : {2, 1, 5, 2}) {
    SymValues sizes;
    for (const auto& [name, range] : graph.symbols) sizes[name] = range.min - 1 + batch;
    std::vector<Tensor> inputs;
    for (const Value* input : graph.inputs) inputs.push_back(random_tensor(input->type, sizes, random));
    const auto expected = evaluate(graph, inputs);
    const auto outputs = instance.run(inputs);
    ASSERT_EQ(outputs.size(), expected.size());
    for (std::size_t i = 0; i < outputs.size(); ++i)
      EXPECT_LT(relative_error(outputs[i], expected[i]), half ? 2e-2 : 2e-6) << "output " << i << " batch " << batch;
    if (graph.symbols.empty()) break;
  }
}

/// What every product reads, as the input shows it.
ProductScales scales_of(const Graph& graph, const std::vector<Tensor>& inputs) {
  std::map<const Value*, std::pair<double, double>> ranges;
  const auto look = [&](const Value* value, const Tensor& t) {
    if (t.dtype() != DType::f32) return;
    auto& [low, high] = ranges[value];
    const Tensor dense = t.contiguous();
    for (std::int64_t i = 0; i < dense.numel(); ++i) {
      low = std::min(low, static_cast<double>(dense.as<float>()[i]));
      high = std::max(high, static_cast<double>(dense.as<float>()[i]));
    }
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) look(graph.inputs[i], inputs[i]);
  evaluate(graph, inputs, [&](const Node& node, std::span<const Tensor> outputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i) look(node.output(i), outputs[i]);
  });
  ProductScales scales;
  for (const auto& node : graph.nodes()) {
    if (!can_quantise(*node)) continue;
    const auto& [low, high] = ranges.at(node->args[0].value());
    scales[node->output()->name] = TensorScale::of_range(low, high);
  }
  return scales;
}

BuildOptions int8_options(const Graph& graph) {
  BuildOptions options;
  options.target = host_cpu();
  options.target.avx512_bf16 = options.target.amx_bf16 = false;
  options.precision = DType::i8;
  options.settings.min_block_size = 1;
  options.settings.require_full_compilation = true;
  for (const auto& [name, range] : graph.symbols) options.opt_shape[name] = range.min + 1;
  return options;
}

class QuantisedCpuEngineTest : public testing::TestWithParam<Case> {};

TEST_P(QuantisedCpuEngineTest, AgreesWithTheReference) {
  if (!host_cpu().avx512_vnni) GTEST_SKIP() << "no AVX512_VNNI here";
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Graph graph = parse_graph(GetParam().text);
  SymValues sizes;
  for (const auto& [name, range] : graph.symbols) sizes[name] = range.min + 2;
  std::vector<Tensor> inputs;
  for (const Value* input : graph.inputs) inputs.push_back(random_tensor(input->type, sizes, random));
  BuildOptions options = int8_options(graph);
  options.scales = scales_of(graph, inputs);
  if (options.scales.empty()) GTEST_SKIP() << "it has no products for integers";
  const BuildResult built = build(graph, options);
  ASSERT_TRUE(built.warnings.empty()) << built.warnings.front();
  EXPECT_EQ(built.plan.plan.precision, "int8");
  EXPECT_TRUE(built.plan.plan.target.avx512_vnni);
  std::size_t products = 0;
  for (const ProductStep& p : built.products) products += p.type == DType::u8 ? 1 : 0;
  EXPECT_GE(products, options.scales.size());
  const auto outputs = Instance(Program::from_built(built.plan)).run(inputs);
  const auto expected = evaluate(quantise(graph, options.scales), inputs), exact = evaluate(graph, inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    // Where the last bit of a float differs, a value in the middle between two integers becomes the other one.
    EXPECT_LT(relative_error(outputs[i], expected[i]), 3e-3) << "output " << i;
    EXPECT_LT(relative_error(outputs[i], exact[i]), 0.1) << "output " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, QuantisedCpuEngineTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(QuantisedCpuEngine, SumsAreExact) {
  if (!host_cpu().avx512_vnni) GTEST_SKIP() << "no AVX512_VNNI here";
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const char* text : {
           R"(graph(%x: f32[5,36]) {
             weight %w: i8[19,36] "w" = random(1)
             weight %s: f32[19] "s" = splat(1.0)
             weight %o: f32[19] "o" = splat(0.0)
             %q = aitune.quantise.default(%x, 40.0, 120)
             %y = aitune.quantised_linear.default(%q, %w, %s, %o)
             return %y, %q
           })",
           R"(graph(%x: f32[2,3,10,9]) {
             weight %w: i8[20,3,3,3] "w" = random(1)
             weight %s: f32[20] "s" = splat(1.0)
             weight %o: f32[20] "o" = splat(0.0)
             %q = aitune.quantise.default(%x, 40.0, 120)
             %p = aten.constant_pad_nd.default(%q, [1, 1, 2, 2], 120)
             %y = aitune.quantised_convolution.default(%p, %w, %s, %o, [2, 1], [0, 0], [1, 1], 1)
             return %y
           })",
           R"(graph(%x: f32[1,16,7,7]) {
             weight %w: i8[24,8,3,3] "w" = random(1)
             weight %v: i8[8,24,1,1] "v" = random(2)
             weight %s: f32[24] "s" = splat(1.0)
             weight %o: f32[24] "o" = splat(0.0)
             weight %t: f32[8] "t" = splat(1.0)
             weight %u: f32[8] "u" = splat(-3.0)
             %q = aitune.quantise.default(%x, 60.0, 0)
             %y = aitune.quantised_convolution.default(%q, %w, %s, %o, [1, 1], [1, 1], [1, 1], 2)
             %r = aten.relu.default(%y)
             %d = aitune.quantise.default(%r, 0.0078125, 0)
             %z = aitune.quantised_convolution.default(%d, %v, %t, %u, [2, 2], [0, 0], [1, 1], 1)
             return %z, %d, %y
           })"}) {
    const Graph graph = parse_graph(text);
    const std::vector<Tensor> inputs = {random_tensor(graph.inputs[0]->type, {}, random)};
    const BuildResult built = build(graph, int8_options(graph));
    const auto outputs = Instance(Program::from_built(built.plan)).run(inputs), expected = evaluate(graph, inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      ASSERT_EQ(outputs[i].byte_size(), expected[i].byte_size());
      EXPECT_EQ(std::memcmp(outputs[i].data(), expected[i].contiguous().data(), outputs[i].byte_size()), 0)
          << "output " << i << " of " << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CpuEngineTest, testing::Combine(testing::ValuesIn(kCases), testing::Values(0, 1)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) ? "_bf16" : "_fp32");
                         });

}  // namespace
}  // namespace aitune

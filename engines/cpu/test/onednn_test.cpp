// Products through oneDNN, whatever their speed, against the reference engine; and plans that cannot have it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "base/error.h"
#include "compiler/memory/plan_builder.h"
#include "compiler/ops/schema.h"
#include "compiler/partition/partition.h"
#include "compiler/passes/evaluate.h"
#include "engines/cpu/compile/engine.h"
#include "engines/cpu/run/onednn_library.h"
#include "engines/reference/compile/engine.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

bool onednn_is_here() {
  try {
    cpu::OneDnn::open();
    return true;
  } catch (const Unavailable&) {
    return false;
  }
}

struct Case {
  const char* name;
  std::size_t steps;  ///< that oneDNN can take
  const char* text;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"conv_bias_relu", 1, R"(graph(%x: f32[2,16,13,11]) {
      weight %w: f32[32,16,3,3] "w" = random(1)
      weight %b: f32[32] "b" = random(2)
      %y = aten.convolution.default(%x, %w, %b, [2, 1], [1, 1], [1, 1], False, [0, 0], 1)
      %z = aten.relu.default(%y)
      %m = aten.mean.dim(%z, [-2, -1], True)
      return %m
    })"},
    // The first convolution reads the caller's memory, where channels are outermost: none of oneDNN's.
    {"bottleneck", 3, R"(graph(%x: f32[1,64,9,9]) {
      weight %w0: f32[64,64,1,1] "w0" = random(5)
      weight %w1: f32[16,64,1,1] "w1" = random(1)
      weight %w2: f32[16,16,3,3] "w2" = random(2)
      weight %w3: f32[64,16,1,1] "w3" = random(3)
      weight %b: f32[64] "b" = random(4)
      %s = aten.convolution.default(%x, %w0, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
      %n = aten.relu.default(%s)
      %a = aten.convolution.default(%n, %w1, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
      %r = aten.relu.default(%a)
      %c = aten.convolution.default(%r, %w2, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
      %d = aten.hardswish.default(%c)
      %e = aten.convolution.default(%d, %w3, %b, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
      %f = aten.add.Tensor(%e, %n)
      %g = aten.relu.default(%f)
      %m = aten.mean.dim(%g, [-2, -1], True)
      return %m
    })"},
    {"chained_3x3_dilated", 2, R"(graph(%x: f32[1,32,12,12]) {
      weight %w: f32[32,32,3,3] "w" = random(1)
      %a = aten.convolution.default(%x, %w, None, [1, 1], [2, 2], [2, 2], False, [0, 0], 1)
      %b = aten.silu.default(%a)
      %c = aten.convolution.default(%b, %w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
      %m = aten.mean.dim(%c, [-2, -1], True)
      return %m
    })"},
    {"mlp", 2, R"(graph(%x: f32[3,50,64]) {
      weight %w: f32[200,64] "w" = random(1)
      weight %b: f32[200] "b" = random(2)
      weight %v: f32[64,200] "v" = random(3)
      weight %c: f32[64] "c" = random(4)
      %a = aten.linear.default(%x, %w, %b)
      %h = aten.gelu.default(%a, approximate="none")
      %y = aten.linear.default(%h, %v, %c)
      %r = aten.add.Tensor(%y, %x)
      return %r
    })"},
    {"gelu_tanh_one_row", 2, R"(graph(%x: f32[1,64]) {
      weight %w: f32[192,64] "w" = random(1)
      weight %v: f32[10,192] "v" = random(2)
      %a = aten.linear.default(%x, %w, None)
      %h = aten.gelu.default(%a, approximate="tanh")
      %y = aten.linear.default(%h, %v, None)
      return %y
    })"},
    {"no_epilogue_of_its", 0, R"(graph(%x: f32[20,64]) {
      weight %w: f32[64,64] "w" = random(1)
      %a = aten.linear.default(%x, %w, None)
      %h = aten.sin.default(%a)
      return %h
    })"},
};

EngineOptions options_of(DType precision, int threads) {
  EngineOptions options;
  options.target = host_cpu();
  options.precision = precision;
  options.num_threads = threads;
  options.onednn_share = 1e9;
  return options;
}

BuiltPlan build_with(const Graph& graph, const EngineOptions& options) {
  const auto engine = cpu::make_cpu_engine();
  const auto reference = reference::make_reference_engine();
  PartitionOptions partition_options;
  partition_options.min_block_size = 1;
  const std::vector<const CompileEngine*> engines = {engine.get(), reference.get()};
  const Partition parts = partition(graph, engines, options, partition_options);
  PlanBuilder plan(graph, options.target, options.precision == DType::bf16 ? "bf16" : "fp32", {});
  for (const Block& block : parts.blocks) {
    plan.begin_block(std::string(block.engine->name()), "");
    block.engine->compile(block, options, plan);
  }
  return plan.finish();
}

std::size_t onednn_steps(const Plan& plan) {
  return static_cast<std::size_t>(std::ranges::count(plan.steps, StepKind::onednn, &PlanStep::kind));
}

class OneDnnTest : public testing::TestWithParam<std::tuple<Case, DType, int>> {};

TEST_P(OneDnnTest, AgreesWithTheReference) {
  if (!onednn_is_here()) GTEST_SKIP() << "oneDNN is not installed";
  const auto& [test, precision, threads] = GetParam();
  if (precision == DType::bf16 && !host_cpu().avx512_bf16) GTEST_SKIP() << "no bf16 instructions";
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const Graph graph = parse_graph(test.text);
  const BuiltPlan built = build_with(graph, options_of(precision, threads));
  if (precision == DType::f32)
    EXPECT_EQ(onednn_steps(built.plan), test.steps);
  else
    EXPECT_GE(onednn_steps(built.plan), test.steps);  // conversions to bf16 turn channels innermost
  LoadOptions load;
  load.num_threads = threads;
  Instance instance(Program::from_built(built, load));
  for (int run = 0; run < 2; ++run) {  // the second finds its halos as the first left them
    std::vector<Tensor> inputs;
    for (const Value* input : graph.inputs) {
      Shape shape;
      for (const auto& size : input->type.shape) shape.push_back(size.constant());
      Tensor t(DType::f32, shape);
      for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = normal(random);
      inputs.push_back(t);
    }
    const auto expected = evaluate(graph, inputs);
    const auto outputs = instance.run(inputs);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      EXPECT_LT(relative_error(outputs[i], expected[i]), precision == DType::bf16 ? 2e-2 : 1e-5) << "output " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, OneDnnTest,
                         testing::Combine(testing::ValuesIn(kCases), testing::Values(DType::f32, DType::bf16),
                                          testing::Values(1, 3)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) == DType::bf16 ? "_bf16" : "_fp32") + "_threads" +
                                  std::to_string(std::get<2>(test.param));
                         });

TEST(OneDnn, AbsentIsUnavailableToPlansThatNeedIt) {
  if (!onednn_is_here()) GTEST_SKIP() << "oneDNN is not installed";
  const BuiltPlan built = build_with(parse_graph(kCases[3].text), options_of(DType::f32, 1));
  const char* old = std::getenv("AITUNE_ONEDNN");
  const std::string kept = old ? old : "";
  setenv("AITUNE_ONEDNN", "/nowhere/libdnnl.so.3", 1);
  try {
    Program::from_built(built);
    ADD_FAILURE() << "was loaded";
  } catch (const Unavailable& e) {
    EXPECT_NE(std::string(e.what()).find("AITUNE_ONEDNN"), std::string::npos) << e.what();
  }
  old ? setenv("AITUNE_ONEDNN", kept.c_str(), 1) : unsetenv("AITUNE_ONEDNN");
}

TEST(OneDnn, RefusesAnotherLayoutAndWeightsThatAreTooShort) {
  if (!onednn_is_here()) GTEST_SKIP() << "oneDNN is not installed";
  const BuiltPlan good = build_with(parse_graph(kCases[3].text), options_of(DType::f32, 1));
  const auto spoiled = [&](auto&& spoil) {
    BuiltPlan bad = good;
    PlanStep& step = *std::ranges::find(bad.plan.steps, StepKind::onednn, &PlanStep::kind);
    OneDnnPayload payload = read_onednn_payload(step.payload, "test");
    spoil(bad.plan, step, payload);
    step.payload = write_onednn_payload(payload);
    return bad;
  };
  EXPECT_THROW(Program::from_built(spoiled([](Plan&, PlanStep&, OneDnnPayload& p) { ++p.parts[0].layout.back(); })),
               Incompatible);
  EXPECT_THROW(Program::from_built(spoiled([](Plan& plan, PlanStep& s, OneDnnPayload& p) {
                 plan.buffers[s.buffers[p.parts[0].weights]].bytes = plan.constant(64);
               })),
               Corrupt);
}

}  // namespace
}  // namespace aitune

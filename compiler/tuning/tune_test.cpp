#include "compiler/tuning/tune.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/target.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/refit.h"
#include "format/plan_memory.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

constexpr const char* kNet = R"(graph(%x: f32[s0,3,8,8]) where s0 in [1,8] {
  weight %w: f32[8,3,3,3] "w" = random(1)
  weight %f: f32[5,512] "f" = random(2)
  %a = aten.conv2d.default(%x, %w, None, [1, 1], [1, 1])
  %r = aten.relu.default(%a)
  %v = aten.flatten.using_ints(%r, 1)
  %y = aten.linear.default(%v, %f)
  return %y
})";

class Warnings final : public Progress {
 public:
  void warn(std::string_view message) override { all.emplace_back(message); }
  std::vector<std::string> all;
};

Tensor random_input(Shape shape, float scale = 1) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, scale);
  Tensor t(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = normal(random);
  return t;
}

CompilationSettings settings() {
  CompilationSettings s;
  s.timing_cache_path = "none";
  s.min_block_size = 1;
  return s;
}

TEST(Tune, KeepsACorrectPlanWithItsSamplesAndFigures) {
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 3, 8, 8})}, {random_input({5, 3, 8, 8})}};
  CompilationSettings threads = settings();
  threads.num_threads = 3;
  const TunedModel tuned = tune_graph(parse_graph(kNet), samples, threads, silent);
  EXPECT_EQ(tuned.plan.plan.num_threads, 3U);
  EXPECT_EQ(tuned.report.chosen, "fp32");
  EXPECT_LT(tuned.report.worst_error, 1e-5);
  EXPECT_GT(tuned.report.baseline_milliseconds, 0);
  ASSERT_EQ(tuned.samples.size(), 2U);
  EXPECT_EQ(tuned.samples[1].outputs[0].shape(), (Shape{5, 5}));
  EXPECT_DOUBLE_EQ(tuned.report.compiled_share, 1);
  EXPECT_GT(tuned.report.candidates.at(0).arena_bytes, 0);
}

TEST(Tune, KeepsToTheWorkspaceOrSaysWhatItNeeds) {
  CompilationSettings s = settings();
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 3, 8, 8})}};
  const auto needs = largest_arena(tune_graph(parse_graph(kNet), samples, s, silent).plan.plan);
  ASSERT_TRUE(needs);
  EXPECT_GE(*needs, 8 * 8 * 8 * 8 * 4);  // the convolution's result at eight images
  s.workspace_size = *needs;
  EXPECT_EQ(largest_arena(tune_graph(parse_graph(kNet), samples, s, silent).plan.plan), needs);
  s.workspace_size = 1;
  try {
    tune_graph(parse_graph(kNet), samples, s, silent);
    FAIL() << "it keeps no limit";
  } catch (const Unsupported& error) {
    const std::string text = error.what(), before = "results take ";
    ASSERT_NE(text.find(before), std::string::npos) << text;
    s.workspace_size = std::stoll(text.substr(text.find(before) + before.size()));
  }
  EXPECT_EQ(largest_arena(tune_graph(parse_graph(kNet), samples, s, silent).plan.plan), s.workspace_size);
  --s.workspace_size;
  EXPECT_THROW(tune_graph(parse_graph(kNet), samples, s, silent), Unsupported);
}

TEST(Tune, SharesTheMemoryOfHalosWhereTheWorkspaceIsTooSmall) {
  constexpr const char* kPadded = R"(graph(%x: f32[s0,3,16,16]) where s0 in [1,8] {
  weight %u: f32[8,3,3,3] "u" = random(1)
  weight %v: f32[8,8,3,3] "v" = random(2)
  weight %w: f32[8,8,5,5] "w" = random(3)
  %a = aten.conv2d.default(%x, %u, None, [1, 1], [1, 1])
  %b = aten.relu.default(%a)
  %c = aten.conv2d.default(%b, %v, None, [1, 1], [1, 1])
  %d = aten.relu.default(%c)
  %e = aten.conv2d.default(%d, %w, None, [1, 1], [2, 2])
  %y = aten.relu.default(%e)
  return %y
})";
  CompilationSettings s = settings();
  Progress silent;
  // Of one size, so that what a run leaves behind meets the next; and of another.
  const std::vector<std::vector<Tensor>> samples = {
      {random_input({2, 3, 16, 16})}, {random_input({2, 3, 16, 16}, 100)}, {random_input({5, 3, 16, 16})}};
  const auto needs = largest_arena(tune_graph(parse_graph(kPadded), samples, s, silent).plan.plan);
  s.workspace_size = *needs - 1;
  const TunedModel tuned = tune_graph(parse_graph(kPadded), samples, s, silent);
  EXPECT_LT(*largest_arena(tuned.plan.plan), *needs);
  EXPECT_LT(tuned.report.worst_error, 1e-4);
  const TunedModel again = repeat_graph(parse_graph(kPadded), samples, s, tuned.decisions, silent);
  EXPECT_EQ(largest_arena(again.plan.plan), largest_arena(tuned.plan.plan));
  EXPECT_EQ(again.plan.code, tuned.plan.code);
  s.workspace_size = 1;
  EXPECT_THROW(tune_graph(parse_graph(kPadded), samples, s, silent), Unsupported);
}

TEST(Tune, RefusesToTuneOnNothing) {
  Progress silent;
  EXPECT_THROW(tune_graph(parse_graph(kNet), {}, settings(), silent), InvalidArgument);
}

TEST(Tune, ChecksSamplesAgainstTheGraph) {
  Progress silent;
  for (const Shape& wrong : {Shape{2, 3, 8, 9}, Shape{3, 8, 8}, Shape{9, 3, 8, 8}}) {
    const std::vector<std::vector<Tensor>> samples = {{random_input(wrong)}};
    EXPECT_THROW(tune_graph(parse_graph(kNet), samples, settings(), silent), InvalidArgument);
  }
}

TEST(Tune, GivesUpALowPrecisionThatIsTooFarOff) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  CompilationSettings s = settings();
  s.enabled_precisions = {DType::f32, DType::bf16};
  s.max_relative_error = 1e-5;  // bf16 cannot hold this
  Warnings warnings;
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 3, 8, 8})}};
  const TunedModel tuned = tune_graph(parse_graph(kNet), samples, s, warnings);
  EXPECT_EQ(tuned.report.chosen, "fp32");
  ASSERT_EQ(warnings.all.size(), 1U);
  EXPECT_NE(warnings.all[0].find("bf16 was given up"), std::string::npos) << warnings.all[0];
}

// Layers whose errors differ: what goes through the narrow one is a large part of the answer's error.
constexpr const char* kUnevenNet = R"(graph(%x: f32[256,256]) {
  weight %w1: f32[256,256] "w1" = random(1)
  weight %w2: f32[256,256] "w2" = random(2)
  weight %w3: f32[256,256] "w3" = random(3)
  %a = aten.linear.default(%x, %w1)
  %r = aten.relu.default(%a)
  %b = aten.linear.default(%r, %w2)
  %s = aten.add.Tensor(%b, %r)
  %t = aten.relu.default(%s)
  %y = aten.linear.default(%t, %w3)
  return %y
})";

TEST(Tune, EndsWithinABoundThatBf16ThroughoutMisses) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  CompilationSettings s = settings();
  s.enabled_precisions = {DType::f32, DType::bf16};
  s.max_relative_error = 2.5e-3;
  Warnings warnings;
  const std::vector<std::vector<Tensor>> samples = {{random_input({256, 256})}};
  const TunedModel tuned = tune_graph(parse_graph(kUnevenNet), samples, s, warnings);
  const auto& candidates = tuned.report.candidates;
  ASSERT_GE(candidates.size(), 2U);
  EXPECT_EQ(candidates[1].precision, "bf16");
  EXPECT_FALSE(candidates[1].correct);
  EXPECT_LE(tuned.report.worst_error, s.max_relative_error);
  // Which of the two is faster is not this test's business; but one of them is kept, and fp32 is not kept in silence.
  if (tuned.report.chosen == "mixed") {
    EXPECT_GT(tuned.report.bf16_share, 0);
    EXPECT_LT(tuned.report.bf16_share, 1);
    EXPECT_FALSE(tuned.report.kept_in_fp32.empty());
    EXPECT_EQ(tuned.plan.plan.precision, "bf16");
    EXPECT_NE(tuned.report.to_json().find("\"kept_in_fp32\":[{"), std::string::npos);
  } else {
    EXPECT_EQ(tuned.report.chosen, "fp32");
    EXPECT_FALSE(warnings.all.empty());
  }
}

TEST(Tune, APlanOfTheReferenceEngineRunsOnEveryCpu) {
  CompilationSettings s = settings();
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 3, 8, 8})}};
  EXPECT_NE(tune_graph(parse_graph(kNet), samples, s, silent).plan.plan.target, CpuTarget());
  s.engine = "reference";
  EXPECT_EQ(tune_graph(parse_graph(kNet), samples, s, silent).plan.plan.target, CpuTarget());
}

/// Each sine passes on `factor` times the error that it gets.
Graph touchy_net(int factor) {
  return parse_graph(fmt::format(R"(graph(%x: f32[64,64]) {{
  %a = aten.sin.default(%x)
  %b = aten.mul.Scalar(%a, {0})
  %c = aten.sin.default(%b)
  %d = aten.mul.Scalar(%c, {0})
  %y = aten.sin.default(%d)
  return %y
}})",
                                 factor));
}

TEST(Tune, AModelThatMakesMuchOfRoundingsIsHeldToWhatItCanKeep) {
  Warnings warnings;
  const std::vector<std::vector<Tensor>> samples = {{random_input({64, 64})}};
  const TunedModel tuned = tune_graph(touchy_net(300), samples, settings(), warnings);
  EXPECT_GT(tuned.report.worst_error, 1e-4);
  EXPECT_GT(tuned.report.accepted_error, tuned.report.worst_error);
  EXPECT_LE(tuned.report.accepted_error, 1e-2);
  EXPECT_TRUE(tuned.report.candidates.at(0).correct);
  ASSERT_FALSE(warnings.all.empty());
  EXPECT_NE(warnings.all.back().find("of the last bit of its numbers"), std::string::npos) << warnings.all.back();

  CompilationSettings strict = settings();
  strict.max_relative_error = 1e-4;
  EXPECT_THROW(tune_graph(touchy_net(300), samples, strict, warnings), ValidationError);
}

TEST(Tune, AModelThatMakesTooMuchOfRoundingsIsRefused) {
  Warnings warnings;
  const std::vector<std::vector<Tensor>> samples = {{random_input({64, 64})}};
  try {
    tune_graph(touchy_net(5000), samples, settings(), warnings);
    FAIL() << "it is taken";
  } catch (const ValidationError& error) {
    EXPECT_NE(std::string(error.what()).find("Roundings alone change"), std::string::npos) << error.what();
  }
}

TEST(Tune, OutputsThatAreZeroButForRoundingsAreNoBug) {
  const std::string_view centred = R"(graph(%x: f32[31,8]) {
    weight %w: f32[8,8] "w" = random(1)
    %a = aten.mm.default(%x, %w)
    %m = aten.mean.dim(%a, [0], True)
    %c = aten.sub.Tensor(%a, %m)
    %y = aten.mean.dim(%c, [0])
    return %y
  })";
  Progress silent;
  CompilationSettings s = settings();
  const std::vector<std::vector<Tensor>> samples = {{random_input({31, 8})}};
  try {
    tune_graph(parse_graph(centred), samples, s, silent);
    FAIL() << "it is taken";
  } catch (const ValidationError& error) {
    EXPECT_NE(std::string(error.what()).find("Roundings alone change"), std::string::npos) << error.what();
  }
  s.max_relative_error = 100;
  EXPECT_EQ(tune_graph(parse_graph(centred), samples, s, silent).report.chosen, "fp32");
}

/// The positions of sums that are not below what they are compared with.
constexpr const char* kChoice = R"(graph(%x: f32[64,64], %limit: f32[64,64]) where u0 in [0,4096] {
  weight %w: f32[64,64] "w" = random(1)
  %a = aten.mm.default(%x, %w)
  %s = aten._softmax.default(%a, 1, False)
  %c = aten.ge.Tensor(%s, %limit)
  %p: i64[u0,2] = aten.nonzero.default(%c)
  return %p, %s
})";

TEST(Tune, SizesThatARoundingDecidesAreNotCompared) {
  const Tensor x = random_input({64, 64});
  const Tensor sums = evaluate(parse_graph(kChoice), std::vector{x, x})[1];
  const std::vector<std::vector<Tensor>> samples = {{x, random_input({64, 64}, 20)}, {x, sums}};
  Warnings warnings;
  const TunedModel tuned = tune_graph(parse_graph(kChoice), samples, settings(), warnings);
  EXPECT_TRUE(tuned.report.candidates.at(0).correct);
  ASSERT_EQ(warnings.all.size(), 1U);
  EXPECT_NE(warnings.all[0].find("a rounding decides the sizes of"), std::string::npos) << warnings.all[0];
  EXPECT_NE(warnings.all[0].find("on sample 1"), std::string::npos) << warnings.all[0];
  EXPECT_TRUE(tuned.samples[0].unsettled.empty());
  EXPECT_EQ(tuned.samples[1].unsettled, std::vector<std::size_t>{0});
}

TEST(Tune, OperatorsThatAreKeptOffTheEngineRunOnTheReference) {
  CompilationSettings s = settings();
  s.torch_executed_ops = {"aten.relu"};
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{random_input({2, 3, 8, 8})}};
  const TunedModel tuned = tune_graph(parse_graph(kNet), samples, s, silent);
  EXPECT_EQ(tuned.plan.plan.blocks.size(), 3U);
  ASSERT_EQ(tuned.report.fallbacks.size(), 1U);
  EXPECT_LT(tuned.report.compiled_share, 1);
  EXPECT_FALSE(tuned.block_outputs.empty());
  s.require_full_compilation = true;
  EXPECT_THROW(tune_graph(parse_graph(kNet), samples, s, silent), Unsupported);
}

// ---- branches and loops

constexpr const char* kControl = R"(graph(%x: f32[s0,16], %n: i64[], %p: bool[]) where s0 in [1,8] {
  weight %w: f32[16,16] "w" = random(1)
  weight %b: f32[16] "b" = random(2)
  weight %zero: i64[] "zero" = [0]
  %h = aten.mul.Scalar(%x, 0.5)
  %i, %a, %c = higher_order.while_loop([%zero, %h, %x], [%n, %w, %b])
  region(%i: i64[], %a: f32[s0,16], %c: f32[s0,16], %n: i64[], %w: f32[16,16], %b: f32[16]) {
    %go = aten.lt.Tensor(%i, %n)
    return %go
  }
  region(%i: i64[], %a: f32[s0,16], %c: f32[s0,16], %n: i64[], %w: f32[16,16], %b: f32[16]) {
    %next = aten.add.Scalar(%i, 1)
    %l = aten.linear(%a, %w, %b)
    %t = aten.tanh(%l)
    %sum = aten.sum.default(%t)
    %large = aten.gt.Scalar(%sum, 0)
    %u = higher_order.cond(%large, [%t, %c])
    region(%t: f32[s0,16], %c: f32[s0,16]) {
      %s = aten.sub.Tensor(%t, %c)
      return %s
    }
    region(%t: f32[s0,16], %c: f32[s0,16]) {
      %e = aten.sigmoid(%c)
      %m = aten.mul.Tensor(%e, %t)
      return %m
    }
    return %next, %c, %u
  }
  %y = higher_order.cond(%p, [%a, %c])
  region(%a: f32[s0,16], %c: f32[s0,16]) {
    %s = aten.add.Tensor(%a, %c)
    return %s
  }
  region(%a: f32[s0,16], %c: f32[s0,16]) {
    return %c
  }
  return %y, %a, %h
})";

std::vector<Tensor> control_inputs(std::int64_t rows, std::int64_t trips, bool flag) {
  return {random_input({rows, 16}), Tensor::scalar(DType::i64, trips), Tensor::scalar(DType::b8, flag)};
}

TEST(TuneRegions, ThePlanGivesWhatTheInterpreterGivesWhicheverWayItGoes) {
  Graph graph = parse_graph(kControl);
  verify(graph, "the test");
  for (const std::string engine : {"", "reference"}) {
    Warnings warnings;
    CompilationSettings chosen = settings();
    chosen.engine = engine;
    const std::vector<std::vector<Tensor>> samples = {control_inputs(2, 3, true), control_inputs(2, 1, false)};
    const TunedModel tuned = tune_graph(graph, samples, chosen, warnings);
    Instance instance(Program::from_built(tuned.plan));
    for (const std::int64_t rows : {1, 2, 5})
      for (const std::int64_t trips : {0, 1, 2, 7, 20})
        for (const bool flag : {true, false}) {
          const auto inputs = control_inputs(rows, trips, flag);
          const auto expected = evaluate(graph, inputs);
          const auto outputs = instance.run(inputs);
          for (std::size_t i = 0; i < outputs.size(); ++i)
            EXPECT_LE(relative_error(outputs[i], expected[i]), 1e-4) << "output " << i << ", " << trips << " trips";
        }
  }
}

TEST(TuneRegions, ABranchThatNoSampleTakesIsWarnedOf) {
  Warnings warnings;
  const std::vector<std::vector<Tensor>> samples = {control_inputs(2, 0, true)};
  tune_graph(parse_graph(kControl), samples, settings(), warnings);
  EXPECT_NE(std::ranges::find_if(warnings.all,
                                 [](const std::string& w) {
                                   return w.find("no sample runs the body of %i = higher_order.while_loop") != w.npos;
                                 }),
            warnings.all.end());
}

}  // namespace
}  // namespace aitune

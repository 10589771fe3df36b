// Branches and loops through the interpreter and the passes.

#include "compiler/graph/regions.h"
#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/bound_loops.h"
#include "compiler/passes/functionalise.h"
#include "compiler/passes/simplify_regions.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

constexpr const char* kIf = R"(graph(%p: bool[], %x: f32[s0,3], %u: f32[2]) where s0 in [1,16] {
  weight %w: f32[3] "w" = [1, 2, 3]
  %y, %z, %unread = higher_order.cond(%p, [%x, %w, %u])
  region(%a: f32[s0,3], %w: f32[3], %u: f32[2]) {
    %r = aten.add.Tensor(%a, %w)
    %d = aten.mul.Tensor(%r, %r)
    return %r, %a, %d
  }
  region(%a: f32[s0,3], %w: f32[3], %u: f32[2]) {
    %n = aten.neg(%a)
    return %n, %a, %n
  }
  return %y, %z
})";

// y doubles n times.
constexpr const char* kLoop = R"(graph(%x: f32[4], %n: i64[]) {
  weight %zero: i64[] = [0]
  %i, %y, %same = higher_order.while_loop([%zero, %x, %n], [%n, %x])
  region(%i: i64[], %v: f32[4], %k: i64[], %limit: i64[], %unread: f32[4]) {
    %go = aten.lt.Tensor(%i, %limit)
    return %go
  }
  region(%i: i64[], %v: f32[4], %k: i64[], %limit: i64[], %unread: f32[4]) {
    %next = aten.add.Scalar(%i, 1)
    %twice = aten.add.Tensor(%v, %v)
    return %next, %twice, %k
  }
  return %y, %same
})";

const Node* control(const Graph& graph) {
  for (const auto& node : graph.nodes())
    if (node->op->has_regions()) return node.get();
  return nullptr;
}

std::vector<double> run(const Graph& graph, const std::vector<Tensor>& inputs) {
  const Tensor wide = evaluate(graph, inputs).at(0).to(DType::f64).contiguous();
  return {wide.as<double>(), wide.as<double>() + wide.numel()};
}

Tensor numbers(std::vector<float> values) {
  Tensor t(DType::f32, {static_cast<std::int64_t>(values.size())});
  std::ranges::copy(values, t.as<float>());
  return t;
}

TEST(EvaluateRegions, ARunsTheBranchThatTheConditionTells) {
  const Graph graph = parse_graph(kIf);
  Tensor x(DType::f32, {1, 3});
  std::ranges::copy(std::vector<float>{1, -1, 4}, x.as<float>());
  const Tensor u = numbers({0, 0});
  EXPECT_THAT(run(graph, {Tensor::scalar(DType::b8, true), x, u}), ElementsAre(2, 1, 7));
  EXPECT_THAT(run(graph, {Tensor::scalar(DType::b8, false), x, u}), ElementsAre(-1, 1, -4));
}

TEST(EvaluateRegions, ALoopRunsAsOftenAsItsConditionTells) {
  const Graph graph = parse_graph(kLoop);
  for (const std::int64_t n : {-3, 0, 1, 5}) {
    const double factor = n <= 0 ? 1 : std::exp2(static_cast<double>(n));
    EXPECT_THAT(run(graph, {numbers({1, -2, 0, 3}), Tensor::scalar(DType::i64, n)}),
                ElementsAre(factor, -2 * factor, 0, 3 * factor));
  }
}

TEST(EvaluateRegions, ALimitOfTripsIsKept) {
  Graph graph = parse_graph(kLoop);
  graph.nodes().front()->args[2] = SymInt(3);
  const Tensor x = numbers({1, 1, 1, 1});
  EXPECT_THAT(run(graph, {x, Tensor::scalar(DType::i64, 3)}), ElementsAre(8, 8, 8, 8));
  EXPECT_THROW(run(graph, {x, Tensor::scalar(DType::i64, 4)}), Error);
}

TEST(SimplifyRegions, WeightsMoveInsideAndWhatIsUnreadGoes) {
  const Graph graph = check_pass(kIf, {simplify_regions}, {{"s0", 2}});
  const Node& node = *control(graph);
  EXPECT_EQ(node.outputs.size(), 1U);  // the second is the operand in both branches, the third is not read
  EXPECT_EQ(graph.outputs[1], graph.inputs[1]);
  ASSERT_EQ(region_operands(node).size(), 1U);
  EXPECT_EQ(node.regions[0]->weights.size(), 1U);
}

TEST(SimplifyRegions, WhatALoopDoesNotChangeIsNotCarried) {
  const Graph graph = check_pass(kLoop, {simplify_regions});
  const Node& node = *control(graph);
  EXPECT_EQ(carried_count(node), 2U);
  EXPECT_EQ(region_operands(node).size(), 3U);  // and the limit
  EXPECT_EQ(graph.outputs[1], graph.inputs[1]);
}

TEST(SimplifyRegions, AConstantConditionLeavesOneBranch) {
  for (const bool flag : {true, false}) {
    std::string text = kIf;
    text.replace(text.find("cond(%p"), 7, "cond(%c");
    text.insert(text.find("  %y, %z"), std::string("  weight %c: bool[] = splat(") + (flag ? "1)\n" : "0)\n"));
    const Graph graph = check_pass(text, {simplify_regions}, {{"s0", 2}});
    EXPECT_EQ(control(graph), nullptr);
    EXPECT_THAT(ops_of(graph), Contains(flag ? "aten.add.Tensor" : "aten.neg.default"));
  }
}

TEST(SimplifyRegions, ALoopThatDoesNotBeginIsWhatItCarries) {
  const Graph graph = check_pass(R"(graph(%x: f32[4]) {
    %y = higher_order.while_loop([%x], [])
    region(%v: f32[4]) {
      weight %never: bool[] = splat(0)
      return %never
    }
    region(%v: f32[4]) {
      %w = aten.neg(%v)
      return %w
    }
    return %y
  })",
                                 {simplify_regions});
  EXPECT_EQ(graph.outputs[0], graph.inputs[0]);
}

TEST(LowerRegions, PassesReachInside) {
  const Graph graph = check_lowering(R"(graph(%p: bool[], %x: f32[2,8]) {
    weight %w: f32[8,8] = random(1)
    weight %b: f32[8] = random(2)
    %y = higher_order.cond(%p, [%x, %w, %b])
    region(%a: f32[2,8], %w: f32[8,8], %b: f32[8]) {
      %t = aten.t(%w)
      %m = aten.matmul(%a, %t)
      %s = aten.add.Tensor(%m, %b)
      %q = aten.relu(%s)
      %dead = aten.exp(%q)
      return %q
    }
    region(%a: f32[2,8], %w: f32[8,8], %b: f32[8]) {
      %c = aten.clone(%a)
      return %c
    }
    return %y
  })");
  const Node& node = *control(graph);
  EXPECT_EQ(region_operands(node).size(), 1U);
  const auto ops = ops_of(*node.regions[0]);
  EXPECT_THAT(ops, Not(Contains("aten.exp.default")));
  EXPECT_THAT(ops, Not(Contains("aten.t.default")));  // of a constant
}

TEST(LowerRegions, LoopsKeepTheirResults) {
  check_lowering(kLoop);
  check_lowering(R"(graph(%x: f32[4], %y: f32[4], %n: i64[]) {
    weight %zero: i64[] = [0]
    %i, %a, %b = higher_order.while_loop([%zero, %x, %y], [%n])
    region(%i: i64[], %a: f32[4], %b: f32[4], %n: i64[]) {
      %go = aten.lt.Tensor(%i, %n)
      return %go
    }
    region(%i: i64[], %a: f32[4], %b: f32[4], %n: i64[]) {
      %next = aten.add.Scalar(%i, 1)
      return %next, %b, %a
    }
    return %a, %b
  })");
}

// What a loop hands on is what its body makes of it, not any of the values that it was given.
TEST(FunctionaliseRegions, ALoopBesideConstantsLeavesWritesAlone) {
  check_lowering(R"(graph(%x: f32[4], %n: i64[]) {
    weight %zero: i64[] = [0]
    %y = aten.clone(%x)
    %w = aten.add_.Tensor(%y, %x, 1)
    %i, %a = higher_order.while_loop([%zero, %w], [%n])
    region(%i: i64[], %a: f32[4], %n: i64[]) {
      %go = aten.lt.Tensor(%i, %n)
      return %go
    }
    region(%i: i64[], %a: f32[4], %n: i64[]) {
      %next = aten.add.Scalar(%i, 1)
      %b = aten.mul.Tensor(%a, %a)
      return %next, %b
    }
    return %a, %i
  })");
}

std::string refusal(std::string_view text, PassFunction pass) {
  Graph graph = parse_graph(text);
  const LowerOptions options = default_options();
  try {
    pass(graph, PassContext{options});
  } catch (const Unsupported& error) {
    return error.what();
  }
  return "accepted";
}

TEST(FunctionaliseRegions, WritesInsideOfARegion) {
  Graph graph = parse_graph(R"(graph(%p: bool[], %x: f32[4]) {
    %y = higher_order.cond(%p, [%x])
    region(%a: f32[4]) {
      %c = aten.clone(%a)
      %v = aten.slice.Tensor(%c, 0, 0, 2, 1)
      %w = aten.neg_(%v)
      return %c
    }
    region(%a: f32[4]) {
      return %a
    }
    return %y
  })");
  const LowerOptions options = default_options();
  functionalise(graph, PassContext{options});
  verify(graph, "functionalise");
  const Tensor x = numbers({1, 2, 3, 4});
  EXPECT_THAT(run(graph, {Tensor::scalar(DType::b8, true), x}), ElementsAre(-1, -2, 3, 4));
  EXPECT_THAT(run(graph, {Tensor::scalar(DType::b8, false), x}), ElementsAre(1, 2, 3, 4));
}

TEST(FunctionaliseRegions, WritesToWhatLiesOutsideAreRefused) {
  EXPECT_THAT(refusal(R"(graph(%p: bool[], %x: f32[4]) {
    %y = higher_order.cond(%p, [%x])
    region(%a: f32[4]) {
      %w = aten.neg_(%a)
      return %w
    }
    region(%a: f32[4]) {
      return %a
    }
    return %y
  })",
                      functionalise),
              HasSubstr("inside of an if or a loop, into a tensor from outside"));
}

TEST(FunctionaliseRegions, AResultMayBeTheOperand) {
  EXPECT_THAT(refusal(R"(graph(%p: bool[], %x: f32[4]) {
    %c = aten.clone(%x)
    %y = higher_order.cond(%p, [%c])
    region(%a: f32[4]) {
      %v = aten.view(%a, [4])
      return %v
    }
    region(%a: f32[4]) {
      %n = aten.neg(%a)
      return %n
    }
    %w = aten.neg_(%y)
    %s = aten.add.Tensor(%c, %w)
    return %s
  })",
                      functionalise),
              HasSubstr("shares or not"));
}

std::vector<std::string> warnings_of(std::string_view text) {
  Graph graph = parse_graph(text);
  std::vector<std::string> warnings;
  LowerOptions options;
  options.warn = [&](std::string_view message) { warnings.emplace_back(message); };
  bound_loops(graph, PassContext{options});
  const Node& node = *control(graph);
  EXPECT_EQ(warnings.empty(), node.args[2].is_none());
  return warnings;
}

std::string loop(std::string_view condition, std::string_view next) {
  return "graph(%x: f32[], %n: i64[], %i: i64[]) {\n%y, %j = higher_order.while_loop([%x, %i], [%n])\n"
         "region(%x: f32[], %i: i64[], %n: i64[]) {\n" +
         std::string(condition) +
         "\nreturn %go\n}\n"
         "region(%x: f32[], %i: i64[], %n: i64[]) {\n%h = aten.mul.Scalar(%x, 0.5)\n" +
         std::string(next) + "\nreturn %h, %k\n}\nreturn %y\n}";
}

TEST(BoundLoops, ACounterTowardsABoundNeedsNoLimit) {
  EXPECT_TRUE(warnings_of(kLoop).empty());
  EXPECT_TRUE(warnings_of(loop("%go = aten.lt.Tensor(%i, %n)", "%k = aten.add.Scalar(%i, 2)")).empty());
  EXPECT_TRUE(warnings_of(loop("%go = aten.gt.Scalar(%i, 0)", "%k = aten.sub.Scalar(%i, 1)")).empty());
  EXPECT_TRUE(warnings_of(loop("%a = aten.gt.Scalar(%x, 1)\n%b = aten.le.Scalar(%i, 9)\n%go = aten.logical_and(%a, %b)",
                               "%k = aten.add.Scalar(%i, 1)"))
                  .empty());
}

TEST(BoundLoops, AnyOtherIsWarnedOfAndLimited) {
  const auto limited = [](std::string_view condition, std::string_view next) {
    const auto warnings = warnings_of(loop(condition, next));
    ASSERT_EQ(warnings.size(), 1U) << condition;
    EXPECT_THAT(warnings[0], HasSubstr("%y = higher_order.while_loop"));
    EXPECT_THAT(warnings[0], HasSubstr("nothing bounds the trips"));
  };
  limited("%go = aten.gt.Scalar(%x, 1)", "%k = aten.add.Scalar(%i, 1)");
  limited("%go = aten.lt.Tensor(%i, %n)", "%k = aten.sub.Scalar(%i, 1)");
  limited("%go = aten.lt.Tensor(%i, %n)", "%k = aten.add.Scalar(%i, 0)");
  limited("%go = aten.lt.Tensor(%i, %n)", "%k = aten.mul.Scalar(%i, 2)");
  limited("%a = aten.gt.Scalar(%x, 1)\n%b = aten.le.Scalar(%i, 9)\n%go = aten.logical_or(%a, %b)",
          "%k = aten.add.Scalar(%i, 1)");
}

TEST(BoundLoops, OneThatCannotEndIsRefused) {
  const std::string message = refusal(loop("%go = aten.gt.Scalar(%n, 1)", "%k = aten.add.Scalar(%i, 1)"), bound_loops);
  EXPECT_THAT(message, HasSubstr("cannot end once it has begun"));
  EXPECT_THAT(message, HasSubstr("%y = higher_order.while_loop"));
  EXPECT_THAT(refusal(loop("%go = aten.gt.Scalar(%i, 1)", "%k = aten.clone(%i)"), bound_loops),
              HasSubstr("cannot end once it has begun"));
}

}  // namespace
}  // namespace aitune

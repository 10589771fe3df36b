#include "compiler/passes/functionalise.h"

#include "base/error.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

std::string refusal(std::string_view text) {
  Graph graph = parse_graph(text);
  const LowerOptions options;
  try {
    functionalise(graph, PassContext{options});
  } catch (const Unsupported& error) {
    return error.what();
  }
  return "no error";
}

/// The reference kernels of in-place operators do not write, so what is checked here is what reads what.
std::string lowered(std::string_view text) {
  Graph graph = parse_graph(text);
  const LowerOptions options;
  functionalise(graph, PassContext{options});
  verify(graph, "functionalise");
  return print(graph);
}

TEST(Functionalise, LaterReadersSeeTheWrite) {
  const std::string text = lowered(R"(graph(%x: f32[4]) {
    %a: f32[4] = aten.neg.default(%x)
    %b: f32[4] = aten.relu_.default(%a)
    %c: f32[4] = aten.add.Tensor(%a, %b)
    return %c
  })");
  EXPECT_EQ(text, lowered(R"(graph(%x: f32[4]) {
    %a: f32[4] = aten.neg.default(%x)
    %b_1: f32[4] = aten.relu.default(%a)
    %c: f32[4] = aten.add.Tensor(%b_1, %b_1)
    return %c
  })"));
}

TEST(Functionalise, ChainsOfWrites) {
  const std::string text = lowered(R"(graph(%x: f32[4], %y: f32[4]) {
    %a: f32[4] = aten.neg.default(%x)
    %b: f32[4] = aten.add_.Tensor(%a, %y)
    %c: f32[4] = aten.hardswish_.default(%b)
    return %a
  })");
  EXPECT_THAT(text, HasSubstr("aten.hardswish.default"));
  EXPECT_THAT(text, HasSubstr("return %c"));
}

TEST(Functionalise, DropsWhatOnlyMattersToMemoryOrTraining) {
  const Graph graph = check_pass(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.clone.default(%x)
    %b: f32[2,4] = aten.dropout.default(%a, 0.5, False)
    %c: f32[2,4] = aten.contiguous.default(%b)
    %d: f32[2,4] = aten.detach.default(%c)
    %e: f32[2,4] = aten.to.dtype(%d, f32)
    %f: f32[2,4] = aten.relu.default(%e)
    return %f
  })",
                                 {functionalise});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.relu.default"));
}

TEST(Functionalise, MemoryIsAddressedWhereContiguousSaysHowItLies) {
  const std::string_view unknown = R"(graph(%x: f32[2,3,4]) {
    %p: f32[2,4,3] = aten.permute.default(%x, [0, 2, 1])
    %s: f32[2,6] = aten.as_strided.default(%p, [2, 6], [7, 2], 1)
    return %s
  })";
  EXPECT_THAT(refusal(unknown), HasSubstr("whose strides are not known"));
  const Graph graph = check_pass(R"(graph(%x: f32[2,3,4]) {
    %p: f32[2,4,3] = aten.permute.default(%x, [0, 2, 1])
    %c: f32[2,4,3] = aten.contiguous.default(%p)
    %s: f32[2,6] = aten.as_strided.default(%c, [2, 6], [7, 2], 1)
    return %s
  })",
                                 {functionalise});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.permute.default", "aten.contiguous.default", "aten.as_strided.default"));
  EXPECT_EQ(lowered(print(graph)), print(graph));  // lowering makes programs functional that are so already
}

TEST(Functionalise, CastsHaveOneForm) {
  const Graph graph = check_pass(R"(graph(%x: f32[4]) {
    %a: f64[4] = aten.to.dtype(%x, f64)
    return %a
  })",
                                 {functionalise});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten._to_copy.default"));
}

TEST(Functionalise, CopyReplacesTheWholeTensor) {
  const std::string text = lowered(R"(graph(%x: f32[2,4], %y: f32[4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %b: f32[2,4] = aten.copy_.default(%a, %y)
    return %a
  })");
  EXPECT_THAT(text, HasSubstr("aten.expand.default(%y"));
}

/// What a program with writes gives after the pass is what the same program written without them gives.
void expect_same(std::string_view with_writes, std::string_view without, const SymValues& symbols = {}) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Graph graph = parse_graph(with_writes);
  const Graph expected = parse_graph(without);
  const LowerOptions options = default_options();
  functionalise(graph, PassContext{options});
  verify(graph, "functionalise");
  for (const std::string& op : ops_of(graph)) EXPECT_EQ(op.find("_.", 5), op.npos) << op;
  const auto compare = [&](std::string_view stage) {
    const auto inputs = random_inputs(expected, symbols, seed);
    const auto want = evaluate(expected, inputs), got = evaluate(graph, inputs);
    ASSERT_EQ(want.size(), got.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(want[i].shape(), got[i].shape());
      EXPECT_LE(relative_error(got[i], want[i]), 1e-6) << stage << ", output " << i << " of\n" << print(graph);
    }
  };
  compare("functionalise");
  lower(graph, options);
  compare("lowering");
}

TEST(Functionalise, AWriteThroughAViewChangesWhatItIsAViewOf) {
  expect_same(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %row: f32[4] = aten.select.int(%a, 0, 0)
    %b: f32[4] = aten.relu_.default(%row)
    return %a, %row
  })",
              R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %first: f32[1,4] = aten.slice.Tensor(%a, 0, 0, 1)
    %r: f32[1,4] = aten.relu.default(%first)
    %second: f32[1,4] = aten.slice.Tensor(%a, 0, 1, 2)
    %c: f32[2,4] = aten.cat.default([%r, %second])
    %row: f32[4] = aten.view.default(%r, [4])
    return %c, %row
  })");
}

TEST(Functionalise, ChainsOfViewsAreWrittenThrough) {
  expect_same(R"(graph(%x: f32[2,3,4], %y: f32[2,2]) {
    %a: f32[2,3,4] = aten.neg.default(%x)
    %p: f32[4,2,3] = aten.permute.default(%a, [2, 0, 1])
    %s: f32[2,2,3] = aten.slice.Tensor(%p, 0, 1, 4, 2)
    %v: f32[2,2] = aten.select.int(%s, 2, -1)
    %w: f32[2,2] = aten.add_.Tensor(%v, %y)
    return %a, %s
  })",
              R"(graph(%x: f32[2,3,4], %y: f32[2,2]) {
    %a: f32[2,3,4] = aten.neg.default(%x)
    %rows: f32[2,2,4] = aten.slice.Tensor(%a, 1, 0, 2)
    %row: f32[2,4] = aten.select.int(%a, 1, 2)
    %t: f32[2,2] = aten.permute.default(%y, [1, 0])
    %one: f32[2,1] = aten.slice.Tensor(%t, 1, 0, 1)
    %two: f32[2,1] = aten.slice.Tensor(%t, 1, 1, 2)
    %zero: f32[2,1] = aten.mul.Scalar(%one, 0)
    %added: f32[2,4] = aten.cat.default([%zero, %one, %zero, %two], 1)
    %sum: f32[2,4] = aten.add.Tensor(%row, %added)
    %whole: f32[2,1,4] = aten.view.default(%sum, [2, 1, 4])
    %b: f32[2,3,4] = aten.cat.default([%rows, %whole], 1)
    %p: f32[4,2,3] = aten.permute.default(%b, [2, 0, 1])
    %s: f32[2,2,3] = aten.slice.Tensor(%p, 0, 1, 4, 2)
    return %b, %s
  })");
}

TEST(Functionalise, PiecesOfASplitShareItsMemory) {
  expect_same(R"(graph(%x: f32[s0,6]) where s0 in [1,8] {
    %a: f32[s0,6] = aten.neg.default(%x)
    %p: f32[s0,2], %q: f32[s0,2], %r: f32[s0,2] = aten.split.Tensor(%a, 2, 1)
    %u: f32[s0], %v: f32[s0] = aten.unbind.int(%q, 1)
    %w: f32[s0] = aten.fill_.Scalar(%v, 7)
    %z: f32[s0,2] = aten.copy_.default(%p, %r)
    return %a, %q, %u
  })",
              R"(graph(%x: f32[s0,6]) where s0 in [1,8] {
    %a: f32[s0,6] = aten.neg.default(%x)
    %p: f32[s0,2], %q: f32[s0,2], %r: f32[s0,2] = aten.split.Tensor(%a, 2, 1)
    %left: f32[s0,1] = aten.slice.Tensor(%q, 1, 0, 1)
    %seven: f32[s0,1] = aten.full_like.default(%left, 7)
    %c: f32[s0,6] = aten.cat.default([%r, %left, %seven, %r], 1)
    %m: f32[s0,2] = aten.cat.default([%left, %seven], 1)
    %u: f32[s0] = aten.view.default(%left, [s0])
    return %c, %m, %u
  })",
              {{"s0", 3}});
}

TEST(Functionalise, DiagonalsAndReshapedMemoryAreWrittenThrough) {
  expect_same(R"(graph(%x: f32[3,3]) {
    %a: f32[3,3] = aten.neg.default(%x)
    %d: f32[3] = aten.diagonal.default(%a)
    %w: f32[3] = aten.zero_.default(%d)
    %flat: f32[9] = aten.reshape.default(%a, [-1])
    %last: f32[4] = aten.narrow.default(%flat, 0, 5, 4)
    %z: f32[4] = aten.mul_.Scalar(%last, 2)
    return %a, %d
  })",
              R"(graph(%x: f32[3,3]) {
    weight %m: f32[3,3] "m" = [0, -1, -1, -1, 0, -2, -2, -2, 0]
    weight %zero: f32[3] "z" = splat(0)
    %a: f32[3,3] = aten.mul.Tensor(%x, %m)
    return %a, %zero
  })");
}

TEST(Functionalise, ClonesAreMemoryOfTheirOwn) {
  expect_same(R"(graph(%x: f32[4]) {
    weight %w: f32[4] "w" = [1, 2, 3, 4]
    %c: f32[4] = aten.clone.default(%x)
    %a: f32[4] = aten.add_.Scalar(%c, 1)
    %d: f32[4] = aten.clone.default(%w)
    %part: f32[2] = aten.slice.Tensor(%d, 0, 1, 3)
    %z: f32[2] = aten.zero_.default(%part)
    return %x, %c, %w, %d
  })",
              R"(graph(%x: f32[4]) {
    weight %w: f32[4] "w" = [1, 2, 3, 4]
    weight %d: f32[4] "d" = [1, 0, 0, 4]
    %c: f32[4] = aten.add.Scalar(%x, 1)
    return %x, %c, %w, %d
  })");
}

TEST(Functionalise, MasksChooseWhatIsWritten) {
  expect_same(R"(graph(%x: f32[3,4], %m: bool[3]) {
    weight %v: f32[] "v" = [9]
    %a: f32[3,4] = aten.neg.default(%x)
    %cols: f32[3,2] = aten.slice.Tensor(%a, 1, 2, 4)
    %b: f32[3,2] = aten.index_put_.default(%cols, [%m], %v)
    %low: bool[3,4] = aten.lt.Scalar(%x, 0)
    %c: f32[3,4] = aten.masked_fill_.Scalar(%a, %low, 3)
    return %a
  })",
              R"(graph(%x: f32[3,4], %m: bool[3]) {
    weight %v: f32[] "v" = [9]
    %a: f32[3,4] = aten.neg.default(%x)
    %left: f32[3,2] = aten.slice.Tensor(%a, 1, 0, 2)
    %right: f32[3,2] = aten.slice.Tensor(%a, 1, 2, 4)
    %column: bool[3,1] = aten.view.default(%m, [3, 1])
    %put: f32[3,2] = aten.where.self(%column, %v, %right)
    %b: f32[3,4] = aten.cat.default([%left, %put], 1)
    %low: bool[3,4] = aten.lt.Scalar(%x, 0)
    %c: f32[3,4] = aten.masked_fill.Scalar(%b, %low, 3)
    return %c
  })");
}

TEST(Functionalise, ATensorThatIsReshapedInPlaceStaysAView) {
  expect_same(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %row: f32[4] = aten.select.int(%a, 0, 1)
    %wide: f32[1,4] = aten.unsqueeze_.default(%row, 0)
    %z: f32[1,4] = aten.zero_.default(%row)
    return %a, %wide
  })",
              R"(graph(%x: f32[2,4]) {
    weight %m: f32[2,1] "m" = [-1, 0]
    weight %z: f32[1,4] "z" = splat(0)
    %a: f32[2,4] = aten.mul.Tensor(%x, %m)
    return %a, %z
  })");
}

TEST(Functionalise, AReshapeOfRowMajorMemoryIsAView) {
  EXPECT_THAT(lowered(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %f: f32[8] = aten.reshape.default(%a, [8])
    %b: f32[8] = aten.relu_.default(%f)
    return %a
  })"),
              HasSubstr("= aten.relu.default(%f)"));
}

TEST(Functionalise, RefusesWritesWhoseEffectDependsOnStrides) {
  const std::string message = refusal(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %t: f32[4,2] = aten.permute.default(%a, [1, 0])
    %f: f32[8] = aten.reshape.default(%t, [8])
    %b: f32[8] = aten.relu_.default(%f)
    return %a, %b
  })");
  EXPECT_THAT(message, HasSubstr("depending on strides"));
  EXPECT_THAT(message, HasSubstr("x = x.clone()"));
}

TEST(Functionalise, TrainingModeHasItsOwnAdvice) {
  const std::string message = refusal(R"(graph(%x: f32[2,4]) {
  %y = aten.dropout.default(%x, 0.5, True)
  return %y
})");
  EXPECT_THAT(message, testing::AllOf(HasSubstr("is in training mode. "), HasSubstr("model.eval()"),
                                      testing::Not(HasSubstr("x.clone()"))));
}

TEST(Functionalise, RefusesWritesIntoExpandedMemory) {
  EXPECT_THAT(refusal(R"(graph(%x: f32[1,4]) {
    %a: f32[1,4] = aten.neg.default(%x)
    %e: f32[3,4] = aten.expand.default(%a, [3, 4])
    %b: f32[3,4] = aten.relu_.default(%e)
    return %b
  })"),
              HasSubstr("elements share memory"));
}

TEST(Functionalise, RefusesWritesIntoPartsOfWeights) {
  EXPECT_THAT(refusal(R"(graph(%x: f32[2]) {
    weight %w: f32[4] "cache" = splat(1)
    %part: f32[2] = aten.slice.Tensor(%w, 0, 0, 2)
    %b: f32[2] = aten.copy_.default(%part, %x)
    return %w
  })"),
              HasSubstr("writes to cache"));
}

TEST(Functionalise, AViewThatIsDeadMayBeStale) {
  EXPECT_THAT(lowered(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %v: f32[8] = aten.view.default(%a, [8])
    %s: f32[8] = aten.exp.default(%v)
    %b: f32[2,4] = aten.relu_.default(%a)
    return %b, %s
  })"),
              HasSubstr("aten.relu.default"));
}

TEST(Functionalise, AViewTakenAfterTheWriteShowsIt) {
  EXPECT_THAT(lowered(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %b: f32[2,4] = aten.relu_.default(%a)
    %v: f32[4,2] = aten.permute.default(%a, [1, 0])
    %s: f32[4,2] = aten.exp.default(%v)
    return %s
  })"),
              HasSubstr("aten.permute.default(%b_1"));
}

TEST(Functionalise, RefusesWritesToWeights) {
  EXPECT_THAT(refusal(R"(graph(%x: f32[4]) {
    weight %w: f32[4] "bn.running_mean" = splat(1)
    %b: f32[4] = aten.add_.Tensor(%w, %x)
    return %b
  })"),
              HasSubstr("bn.running_mean"));
}

TEST(Functionalise, RefusesTrainingModeNamingAllNodes) {
  const std::string message = refusal(R"(graph(%x: f32[4]) {
    %a: f32[4] = aten.dropout.default(%x, 0.5, True)
    %b: f32[4] = aten.dropout.default(%a, 0.5, True)
    return %b
  })");
  EXPECT_THAT(message, HasSubstr("%a = aten.dropout.default"));
  EXPECT_THAT(message, HasSubstr("%b = aten.dropout.default"));
  EXPECT_THAT(message, HasSubstr("model.eval()"));
}

// What an importer makes of forward() that writes to its input (lift_writes): the input is an output, too.
TEST(Functionalise, AnInputThatIsAnOutputHasWhatWasWritten) {
  Graph graph = parse_graph(R"(graph(%x: f32[4]) {
    %b: f32[4] = aten.relu_.default(%x)
    %c: f32[4] = aten.neg.default(%b)
    return %c, %x
  })");
  const LowerOptions options;
  functionalise(graph, PassContext{options});
  const std::string text = print(graph);
  EXPECT_THAT(text, HasSubstr("aten.relu.default(%x)"));
  ASSERT_EQ(graph.outputs.size(), 2U);
  EXPECT_EQ(graph.outputs[1], graph.nodes().front()->output());
}

}  // namespace
}  // namespace aitune

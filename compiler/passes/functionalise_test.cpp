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

TEST(Functionalise, RefusesWritesThatAnotherViewShows) {
  EXPECT_THAT(refusal(R"(graph(%x: f32[2,4]) {
    %a: f32[2,4] = aten.neg.default(%x)
    %row: f32[4] = aten.select.int(%a, 0, 0)
    %b: f32[4] = aten.relu_.default(%row)
    return %a
  })"),
              HasSubstr("%b = aten.relu_.default"));
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

TEST(Functionalise, WarnsOfWritesToInputs) {
  Graph graph = parse_graph(R"(graph(%x: f32[4]) {
    %b: f32[4] = aten.relu_.default(%x)
    return %b
  })");
  std::string warning;
  LowerOptions options;
  options.warn = [&](std::string_view message) { warning = message; };
  functionalise(graph, PassContext{options});
  EXPECT_THAT(warning, HasSubstr("input %x"));
}

}  // namespace
}  // namespace aitune

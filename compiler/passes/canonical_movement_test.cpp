#include "compiler/passes/canonical_movement.h"

#include "compiler/passes/cleanup.h"
#include "compiler/passes/simplify.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

/// torch.nn.MultiheadAttention on [batch, tokens, channels], as torch.export writes it.
TEST(CanonicalMovement, HeadsOfAttention) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,7,24]) where s0 in [1,8] {
    %t: f32[7,s0,24] = aten.permute.default(%x, [1, 0, 2])
    %u: f32[1,7,s0,3,8] = aten.view.default(%t, [1, 7, s0, 3, 8])
    %p: f32[3,7,s0,1,8] = aten.permute.default(%u, [3, 1, 2, 0, 4])
    %q: f32[3,7,s0,8] = aten.view.default(%p, [3, 7, s0, 8])
    %k: f32[7,s0,8] = aten.select.int(%q, 0, 1)
    %h: f32[7,2*s0,4] = aten.view.default(%k, [7, 2*s0, 4])
    %m: f32[2*s0,7,4] = aten.permute.default(%h, [1, 0, 2])
    %n: f32[s0,2,7,4] = aten.view.default(%m, [s0, 2, 7, 4])
    %y: f32[s0,2,7,4] = aten.relu.default(%n)
    return %y
  })",
                                 {canonicalise_movement, eliminate_dead_code}, {{"s0", 3}});
  EXPECT_THAT(ops_of(graph),
              ElementsAre("aten.slice.Tensor", "aten.view.default", "aten.permute.default", "aten.relu.default"));
}

TEST(CanonicalMovement, AViewThatCutsAcrossFactorsBeginsAnew) {
  const Graph graph = check_pass(R"(graph(%x: f32[4,6]) {
    %a: f32[6,4] = aten.permute.default(%x, [1, 0])
    %b: f32[3,8] = aten.view.default(%a, [3, 8])
    %c: f32[8,3] = aten.permute.default(%b, [1, 0])
    return %c
  })",
                                 {canonicalise_movement, eliminate_dead_code});
  EXPECT_EQ(graph.nodes().size(), 3U);
}

TEST(CanonicalMovement, AnInnerSelectionStays) {
  const Graph graph = check_pass(R"(graph(%x: f32[4,6]) {
    %a: f32[4,3,2] = aten.view.default(%x, [4, 3, 2])
    %b: f32[4,3] = aten.select.int(%a, 2, 1)
    return %b
  })",
                                 {canonicalise_movement, eliminate_dead_code});
  EXPECT_EQ(graph.nodes().size(), 2U);
}

TEST(CanonicalMovement, PermutesAroundALinearMeet) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,2,5,4]) where s0 in [1,8] {
    weight %w: f32[6,8] "w" = random(1)
    %p: f32[5,s0,2,4] = aten.permute.default(%x, [2, 0, 1, 3])
    %v: f32[5*s0,8] = aten.view.default(%p, [5*s0, 8])
    %l: f32[5*s0,6] = aten.linear.default(%v, %w)
    %u: f32[5,s0,6] = aten.view.default(%l, [5, s0, 6])
    %y: f32[s0,5,6] = aten.permute.default(%u, [1, 0, 2])
    return %y
  })",
                                 {simplify, canonicalise_movement, eliminate_dead_code}, {{"s0", 3}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.permute.default", "aten.view.default", "aten.linear.default"));
}

/// Random chains on a random shape: the values stay and the graph does not grow.
TEST(CanonicalMovement, RandomChains) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    SymShape shape;
    for (int d = 0; d < 4; ++d) shape.emplace_back(std::vector<std::int64_t>{1, 2, 3, 4, 6}[random() % 5]);
    std::string text = "graph(%v0: f32" + to_string(shape) + ") {\n";
    int last = 0;
    for (int step = 0; step < 6; ++step) {
      std::string call;
      if (random() % 2 == 0 && shape.size() > 1) {
        const std::size_t a = random() % shape.size(), b = random() % shape.size();
        std::vector<std::int64_t> order(shape.size());
        for (std::size_t i = 0; i < order.size(); ++i)
          order[i] = static_cast<std::int64_t>(i == a ? b : i == b ? a : i);
        std::swap(shape[a], shape[b]);
        call = "permute.default(%v" + std::to_string(last) + ", " + to_string(SymShape(order.begin(), order.end()));
      } else if (random() % 4 == 0 && shape.size() > 2) {
        const std::size_t dim = random() % shape.size();
        const auto index = static_cast<std::int64_t>(random()) % shape[dim].constant();
        shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(dim));
        call = "select.int(%v" + std::to_string(last) + ", " + std::to_string(dim) + ", " +
               std::to_string(std::abs(index));
      } else if (shape.size() > 1 && random() % 2 == 0) {
        const std::size_t dim = random() % (shape.size() - 1);
        shape[dim] *= shape[dim + 1];
        shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(dim) + 1);
        call = "view.default(%v" + std::to_string(last) + ", " + to_string(shape);
      } else {
        const std::size_t dim = random() % shape.size();
        const std::int64_t size = shape[dim].constant();
        const std::int64_t outer = size % 2 == 0 ? 2 : size % 3 == 0 ? 3 : 1;
        shape[dim] = outer;
        shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(dim) + 1, SymInt(size / outer));
        call = "view.default(%v" + std::to_string(last) + ", " + to_string(shape);
      }
      text += "%v" + std::to_string(last + 1) + " = aten." + call + ")\n";
      ++last;
    }
    text += "return %v" + std::to_string(last) + "\n}";
    SCOPED_TRACE(text);
    const Graph graph = check_pass(text, {canonicalise_movement, eliminate_dead_code}, {}, 0);
    EXPECT_LE(graph.nodes().size(), 6U);
  }
}

}  // namespace
}  // namespace aitune

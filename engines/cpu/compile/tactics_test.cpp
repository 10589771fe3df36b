#include "engines/cpu/compile/tactics.h"

#include <gtest/gtest.h>

#include "compiler/graph/graph.h"
#include "compiler/tuning/timing_cache.h"
#include "engines/cpu/compile/lowering.h"

namespace aitune::cpu {
namespace {

// Of the middle of a residual network, where Winograd's algorithm pays.
constexpr const char* kConvolution = R"(graph(%x: f32[1,128,28,28]) {
  weight %w: f32[128,128,3,3] "w" = random(1)
  %y = aten.convolution.default(%x, %w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
  return %y
})";

/// Squares of Winograd's algorithm for the convolution, 0 for none.
int winograd_of(EngineOptions options) {
  const Graph graph = parse_graph(kConvolution);
  options.target = host_cpu();
  options.num_threads = 1;
  options.onednn = false;
  const LoweredBlock block = Lowering(graph, options).run();
  int squares = -1;
  const auto tactics = choose_tactics(block, options);
  for (std::size_t i = 0; i < tactics.size(); ++i)
    if (block.tasks[i].gemm) squares = tactics[i].tile.winograd;
  return squares;
}

TEST(Tactics, AccurateOnesDoWithoutWinograd) {
  EngineOptions by_rule;
  by_rule.optimization_level = 0;
  ASSERT_GT(winograd_of(by_rule), 0);
  by_rule.accurate = true;
  EXPECT_EQ(winograd_of(by_rule), 0);
}

TEST(Tactics, TheTimingsOfAccurateOnesAreKeptApart) {
  TimingCache timings;
  EngineOptions timed;
  timed.optimization_level = 1;
  timed.timings = &timings;
  const int first = winograd_of(timed);
  timed.accurate = true;
  EXPECT_EQ(winograd_of(timed), 0);
  timed.accurate = false;
  EXPECT_EQ(winograd_of(timed), first);
}

}  // namespace
}  // namespace aitune::cpu

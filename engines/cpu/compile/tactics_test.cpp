#include "engines/cpu/compile/tactics.h"

#include <gtest/gtest.h>

#include "aitune/version.h"
#include "base/target.h"
#include "compiler/graph/graph.h"
#include "compiler/tuning/timing_cache.h"
#include "engines/cpu/compile/lowering.h"
#include "engines/cpu/compile/time_runs.h"
#include "format/source.h"
#include "format/test_folder.h"

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

/// A convolution in a text that parts of may be changed.
std::string convolution(const std::string& what = "", const std::string& by = "") {
  std::string text = R"(graph(%x: f32[2,32,12,12]) {
  weight %w: f32[32,32,3,3] "w" = random(1)
  %c = aten.convolution.default(%x, %w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
  %y = aten.relu.default(%c)
  return %y
})";
  if (!what.empty()) text.replace(text.find(what), what.size(), by);
  return text;
}

EngineOptions timing_options(TimingCache& timings) {
  EngineOptions options;
  options.target = host_cpu();
  options.target.avx512_bf16 = options.target.amx_bf16 = false;
  options.num_threads = 1;
  options.optimization_level = 1;
  options.onednn = false;
  options.timings = &timings;
  return options;
}

void time_tactics(const std::string& text, const EngineOptions& options) {
  const Graph graph = parse_graph(text);
  const LoweredBlock block = Lowering(graph, options).run();
  choose_tactics(block, options);
  options.timings->take_decisions();  // each is a plan of its own
}

/// num_avg_timing_iters
TEST(Tactics, ATimeIsTheAverageOfSoManyRuns) {
  for (const int averaged : {1, 3, 7}) {
    // Every run is slower than the one before: the fastest time is the average of the first ones.
    int runs = 0;
    const double best = time_runs(
        [&] {
          const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1 + runs++);
          while (std::chrono::steady_clock::now() < until) {
          }
        },
        averaged);
    EXPECT_EQ((runs - 1) % averaged, 0);
    EXPECT_EQ((runs - 1) / averaged, 4);  // times: what takes so long is timed as seldom as may be
    EXPECT_GE(best, 1000.0 * (2 + (averaged - 1) / 2.0));
  }
}

TEST(TimingKeys, AreOtherOnesWhereATimeMayBeAnother) {
  TimingCache timings;
  const EngineOptions base = timing_options(timings);
  time_tactics(convolution(), base);
  std::size_t known = timings.size();
  ASSERT_EQ(known, 1U);
  time_tactics(convolution("random(1)", "random(2)"), base);  // weights have no part in it
  EXPECT_EQ(timings.size(), known);
  const auto is_new = [&](const std::string& what, const std::string& text, const EngineOptions& options) {
    time_tactics(text, options);
    EXPECT_EQ(timings.size(), ++known) << what;
  };
  is_new("argument", convolution("[1, 1], [1, 1], [1, 1]", "[2, 2], [1, 1], [1, 1]"), base);
  is_new("padding", convolution("[1, 1], [1, 1], [1, 1]", "[1, 1], [0, 0], [1, 1]"), base);
  is_new("shape", convolution("12,12", "12,14"), base);
  is_new("what follows", convolution("aten.relu.default(%c)", "aten.sigmoid.default(%c)"), base);
  EngineOptions other = base;
  other.optimization_level = 2;
  is_new("level", convolution(), other);
  other = base;
  other.num_threads = 2;
  is_new("threads", convolution(), other);
  other = base;
  other.averaged_runs = 3;
  is_new("averages", convolution(), other);
  other = base;
  other.opt_shape["s0"] = 4;
  is_new("sizes", convolution(), other);
  if (host_cpu().avx512) {
    other = base;
    other.target.avx512 = false;
    is_new("CPU", convolution(), other);
  }
  if (host_cpu().avx512_bf16) {
    other = base;
    other.target.avx512_bf16 = true;
    other.precision = DType::bf16;
    is_new("type", convolution(), other);
  }
  const TestFolder folder;
  timings.save(folder / "timings.json");
  const std::string text = read_file(folder / "timings.json");
  EXPECT_NE(text.find(host_cpu_name() + "|" + host_cpu_details() + "|"), std::string::npos);
  EXPECT_NE(text.find(std::string("|aitune=") + kVersion), std::string::npos);
}

}  // namespace
}  // namespace aitune::cpu

#include "compiler/tuning/time_left.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace aitune {
namespace {

using Seconds = TimeLeft::Seconds;

/// A tuning that never happens: blocks of candidates that take these seconds.
struct Simulation {
  std::vector<std::vector<double>> blocks;

  /// Looks at the estimate when each candidate begins; `look` gets it with what is really left.
  void run(
      const std::function<void(std::optional<Seconds>, double left, std::size_t block, std::size_t done)>& look) const {
    double now = 100, end = now;
    for (const auto& block : blocks)
      for (const double t : block) end += t;
    TimeLeft time([&] { return Seconds(now); });
    time.stage();
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      time.block(b, blocks.size());
      for (std::size_t i = 0; i < blocks[b].size(); ++i) {
        time.step(i, blocks[b].size());
        look(time.left(), end - now, b, i);
        now += blocks[b][i];
      }
    }
  }
};

std::vector<double> candidates(std::mt19937& random, std::size_t count, double mean, double spread) {
  std::lognormal_distribution<double> seconds(std::log(mean) - spread * spread / 2, spread);
  std::vector<double> list(count);
  for (double& t : list) t = seconds(random);
  return list;
}

TEST(TimeLeft, IsWithinAFactorOfTwo) {
  std::size_t looks = 0, off = 0;
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    const Simulation simulation{{candidates(random, 60, 0.8, 0.5)}};
    simulation.run([&](std::optional<Seconds> estimate, double left, std::size_t, std::size_t done) {
      if (done < 8 || done > 52) return;  // of the last few, each is its own mean
      ASSERT_TRUE(estimate);
      ++looks;
      const double ratio = estimate->count() / left;
      off += ratio < 0.5 || ratio > 2 ? 1 : 0;
    });
  }
  EXPECT_GT(looks, 2000U);
  EXPECT_EQ(off, 0U);
}

TEST(TimeLeft, CountsTheBlocksBehind) {
  std::mt19937 random(7);
  Simulation simulation;
  for (int b = 0; b < 6; ++b) simulation.blocks.push_back(candidates(random, 20, 0.5, 0.3));
  simulation.run([&](std::optional<Seconds> estimate, double left, std::size_t block, std::size_t done) {
    if (block > 4 || (block == 0 && done < 8)) return;
    ASSERT_TRUE(estimate);
    EXPECT_GT(estimate->count(), left / 2) << block << ", " << done;
    EXPECT_LT(estimate->count(), left * 2) << block << ", " << done;
  });
}

TEST(TimeLeft, TakesWhatIsSaidToBeAhead) {
  double now = 0;
  TimeLeft time([&] { return Seconds(now); });
  time.stage();
  time.block(0, 2);
  now = 4;
  time.step(1, 8);
  time.ahead(Seconds(7));
  ASSERT_TRUE(time.left());
  EXPECT_DOUBLE_EQ(time.left()->count(), 7 + 11);  // and as much for the second block
  now = 8;
  EXPECT_DOUBLE_EQ(time.left()->count(), 3 + 11);
  time.step(8, 8);
  time.ahead(Seconds(2));
  now = 9;
  EXPECT_DOUBLE_EQ(time.left()->count(), 1 + 10);
  now = 14;
  EXPECT_DOUBLE_EQ(time.left()->count(), 10);
  time.block(1, 2);
  time.step(0, 8);
  EXPECT_DOUBLE_EQ(time.left()->count(), 14);  // the first block's time
}

TEST(TimeLeft, SaysNothingBeforeItKnowsSomething) {
  double now = 0;
  TimeLeft time([&] { return Seconds(now); });
  time.stage();
  EXPECT_FALSE(time.left());
  time.block(0, 3);
  time.step(0, 10);
  now = 5;
  EXPECT_FALSE(time.left());
  time.step(1, 10);
  EXPECT_FALSE(time.left());
  time.stage();
  EXPECT_FALSE(time.left());
}

TEST(TimeLeft, IsNeverMoreThanTheBudget) {
  double now = 10;
  TimeLeft time([&] { return Seconds(now); }, Seconds(8));
  time.stage();
  time.block(0, 1);
  now = 14;
  time.step(4, 20);  // a second each: 16 more
  ASSERT_TRUE(time.left());
  EXPECT_DOUBLE_EQ(time.left()->count(), 4);
  time.step(19, 20);
  EXPECT_LT(time.left()->count(), 1);
  now = 30;
  time.step(5, 20);
  EXPECT_DOUBLE_EQ(time.left()->count(), 0);
}

}  // namespace
}  // namespace aitune

#include "compiler/memory/arena.h"

#include <gtest/gtest.h>

#include <random>

namespace aitune {
namespace {

TEST(Arena, BuffersAliveTogetherNeverOverlap) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<ArenaRequest> requests(1 + random() % 60);
    for (auto& r : requests) {
      r.bytes = static_cast<std::int64_t>(random() % 5000);
      r.first = static_cast<std::int64_t>(random() % 30);
      r.last = r.first + static_cast<std::int64_t>(random() % 10);
    }
    std::vector<std::int64_t> offsets;
    const auto total = place_by_liveness(requests, 64, offsets);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(offsets[i] % 64, 0);
      EXPECT_LE(offsets[i] + requests[i].bytes, total);
      for (std::size_t j = 0; j < i; ++j) {
        const bool together = requests[j].first <= requests[i].last && requests[i].first <= requests[j].last;
        const bool apart = offsets[i] + requests[i].bytes <= offsets[j] || offsets[j] + requests[j].bytes <= offsets[i];
        EXPECT_TRUE(!together || apart) << i << " and " << j;
      }
    }
  }
}

TEST(Arena, LayoutsHoldForAllSizes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const SymInt unit = SymInt::symbol("s") * SymInt::symbol("s");
  for (int round = 0; round < 50; ++round) {
    std::vector<ArenaRequest> requests(1 + random() % 20);
    for (auto& r : requests)
      r = {4 * static_cast<std::int64_t>(random() % 40), static_cast<std::int64_t>(random() % 30),
           static_cast<std::int64_t>(30 + random() % 10)};  // all alive at step 30
    const ArenaLayout layout = lay_out(unit, requests, 64, {{"s", {1, 500}}});
    for (const std::int64_t s : {1, 3, 7, 64, 499}) {
      const std::int64_t quantum = layout.quantum.evaluate({{"s", s}});
      std::int64_t needed = 0;
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::int64_t at = quantum * layout.offsets[i], end = at + requests[i].bytes * s * s;
        needed += requests[i].bytes * s * s;
        EXPECT_EQ(at % 64, 0);
        EXPECT_LE(end, quantum * layout.size);
        for (std::size_t j = 0; j < i; ++j) {
          const std::int64_t other = quantum * layout.offsets[j];
          EXPECT_TRUE(end <= other || other + requests[j].bytes * s * s <= at) << i << " and " << j;
        }
      }
      if (s == 499) EXPECT_LE(static_cast<double>(quantum * layout.size), 1.12 * static_cast<double>(needed));
    }
  }
}

TEST(Arena, MemoryIsReusedAlongAChain) {
  std::vector<ArenaRequest> chain;
  for (std::int64_t i = 0; i < 10; ++i) chain.push_back({1024, i, i + 1});
  std::vector<std::int64_t> offsets;
  EXPECT_EQ(place_by_liveness(chain, 64, offsets), 2048);
}

}  // namespace
}  // namespace aitune

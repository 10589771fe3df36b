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

TEST(Arena, MemoryIsReusedAlongAChain) {
  std::vector<ArenaRequest> chain;
  for (std::int64_t i = 0; i < 10; ++i) chain.push_back({1024, i, i + 1});
  std::vector<std::int64_t> offsets;
  EXPECT_EQ(place_by_liveness(chain, 64, offsets), 2048);
}

}  // namespace
}  // namespace aitune

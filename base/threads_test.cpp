#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace aitune {
namespace {

/// Runs one job and returns how often each task was done.
std::vector<int> run_counting(ThreadPool& pool, std::int64_t tasks) {
  std::vector<std::atomic<int>> counts(static_cast<std::size_t>(tasks));
  pool.parallel_for(tasks, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) counts[static_cast<std::size_t>(i)].fetch_add(1, std::memory_order_relaxed);
  });
  return {counts.begin(), counts.end()};
}

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const std::int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
      const auto counts = run_counting(pool, tasks);
      EXPECT_EQ(counts, std::vector<int>(static_cast<std::size_t>(tasks), 1)) << threads << " threads, " << tasks;
    }
  }
}

TEST(ThreadPool, WritesAreVisibleToTheCallerWithoutAtomics) {
  ThreadPool pool(4);
  std::vector<std::int64_t> values(257);
  for (std::int64_t round = 0; round < 2000; ++round) {
    pool.parallel_for(257, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] = round + i;
    });
    for (std::int64_t i = 0; i < 257; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], round + i);
  }
}

TEST(ThreadPool, NestedCallsRunOnTheirOwnThread) {
  ThreadPool pool(3);
  std::atomic<int> inner{0};
  pool.parallel_for(8, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      const auto self = std::this_thread::get_id();
      pool.parallel_for(5, [&](std::int64_t b, std::int64_t e) {
        EXPECT_EQ(std::this_thread::get_id(), self);
        inner += static_cast<int>(e - b);
      });
    }
  });
  EXPECT_EQ(inner, 40);
}

TEST(ThreadPool, ManyCallersAtOnce) {
  ThreadPool pool(3);
  std::atomic<std::int64_t> total{0};
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 6; ++c) {
      callers.emplace_back([&] {
        for (int round = 0; round < 500; ++round) {
          std::atomic<std::int64_t> sum{0};
          pool.parallel_for(100, [&](std::int64_t begin, std::int64_t end) {
            for (auto i = begin; i < end; ++i) sum.fetch_add(i, std::memory_order_relaxed);
          });
          ASSERT_EQ(sum, 4950);
          total += sum;
        }
      });
    }
  }
  EXPECT_EQ(total, std::int64_t{6} * 500 * 4950);
}

TEST(ThreadPool, WorksAfterWorkersParked) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(run_counting(pool, 100), std::vector<int>(100, 1));
  }
}

TEST(ThreadPool, StartsAndStopsIdle) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

}  // namespace
}  // namespace aitune

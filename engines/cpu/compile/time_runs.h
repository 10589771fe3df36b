#pragma once
// How long a candidate takes.

#include <algorithm>
#include <chrono>

namespace aitune::cpu {

/// The fastest of several times, in microseconds, each the average of `averaged` runs; once more before, to warm up.
template <typename Run>
double time_runs(const Run& run, int averaged) {
  using Clock = std::chrono::steady_clock;
  constexpr int kFewest = 4, kMost = 40;
  constexpr double kEnough = 4000;
  run();
  double best = 1e30, spent = 0;
  for (int i = 0; i < kMost && (i < kFewest || spent < kEnough); ++i) {
    const auto start = Clock::now();
    for (int j = 0; j < averaged; ++j) run();
    const double all = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    best = std::min(best, all / averaged);
    spent += all;
  }
  return best;
}

}  // namespace aitune::cpu

#pragma once
// How long a candidate takes.

#include <algorithm>
#include <chrono>

namespace aitune::cpu {

/// How many times are taken of a candidate, if they do not come to kEnoughSeconds before.
constexpr int kFewestTimes = 4, kMostTimes = 40;
constexpr double kEnoughSeconds = 0.004;

/// The fastest of several times, in microseconds, each the average of `averaged` runs; once more before, to warm up.
template <typename Run>
double time_runs(const Run& run, int averaged) {
  using Clock = std::chrono::steady_clock;
  run();
  double best = 1e30, spent = 0;
  for (int i = 0; i < kMostTimes && (i < kFewestTimes || spent < kEnoughSeconds * 1e6); ++i) {
    const auto start = Clock::now();
    for (int j = 0; j < averaged; ++j) run();
    const double all = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    best = std::min(best, all / averaged);
    spent += all;
  }
  return best;
}

/// How long time_runs takes for a run of so many seconds.
inline double seconds_of_time_runs(double run, double averaged) {
  const double each = run * averaged;
  const double times = each > 0 ? std::clamp(kEnoughSeconds / each, double(kFewestTimes), double(kMostTimes)) : 0;
  return times * each + run;
}

}  // namespace aitune::cpu

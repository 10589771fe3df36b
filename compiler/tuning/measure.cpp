#include "compiler/tuning/measure.h"

#include <algorithm>
#include <chrono>

namespace aitune {
namespace {

constexpr int kFewestRuns = 5, kMostRuns = 200;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::vector<double> median_milliseconds(std::span<const TimedCall> calls, double seconds) {
  std::vector<std::vector<double>> runs(calls.size());
  const double budget = 1e3 * seconds * static_cast<double>(calls.size());
  const auto begin = std::chrono::steady_clock::now();
  for (int run = 0; run < kFewestRuns || (milliseconds_since(begin) < budget && run < kMostRuns); ++run)
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      calls[i].instance->run(calls[i].inputs);
      runs[i].push_back(milliseconds_since(start));
    }
  std::vector<double> medians;
  for (auto& times : runs) {
    std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
    medians.push_back(times[times.size() / 2]);
  }
  return medians;
}

}  // namespace aitune

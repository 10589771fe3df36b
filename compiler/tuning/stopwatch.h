#pragma once
// Time since a moment.

#include <chrono>

namespace aitune {

/// Runs from its making on. Copies run on from the same moment.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point start_ = Clock::now();
};

}  // namespace aitune

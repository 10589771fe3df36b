#pragma once
// Where a tuning stands, in words: block, best plan so far, time left. What displays of progress share.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/tuning/time_left.h"

namespace aitune {

/// Is told what a Progress is told.
class ProgressState {
 public:
  /// Everything ends when `budget` seconds have passed from here on; 0: there is none.
  explicit ProgressState(double budget = 0);
  ProgressState(const ProgressState&) = delete;  // the clock is asked through it
  ProgressState& operator=(const ProgressState&) = delete;

  void stage(std::string_view name);
  void step(std::size_t done, std::size_t total) { time_left_.step(done, total); }
  void ahead(double seconds) { time_left_.ahead(TimeLeft::Seconds(seconds)); }
  void block(std::string_view name, std::size_t index, std::size_t total);
  void measured(std::string_view plan, double milliseconds);

  /// Seconds since this was made.
  double elapsed() const { return TimeLeft::Seconds(Clock::now() - start_).count(); }
  const std::string& current_stage() const { return stage_; }
  /// " block 2 of 5, best so far fp32, 3.31 ms, about 12 s left": as much of it as is known.
  std::string text() const;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point start_ = Clock::now();
  std::string stage_, block_, best_;
  double best_milliseconds_ = 0;
  TimeLeft time_left_;
};

}  // namespace aitune

#include "compiler/tuning/progress_state.h"

#include <fmt/format.h>

#include "base/units.h"

namespace aitune {

ProgressState::ProgressState(double budget)
    : time_left_([this] { return Clock::now() - start_; },
                 budget > 0 ? std::optional(TimeLeft::Seconds(budget)) : std::nullopt) {}

void ProgressState::stage(std::string_view name) {
  stage_ = name;
  block_.clear();
  time_left_.stage();
}

void ProgressState::block(std::string_view name, std::size_t index, std::size_t total) {
  time_left_.block(index, total);
  block_ = total > 1 ? fmt::format(" {} of {}", name, total) : "";
}

void ProgressState::measured(std::string_view plan, double milliseconds) {
  if (!best_.empty() && milliseconds >= best_milliseconds_) return;
  best_milliseconds_ = milliseconds;
  best_ = fmt::format("best so far {}, {}", plan, human_time(milliseconds));
}

std::string ProgressState::text() const {
  std::string text = block_;
  if (!best_.empty()) text += ", " + best_;
  if (const auto left = time_left_.left()) text += fmt::format(", about {:.0f} s left", left->count());
  return text;
}

}  // namespace aitune

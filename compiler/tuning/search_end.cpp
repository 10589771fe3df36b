#include "compiler/tuning/search_end.h"

#include <utility>

namespace aitune {

SearchEnd::SearchEnd(double budget, std::function<bool()> stop, Now now)
    : budget_(budget), stop_(std::move(stop)), now_(std::move(now)), start_(now_()) {}

bool SearchEnd::over() {
  if (!why_.empty()) return true;
  if (stop_ && stop_())
    why_ = "interrupted";
  else if (budget_ > 0 && now_() - start_ + kept_back_ >= Seconds(budget_))
    why_ = "budget";
  if (why_.empty()) return false;
  if (action_) action_();
  return true;
}

SearchEnd::Seconds SearchEnd::steady_now() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace aitune

#pragma once
// When a search is to end before all of it was tried.

#include <chrono>
#include <functional>
#include <string>

namespace aitune {

/// Asked between candidates. Once it is over it stays so, and what is not known yet is chosen by rule.
class SearchEnd {
 public:
  using Seconds = std::chrono::duration<double>;
  using Now = std::function<Seconds()>;

  /// `budget` in seconds from now on, 0 for none; `stop` may be empty; `now` gives the time since any fixed point.
  SearchEnd(double budget, std::function<bool()> stop, Now now = steady_now);

  /// So long it takes to make a plan of what is known: the end comes as much earlier.
  void keep_back(Seconds seconds) { kept_back_ = seconds; }
  /// Called once, when the end has come.
  void then(std::function<void()> action) { action_ = std::move(action); }

  bool over();
  bool limited() const { return budget_ > 0; }
  /// "budget" or "interrupted"; empty: it was not over when asked.
  const std::string& why() const { return why_; }

  static Seconds steady_now();

 private:
  double budget_;
  std::function<bool()> stop_;
  Now now_;
  Seconds start_, kept_back_{};
  std::function<void()> action_;
  std::string why_;
};

}  // namespace aitune

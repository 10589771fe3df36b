#include "engines/cpu/compile/search_time.h"

#include <algorithm>
#include <utility>

#include "engines/cpu/compile/time_runs.h"

namespace aitune::cpu {
namespace {

constexpr std::size_t kLeast = 2;  // products from which a machine is known
// Seconds: what making a candidate takes, and packing a byte, where timing one takes kEnoughSeconds. Only the
// proportions count.
constexpr double kMaking = 0.014, kPacking = 1e-9;
constexpr double kSlower = 1.7;  // than the fastest candidate is the mean of all

}  // namespace

SearchTime::SearchTime(std::map<std::string, Work> products, Code code, int averaged_runs)
    : products_(std::move(products)), code_(code), averaged_runs_(averaged_runs) {}

void SearchTime::done(const std::string& product, double seconds, std::size_t timed, double best) {
  const auto it = products_.find(product);
  if (it == products_.end()) return;
  Work work = it->second;
  products_.erase(it);
  if (timed == 0) return;
  work.candidates = timed;
  searched_.emplace(product, work);
  seconds_ += seconds;
  operations_ += work.operations;
  best_seconds_ += best;
}

double SearchTime::run_seconds(double operations) const {
  return operations_ > 0 ? kSlower * best_seconds_ * operations / operations_ : 0;
}

double SearchTime::weight(const Work& work) const {
  return static_cast<double>(work.candidates) * (kMaking * (1 + work.functions) + kPacking * work.packed +
                                                 seconds_of_time_runs(run_seconds(work.operations), averaged_runs_));
}

std::optional<double> SearchTime::left() const {
  if (searched_.size() < kLeast) return std::nullopt;
  const auto total = [&](const std::map<std::string, Work>& products) {
    double sum = 0;
    for (const auto& [name, work] : products) sum += weight(work);
    return sum;
  };
  const double code = kMaking * static_cast<double>(code_.kernels) + kPacking * code_.packed;
  return seconds_ / total(searched_) * (total(products_) + code);
}

}  // namespace aitune::cpu

#include "compiler/tuning/mixed_precision.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace aitune {
namespace {

/// Parts that the budget is counted in; errors are rounded up to whole parts.
constexpr std::size_t kParts = 20000;
/// A choice whose error is below this share of the bound leaves room worth another try.
constexpr double kIdle = 0.5;

}  // namespace

std::vector<bool> choose_bf16(std::span<const ProductFacts> products, double budget) {
  std::vector<bool> chosen(products.size(), false);
  if (!(budget > 0)) return chosen;
  // The knapsack: best[p] is the largest gain with p parts of the squared budget spent.
  std::vector<double> best(kParts + 1, 0);
  std::vector<std::vector<bool>> taken(products.size());
  std::vector<std::size_t> parts(products.size(), 0);
  for (std::size_t i = 0; i < products.size(); ++i) {
    const ProductFacts& p = products[i];
    const double share = p.error / budget;
    if (!(p.gain > 0) || !(share <= 1)) continue;
    const std::size_t need = parts[i] = static_cast<std::size_t>(std::ceil(share * share * kParts));
    taken[i].assign(kParts + 1, false);
    for (std::size_t room = kParts; room >= need; --room) {
      if (const double with = best[room - need] + p.gain; with > best[room]) {
        best[room] = with;
        taken[i][room] = true;
      }
      if (room == 0) break;
    }
  }
  std::size_t room = kParts;
  for (std::size_t i = products.size(); i-- > 0;) {
    if (taken[i].empty() || !taken[i][room]) continue;
    chosen[i] = true;
    room -= parts[i];
  }
  return chosen;
}

MixedSearch::MixedSearch(std::vector<ProductFacts> products, double bound, double least_gain)
    : products_(std::move(products)), bound_(bound), least_gain_(least_gain), budget_(kAim * bound) {}

std::optional<NodeNames> MixedSearch::next() {
  if (done_ || tries_ == kTries) return std::nullopt;
  std::vector<bool> chosen = choose_bf16(products_, budget_);
  gain_ = 0;
  for (std::size_t i = 0; i < chosen.size(); ++i) gain_ += chosen[i] ? products_[i].gain : 0;
  done_ = gain_ <= best_gain_ + least_gain_ || std::ranges::find(tried_, chosen) != tried_.end();
  if (done_) return std::nullopt;
  NodeNames kept;
  for (std::size_t i = 0; i < chosen.size(); ++i)
    if (!chosen[i]) kept.insert(products_[i].node);
  tried_.push_back(std::move(chosen));
  ++tries_;
  return kept;
}

void MixedSearch::report(double error) {
  const double aimed = kAim * bound_;
  if (error <= kMost * bound_) {
    best_gain_ = gain_;
    done_ = missed_ || error >= kIdle * bound_;
    budget_ *= error > 0 ? std::min(2.0, aimed / error) : 2.0;
  } else {
    missed_ = true;
    done_ = best_gain_ > 0;
    budget_ *= std::isfinite(error) ? std::max(0.25, 0.95 * aimed / error) : 0.5;
  }
}

}  // namespace aitune

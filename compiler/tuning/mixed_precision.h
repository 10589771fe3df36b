#pragma once
// Which products of a model are computed in bf16, where not all of them can be. Pure: what was measured comes in, a
// choice goes out.

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace aitune {

/// A product with constant weights that may be computed in f32 or in bf16.
struct ProductFacts {
  std::string node;       ///< its value in the lowered graph
  double operations = 0;  ///< multiplications and additions
  double error = 0;       ///< relative error of the model's outputs with it alone in bf16; infinite: not finite
  double gain = 0;        ///< time that bf16 saves, in any unit; negative: it is slower
};

using NodeNames = std::set<std::string, std::less<>>;

/// Of all sets of products whose errors together stay within `budget`, the one that saves the most time: whether each
/// product is in it. Independent errors add as squares. Products that save nothing are left out.
std::vector<bool> choose_bf16(std::span<const ProductFacts> products, double budget);

/// Looks for the fastest set of products in bf16 whose error, once measured, stays below a limit. Errors that are not
/// quite independent are met by trying again with a smaller or larger budget, a bounded number of times.
class MixedSearch {
 public:
  /// Share of the accepted error that a choice aims at, and that it may reach: the rest is for inputs not seen.
  static constexpr double kAim = 0.8, kMost = 0.88;
  static constexpr int kTries = 4;

  /// `bound` is the accepted error; `least_gain` is the saving below which a choice is not worth trying.
  MixedSearch(std::vector<ProductFacts> products, double bound, double least_gain);

  /// Products to keep in f32 in the next try. Nothing when the search is over.
  std::optional<NodeNames> next();
  /// The error that was measured with them.
  void report(double error);

  std::span<const ProductFacts> products() const { return products_; }

 private:
  std::vector<ProductFacts> products_;
  double bound_, least_gain_, budget_;
  double gain_ = 0, best_gain_ = 0;  // of the last try, and of the last that was accurate enough
  int tries_ = 0;
  bool missed_ = false, done_ = false;
  std::vector<std::vector<bool>> tried_;
};

}  // namespace aitune

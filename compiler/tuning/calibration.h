#pragma once
// What the samples show of the values that products read: how these become u8.

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/passes/quantise.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// What was seen of a tensor: its range, and some of its elements.
class ValueRange {
 public:
  /// Elements that are kept, of all tensors together, the same ones for the same tensors.
  static constexpr std::size_t kKept = std::size_t{1} << 16;

  void add(const Tensor& tensor);
  /// False once an element was NaN or infinite.
  bool is_finite() const { return finite_; }
  double low() const { return low_; }
  double high() const { return high_; }

  /// The scale that takes in everything that was seen.
  TensorScale whole() const { return TensorScale::of_range(low_, high_); }
  /// The scale that loses least of the elements, by squares: what is far out may be clipped.
  TensorScale clipped() const;

 private:
  double low_ = 0, high_ = 0;
  bool finite_ = true;
  std::vector<float> kept_;
  std::uint64_t seen_ = 0;
  std::mt19937_64 random_{1};
};

/// Two ways to quantise the input of a product.
struct ScaleChoice {
  std::string input;  ///< the value that it reads
  TensorScale whole, clipped;
};

/// Runs the lowered graph on the reference engine with every sample and looks at what these products read (values of
/// linear layers and convolutions, as can_quantise has them; others are passed over). What was not finite has no
/// choice. Stops early, after one sample at least, where `is_over` says so.
std::map<std::string, ScaleChoice, std::less<>> calibrate(const Graph& lowered, const ProductNames& products,
                                                          std::span<const RecordedSample> samples, Progress* progress,
                                                          const std::function<bool()>& is_over = {});

}  // namespace aitune

#pragma once
// What the samples show of the values that products read: how these become u8.

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <span>
#include <string>
#include <utility>
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

  /// The largest magnitude of each element of the last dimension; empty where that is no dimension of channels.
  std::vector<float> magnitudes() const;

  using Shifts = std::vector<std::int8_t>;
  /// The scale that takes in everything that was seen.
  TensorScale whole(const Shifts& shifts = {}) const;
  /// The scale that loses least of the elements, by squares: what is far out may be clipped.
  TensorScale clipped(const Shifts& shifts = {}) const;

 private:
  struct Kept {
    float value;
    std::uint32_t channel;
  };
  void add_channels(std::span<const float> values, const Shape& shape);
  std::pair<double, double> range(const Shifts& shifts) const;

  double low_ = 0, high_ = 0;
  bool finite_ = true;
  std::vector<float> lows_, highs_;  // by channel
  std::vector<Kept> kept_;
  std::uint64_t seen_ = 0;
  std::mt19937_64 random_{1};
};

/// Shifts that divide what the channels are too large by among them and the weights that meet them: half of it each.
/// Both are the largest magnitudes by channel.
ValueRange::Shifts even_shifts(std::span<const float> values, std::span<const float> weights);

/// Ways to quantise the input of a product: its whole range, a clipped one; and, for linear layers, the same two with
/// shifts.
struct ScaleChoice {
  std::string input;  ///< the value that it reads
  std::vector<TensorScale> ways;
};

/// Runs the lowered graph on the reference engine with every sample and looks at what these products read (values of
/// linear layers and convolutions, as can_quantise has them; others are passed over). What was not finite has no
/// choice. Products in `shiftable` may have shifts. Stops early, after one sample at least, where `is_over` says so.
std::map<std::string, ScaleChoice, std::less<>> calibrate(const Graph& lowered, const ProductNames& products,
                                                          const ProductNames& shiftable,
                                                          std::span<const RecordedSample> samples, Progress* progress,
                                                          const std::function<bool()>& is_over = {});

}  // namespace aitune

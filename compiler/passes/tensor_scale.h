#pragma once
// With what a tensor is quantised; installed with the decisions that hold it.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace aitune {

/// How a tensor becomes u8. Zero is always exact.
struct TensorScale {
  float scale = 1;
  std::int32_t zero_point = 0;
  /// What a linear layer reads: element i of the last dimension is multiplied by 2^-shifts[i] first, and the weights
  /// that meet it by 2^shifts[i], so that channels far larger than others do not take all steps (Xiao et al., 2023).
  /// Powers of two lose nothing. Empty: nothing is multiplied.
  std::vector<std::int8_t> shifts = {};
  bool operator==(const TensorScale&) const = default;

  static constexpr int kMostShift = 20;

  /// The scale for values from `low` to `high`, which are finite; 0 is among them or is taken in.
  static TensorScale of_range(double low, double high);
  /// The factor that aitune.quantise multiplies by.
  float inverse() const { return 1.0F / scale; }
  /// What is left of a value, shifts apart.
  float rounded(float value) const;
  /// The same for values that lie as the tensor's do, the last dimension dense, with the shifts; in place.
  void round(std::span<float> values) const;
};

/// What the input of each product is quantised with, by the product's value.
using ProductScales = std::map<std::string, TensorScale, std::less<>>;

}  // namespace aitune

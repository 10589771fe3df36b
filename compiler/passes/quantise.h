#pragma once
// Products of integers instead of floats: what int8 means in a graph.
//
//   %q: u8[..]  = aitune.quantise(%x, 1 / scale, zero_point)        q = clamp(round(x / scale) + zero_point, 0, 255)
//   %y: f32[..] = aitune.quantised_linear(%q, %w, %scales, %offsets)
//
// Weights are s8 and symmetric, with a scale for each output; sums are exact integers, y = f32(sum) * scales + offsets.
// The zero point is taken out again by the offsets, beside the bias. The reference engine runs such graphs as any
// other.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"

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
using ProductNames = std::set<std::string, std::less<>>;

/// Whether the node is a product with constant weights that can be computed in integers: a linear layer, or a
/// convolution that is not depthwise, whose sums cannot leave an s32.
bool can_quantise(const Node& node);

/// The scale of one output's weights: the one that loses least, by squares.
float weight_scale(std::span<const float> weights);
/// The weights of one output as s8 would have them, in place, where the input has this scale.
void round_weights(std::span<float> weights, const TensorScale& input = {});

/// A copy of the graph in which the products that have scales, and are not among `kept`, are products of integers.
/// Values keep their names. Products inside of branches and loops stay as they are. Throws InvalidArgument for shifts
/// that do not fit a product.
Graph quantise(const Graph& graph, const ProductScales& scales, const ProductNames& kept = {});

}  // namespace aitune

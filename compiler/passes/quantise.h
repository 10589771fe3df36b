#pragma once
// Products of integers instead of floats: what int8 means in a graph.
//
//   %q: u8[..]  = aitune.quantise(%x, 1 / scale, zero_point)        q = clamp(round(x / scale) + zero_point, 0, 255)
//   %y: f32[..] = aitune.quantised_linear(%q, %w, %scales, %offsets)
//
// Weights are s8 and symmetric, with a scale for each output; sums are exact integers, y = f32(sum) * scales + offsets.
// The zero point is taken out again by the offsets, beside the bias. The reference engine runs such graphs as any
// other.

#include <set>
#include <span>
#include <string>

#include "compiler/graph/graph.h"
#include "compiler/passes/tensor_scale.h"

namespace aitune {

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

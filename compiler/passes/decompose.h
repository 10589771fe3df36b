#pragma once
#include <string_view>
#include <unordered_map>

#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"

namespace aitune {

/// Rewrites operators in terms of the core set. What stays: convolution, linear, mm, bmm, layer_norm, group_norm,
/// batch_norm (see fold_batch_norm), _softmax, scaled_dot_product_attention, pooling, reductions, elementwise operators
/// with one argument, arithmetic with Tensor and Scalar operands, and view, permute, expand, slice, select, cat for
/// movement. Operators without a rule stay as they are: an engine takes them or none does.
void decompose(Graph& graph, const PassContext& context);

/// A rule sees a call of its operator and gives the replacement, or nothing where the call is core already.
using DecomposeRule = Replacement (*)(Inserter&, Node&);
using DecomposeRules = std::unordered_map<std::string_view, DecomposeRule>;

void add_movement_rules(DecomposeRules& rules);                 ///< decompose_movement.cpp
void add_einsum_rules(DecomposeRules& rules);                   ///< decompose_einsum.cpp
void add_matmul_rules(DecomposeRules& rules);                   ///< decompose_matmul.cpp
void add_network_rules(DecomposeRules& rules);                  ///< decompose_network.cpp
void add_layer_rules(DecomposeRules& rules);                    ///< decompose_layers.cpp
void add_elementwise_rules(DecomposeRules& rules);              ///< decompose_elementwise.cpp
void add_index_rules(DecomposeRules& rules);                    ///< decompose_index.cpp
void add_reduction_rules(DecomposeRules& rules);                ///< decompose_reduction.cpp
void add_data_rules(DecomposeRules& rules);                     ///< decompose_data.cpp
void add_recurrent_decompositions(DecomposeRules& rules);       ///< decompose_recurrent.cpp
void add_array_rules(DecomposeRules& rules);                    ///< decompose_arrays.cpp
void add_function_decompositions(DecomposeRules& rules);        ///< decompose_functions.cpp
void add_window_rules(DecomposeRules& rules);                   ///< decompose_windows.cpp
void add_norm_rules(DecomposeRules& rules);                     ///< decompose_norms.cpp
void add_tensor_product_rules(DecomposeRules& rules);           ///< decompose_tensor_products.cpp
void add_gather_rules(DecomposeRules& rules);                   ///< decompose_gather.cpp
void add_fourier_rules(DecomposeRules& rules);                  ///< decompose_fourier.cpp
void add_linear_algebra_decompositions(DecomposeRules& rules);  ///< decompose_linear_algebra.cpp
void add_calculus_decompositions(DecomposeRules& rules);        ///< decompose_calculus.cpp
void add_choice_decompositions(DecomposeRules& rules);          ///< decompose_choices.cpp
void add_margin_decompositions(DecomposeRules& rules);          ///< decompose_margins.cpp
void add_quantised_decompositions(DecomposeRules& rules);       ///< decompose_quantised.cpp
/// x[mask] = values with a value for each position that the mask keeps (decompose_data.cpp).
Replacement put_by_mask(Inserter& insert, Node& node);

// What rules of several files are made with.
/// Whether neither a node nor an output of the graph reads the value (decompose_network.cpp).
bool has_no_use(const Graph& graph, const Value* value);
/// The first output alone, with what `make` gives for it, if the others have no use; nothing otherwise.
Replacement first_output(const Graph& graph, const Node& node, const std::function<Value*()>& make);
/// Whether `alpha` or `beta` is a float and the result whole: as operators of their own they would make it one of
/// floats (decompose_matmul.cpp).
bool scales_integers(const Node& node);
/// beta * input + alpha * product, with the factors left out where they are 1.
Value* scaled_sum(Inserter& insert, const Node& node, Value* product, const SymShape& result);

// Rules for what the rules of decompose_network.cpp leave of an operator.
/// Adaptive average pooling with windows of different sizes: a product with the matrix of means along each dim.
Replacement decompose_uneven_average(Inserter& insert, Node& node);
/// Pooling of [C, H, W] as of a batch of one.
Replacement decompose_unbatched_pool(Inserter& insert, Node& node);

/// The sum of frames [.., count, size] that begin `step` elements after each other: [.., (count - 1) * step + size].
/// Null where a frame has too many steps (decompose_windows.cpp).
Value* overlap_add(Inserter& insert, Value* frames, std::int64_t step);

/// x[i, j]: several tensors of positions become one (decompose_gather.cpp).
Replacement decompose_joint_index(Inserter& insert, Node& node);
/// hardtanh of integers, whose limits lose their fractions (decompose_functions.cpp).
Replacement decompose_integer_hardtanh(Inserter& insert, Node& node);

/// All of the above.
const DecomposeRules& decompose_rules();

}  // namespace aitune

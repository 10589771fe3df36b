#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// mm with a constant right side, and the sum of a product with a constant bias, become linear with the weight as
/// [out, in]. fuse_linear.cpp
void fuse_linear(Graph& graph, const PassContext& context);

/// Linears on one input with constant weights become one with the weights side by side, and slices of its result: one
/// product for query, key and value. fuse_linear.cpp
void merge_linears(Graph& graph, const PassContext& context);

/// Activations that a model spells out: GELU (tanh and erf forms), SiLU, hardswish, hardsigmoid. fuse_activations.cpp
void fuse_activations(Graph& graph, const PassContext& context);

/// Layer norm that a model spells out: (x - mean) / sqrt(var + eps) * weight + bias. fuse_layer_norm.cpp
void fuse_layer_norm(Graph& graph, const PassContext& context);

/// softmax(q k^T * scale + mask) v becomes scaled_dot_product_attention, unless LowerOptions::decompose_attention says
/// otherwise. fuse_attention.cpp
void fuse_attention(Graph& graph, const PassContext& context);

/// Inference batch norm goes into the convolution or linear that feeds it alone; elsewhere it becomes a multiplication
/// and an addition with per-channel constants. fold_scales.cpp
void fold_batch_norm(Graph& graph, const PassContext& context);

/// Multiplications and additions by per-channel constants or scalars, also behind a permute, go into the convolution or
/// linear that feeds them alone. fold_scales.cpp
void fold_scales(Graph& graph, const PassContext& context);

/// Transposed convolutions with constant weights and no dilation become plain ones whose extra output channels are
/// moved between the elements. After everything that folds into weights. transposed_convolution.cpp
void untranspose_convolutions(Graph& graph, const PassContext& context);

}  // namespace aitune

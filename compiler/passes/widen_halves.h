#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// Computes in f32 what a model computes in f16 or bf16: inputs, outputs and weights keep their types, and results are
/// rounded where they leave the graph, where an operator tells neighbouring numbers apart (sort, floor, comparisons),
/// and where the model itself rounds f32 only to widen it again. CPUs multiply in f32 (or in bf16 with sums in f32),
/// and so does PyTorch inside of each operator: what is lost are roundings between operators, as in torch.compile.
/// Idempotent. Descends into regions, whose interfaces keep their types.
void widen_halves(Graph& graph, const PassContext& context);

/// Whether an input or a weight of the model is of bf16, which products then may read without loss.
bool holds_bf16(const Graph& graph);

}  // namespace aitune

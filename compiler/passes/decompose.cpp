#include "compiler/passes/decompose.h"

#include "compiler/ops/schema.h"

namespace aitune {

const DecomposeRules& decompose_rules() {
  static const DecomposeRules rules = [] {
    DecomposeRules all;
    add_movement_rules(all);
    add_einsum_rules(all);
    add_matmul_rules(all);
    add_network_rules(all);
    add_layer_rules(all);
    add_elementwise_rules(all);
    add_index_rules(all);
    add_reduction_rules(all);
    add_data_rules(all);
    add_recurrent_decompositions(all);
    add_array_rules(all);
    add_function_decompositions(all);
    add_window_rules(all);
    add_norm_rules(all);
    add_tensor_product_rules(all);
    add_gather_rules(all);
    add_fourier_rules(all);
    add_linear_algebra_decompositions(all);
    add_calculus_decompositions(all);
    add_choice_decompositions(all);
    add_quantised_decompositions(all);
    add_margin_decompositions(all);
    return all;
  }();
  return rules;
}

void decompose(Graph& graph, const PassContext&) {
  // A rule may emit operators that have rules themselves (matmul in einsum); the depth of that is small.
  constexpr int kMaxRounds = 4;
  const auto rule = [](Inserter& insert, Node& node) -> Replacement {
    if (const OpId plain = spelled_plainly(node.op->id); plain != node.op->id)
      return insert.call_node(op_name(plain), node.args)->outputs;
    const auto it = decompose_rules().find(node.op_name());
    return it == decompose_rules().end() ? std::nullopt : it->second(insert, node);
  };
  for (int round = 0; round < kMaxRounds && rewrite(graph, rule); ++round) {
  }
}

}  // namespace aitune

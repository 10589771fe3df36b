#pragma once
// How the CPU engine lowers each operator: one table, filled by family.

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "compiler/partition/engine.h"
#include "engines/cpu/compile/lowering.h"

namespace aitune::cpu {

/// Lowers one node: defines the states of its outputs.
using Rule = std::function<void(Lowering&, const Node&)>;
/// Whether this call of the operator can be lowered (its dtypes are checked apart).
using Check = std::function<Support(const Node&)>;

struct OpRule {
  Rule rule;
  Check check;  ///< may be empty: always
};
using RuleTable = std::map<std::string, OpRule, std::less<>>;  ///< by operator name, "aten.add.Tensor"

void add_pointwise_rules(RuleTable& table);
void add_movement_rules(RuleTable& table);
void add_indexing_rules(RuleTable& table);  ///< gather, interpolation, padding that repeats, triangles, rotation
void add_product_rules(RuleTable& table);   ///< linear, mm, bmm, attention
void add_convolution_rules(RuleTable& table);
void add_reduction_rules(RuleTable& table);  ///< sums, means, softmax, norms
void add_pooling_rules(RuleTable& table);

const RuleTable& rules();

/// A dim counted from the end, made non-negative.
inline std::size_t wrap(std::int64_t dim, std::size_t rank) {
  return static_cast<std::size_t>(dim < 0 ? dim + static_cast<std::int64_t>(rank) : dim);
}

/// Padding of a convolution or pooling node's input (argument 0), empty for other nodes.
Halo halo_of_node(const Node& node);

}  // namespace aitune::cpu

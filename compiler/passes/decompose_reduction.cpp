// Variances: the mean of the squared distances from the mean.

#include <algorithm>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

using Dims = std::vector<std::int64_t>;

/// None and the empty list mean all dimensions.
Dims reduced_dims(const Node& node, std::size_t rank) {
  Dims dims;
  if (has_argument(node, "dim") && !argument(node, "dim").is_none()) {
    const Arg& arg = argument(node, "dim");
    dims = arg.is_list() ? arg.int_list() : Dims{arg.integer()};
  }
  if (dims.empty()) {
    dims.resize(rank);
    std::iota(dims.begin(), dims.end(), 0);
  }
  return dims;
}

double correction_of(const Node& node) {
  if (has_argument(node, "unbiased")) return argument(node, "unbiased").boolean() ? 1 : 0;
  const Arg& arg = argument(node, "correction");
  return arg.is_none() ? 1 : arg.number();
}

/// var, std and their like with means. Nothing where the divisor is not known, or not positive.
template <bool Root>
Replacement variance(Inserter& insert, Node& node) {
  Value* x = node.args.at(0).value();
  const SymShape& shape = x->type.shape;
  if (shape.empty() || !is_floating(x->type.dtype)) return std::nullopt;
  const Dims dims = reduced_dims(node, shape.size());
  SymInt count = 1;
  for (const std::int64_t dim : dims) count *= shape.at(static_cast<std::size_t>(wrap_dim(dim, shape.size())));
  const double correction = correction_of(node);
  const auto known = count.as_constant();
  if (correction != 0 && (!known || static_cast<double>(*known) <= correction)) return std::nullopt;
  Value* mean = insert.call("aten.mean.dim", {x, to_args(dims), true});
  Value* distance = insert.call("aten.sub.Tensor", {x, mean});
  Value* spread = insert.call("aten.mul.Tensor", {distance, distance});
  spread = insert.call("aten.mean.dim", {spread, to_args(dims), true});
  if (correction != 0) {
    const double n = static_cast<double>(*known);
    spread = insert.call("aten.mul.Scalar", {spread, n / (n - correction)});
  }
  if (Root) spread = insert.call("aten.sqrt.default", {spread});
  std::vector<Value*> results = {insert.view(spread, node.outputs[0]->type.shape)};
  if (node.outputs.size() > 1) results.push_back(insert.view(mean, node.outputs[1]->type.shape));
  return results;
}

}  // namespace

void add_reduction_rules(DecomposeRules& rules) {
  for (const auto* name : {"aten.var.default", "aten.var.dim", "aten.var.correction", "aten.var_mean.default",
                           "aten.var_mean.dim", "aten.var_mean.correction"})
    rules[name] = variance<false>;
  for (const auto* name : {"aten.std.default", "aten.std.dim", "aten.std.correction", "aten.std_mean.default",
                           "aten.std_mean.dim", "aten.std_mean.correction"})
    rules[name] = variance<true>;
}

}  // namespace aitune

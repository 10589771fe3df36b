// Order statistics, membership, and norms that are made of others.

#include <algorithm>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

SymShape without_dims(const Call& call, const std::vector<std::size_t>& dims) {
  const SymShape& self = call.shape("self");
  const bool keeps = call.has("keepdim") && call.boolean("keepdim");
  SymShape shape;
  for (std::size_t i = 0; i < self.size(); ++i) {
    if (std::ranges::find(dims, i) == dims.end())
      shape.push_back(self[i]);
    else if (keeps)
      shape.push_back(1);
  }
  return shape;
}

Types value_and_position(const Call& call) {
  const TensorType& self = call.tensor("self");
  const SymShape shape = without_dims(call, {call.dim("dim", self.shape.size())});
  return {{self.dtype, shape}, {DType::i64, shape}};
}

Types kthvalue(const Call& call) {
  const SymShape& shape = call.shape("self");
  const SymInt k = call.sym("k");
  call.require_at_least(k, 1, "k is outside the dimension");
  call.require_at_least(shape.empty() ? SymInt(1) : shape[call.dim("dim", shape.size())], k,
                        "k is outside the dimension");
  return value_and_position(call);
}

Types one_value(const Call& call) { return {{call.tensor("self").dtype, {}}}; }
Types membership(const Call& call) { return {{DType::b8, call.shape("elements")}}; }
Types membership_of_one(const Call&) { return {{DType::b8, {}}}; }
Types one_position(const Call& call) { return {{call.boolean("out_int32") ? DType::i32 : DType::i64, {}}}; }

Types dist(const Call& call) {
  Promotion type;
  type.add(call.tensor("self"));
  type.add(call.tensor("other"));
  broadcast(call, call.shape("self"), call.shape("other"));
  return {{real_of(floating(type.result())), {}}};
}

Types reduced_floating(const Call& call) {
  const TensorType& self = call.tensor("self");
  const DType type = call.dtype_or("dtype", floating(self.dtype));
  if (!call.has("dim")) return {{real_of(type), {}}};
  return {{real_of(type), without_dims(call, call.dims("dim", self.shape.size()))}};
}

/// A list of quantiles comes first in the result.
Types quantile(const Call& call) {
  const TensorType& self = call.tensor("self");
  SymShape shape;
  if (call.given("dim"))
    shape = without_dims(call, {call.dim("dim", self.shape.size())});
  else if (call.boolean("keepdim"))
    shape.assign(self.shape.size(), SymInt(1));
  if (call["q"].is_value()) {
    const SymShape& q = call.shape("q");
    call.require(q.size() <= 1, "q is a number or a list of them");
    shape.insert(shape.begin(), q.begin(), q.end());
  }
  return {{self.dtype, shape}};
}

Types histogram(const Call& call) { return {{call.tensor("self").dtype, {call.sym("bins")}}}; }

}  // namespace

void add_order_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_kthvalue_default}, kthvalue);
  table.add({aten_median_dim, aten_nanmedian_dim, aten_mode_default}, value_and_position);
  table.add({aten_median_default, aten_nanmedian_default}, one_value);
  table.add({aten_msort_default, aten_renorm_default}, like_self);
  table.add({aten_isin_Tensor_Tensor, aten_isin_Tensor_Scalar}, membership);
  table.add({aten_isin_Scalar_Tensor}, membership_of_one);
  table.add({aten_bucketize_Scalar, aten_searchsorted_Scalar}, one_position);
  table.add({aten_quantile_default, aten_quantile_scalar, aten_nanquantile_default, aten_nanquantile_scalar}, quantile);
  table.add({aten_histc_default}, histogram);
  table.add({aten_dist_default}, dist);
  table.add({aten_nanmean_default, aten_linalg_norm_default, aten_linalg_norm_ord_str}, reduced_floating);
}

}  // namespace aitune::infer

// Operators that read or write at positions given by a tensor.

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

void require_index(const Call& call, DType t) {
  if (t != DType::i64 && t != DType::i32) call.fail("indices must be i64 or i32, not " + std::string(dtype_name(t)));
}

bool is_mask_arg(const Arg& arg) { return arg.is_value() && is_mask(arg.value()->type.dtype); }

/// x[mask]: the dimensions of the mask become one, of the positions that it keeps.
SymShape masked_shape(const Call& call, std::size_t at) {
  SymShape shape = call.shape("self");
  const ArgList& indices = call["indices"].list();
  const SymShape& mask = indices[at].value()->type.shape;
  if (std::ranges::count_if(indices, &Arg::is_value) != 1)
    throw Unsupported("indexing with a mask beside other indices", call.op().name,
                      "Index with the mask first, then with the rest");
  call.require(!mask.empty() && at + mask.size() <= shape.size(), "the mask does not fit the tensor");
  for (std::size_t i = 0; i < mask.size(); ++i) unify(call, mask[i], shape[at + i]);
  const auto first = shape.begin() + static_cast<std::ptrdiff_t>(at);
  shape.erase(first, first + static_cast<std::ptrdiff_t>(mask.size()));
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), data_size());
  return shape;
}

/// NumPy's rule: the index dimensions replace the indexed ones where those are adjacent, and come first otherwise.
SymShape indexed_shape(const Call& call) {
  const SymShape& self = call.shape("self");
  const ArgList& indices = call["indices"].list();
  call.require(indices.size() <= self.size(), "more indices than dimensions");
  SymShape index_shape, rest;
  std::size_t first = 0, last = 0, count = 0, before = 0;
  for (std::size_t i = 0; i < self.size(); ++i) {
    const Value* index = i < indices.size() ? indices[i].value_or_null() : nullptr;
    if (index == nullptr) {
      if (count == 0) ++before;
      rest.push_back(self[i]);
      continue;
    }
    require_index(call, index->type.dtype);
    index_shape = broadcast(call, index_shape, index->type.shape);
    if (count++ == 0) first = i;
    last = i;
  }
  const bool adjacent = count > 0 && last - first + 1 == count;
  const auto at = static_cast<std::ptrdiff_t>(adjacent ? before : 0);
  rest.insert(rest.begin() + at, index_shape.begin(), index_shape.end());
  return rest;
}

Types index(const Call& call) {
  const ArgList& indices = call["indices"].list();
  const auto mask = std::ranges::find_if(indices, is_mask_arg);
  const SymShape shape = mask == indices.end() ? indexed_shape(call)
                                               : masked_shape(call, static_cast<std::size_t>(mask - indices.begin()));
  return {{call.tensor("self").dtype, shape}};
}

/// x[mask] = values, with values that do not depend on how many positions the mask keeps, or one for each.
void check_mask_put(const Call& call, std::size_t at) {
  const SymShape& self = call.shape("self");
  const ArgList& indices = call["indices"].list();
  const SymShape& mask = indices[at].value()->type.shape;
  call.require(at + mask.size() <= self.size(), "the mask has more dimensions than the tensor");
  for (std::size_t i = 0; i < mask.size(); ++i) unify(call, mask[i], self[at + i]);
  const SymShape rest(self.begin() + static_cast<std::ptrdiff_t>(at + mask.size()), self.end());
  SymShape values = call.shape("values");
  const bool one = values.size() == rest.size() + 1 && values[0].is(1);
  const bool alone = std::ranges::count_if(indices, &Arg::is_value) == 1;
  const bool each = at == 0 && values.size() == rest.size() + 1;
  if (!alone || (values.size() > rest.size() && !one && !each))
    throw Unsupported("writing as many values as a mask keeps, beside other indices or along a later dimension",
                      call.op().name, "Write one value for all positions of the mask, or use torch.where");
  if (one || each) values.erase(values.begin());
  call.require(broadcast(call, rest, values) == rest, "the values have more elements than the masked positions");
}

Types index_put(const Call& call) {
  const ArgList& indices = call["indices"].list();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const Value* index = indices[i].value_or_null();
    if (index == nullptr || index->type.dtype != DType::b8) continue;
    check_mask_put(call, i);
    return {call.tensor("self")};
  }
  broadcast(call, indexed_shape(call), call.shape("values"));
  return {call.tensor("self")};
}

Types index_select(const Call& call) {
  TensorType t = call.tensor("self");
  const TensorType& positions = call.tensor("index");
  require_index(call, positions.dtype);
  call.require(positions.shape.size() <= 1, "the index has at most one dimension");
  const std::size_t d = call.dim("dim", t.shape.size());
  if (!t.shape.empty()) t.shape[d] = product(positions.shape);
  return {t};
}

/// Every dimension of `small` but `except` lies within that of `large`; 0-dim tensors count as 1-dim.
void require_within(const Call& call, SymShape small, SymShape large, std::optional<std::size_t> except) {
  if (small.empty()) small = {1};
  if (large.empty()) large = {1};
  call.require(small.size() == large.size(), "index and tensor have different ranks");
  for (std::size_t i = 0; i < small.size(); ++i)
    if (i != except) call.require_at_least(large[i], small[i], "the index reaches beyond the tensor");
}

Types gather(const Call& call) {
  const TensorType& positions = call.tensor("index");
  require_index(call, positions.dtype);
  require_within(call, positions.shape, call.shape("self"), call.dim("dim", call.shape("self").size()));
  return {{call.tensor("self").dtype, positions.shape}};
}

Types take_along_dim(const Call& call) {
  const TensorType& self = call.tensor("self");
  const SymShape& positions = call.shape("indices");
  if (!call.given("dim")) return {{self.dtype, {product(positions)}}};
  const std::size_t d = call.dim("dim", self.shape.size());
  SymShape rest = self.shape;
  rest.at(d) = 1;
  SymShape shape = positions;
  shape.at(d) = 1;
  shape = broadcast(call, shape, rest);
  shape[d] = positions[d];
  return {{self.dtype, shape}};
}

Types embedding(const Call& call) {
  const TensorType& weight = call.tensor("weight");
  const TensorType& indices = call.tensor("indices");
  call.require(weight.shape.size() == 2, "the weight must have two dimensions");
  require_index(call, indices.dtype);
  SymShape shape = indices.shape;
  shape.push_back(weight.shape[1]);
  return {{weight.dtype, shape}};
}

Types one_hot(const Call& call) {
  const TensorType& self = call.tensor("self");
  const SymInt classes = call.sym("num_classes");
  call.require(self.dtype == DType::i64, "classes must be i64");
  if (classes.is(-1))
    throw Unsupported("one_hot without num_classes gives a size that depends on data", call.op().name,
                      "Pass num_classes");
  SymShape shape = self.shape;
  shape.push_back(classes);
  return {{DType::i64, shape}};
}

Types scattered(const Call& call) {
  const SymShape& index = call.shape("index");
  require_index(call, call.tensor("index").dtype);
  require_within(call, index, call.shape("self"), call.dim("dim", call.shape("self").size()));
  if (call.has("src")) require_within(call, index, call.shape("src"), std::nullopt);
  return {call.tensor("self")};
}

/// index_add, index_fill: positions along one dimension.
Types along_dim(const Call& call) {
  SymShape self = call.shape("self");
  const std::size_t d = call.dim("dim", self.size());
  require_index(call, call.tensor("index").dtype);
  call.require(call.shape("index").size() <= 1, "the index has at most one dimension");
  if (!call.has("source")) return {call.tensor("self")};
  SymShape source = call.shape("source");
  if (source.empty()) source = {1};
  if (self.empty()) self = {1};
  call.require(source.size() == self.size(), "source and tensor have different ranks");
  self[d] = product(call.shape("index"));
  for (std::size_t i = 0; i < self.size(); ++i) unify(call, self[i], source[i]);
  return {call.tensor("self")};
}

/// Positions of the flattened tensor.
Types take(const Call& call) {
  require_index(call, call.tensor("index").dtype);
  return {{call.tensor("self").dtype, call.shape("index")}};
}

Types put(const Call& call) {
  require_index(call, call.tensor("index").dtype);
  unify(call, product(call.shape("index")), product(call.shape("source")));
  return {call.tensor("self")};
}

/// The bags' results, then the bag of each index, the size of each bag, and where the greatest came from.
Types embedding_bag(const Call& call) {
  const TensorType& weight = call.tensor("weight");
  const SymShape &indices = call.shape("indices"), &offsets = call.shape("offsets");
  call.require(weight.shape.size() == 2 && indices.size() == 1 && offsets.size() == 1,
               "the weight is a matrix, indices and offsets are vectors");
  require_index(call, call.tensor("indices").dtype);
  const std::int64_t mode = call.integer("mode");
  const bool closed = call.boolean("include_last_offset");
  const SymInt bags = closed ? offsets[0] - 1 : offsets[0];
  const DType position = call.tensor("indices").dtype;
  // PyTorch's own shapes of what only training reads.
  const bool forward_only = call.op().id == OpId::aten__embedding_bag_forward_only_default;
  const SymInt counted = forward_only && mode == 0 ? offsets[0] : bags;
  return {{weight.dtype, {bags, weight.shape[1]}},
          {position,
           {mode == 0 && !call.given("per_sample_weights") ? SymInt(0)
            : mode == 0                                    ? SymInt(0)
                                                           : indices[0]}},
          {position, {counted}},
          {position, mode == 2 ? SymShape{bags, weight.shape[1]} : SymShape{counted}}};
}

/// self[indices] where the mask is set; else a number.
Types masked_index(const Call& call) {
  call.require(call.tensor("mask").dtype == DType::b8, "the mask must be bool");
  return {{call.tensor("self").dtype, broadcast(call, indexed_shape(call), call.shape("mask"))}};
}

Types masked_index_put(const Call& call) {
  call.require(call.tensor("mask").dtype == DType::b8, "the mask must be bool");
  broadcast_to(call, broadcast(call, call.shape("values"), call.shape("mask")), indexed_shape(call));
  return {call.tensor("self")};
}

/// The gradient of an embedding: a row for each of the weight's.
Types embedding_backward(const Call& call) {
  const TensorType& gradient = call.tensor("grad_output");
  const SymShape& indices = call.shape("indices");
  require_index(call, call.tensor("indices").dtype);
  call.require(gradient.shape.size() == indices.size() + 1, "the gradient has not one dimension more than the indices");
  for (std::size_t d = 0; d < indices.size(); ++d) unify(call, gradient.shape[d], indices[d]);
  return {{gradient.dtype, {call.sym("num_weights"), gradient.shape.back()}}};
}

}  // namespace

void add_index_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_index_Tensor}, index);
  table.add({aten_index_put_default, aten_index_put__default}, index_put);
  table.add({aten_index_select_default}, index_select);
  table.add({aten_gather_default}, gather);
  table.add({aten_take_along_dim_default}, take_along_dim);
  table.add({aten_embedding_default}, embedding);
  table.add({aten_embedding_dense_backward_default}, embedding_backward);
  table.add({aten__unsafe_masked_index_default}, masked_index);
  table.add({aten__unsafe_masked_index_put_accumulate_default}, masked_index_put);
  table.add({aten_one_hot_default}, one_hot);
  table.add({aten_index_add_default, aten_index_add__default, aten_index_fill_int_Scalar, aten_index_fill__int_Scalar,
             aten_index_copy_default, aten_index_reduce_default, aten_index_fill_int_Tensor},
            along_dim);
  table.add({aten_take_default}, take);
  table.add({aten_put_default}, put);
  table.add({aten_embedding_bag_default, aten_embedding_bag_padding_idx, aten__embedding_bag_default,
             aten__embedding_bag_forward_only_default},
            embedding_bag);
  table.add({aten_scatter_src, aten_scatter_value, aten_scatter__src, aten_scatter__value, aten_scatter_add_default,
             aten_scatter_add__default, aten_scatter_reduce_two, aten_scatter_reduce, aten_scatter_value_reduce},
            scattered);
}

}  // namespace aitune::infer

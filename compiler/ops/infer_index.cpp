// Operators that read or write at positions given by a tensor.

#include "base/error.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

void require_index(const Call& call, DType t) {
  if (t != DType::i64 && t != DType::i32) call.fail("indices must be i64 or i32, not " + std::string(dtype_name(t)));
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
    if (index->type.dtype == DType::b8 || index->type.dtype == DType::u8)
      throw Unsupported("indexing with a mask gives a size that depends on data", call.op().name,
                        "Use torch.where instead of a boolean index");
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

Types index(const Call& call) { return {{call.tensor("self").dtype, indexed_shape(call)}}; }

Types index_put(const Call& call) {
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

Types gather(const Call& call) {
  const TensorType& positions = call.tensor("index");
  require_index(call, positions.dtype);
  call.dim("dim", call.shape("self").size());
  return {{call.tensor("self").dtype, positions.shape}};
}

Types take_along_dim(const Call& call) {
  const TensorType& self = call.tensor("self");
  SymShape positions = call.shape("indices");
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

Types written(const Call& call) {
  require_index(call, call.tensor("index").dtype);
  call.dim("dim", call.shape("self").size());
  return {call.tensor("self")};
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
  table.add({aten_index_add_default, aten_scatter_src, aten_scatter_value, aten_scatter__src, aten_scatter__value,
             aten_scatter_add_default, aten_index_fill_int_Scalar, aten_scatter_reduce_two, aten_index_copy_default},
            written);
}

}  // namespace aitune::infer

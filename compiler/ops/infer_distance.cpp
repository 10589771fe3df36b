// Distances, searches, and images sampled at given places.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

Types cdist(const Call& call) {
  const TensorType& a = call.tensor("x1");
  const SymShape& b = call.shape("x2");
  call.require(a.shape.size() >= 2 && b.size() >= 2, "both operands need two dimensions");
  unify(call, a.shape.back(), b.back());
  SymShape shape = broadcast(call, SymShape(a.shape.begin(), a.shape.end() - 2), SymShape(b.begin(), b.end() - 2));
  shape.push_back(a.shape[a.shape.size() - 2]);
  shape.push_back(b[b.size() - 2]);
  return {{a.dtype, shape}};
}

Types pdist(const Call& call) {
  const TensorType& t = call.tensor("self");
  call.require(t.shape.size() == 2, "the operand has two dimensions");
  return {{t.dtype, {floordiv(t.shape[0] * (t.shape[0] - 1), 2)}}};
}

Types cross(const Call& call) {
  Promotion types;
  types.add(call.tensor("self"));
  types.add(call.tensor("other"));
  return {{types.result(), broadcast(call, call.shape("self"), call.shape("other"))}};
}

/// Along the last dimension of what both become together.
Types pairwise_distance(const Call& call) {
  Promotion types;
  types.add(call.tensor("x1"));
  types.add(call.tensor("x2"));
  SymShape shape = broadcast(call, call.shape("x1"), call.shape("x2"));
  call.require(!shape.empty(), "the operands need a dimension");
  if (call.boolean("keepdim"))
    shape.back() = 1;
  else
    shape.pop_back();
  return {{types.result(), shape}};
}

Types search(const Call& call) {
  if (call.has("sorter") && call.given("sorter")) {
    const TensorType& order = call.tensor("sorter");
    const SymShape& rows = call.shape("sorted_sequence");
    call.require(order.dtype == DType::i64 && order.shape.size() == rows.size(),
                 "the sorter is no i64 of the sequence's shape");
    for (std::size_t d = 0; d < rows.size(); ++d) unify(call, order.shape[d], rows[d]);
  }
  return {{call.boolean("out_int32") ? DType::i32 : DType::i64, call.shape("self")}};
}

Types like_self_and_positions(const Call& call) { return {call.tensor("self"), {DType::i64, call.shape("self")}}; }
Types broadcast_to_mask(const Call& call) {
  return {{call.tensor("self").dtype, broadcast(call, call.shape("self"), call.shape("mask"))}};
}
Types trace(const Call& call) {
  const TensorType& t = call.tensor("self");
  call.require(t.shape.size() == 2, "the operand has two dimensions");
  return {{is_floating(t.dtype) || is_complex(t.dtype) ? t.dtype : DType::i64, {}}};
}

Types grid_sampler(const Call& call) {
  TensorType t = call.tensor("input");
  const SymShape& grid = call.shape("grid");
  const std::size_t rank = t.shape.size();
  call.require((rank == 4 || rank == 5) && grid.size() == rank, "input and grid have four or five dimensions");
  call.require(!differ(grid.back(), static_cast<std::int64_t>(rank - 2)),
               "the grid's last size is the number of spatial dimensions");
  unify(call, t.shape[0], grid[0]);
  for (std::size_t d = 2; d < rank; ++d) t.shape[d] = grid[d - 1];
  return {t};
}

struct Windows {
  SymInt height, width;
};

Windows windows_of(const Call& call, const SymInt& height, const SymInt& width) {
  const auto kernel = call.int_list("kernel_size"), dilation = call.int_list("dilation"),
             padding = call.int_list("padding"), stride = call.int_list("stride");
  call.require(kernel.size() == 2 && dilation.size() == 2 && padding.size() == 2 && stride.size() == 2,
               "the lists have two numbers");
  for (std::size_t i = 0; i < 2; ++i)
    call.require(kernel[i] > 0 && dilation[i] > 0 && stride[i] > 0 && padding[i] >= 0, "sizes must be positive");
  return {window_size(height, 2 * padding[0], dilation[0], kernel[0], stride[0]),
          window_size(width, 2 * padding[1], dilation[1], kernel[1], stride[1])};
}

Types im2col(const Call& call) {
  TensorType t = call.tensor("self");
  call.require(t.shape.size() == 3 || t.shape.size() == 4, "the input has the wrong rank");
  const auto kernel = call.int_list("kernel_size");
  const Windows w = windows_of(call, t.shape[t.shape.size() - 2], t.shape.back());
  t.shape.pop_back();
  t.shape.back() = w.height * w.width;
  t.shape[t.shape.size() - 2] *= kernel.at(0) * kernel.at(1);
  return {t};
}

Types col2im(const Call& call) {
  TensorType t = call.tensor("self");
  call.require(t.shape.size() == 2 || t.shape.size() == 3, "the input has the wrong rank");
  const auto kernel = call.int_list("kernel_size");
  const SymShape size = call.sym_list("output_size");
  call.require(size.size() == 2, "output_size has two numbers");
  const Windows w = windows_of(call, size[0], size[1]);
  unify(call, t.shape.back(), w.height * w.width);
  t.shape.back() = size[0];
  t.shape.push_back(size[1]);
  SymInt& channels = t.shape[t.shape.size() - 3];
  channels = floordiv(channels, kernel.at(0) * kernel.at(1));
  return {t};
}

}  // namespace

void add_distance_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_cdist_default, aten__cdist_forward_default}, cdist);
  table.add({aten__pdist_forward_default, aten_pdist_default}, pdist);
  table.add({aten_pairwise_distance_default}, pairwise_distance);
  table.add({aten_cross_default}, cross);
  table.add({aten_linalg_cross_default}, cross);
  table.add({aten_bucketize_Tensor, aten_searchsorted_Tensor}, search);
  table.add({aten_logcumsumexp_default}, like_self);
  table.add({aten_cummax_default, aten_cummin_default}, like_self_and_positions);
  table.add({aten_masked_scatter_default}, broadcast_to_mask);
  table.add({aten_trace_default}, trace);
  table.add({aten_grid_sampler_default, aten_grid_sampler_2d_default, aten_grid_sampler_3d_default}, grid_sampler);
  table.add({aten_im2col_default}, im2col);
  table.add({aten_col2im_default}, col2im);
}

}  // namespace aitune::infer

// Operators whose results have a size that data decide, and those that go with them: see data_sizes.h.

#include <algorithm>

#include "base/error.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

Types nonzero(const Call& call) {
  const auto rank = static_cast<std::int64_t>(call.shape("self").size());
  return {{DType::i64, {data_size(), rank}}};
}

/// The columns of nonzero's result, each a tensor.
Types nonzero_columns(const Call& call) {
  const std::size_t rank = call.shape(call.has("self") ? "self" : "condition").size();
  return Types(std::max<std::size_t>(rank, 1), {DType::i64, {data_size()}});
}

Types nonzero_static(const Call& call) {
  const auto rank = static_cast<std::int64_t>(call.shape("self").size());
  return {{DType::i64, {call.sym("size"), rank}}};
}

Types masked_select(const Call& call) {
  call.require(is_mask(call.tensor("mask").dtype), "the mask must be bool");
  broadcast(call, call.shape("self"), call.shape("mask"));
  return {{call.tensor("self").dtype, {data_size()}}};
}

/// Values; for each element the position of its value; how often each value is there. What is not asked for is empty.
Types unique(const Call& call) {
  const TensorType& self = call.tensor("self");
  const auto asked = [&](std::string_view name) { return call.has(name) && call.boolean(name); };
  Types types = {{self.dtype, {data_size()}},
                 {DType::i64, asked("return_inverse") ? self.shape : SymShape{0}},
                 {DType::i64, asked("return_counts") ? SymShape{data_size()} : SymShape{0}}};
  if (call.has("return_counts")) return types;
  types.pop_back();
  return types;
}

/// The same for whole slices along a dimension; positions and counts are always there.
Types unique_dim(const Call& call) {
  TensorType self = call.tensor("self");
  if (!call.given("dim")) return unique(call);
  call.require(!self.shape.empty(), "a tensor without dimensions has no slices");
  SymInt& size = self.shape[call.dim("dim", self.shape.size())];
  const SymShape all = {size};
  size = data_size();
  return {self, {DType::i64, all}, {DType::i64, {data_size()}}};
}

Types repeat_interleave_by_tensor(const Call& call) {
  const TensorType& repeats = call.tensor("repeats");
  call.require(repeats.dtype == DType::i64 || repeats.dtype == DType::i32, "repeats must be i64 or i32");
  call.require(repeats.shape.size() <= 1, "repeats have at most one dimension");
  const SymInt size = call.given("output_size") ? call.sym("output_size") : data_size();
  if (!call.has("self")) return {{repeats.dtype, {size}}};
  TensorType self = call.tensor("self");
  if (!call.given("dim")) self.shape = {product(self.shape)};
  if (self.shape.empty()) self.shape = {1};
  SymInt& along = self.shape[call.given("dim") ? call.dim("dim", self.shape.size()) : 0];
  if (!repeats.shape.empty() && !repeats.shape[0].is(1)) unify(call, repeats.shape[0], along);
  along = size;
  return {self};
}

Types bincount(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(self.shape.size() == 1 && !is_floating(self.dtype), "counts take whole numbers in one dimension");
  DType type = DType::i64;
  if (call.given("weights")) {
    unify(call, call.shape("weights").at(0), self.shape[0]);
    type = call.tensor("weights").dtype == DType::f32 ? DType::f32 : DType::f64;
  }
  return {{type, {data_size()}}};
}

/// A number that becomes a size: no elements, and the number as the first extent.
Types item(const Call& call) {
  const TensorType& self = call.tensor("self");
  for (const SymInt& size : self.shape) unify(call, size, 1);
  if (is_floating(self.dtype) || is_complex(self.dtype) || self.dtype == DType::b8)
    throw Unsupported(std::string(dtype_name(self.dtype)) + " values of tensors cannot become numbers in the program",
                      call.op().name, "Compute with the tensor itself instead of its item()");
  return {{DType::u8, {data_size(), 0}}};
}

Types nms(const Call& call) {
  const SymShape &boxes = call.shape("dets"), &scores = call.shape("scores");
  call.require(boxes.size() == 2 && boxes[1].is(4), "boxes are [n, 4]");
  call.require(scores.size() == 1, "scores are [n]");
  unify(call, boxes[0], scores[0]);
  return {{DType::i64, {data_size()}}};
}

Types roi_align(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymShape& rois = call.shape("rois");
  call.require(input.shape.size() == 4, "images are [n, c, h, w]");
  call.require(rois.size() == 2 && rois[1].is(5), "regions are [n, 5]");
  return {{input.dtype, {rois[0], input.shape[1], call.sym("pooled_height"), call.sym("pooled_width")}}};
}

/// The features, and where each comes from.
Types roi_pool(const Call& call) {
  const Types features = roi_align(call);
  return {features[0], {DType::i32, features[0].shape}};
}

/// Position-sensitive: each place of the result has channels of its own.
Types ps_roi_pool(const Call& call) {
  Types types = roi_pool(call);
  const SymInt places = call.sym("pooled_height") * call.sym("pooled_width");
  const SymInt& channels = call.shape("input")[1];
  call.require(!places.is(0), "the result has no places");
  const SymInt features = floordiv(channels, places);
  unify(call, features * places, channels);
  for (TensorType& type : types) type.shape[1] = features;
  return types;
}

Types deform_conv2d(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymShape &weight = call.shape("weight"), &offset = call.shape("offset");
  call.require(input.shape.size() == 4 && weight.size() == 4 && offset.size() == 4, "tensors are [n, c, h, w]");
  unify(call, offset[0], input.shape[0]);
  const auto size = [&](std::size_t d, std::string_view axis) {
    const std::string a(axis);
    const SymInt out = window_size(input.shape[d], SymInt(2) * call.sym("pad_" + a), call.sym("dilation_" + a),
                                   weight[d], call.sym("stride_" + a));
    return unify(call, out, offset[d]);
  };
  unify(call, offset[1], SymInt(2) * call.sym("offset_groups") * weight[2] * weight[3]);
  return {{input.dtype, {input.shape[0], weight[0], size(2, "h"), size(3, "w")}}};
}

}  // namespace

void add_data_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_nonzero_default, aten_argwhere_default}, nonzero);
  table.add({aten_nonzero_numpy_default, aten_where_default}, nonzero_columns);
  table.add({aten_nonzero_static_default}, nonzero_static);
  table.add({aten_masked_select_default}, masked_select);
  table.add({aten__unique_default, aten__unique2_default}, unique);
  table.add({aten_unique_dim_default, aten_unique_consecutive_default, aten_unique_dim_consecutive_default},
            unique_dim);
  table.add({aten_repeat_interleave_Tensor, aten_repeat_interleave_self_Tensor}, repeat_interleave_by_tensor);
  table.add({aten_bincount_default}, bincount);
  table.add({aten_item_default, aten__local_scalar_dense_default}, item);
  table.add({torchvision_nms_default}, nms);
  table.add({torchvision_roi_align_default}, roi_align);
  table.add({torchvision_roi_pool_default}, roi_pool);
  table.add({torchvision_ps_roi_align_default, torchvision_ps_roi_pool_default}, ps_roi_pool);
  table.add({torchvision_deform_conv2d_default}, deform_conv2d);
}

}  // namespace aitune::infer

// Quantised tensors and products of them.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

Types quantise(const Call& call) {
  const TensorType& input = call.tensor("input");
  call.require(input.dtype == DType::f32, "only f32 is quantised");
  const std::int64_t zero = call.integer("zero_point");
  call.require(zero >= 0 && zero <= 255, "a zero point outside of u8");
  return {{DType::u8, input.shape}};
}

Types quantised_linear(const Call& call) {
  require_quantised(call);
  const SymShape& weight = call.shape("weight");
  SymShape shape = call.shape("input");
  call.require(!shape.empty() && weight.size() == 2, "input or weight has the wrong rank");
  unify(call, shape.back(), weight[1]);
  shape.back() = weight[0];
  for (const char* name : {"scale", "offset"}) {
    call.require(call.shape(name).size() == 1, "scale and offset have one dimension");
    unify(call, weight[0], call.shape(name)[0]);
  }
  return {{DType::f32, std::move(shape)}};
}

/// What was rounded to the steps of a quantised type stays floating point.
Types fake_quantise(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(is_floating(self.dtype), "only floating point is quantised");
  call.require(call.integer("quant_min") <= call.integer("quant_max"), "quant_min is above quant_max");
  if (call.has("axis")) {
    const std::size_t axis = call.dim("axis", self.shape.size());
    call.require(!self.shape.empty(), "a number has no channels");
    for (const char* name : {"scale", "zero_point"}) {
      call.require(call.shape(name).size() == 1, "scale and zero_point have one dimension");
      unify(call, call.shape(name)[0], self.shape[axis]);
    }
  }
  Types types = {self};
  if (call.op().result_count == 2) types.push_back({DType::b8, self.shape});
  return types;
}

}  // namespace

void require_quantised(const Call& call) {
  call.require(call.tensor("input").dtype == DType::u8 && call.tensor("weight").dtype == DType::i8,
               "it multiplies u8 by i8");
  call.require(call.tensor("scale").dtype == DType::f32 && call.tensor("offset").dtype == DType::f32,
               "scale and offset are f32");
}

void add_quantised_rules(RuleTable& table) {
  using enum OpId;
  table.add({aitune_quantise_default}, quantise);
  table.add({aitune_quantised_linear_default}, quantised_linear);
  table.add({aten_fake_quantize_per_tensor_affine_default, aten_fake_quantize_per_tensor_affine_tensor_qparams,
             aten_fake_quantize_per_tensor_affine_cachemask_default, aten_fake_quantize_per_channel_affine_default,
             aten_fake_quantize_per_channel_affine_cachemask_default,
             aten__fake_quantize_per_tensor_affine_cachemask_tensor_qparams_default},
            fake_quantise);
}

}  // namespace aitune::infer

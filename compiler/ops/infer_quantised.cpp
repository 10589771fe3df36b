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
}

}  // namespace aitune::infer

// Normalisations.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

/// Statistics of layer_norm: one element for each row.
SymShape rows(const Call& call) {
  const SymShape& shape = call.shape("input");
  const SymShape normalized = call.sym_list("normalized_shape");
  call.require(!normalized.empty() && normalized.size() <= shape.size(), "normalized_shape has the wrong rank");
  const std::size_t first = shape.size() - normalized.size();
  SymShape result = shape;
  for (std::size_t i = 0; i < normalized.size(); ++i) {
    unify(call, shape[first + i], normalized[i]);
    result[first + i] = 1;
  }
  for (const std::string_view name : {"weight", "bias"})
    if (call.given(name)) {
      call.require(call.shape(name).size() == normalized.size(), "weight or bias has the wrong rank");
      for (std::size_t i = 0; i < normalized.size(); ++i) unify(call, call.shape(name)[i], normalized[i]);
    }
  return result;
}

Types layer_norm(const Call& call) {
  rows(call);
  return {call.tensor("input")};
}

Types native_layer_norm(const Call& call) {
  const TensorType& input = call.tensor("input");
  TensorType statistics{input.dtype, rows(call)};
  if (call.given("weight")) statistics.dtype = promote(input.dtype, call.tensor("weight").dtype);
  return {input, statistics, statistics};
}

Types rms_norm(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymShape statistics = rows(call);
  DType type = input.dtype;
  if (call.given("weight")) type = promote(type, call.tensor("weight").dtype);
  if (call.op().result_count == 1) return {{type, input.shape}};
  return {{type, input.shape}, {input.dtype == DType::f64 ? DType::f64 : DType::f32, statistics}};
}

/// The channel count, checked against the per-channel operands.
SymInt channels(const Call& call) {
  const SymShape& shape = call.shape("input");
  call.require(shape.size() >= 2, "the input needs a batch and a channel dimension");
  for (const std::string_view name : {"weight", "bias", "running_mean", "running_var"}) {
    if (!call.given(name)) continue;
    call.require(call.shape(name).size() == 1, "per-channel operands have one dimension");
    unify(call, shape[1], call.shape(name)[0]);
  }
  return shape[1];
}

Types batch_norm(const Call& call) {
  channels(call);
  return {call.tensor("input")};
}

Types native_batch_norm(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymInt c = channels(call);
  DType type = input.dtype;
  for (const std::string_view name : {"weight", "running_mean"})
    if (call.given(name)) type = promote(type, call.tensor(name).dtype);
  const bool training = call.has("training") && call.boolean("training");
  const TensorType statistics{type, {training ? c : SymInt(0)}};
  return {input, statistics, statistics};
}

Types group_norm(const Call& call) {
  const SymInt c = channels(call);
  const std::int64_t groups = call.integer("num_groups");
  call.require(groups > 0, "num_groups must be positive");
  if (const auto n = c.as_constant()) call.require(*n % groups == 0, "num_groups must divide the channels");
  return {call.tensor("input")};
}

Types native_group_norm(const Call& call) {
  const TensorType& input = call.tensor("input");
  TensorType statistics{input.dtype, {call.sym("N"), call.integer("group")}};
  if (call.given("weight")) statistics.dtype = promote(input.dtype, call.tensor("weight").dtype);
  return {input, statistics, statistics};
}

/// A gradient that is asked for and has what it is of, else nothing.
TensorType gradient_or_nothing(const Call& call, std::size_t place, std::string_view of, DType type) {
  const bool wanted = call["output_mask"].list().at(place).boolean() && call.given(of);
  return wanted ? call.tensor(of) : TensorType{type, {0}};
}

Types layer_norm_backward(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymShape statistics = rows(call);
  for (const std::string_view name : {"mean", "rstd"}) unify(call, product(call.shape(name)), product(statistics));
  unify(call, product(call.shape("grad_out")), product(input.shape));
  const TensorType bias = gradient_or_nothing(call, 2, call.given("bias") ? "bias" : "weight", input.dtype);
  return {gradient_or_nothing(call, 0, "input", input.dtype), gradient_or_nothing(call, 1, "weight", input.dtype),
          bias};
}

Types group_norm_backward(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymInt n = call.sym("N"), c = call.sym("C");
  const std::int64_t groups = call.integer("group");
  call.require(groups > 0, "there are no groups");
  if (const auto known = c.as_constant()) call.require(*known % groups == 0, "the groups do not divide the channels");
  unify(call, product(input.shape), n * c * call.sym("HxW"));
  unify(call, product(call.shape("grad_out")), product(input.shape));
  for (const std::string_view name : {"mean", "rstd"}) unify(call, product(call.shape(name)), n * groups);
  if (call.given("weight")) unify(call, product(call.shape("weight")), c);
  const DType type = call.given("weight") ? call.tensor("weight").dtype : input.dtype;
  const auto by_channel = [&](std::size_t place) {
    return TensorType{type, {call["output_mask"].list().at(place).boolean() ? c : SymInt(0)}};
  };
  return {gradient_or_nothing(call, 0, "input", input.dtype), by_channel(1), by_channel(2)};
}

}  // namespace

void add_norm_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_layer_norm_default}, layer_norm);
  table.add({aten_native_layer_norm_default}, native_layer_norm);
  table.add({aten_rms_norm_default, aten__fused_rms_norm_default}, rms_norm);
  table.add({aten_batch_norm_default, aten_instance_norm_default}, batch_norm);
  table.add({aten_native_batch_norm_default, aten__native_batch_norm_legit_default,
             aten__native_batch_norm_legit_no_stats, aten__native_batch_norm_legit_no_training_default},
            native_batch_norm);
  table.add({aten_group_norm_default}, group_norm);
  table.add({aten_native_group_norm_default}, native_group_norm);
  table.add({aten_native_layer_norm_backward_default}, layer_norm_backward);
  table.add({aten_native_group_norm_backward_default}, group_norm_backward);
}

}  // namespace aitune::infer

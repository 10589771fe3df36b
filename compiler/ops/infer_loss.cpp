// Losses: of single elements, and of classes.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

constexpr std::int64_t kNone = 0;  // of torch.nn.functional's reductions: none, mean, sum

Types elementwise(const Call& call) {
  Promotion types;
  types.add(call.tensor("self"));
  types.add(call.tensor("target"));
  SymShape shape = broadcast(call, call.shape("self"), call.shape("target"));
  for (const auto* other : {"weight", "pos_weight"})
    if (call.given(other)) shape = broadcast(call, shape, call.shape(other));
  if (call.integer("reduction") != kNone) shape.clear();
  return {{types.result(), shape}};
}

/// Scores are [classes], or [n, classes, ...].
Types of_classes(const Call& call) {
  const TensorType& scores = call.tensor("self");
  call.require(!scores.shape.empty(), "the scores have no dimension of classes");
  SymShape shape = scores.shape;
  shape.erase(shape.begin() + (shape.size() == 1 ? 0 : 1));
  const TensorType& target = call.tensor("target");
  if (call.has("label_smoothing") && is_floating(target.dtype)) {
    call.require(target.shape.size() == scores.shape.size(), "the target has another rank than the scores");
    for (std::size_t d = 0; d < target.shape.size(); ++d) unify(call, target.shape[d], scores.shape[d]);
  } else {
    call.require(target.dtype == DType::i64 || target.dtype == DType::u8, "the target is no tensor of classes");
    call.require(target.shape.size() == shape.size(), "the target has the wrong rank");
    for (std::size_t d = 0; d < shape.size(); ++d) unify(call, target.shape[d], shape[d]);
  }
  if (call.given("weight")) {
    call.require(call.shape("weight").size() == 1, "the weights have one dimension");
    unify(call, call.shape("weight")[0], scores.shape[scores.shape.size() == 1 ? 0 : 1]);
  }
  if (call.integer("reduction") != kNone) shape.clear();
  return {{scores.dtype, shape}};
}

}  // namespace

void add_loss_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_mse_loss_default, aten_l1_loss_default, aten_smooth_l1_loss_default, aten_huber_loss_default,
             aten_kl_div_default, aten_binary_cross_entropy_default, aten_binary_cross_entropy_with_logits_default},
            elementwise);
  table.add({aten_nll_loss_nd_default, aten_cross_entropy_loss_default}, of_classes);
}

}  // namespace aitune::infer

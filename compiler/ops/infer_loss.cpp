// Losses: of single elements, and of classes.

#include <algorithm>
#include <optional>

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

/// Distances of two tensors along their last dimension.
SymShape distances(const Call& call, std::string_view a, std::string_view b) {
  SymShape shape = broadcast(call, call.shape(a), call.shape(b));
  shape.pop_back();
  return shape;
}

Types triplet_margin_loss(const Call& call) {
  Promotion types;
  const std::size_t rank = call.shape("anchor").size();
  for (const std::string_view name : {"anchor", "positive", "negative"}) {
    call.require(rank > 0 && call.shape(name).size() == rank, "the operands have different ranks, or no dimension");
    types.add(call.tensor(name));
  }
  call.require(is_floating(types.result()), "the operands are not floating point");
  SymShape shape = broadcast(call, distances(call, "anchor", "positive"), distances(call, "anchor", "negative"));
  if (call.boolean("swap")) shape = broadcast(call, shape, distances(call, "positive", "negative"));
  if (call.integer("reduction") != kNone) shape.clear();
  return {{types.result(), shape}};
}

/// Scores [classes] or [n, classes] of a floating point type; the rows, which a vector has none of.
SymShape rows_of_scores(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(self.dtype == DType::f32 || self.dtype == DType::f64, "the scores are neither f32 nor f64");
  call.require(self.shape.size() <= 2, "the scores have more than two dimensions");
  if (!self.shape.empty()) call.require_at_least(self.shape.back(), 1, "there are no classes");
  call.require(call.tensor("target").dtype == DType::i64, "the target is no i64");
  return self.shape.size() == 2 ? SymShape{self.shape[0]} : SymShape{};
}

Types multi_margin_loss(const Call& call) {
  const SymShape rows = rows_of_scores(call);
  const SymShape& target = call.shape("target");
  call.require(target.size() <= 1, "the target has more than one dimension");
  unify(call, product(target), product(rows));
  const double p = call["p"].number();
  call.require(p == 1 || p == 2, "p is neither 1 nor 2");
  if (call.given("weight")) {
    const SymShape& self = call.shape("self");
    call.require(call.tensor("weight").dtype == call.tensor("self").dtype, "scores and weights have different dtypes");
    unify(call, product(call.shape("weight")), self.empty() ? SymInt(1) : self.back());
  }
  const bool each = call.integer("reduction") == kNone && !target.empty();
  return {{call.tensor("self").dtype, each ? SymShape{product(rows)} : SymShape{}}};
}

Types multilabel_margin_loss(const Call& call) {
  const SymShape rows = rows_of_scores(call);
  const SymShape &self = call.shape("self"), &target = call.shape("target");
  call.require(self.size() == 2 ? target.size() == 2 : target.size() <= 1, "scores and target have different ranks");
  for (std::size_t d = 0; d < target.size(); ++d) unify(call, target[d], self.empty() ? SymInt(1) : self[d]);
  if (target.empty() && !self.empty()) unify(call, self[0], 1);
  const bool each = call.integer("reduction") == kNone && self.size() == 2;
  const DType type = call.tensor("self").dtype;
  if (call.op().result_count == 1) return {{type, each ? rows : SymShape{}}};
  return {{type, each ? rows : SymShape{}}, {type, target}};
}

/// How many lengths there are, and the greatest where they are numbers of the program.
struct Lengths {
  SymInt count;
  std::optional<std::int64_t> greatest;
};

Lengths lengths(const Call& call, std::string_view name) {
  const Arg& arg = call[name];
  if (arg.is_value()) {
    const TensorType& type = arg.value()->type;
    call.require(is_integral(type.dtype) && type.shape.size() <= 1, "the lengths are no integers of one dimension");
    return {product(type.shape), std::nullopt};
  }
  const std::vector<std::int64_t> numbers = call.int_list(name);
  for (const std::int64_t n : numbers) call.require(n >= 0 && n <= 1 << 30, "a length is out of range");
  return {static_cast<std::int64_t>(numbers.size()), numbers.empty() ? 0 : std::ranges::max(numbers)};
}

/// Log-probabilities [time, batch, labels] or [time, labels]; targets [batch, longest], or one after another. Of target
/// lengths in a tensor only the most that they can be is known: alpha has room for that, where eager PyTorch's is cut
/// to the greatest.
Types ctc_loss(const Call& call) {
  const TensorType &scores = call.tensor("log_probs"), &targets = call.tensor("targets");
  call.require(scores.dtype == DType::f32 || scores.dtype == DType::f64, "log_probs are neither f32 nor f64");
  const bool batched = scores.shape.size() == 3;
  const bool with_alpha = call.op().result_count == 2;
  call.require(batched || (scores.shape.size() == 2 && !with_alpha), "log_probs have the wrong rank");
  const SymInt batch = batched ? scores.shape[1] : SymInt(1);
  const Lengths input = lengths(call, "input_lengths"), target = lengths(call, "target_lengths");
  unify(call, batch, input.count);
  unify(call, batch, target.count);
  call.require(is_integral(targets.dtype) && (targets.shape.size() == 1 || targets.shape.size() == 2),
               "the targets are no integers of one or two dimensions");
  if (targets.shape.size() == 2) unify(call, targets.shape[0], batch);
  const std::int64_t blank = call.integer("blank");
  call.require(blank >= 0, "blank is no label");
  call.require_at_least(scores.shape.back(), blank + 1, "blank is no label");
  if (with_alpha) {
    const SymInt longest = target.greatest ? SymInt(*target.greatest) : targets.shape.back();
    return {{scores.dtype, {batch}}, {scores.dtype, {batch, scores.shape[0], longest * 2 + 1}}};
  }
  const bool each = call.integer("reduction") == kNone && batched;
  return {{scores.dtype, each ? SymShape{batch} : SymShape{}}};
}

}  // namespace

void add_loss_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_mse_loss_default, aten_l1_loss_default, aten_smooth_l1_loss_default, aten_huber_loss_default,
             aten_kl_div_default, aten_binary_cross_entropy_default, aten_binary_cross_entropy_with_logits_default},
            elementwise);
  table.add({aten_nll_loss_nd_default, aten_cross_entropy_loss_default}, of_classes);
  table.add({aten_triplet_margin_loss_default}, triplet_margin_loss);
  table.add({aten_ctc_loss_IntList, aten_ctc_loss_Tensor, aten__ctc_loss_default, aten__ctc_loss_Tensor}, ctc_loss);
  table.add({aten_multi_margin_loss_default}, multi_margin_loss);
  table.add({aten_multilabel_margin_loss_default, aten_multilabel_margin_loss_forward_default}, multilabel_margin_loss);
}

}  // namespace aitune::infer

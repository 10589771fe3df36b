#include "compiler/passes/quantise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

constexpr float kMostWeight = 127, kMostValue = 255;
/// Factors of one sum whose products of u8 and s8 always fit an s32.
constexpr std::int64_t kMostFactors = std::numeric_limits<std::int32_t>::max() / (255 * 127);
/// What is tried as the largest weight, as a share of the largest there is.
constexpr std::array<float, 5> kClips = {1.0F, 0.94F, 0.88F, 0.8F, 0.7F};

/// To the nearest integer, halves to even, for values well below 2^22: without a call where the CPU has no instruction.
float nearest(float x) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23
  return (x + kShift) - kShift;
}

float quantised_weight(float w, float inverse) { return nearest(std::clamp(w * inverse, -kMostWeight, kMostWeight)); }

/// Rows of weights, one for each output.
struct Rows {
  Tensor data;
  std::int64_t count = 0, length = 0;
  explicit Rows(const Tensor& weight)
      : data(weight.contiguous()), count(weight.size(0)), length(weight.numel() / std::max<std::int64_t>(1, count)) {}
  std::span<const float> row(std::int64_t i) const {
    return {data.as<float>() + i * length, static_cast<std::size_t>(length)};
  }
};

/// The weights of a row as they meet shifted channels.
void shift_weights(std::span<float> row, const TensorScale& input, int sign) {
  for (std::size_t i = 0; i < input.shifts.size(); ++i) row[i] = std::ldexp(row[i], sign * input.shifts[i]);
}

/// The constants of a product of integers.
struct Constants {
  Tensor weight, scale, offset;
};

Constants constants_of(const Tensor& original, const Tensor& bias, const TensorScale& input) {
  const Rows rows(original);
  Constants made{Tensor(DType::i8, original.shape()), Tensor(DType::f32, {rows.count}),
                 Tensor(DType::f32, {rows.count})};
  auto* to = made.weight.as<std::int8_t>();
  std::vector<float> row;
  for (std::int64_t i = 0; i < rows.count; ++i) {
    row.assign(rows.row(i).begin(), rows.row(i).end());
    shift_weights(row, input, 1);
    const float own = weight_scale(row), inverse = 1 / own;
    std::int64_t sum = 0;
    for (const float w : row) {
      *to = static_cast<std::int8_t>(quantised_weight(w, inverse));
      sum += *to++;
    }
    const double scale = static_cast<double>(input.scale) * own;
    const double added = bias.defined() ? static_cast<double>(bias.as<float>()[i]) : 0.0;
    made.scale.as<float>()[i] = static_cast<float>(scale);
    made.offset.as<float>()[i] =
        static_cast<float>(added - static_cast<double>(input.zero_point) * static_cast<double>(sum) * scale);
  }
  return made;
}

/// What a tensor is multiplied by for its shifts.
Tensor factors_of(const TensorScale& scale) {
  Tensor factors(DType::f32, {static_cast<std::int64_t>(scale.shifts.size())});
  for (std::size_t i = 0; i < scale.shifts.size(); ++i) factors.as<float>()[i] = std::ldexp(1.0F, -scale.shifts[i]);
  return factors;
}

void check_shifts(const Node& node, const TensorScale& scale) {
  if (scale.shifts.empty()) return;
  const bool fit = is_op(node, "aten.linear.default") &&
                   operand(node, 0)->type.shape.back() == SymInt(static_cast<std::int64_t>(scale.shifts.size())) &&
                   std::ranges::all_of(scale.shifts, [](int s) { return std::abs(s) <= TensorScale::kMostShift; });
  if (!fit)
    throw InvalidArgument(fmt::format("{} shifts of channels do not fit the product", scale.shifts.size()),
                          "%" + node.output()->name);
}

bool only_moves(const Node& node) { return is_op(node, "aten.view.default") || is_op(node, "aten.permute.default"); }

bool is_constant_vector(const Arg& bias, const SymInt& size) {
  if (bias.is_none()) return true;
  const Value* value = bias.value();
  return is_weight(value) && value->type.dtype == DType::f32 && value->type.shape == SymShape{size};
}

bool can_quantise_convolution(const Node& node) {
  const Value *input = operand(node, 0), *weight = operand(node, 1);
  const auto shape = constant_shape(weight->type.shape);
  if (!shape || shape->size() != input->type.shape.size() || shape->size() < 3 || node.args[6].boolean()) return false;
  const std::int64_t channels = (*shape)[1], groups = node.args[8].integer();
  if (!input->type.shape[1].is_constant()) return false;
  // One channel alone would be padded to four, and is depthwise where there are groups.
  return channels > 1 && (groups == 1 || channels % 4 == 0) && weight->data.numel() / (*shape)[0] <= kMostFactors;
}

bool can_quantise_linear(const Node& node) {
  const auto shape = constant_shape(operand(node, 1)->type.shape);
  return shape && shape->size() == 2 && (*shape)[1] >= 4 && (*shape)[1] % 4 == 0 && (*shape)[1] <= kMostFactors;
}

/// Makes products of integers of products.
class Quantiser {
 public:
  Quantiser(const Graph& graph, const ProductScales& scales, const ProductNames& kept)
      : scales_(scales), kept_(kept), uses_(graph) {}

  Replacement operator()(Inserter& insert, Node& node) {
    if (!can_quantise(node)) return std::nullopt;
    const std::string& name = node.output()->name;
    const auto scale = scales_.find(name);
    if (scale == scales_.end() || kept_.contains(name)) return std::nullopt;
    check_shifts(node, scale->second);
    Value* input = quantised(insert, operand(node, 0), scale->second);
    const Value* bias = node.args[2].value_or_null();
    Constants made = constants_of(operand(node, 1)->data, bias ? bias->data.contiguous() : Tensor(), scale->second);
    Value* weight = insert.constant(std::move(made.weight), name + "_weight");
    Value* by = insert.constant(std::move(made.scale), name + "_scale");
    Value* offset = insert.constant(std::move(made.offset), name + "_offset");
    if (is_op(node, "aten.linear.default"))
      return {{insert.call("aitune.quantised_linear.default", {input, weight, by, offset})}};
    Arg padding = node.args[4];
    if (scale->second.zero_point != 0) std::tie(input, padding) = padded(insert, node, input, scale->second);
    return {{insert.call("aitune.quantised_convolution.default",
                         {input, weight, by, offset, node.args[3], padding, node.args[5], node.args[8]})}};
  }

 private:
  /// Whether the value can be quantised before this node moves it: with shifts, the last dimension must stay what it
  /// is.
  bool moves_alone(const Value* x, const TensorScale& scale) const {
    if (x->kind != ValueKind::node || !only_moves(*x->producer) || !uses_.single(x)) return false;
    const SymShape& before = operand(*x->producer)->type.shape;
    return scale.shifts.empty() ||
           (is_op(*x->producer, "aten.view.default") && !before.empty() && before.back() == x->type.shape.back());
  }

  /// The input as u8: made where the value is made, before what only moves it, so that it never is in memory as f32.
  Value* quantised(Inserter& insert, Value* x, const TensorScale& scale) {
    const auto key = std::tuple(static_cast<const Value*>(x), scale.scale, scale.zero_point, scale.shifts);
    if (const auto known = made_.find(key); known != made_.end()) return known->second;
    Value* q = nullptr;
    if (moves_alone(x, scale)) {
      ArgList args = x->producer->args;
      args[0] = quantised(insert, operand(*x->producer), scale);
      q = insert.call(x->producer->op_name(), std::move(args));
    } else {
      Value* even = x;
      if (!scale.shifts.empty())
        even = insert.call("aten.mul.Tensor", {x, insert.constant(factors_of(scale), "shift")});
      q = insert.call("aitune.quantise.default",
                      {even, static_cast<double>(scale.inverse()), SymInt(std::int64_t{scale.zero_point})});
    }
    return made_[key] = q;
  }

  /// Around an image the zero point stands for zero.
  static std::pair<Value*, Arg> padded(Inserter& insert, const Node& node, Value* input, const TensorScale& scale) {
    const std::size_t spatial = input->type.shape.size() - 2;
    auto padding = node.args[4].int_list();
    if (padding.size() == 1) padding.resize(spatial, padding.front());
    if (std::ranges::all_of(padding, [](auto p) { return p == 0; })) return {input, node.args[4]};
    std::vector<std::int64_t> pads;
    for (std::size_t d = spatial; d-- > 0;) pads.insert(pads.end(), 2, padding[d]);
    Value* wide =
        insert.call("aten.constant_pad_nd.default", {input, to_args(pads), SymInt(std::int64_t{scale.zero_point})});
    return {wide, to_args(std::vector<std::int64_t>(spatial, 0))};
  }

  const ProductScales& scales_;
  const ProductNames& kept_;
  UseCounts uses_;
  std::map<std::tuple<const Value*, float, std::int32_t, std::vector<std::int8_t>>, Value*> made_;
};

}  // namespace

TensorScale TensorScale::of_range(double low, double high) {
  low = std::min(low, 0.0), high = std::max(high, 0.0);
  TensorScale made;
  const auto scale = static_cast<float>((high - low) / static_cast<double>(kMostValue));
  if (!(scale >= std::numeric_limits<float>::min()) || !std::isfinite(1 / scale)) return made;
  made.scale = scale;
  made.zero_point = static_cast<std::int32_t>(
      std::clamp(std::nearbyint(-low / static_cast<double>(scale)), 0.0, static_cast<double>(kMostValue)));
  return made;
}

float TensorScale::rounded(float value) const {
  const auto zero = static_cast<float>(zero_point);
  const float scaled = std::clamp(value * inverse(), -2 * kMostValue, 2 * kMostValue);
  return (std::clamp(nearest(scaled) + zero, 0.0F, kMostValue) - zero) * scale;
}

bool can_quantise(const Node& node) {
  const bool linear = is_op(node, "aten.linear.default");
  if (!linear && !is_op(node, "aten.convolution.default")) return false;
  const Value *input = operand(node, 0), *weight = operand(node, 1);
  if (!is_weight(weight) || weight->type.dtype != DType::f32 || input->type.dtype != DType::f32) return false;
  if (weight->type.shape.empty() || !is_constant_vector(node.args[2], weight->type.shape[0])) return false;
  if (weight->data.numel() == 0 || !all_finite(weight->data)) return false;
  return linear ? can_quantise_linear(node) : can_quantise_convolution(node);
}

float weight_scale(std::span<const float> weights) {
  float most = 0;
  for (const float w : weights) most = std::max(most, std::abs(w));
  if (!(most / kMostWeight >= std::numeric_limits<float>::min())) return 1;
  float best = 0, least = std::numeric_limits<float>::infinity();
  for (const float clip : kClips) {
    const float scale = most * clip / kMostWeight, inverse = 1 / scale;
    float lost = 0;
    for (const float w : weights) {
      const float off = w - quantised_weight(w, inverse) * scale;
      lost += off * off;
    }
    if (lost < least) least = lost, best = scale;
  }
  return best > 0 ? best : most / kMostWeight;
}

void TensorScale::round(std::span<float> values) const {
  if (shifts.empty()) {
    for (float& v : values) v = rounded(v);
    return;
  }
  const Tensor factors = factors_of(*this);
  const auto* const by = factors.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float factor = by[i % shifts.size()];
    values[i] = rounded(values[i] * factor) / factor;
  }
}

void round_weights(std::span<float> weights, const TensorScale& input) {
  shift_weights(weights, input, 1);
  const float scale = weight_scale(weights), inverse = 1 / scale;
  for (float& w : weights) w = quantised_weight(w, inverse) * scale;
  shift_weights(weights, input, -1);
}

Graph quantise(const Graph& graph, const ProductScales& scales, const ProductNames& kept) {
  Graph copy = graph.clone();
  Quantiser quantiser(copy, scales, kept);
  rewrite(copy, [&](Inserter& insert, Node& node) { return quantiser(insert, node); });
  const LowerOptions options;
  eliminate_dead_code(copy, PassContext{options});
  return copy;
}

}  // namespace aitune

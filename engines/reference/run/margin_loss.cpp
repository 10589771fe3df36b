// Losses of margins. What they compute: aten/src/ATen/native/Loss.cpp, LossMultiMargin.cpp, LossMultiLabelMargin.cpp.

#include <algorithm>
#include <cmath>
#include <limits>

#include "engines/reference/run/loss.h"
#include "engines/reference/run/wide.h"

namespace aitune::reference {
namespace {

/// (sum of |a - b + eps|^p)^(1/p) along the last dimension; the others in `shape`.
struct Distances {
  Shape shape;
  std::vector<double> values;
};

Distances distances(const Call& call, std::string_view first, std::string_view second) {
  const Tensor &a = call.tensor(first), &b = call.tensor(second);
  const double p = call.number("p"), eps = call.number("eps");
  Distances d{joint_shape(a.shape(), b.shape()), {}};
  call.require(!d.shape.empty(), "the operands have no dimension");
  const std::vector<double> x = wide_values<double>(a, d.shape), y = wide_values<double>(b, d.shape);
  const std::int64_t width = d.shape.back();
  d.shape.pop_back();
  const bool infinite = std::isinf(p);
  const DType dtype = call.out().dtype();
  for (std::int64_t r = 0; r < element_count(d.shape); ++r) {
    double sum = infinite && p < 0 ? std::numeric_limits<double>::infinity() : 0;
    for (std::int64_t i = 0; i < width; ++i) {
      const auto at = static_cast<std::size_t>(r * width + i);
      const double v = std::fabs(held(dtype, held(dtype, x[at] - y[at]) + eps));
      if (infinite)
        sum = v != v || sum != sum ? std::nan("") : p > 0 ? std::max(sum, v) : std::min(sum, v);
      else
        sum += p == 0 ? (v != 0 ? 1 : 0) : p == 1 ? v : p == 2 ? v * v : std::pow(v, p);
    }
    d.values.push_back(held(dtype, infinite || p == 0 || p == 1 ? sum
                                   : p == 2                     ? std::sqrt(sum)
                                                                : std::pow(sum, 1 / p)));
  }
  return d;
}

std::vector<double> broadcast_values(const Distances& d, const Shape& shape) {
  Tensor t(DType::f64, d.shape);
  store_wide(t, d.values);
  return wide_values<double>(t, shape);
}

/// max(0, margin + the distance to what is alike - that to what is not)
void triplet_margin_loss(const Call& call) {
  const Distances alike = distances(call, "anchor", "positive");
  Distances unlike = distances(call, "anchor", "negative");
  if (call.boolean("swap")) {
    const Distances swapped = distances(call, "positive", "negative");
    const Shape shape = joint_shape(unlike.shape, swapped.shape);
    std::vector<double> least = broadcast_values(unlike, shape);
    const std::vector<double> others = broadcast_values(swapped, shape);
    for (std::size_t i = 0; i < least.size(); ++i)
      least[i] = others[i] != others[i] || others[i] < least[i] ? others[i] : least[i];
    unlike = {shape, least};
  }
  const Shape shape = joint_shape(alike.shape, unlike.shape);
  std::vector<double> values = broadcast_values(alike, shape);
  const std::vector<double> far = broadcast_values(unlike, shape);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const DType dtype = call.out().dtype();
    const double v = held(dtype, held(dtype, call.number("margin") + values[i]) - far[i]);
    values[i] = v < 0 ? 0 : v;
  }
  reduce_loss(call, values, static_cast<double>(values.size()));
}

/// Scores [classes] or [n, classes].
struct Scores {
  std::vector<double> values;
  std::int64_t rows = 1, classes = 1;

  explicit Scores(const Call& call) : values(loss_numbers(call.self())) {
    const Shape& shape = call.self().shape();
    call.require(shape.size() <= 2 && (shape.empty() || shape.back() > 0), "the scores are no rows of classes");
    if (shape.size() == 2) rows = shape[0];
    if (!shape.empty()) classes = shape.back();
  }
  double at(std::int64_t row, std::int64_t c) const { return values[static_cast<std::size_t>(row * classes + c)]; }
};

/// A vector of scores has one loss, however it is to be reduced.
void reduce_rows(const Call& call, const std::vector<double>& values) {
  if (call.out().dim() > 0 || call.integer("reduction") != 0)
    return reduce_loss(call, values, static_cast<double>(values.size()));
  call.require(values.size() == 1, "the result has no dimension");
  store<double>(call.out().dtype(), call.out().data(), 1, 1, values.data());
}

/// How far the other classes come within the margin of the right one.
void multi_margin_loss(const Call& call) {
  const Scores scores(call);
  const double p = call.number("p"), margin = call.number("margin");
  call.require(p == 1 || p == 2, "p is neither 1 nor 2");
  call.require(call.tensor("target").numel() == scores.rows, "there is not one target for each row");
  const Contiguous<std::int64_t> target(call.tensor("target"));
  const Tensor* given = call.tensor_or_null("weight");
  call.require(given == nullptr || given->numel() == scores.classes, "there is not one weight for each class");
  const Contiguous<double> weight(given);
  std::vector<double> values;
  for (std::int64_t r = 0; r < scores.rows; ++r) {
    const std::int64_t right = target[r];
    call.require(right >= 0 && right < scores.classes, "a target is no class");
    double sum = 0;
    for (std::int64_t c = 0; c < scores.classes; ++c) {
      const double z = margin - scores.at(r, right) + scores.at(r, c);
      if (c != right && z > 0) sum += (p == 1 ? z : z * z) * (weight ? weight[right] : 1);
    }
    values.push_back(sum / static_cast<double>(scores.classes));
  }
  reduce_rows(call, values);
}

/// The same for several right classes: those before the first negative number.
void multilabel_margin_loss(const Call& call) {
  const Scores scores(call);
  const Tensor& target = call.tensor("target");
  call.require(target.numel() == scores.rows * scores.classes, "scores and target have different shapes");
  const Contiguous<std::int64_t> labels(target);
  std::vector<double> values, is_target(static_cast<std::size_t>(target.numel()), 0);
  for (std::int64_t i = 0; i < target.numel(); ++i)
    call.require(labels[i] >= -1 && labels[i] < scores.classes, "a target is no class");
  for (std::int64_t r = 0; r < scores.rows; ++r) {
    const std::int64_t start = r * scores.classes;
    std::int64_t count = 0;
    for (; count < scores.classes && labels[start + count] >= 0; ++count)
      is_target[static_cast<std::size_t>(start + labels[start + count])] = 1;
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t c = 0; c < scores.classes; ++c) {
        const double z = 1 - scores.at(r, labels[start + i]) + scores.at(r, c);
        if (is_target[static_cast<std::size_t>(start + c)] == 0 && z > 0) sum += z;
      }
    values.push_back(sum / static_cast<double>(scores.classes));
  }
  reduce_rows(call, values);
  if (call.out_count() > 1) store_wide(call.out(1), is_target);
}

}  // namespace

void add_margin_loss_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_triplet_margin_loss_default}, triplet_margin_loss);
  table.add({aten_multi_margin_loss_default}, multi_margin_loss);
  table.add({aten_multilabel_margin_loss_default, aten_multilabel_margin_loss_forward_default}, multilabel_margin_loss);
}

}  // namespace aitune::reference

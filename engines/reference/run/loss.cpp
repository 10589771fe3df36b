// Losses. What they compute: torch/nn/functional.py; aten/src/ATen/native/Loss.cpp and LossNLL.cpp.

#include <algorithm>
#include <cmath>
#include <limits>

#include "engines/reference/run/loss.h"

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

enum class Reduction : std::uint8_t { none, mean, sum };

}  // namespace

void reduce_loss(const Call& call, const std::vector<double>& values, double weight) {
  const auto reduction = static_cast<Reduction>(call.integer("reduction"));
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    Result<C> out(call.out());
    if (reduction == Reduction::none) {
      for (std::size_t i = 0; i < values.size(); ++i) out.data()[i] = static_cast<C>(values[i]);
    } else {
      double sum = 0;
      for (const double value : values) sum += value;
      out.data()[0] = static_cast<C>(reduction == Reduction::mean ? sum / weight : sum);
    }
    out.commit();
  });
}

std::vector<double> loss_numbers(const Tensor& tensor) {
  const Tensor wide = tensor.contiguous().to(DType::f64);
  const auto* first = wide.as<double>();
  return {first, first + wide.numel()};
}

namespace {

Shape broadcast_of(std::initializer_list<const Tensor*> tensors) {
  Shape shape;
  for (const Tensor* t : tensors) {
    if (t == nullptr) continue;
    const Shape& other = t->shape();
    if (other.size() > shape.size()) shape.insert(shape.begin(), other.size() - shape.size(), 1);
    for (std::size_t i = 0; i < other.size(); ++i) {
      std::int64_t& size = shape[shape.size() - other.size() + i];
      if (size == 1) size = other[i];
    }
  }
  return shape;
}

const Tensor* optional(const Call& call, std::string_view name) {
  return call.has(name) && call.given(name) ? &call.tensor(name) : nullptr;
}

/// f(x, y, w, p) of an element of the input, the target, the weight and the positive weight, which are 1 if not given.
template <typename F>
void of_elements(const Call& call, F f) {
  const Tensor &self = call.self(), &target = call.tensor("target");
  const Tensor *weight = optional(call, "weight"), *positive = optional(call, "pos_weight");
  const Shape shape = broadcast_of({&self, &target, weight, positive});
  const auto spread = [&](const Tensor* t) {
    return t == nullptr ? std::vector<double>() : loss_numbers(view(*t, shape, broadcast_strides(*t, shape)));
  };
  const auto x = spread(&self), y = spread(&target), w = spread(weight), p = spread(positive);
  std::vector<double> values(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) values[i] = f(x[i], y[i], w.empty() ? 1.0 : w[i], p.empty() ? 1.0 : p[i]);
  reduce_loss(call, values, static_cast<double>(values.size()));
}

void mse_loss(const Call& call) {
  of_elements(call, [](double x, double y, double w, double) { return (x - y) * (x - y) * w; });
}
void l1_loss(const Call& call) {
  of_elements(call, [](double x, double y, double, double) { return std::fabs(x - y); });
}
void smooth_l1_loss(const Call& call) {
  const double beta = call.number("beta");
  of_elements(call, [beta](double x, double y, double, double) {
    const double d = std::fabs(x - y);
    return d < beta ? 0.5 * d * d / beta : d - 0.5 * beta;
  });
}
void huber_loss(const Call& call) {
  const double delta = call.number("delta");
  of_elements(call, [delta](double x, double y, double, double) {
    const double d = std::fabs(x - y);
    return d <= delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
  });
}
void kl_div(const Call& call) {
  const bool logs = call.boolean("log_target");
  of_elements(call, [logs](double x, double y, double, double) {
    if (logs) return std::exp(y) * (y - x);
    return (y == 0 ? 0 : y * std::log(y)) - y * x;
  });
}
void binary_cross_entropy(const Call& call) {
  of_elements(call, [](double x, double y, double w, double) {
    constexpr double kLeast = -100;  // of a logarithm
    return ((y - 1) * std::max(std::log1p(-x), kLeast) - y * std::max(std::log(x), kLeast)) * w;
  });
}
void binary_cross_entropy_with_logits(const Call& call) {
  of_elements(call, [](double x, double y, double w, double p) {
    const double log_sigmoid = std::min(x, 0.0) - std::log1p(std::exp(-std::fabs(x)));
    return ((1 - y) * x - (1 + (p - 1) * y) * log_sigmoid) * w;
  });
}

/// Scores [classes], or [n, classes, ...], as n * inner rows of classes.
struct Classes {
  std::int64_t outer = 1, count = 1, inner = 1;

  explicit Classes(const Shape& shape) {
    const std::size_t place = shape.size() == 1 ? 0 : 1;
    for (std::size_t d = 0; d < shape.size(); ++d) (d < place ? outer : d == place ? count : inner) *= shape[d];
  }
  std::size_t at(std::int64_t o, std::int64_t c, std::int64_t i) const {
    return static_cast<std::size_t>((o * count + c) * inner + i);
  }
};

std::vector<double> class_weights(const Call& call, const Classes& classes) {
  const Tensor* weight = optional(call, "weight");
  return weight == nullptr ? std::vector<double>(static_cast<std::size_t>(classes.count), 1.0) : loss_numbers(*weight);
}

/// The loss of log-probabilities where the target is a class. With smoothing a share of it is that of all classes.
void of_places(const Call& call, const Classes& classes, const std::vector<double>& logs, double smoothing) {
  const Tensor target = call.tensor("target").contiguous().to(DType::i64);
  const std::int64_t ignored = call.integer("ignore_index");
  const std::vector<double> weights = class_weights(call, classes);
  std::vector<double> values;
  double total = 0;
  for (std::int64_t o = 0; o < classes.outer; ++o)
    for (std::int64_t i = 0; i < classes.inner; ++i) {
      const std::int64_t c = target.as<std::int64_t>()[o * classes.inner + i];
      values.push_back(0);
      if (c == ignored) continue;
      call.require(c >= 0 && c < classes.count, "a target is no class");
      const double weight = weights[static_cast<std::size_t>(c)];
      values.back() = -(1 - smoothing) * weight * logs[classes.at(o, c, i)];
      for (std::int64_t k = 0; smoothing != 0 && k < classes.count; ++k)
        values.back() -= smoothing / static_cast<double>(classes.count) * weights[static_cast<std::size_t>(k)] *
                         logs[classes.at(o, k, i)];
      total += weight;
    }
  reduce_loss(call, values, total);
}

void nll_loss(const Call& call) {
  const Classes classes(call.self().shape());
  of_places(call, classes, loss_numbers(call.self()), 0);
}

void cross_entropy_loss(const Call& call) {
  const Classes classes(call.self().shape());
  std::vector<double> logs = loss_numbers(call.self());
  for (std::int64_t o = 0; o < classes.outer; ++o)
    for (std::int64_t i = 0; i < classes.inner; ++i) {
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      for (std::int64_t c = 0; c < classes.count; ++c) most = std::max(most, logs[classes.at(o, c, i)]);
      for (std::int64_t c = 0; c < classes.count; ++c) sum += std::exp(logs[classes.at(o, c, i)] - most);
      for (std::int64_t c = 0; c < classes.count; ++c) logs[classes.at(o, c, i)] -= most + std::log(sum);
    }
  const double smoothing = call.number("label_smoothing");
  if (!is_floating(call.tensor("target").dtype())) return of_places(call, classes, logs, smoothing);
  const std::vector<double> target = loss_numbers(call.tensor("target")), weights = class_weights(call, classes);
  std::vector<double> values;
  for (std::int64_t o = 0; o < classes.outer; ++o)
    for (std::int64_t i = 0; i < classes.inner; ++i) {
      values.push_back(0);
      for (std::int64_t c = 0; c < classes.count; ++c) {
        const double share =
            target[classes.at(o, c, i)] * (1 - smoothing) + smoothing / static_cast<double>(classes.count);
        values.back() -= share * weights[static_cast<std::size_t>(c)] * logs[classes.at(o, c, i)];
      }
    }
  reduce_loss(call, values, static_cast<double>(values.size()));
}

}  // namespace

void add_loss_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_mse_loss_default}, mse_loss);
  table.add({aten_l1_loss_default}, l1_loss);
  table.add({aten_smooth_l1_loss_default}, smooth_l1_loss);
  table.add({aten_huber_loss_default}, huber_loss);
  table.add({aten_kl_div_default}, kl_div);
  table.add({aten_binary_cross_entropy_default}, binary_cross_entropy);
  table.add({aten_binary_cross_entropy_with_logits_default}, binary_cross_entropy_with_logits);
  table.add({aten_nll_loss_nd_default}, nll_loss);
  table.add({aten_cross_entropy_loss_default}, cross_entropy_loss);
}

}  // namespace aitune::reference

// Normalisations. Statistics are taken in double.

#include <cmath>
#include <limits>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

struct Statistics {
  double mean = 0, variance = 0;
};

template <typename C>
Statistics statistics(const C* x, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = n > 0 ? sum / static_cast<double>(n) : 0;
  double squares = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  }
  return {mean, n > 0 ? squares / static_cast<double>(n) : 0};
}

/// Fills an output that exists, converting.
void put(const Call& call, std::size_t output, const std::vector<double>& values) {
  if (output >= call.out_count() || call.out(output).numel() == 0) return;
  store<double>(call.out(output).dtype(), call.out(output).data(), 1, call.out(output).numel(), values.data());
}

std::int64_t row_length(const Call& call) {
  std::int64_t n = 1;
  for (const std::int64_t s : call.int_list("normalized_shape")) n *= s;
  return n;
}

void layer_norm(const Call& call) {
  const std::int64_t n = row_length(call);
  const std::int64_t rows = n == 0 ? 0 : call.self().numel() / n;
  const double eps = call.number("eps");
  std::vector<double> means, inverses;
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(call.self()), weight(call.tensor_or_null("weight")), bias(call.tensor_or_null("bias"));
    Result<C> out(call.out());
    for (std::int64_t r = 0; r < rows; ++r) {
      const C* from = x.data() + r * n;
      C* to = out.data() + r * n;
      const Statistics s = statistics(from, n);
      const C mean = static_cast<C>(s.mean), inverse = static_cast<C>(1 / std::sqrt(s.variance + eps));
      for (std::int64_t i = 0; i < n; ++i) to[i] = (from[i] - mean) * inverse;
      if (weight)
        for (std::int64_t i = 0; i < n; ++i) to[i] *= weight[i];
      if (bias)
        for (std::int64_t i = 0; i < n; ++i) to[i] += bias[i];
      means.push_back(s.mean);
      inverses.push_back(1 / std::sqrt(s.variance + eps));
    }
    out.commit();
  });
  put(call, 1, means);
  put(call, 2, inverses);
}

void rms_norm(const Call& call) {
  const std::int64_t n = row_length(call);
  const std::int64_t rows = n == 0 ? 0 : call.self().numel() / n;
  // Without eps PyTorch takes the machine precision of the type it computes in.
  const DType type = call.self().dtype();
  const double eps = call.given("eps")    ? call.number("eps")
                     : type == DType::f64 ? std::numeric_limits<double>::epsilon()
                                          : static_cast<double>(std::numeric_limits<float>::epsilon());
  std::vector<double> inverses;
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(call.self()), weight(call.tensor_or_null("weight"));
    Result<C> out(call.out());
    for (std::int64_t r = 0; r < rows; ++r) {
      const C* from = x.data() + r * n;
      double squares = 0;
      for (std::int64_t i = 0; i < n; ++i) squares += static_cast<double>(from[i]) * static_cast<double>(from[i]);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(n) + eps);
      for (std::int64_t i = 0; i < n; ++i)
        out.data()[r * n + i] = from[i] * static_cast<C>(inverse) * (weight ? weight[i] : C(1));
      inverses.push_back(inverse);
    }
    out.commit();
  });
  put(call, 1, inverses);
}

/// y = (x - mean) * inverse * weight + bias over n elements.
template <typename C>
void normalise(const C* x, C* y, std::int64_t n, double mean, double inverse, double weight, double bias) {
  const C scale = static_cast<C>(inverse * weight), shift = static_cast<C>(bias - mean * inverse * weight);
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * scale + shift;
}

/// Statistics of one channel over batch and space.
template <typename C>
Statistics channel_statistics(const C* x, std::int64_t batch, std::int64_t channels, std::int64_t space,
                              std::int64_t c) {
  Statistics s;
  const double count = static_cast<double>(batch * space);
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t i = 0; i < space; ++i) s.mean += static_cast<double>(x[(b * channels + c) * space + i]) / count;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t i = 0; i < space; ++i) {
      const double d = static_cast<double>(x[(b * channels + c) * space + i]) - s.mean;
      s.variance += d * d / count;
    }
  return s;
}

void batch_norm(const Call& call) {
  const Tensor& self = call.self();
  const std::int64_t batch = self.size(0), channels = self.size(1);
  const std::int64_t space = batch * channels == 0 ? 0 : self.numel() / (batch * channels);
  const bool training = call.has("training") && call.boolean("training");
  const double eps = call.number("eps");
  const auto parameter = [&](std::string_view name) {
    return call.given(name) ? Contiguous<double>(call.tensor(name)) : Contiguous<double>();
  };
  const auto weight = parameter("weight"), bias = parameter("bias"), mean = parameter("running_mean"),
             variance = parameter("running_var");
  call.require(training || (mean && variance), "running statistics are missing at inference");
  std::vector<double> means, inverses;
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(self);
    Result<C> out(call.out());
    for (std::int64_t c = 0; c < channels; ++c) {
      const Statistics s = mean && variance && !training ? Statistics{mean[c], variance[c]}
                                                         : channel_statistics(x.data(), batch, channels, space, c);
      const double inverse = 1 / std::sqrt(s.variance + eps);
      for (std::int64_t b = 0; b < batch; ++b) {
        const std::int64_t at = (b * channels + c) * space;
        normalise(x.data() + at, out.data() + at, space, s.mean, inverse, weight ? weight[c] : 1, bias ? bias[c] : 0);
      }
      means.push_back(s.mean);
      inverses.push_back(inverse);
    }
    out.commit();
  });
  put(call, 1, means);
  put(call, 2, inverses);
}

/// group_norm, and instance_norm with one channel a group.
void normalise_groups(const Call& call, std::int64_t groups) {
  const Tensor& self = call.self();
  const std::int64_t batch = self.size(0), channels = self.size(1);
  call.require(groups > 0 && channels % groups == 0, "the groups do not divide the channels");
  const std::int64_t space = self.numel() == 0 ? 0 : self.numel() / (batch * channels);
  const std::int64_t in_group = channels / groups;
  const double eps = call.number("eps");
  const Contiguous<double> weight(call.tensor_or_null("weight")), bias(call.tensor_or_null("bias"));
  std::vector<double> means, inverses;
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(self);
    Result<C> out(call.out());
    for (std::int64_t g = 0; g < batch * groups; ++g) {
      const std::int64_t start = g * in_group * space;
      const Statistics s = statistics(x.data() + start, in_group * space);
      const double inverse = 1 / std::sqrt(s.variance + eps);
      for (std::int64_t k = 0; k < in_group; ++k) {
        const std::int64_t c = g % groups * in_group + k, at = start + k * space;
        normalise(x.data() + at, out.data() + at, space, s.mean, inverse, weight ? weight[c] : 1, bias ? bias[c] : 0);
      }
      means.push_back(s.mean);
      inverses.push_back(inverse);
    }
    out.commit();
  });
  put(call, 1, means);
  put(call, 2, inverses);
}

void group_norm(const Call& call) {
  normalise_groups(call, call.integer(call.has("num_groups") ? "num_groups" : "group"));
}

void instance_norm(const Call& call) {
  if (!call.boolean("use_input_stats")) return batch_norm(call);
  normalise_groups(call, call.self().size(1));
}

}  // namespace

void add_norm_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_layer_norm_default, aten_native_layer_norm_default}, layer_norm);
  table.add({aten_rms_norm_default, aten__fused_rms_norm_default}, rms_norm);
  table.add({aten_batch_norm_default, aten_native_batch_norm_default, aten__native_batch_norm_legit_default,
             aten__native_batch_norm_legit_no_stats, aten__native_batch_norm_legit_no_training_default},
            batch_norm);
  table.add({aten_instance_norm_default}, instance_norm);
  table.add({aten_group_norm_default, aten_native_group_norm_default}, group_norm);
}

}  // namespace aitune::reference

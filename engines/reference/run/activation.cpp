// Activation functions, clamps and dropout (which does nothing at inference).

#include <cmath>
#include <numbers>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

template <typename T>
T sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

Complex complex_sigmoid(Complex v) { return 1.0 / (1.0 + std::exp(-v)); }
Complex complex_silu(Complex v) { return v / (1.0 + std::exp(-v)); }

/// min first is not the same: PyTorch gives `high` where low > high. NaN stays NaN.
template <typename T>
T clamped(T x, T low, T high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

constexpr auto kRelu = [](auto x) { return x < decltype(x)(0) ? decltype(x)(0) : x; };
constexpr auto kRelu6 = [](auto x) { return clamped(x, decltype(x)(0), decltype(x)(6)); };
constexpr auto kHardsigmoid = [](auto x) {
  using T = decltype(x);
  return clamped(x + T(3), T(0), T(6)) / T(6);
};
constexpr auto kHardswish = [](auto x) {
  using T = decltype(x);
  return x * clamped(x + T(3), T(0), T(6)) / T(6);
};
constexpr auto kMish = [](auto x) { return x * std::tanh(std::log1p(std::exp(x))); };
constexpr auto kLogSigmoid = [](auto x) {
  using T = decltype(x);
  return (x < T(0) ? x : T(0)) - std::log1p(std::exp(-std::abs(x)));
};
constexpr auto kSelu = [](auto x) {
  using T = decltype(x);
  constexpr T alpha = T(1.6732632423543772848170429916717), scale = T(1.0507009873554804934193349852946);
  return x > T(0) ? scale * x : scale * alpha * std::expm1(x);
};

void gelu(const Call& call) {
  const std::string& mode = call.string("approximate");
  if (mode == "none")
    return apply_floating(call, call.self(), [](auto x) {
      using T = decltype(x);
      return x * T(0.5) * (T(1) + std::erf(x * T(1 / std::numbers::sqrt2)));
    });
  call.require(mode == "tanh", "approximate is neither 'none' nor 'tanh'");
  apply_floating(call, call.self(), [](auto x) {
    using T = decltype(x);
    constexpr T beta = T(std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
    return T(0.5) * x * (T(1) + std::tanh(beta * (x + T(0.044715) * x * x * x)));
  });
}

void hardtanh(const Call& call) {
  const double low = call.number("min_val"), high = call.number("max_val");
  apply_any(call, call.self(), [=](auto x) { return clamped(x, decltype(x)(low), decltype(x)(high)); });
}

void elu(const Call& call) {
  const double alpha = call.number("alpha");
  const double scale = call.has("scale") ? call.number("scale") : 1;
  const double input_scale = call.has("input_scale") ? call.number("input_scale") : 1;
  apply_floating(call, call.self(), [=](auto x) {
    using T = decltype(x);
    return x < T(0) ? std::expm1(x * T(input_scale)) * T(alpha) * T(scale) : x * T(scale);
  });
}

void celu(const Call& call) {
  const double alpha = call.number("alpha");
  apply_floating(call, call.self(), [=](auto x) {
    using T = decltype(x);
    return x < T(0) ? T(alpha) * std::expm1(x / T(alpha)) : x;
  });
}

void leaky_relu(const Call& call) {
  const double slope = call.number("negative_slope");
  apply_floating(call, call.self(), [=](auto x) { return x > decltype(x)(0) ? x : x * decltype(x)(slope); });
}

void softplus(const Call& call) {
  const double beta = call.number("beta"), threshold = call.number("threshold");
  apply_floating(call, call.self(), [=](auto x) {
    using T = decltype(x);
    return x * T(beta) > T(threshold) ? x : std::log1p(std::exp(x * T(beta))) / T(beta);
  });
}

void threshold(const Call& call) {
  const double limit = call.number("threshold"), value = call.number("value");
  apply_any(call, call.self(), [=](auto x) { return x <= decltype(x)(limit) ? decltype(x)(value) : x; });
}

void hardshrink(const Call& call) {
  const double lambda = call.number("lambd");
  apply_floating(call, call.self(), [=](auto x) {
    using T = decltype(x);
    return x >= T(-lambda) && x <= T(lambda) ? T(0) : x;
  });
}

void softshrink(const Call& call) {
  const double lambda = call.number("lambd");
  apply_floating(call, call.self(), [=](auto x) {
    using T = decltype(x);
    return x > T(lambda) ? x - T(lambda) : x < T(-lambda) ? x + T(lambda) : x * T(0);
  });
}

void clamp(const Call& call) {
  const bool has_low = call.given("min"), has_high = call.given("max");
  const Tensor none = scalar(0);
  const Tensor low = has_low ? operand(call, "min") : none, high = has_high ? operand(call, "max") : none;
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    map<C, 3>(call.out(), {&call.self(), &low, &high}, [=](C x, C a, C b) {
      if (has_low) x = a != a ? a : x < a ? a : x;
      if (has_high) x = b != b ? b : x > b ? b : x;
      return x;
    });
  });
}

void prelu(const Call& call) {
  const Tensor& self = call.self();
  Tensor weight = call.tensor("weight");
  // prelu has one weight for each channel (dimension 1); the kernel form has weights that broadcast as they are.
  if (call.op() == OpId::aten_prelu_default && weight.dim() <= 1) {
    Shape shape(self.shape().size(), 1), strides(self.shape().size(), 0);
    if (weight.numel() != 1) {
      call.require(self.dim() >= 2 && self.size(1) == weight.numel(), "the weight does not fit the channels");
      shape[1] = weight.numel();
      strides[1] = weight.strides()[0];
    }
    weight = Tensor(weight.dtype(), shape, strides, weight.owner(), weight.data());
  }
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    map<C, 2>(call.out(), {&self, &weight}, [](C x, C w) { return x > C(0) ? x : w * x; });
  });
}

void glu(const Call& call) {
  const Tensor& self = call.self();
  const std::size_t d = call.dim("dim", self.shape().size());
  Shape half = self.shape();
  half[d] /= 2;
  const Tensor a(self.dtype(), half, self.strides(), self.owner(), self.data());
  const auto step = half[d] * self.strides()[d] * static_cast<std::int64_t>(dtype_size(self.dtype()));
  const Tensor b(self.dtype(), half, self.strides(), self.owner(), self.data() + step);
  visit_floating(call.out().dtype(),
                 [&]<typename C>(C) { map<C, 2>(call.out(), {&a, &b}, [](C x, C y) { return x * sigmoid(y); }); });
}

void require_inference(const Call& call) {
  const OpArg& train = call["train"];
  if (!train.is_none() && !train.boolean()) return;
  if (train.is_none() ? false : call.number("p") == 0) return;
  call.unsupported("dropout in training: export the model after eval()");
}

void dropout(const Call& call) {
  require_inference(call);
  copy_elements(call.out(), call.self());
}

void native_dropout(const Call& call) {
  dropout(call);
  const Tensor one = scalar(DType::b8, 1);
  copy_elements(call.out(1), one);
}

}  // namespace

void add_activation_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_relu_default, aten_relu__default}, any_kernel<kRelu>);
  table.add({aten_relu6_default, aten_relu6__default}, any_kernel<kRelu6>);
  table.add({aten_sigmoid_default, aten_sigmoid__default},
            with_complex<floating_kernel<[](auto x) { return sigmoid(x); }>, complex_sigmoid>);
  table.add({aten_silu_default, aten_silu__default},
            with_complex<floating_kernel<[](auto x) { return x / (decltype(x)(1) + std::exp(-x)); }>, complex_silu>);
  table.add({aten_mish_default, aten_mish__default}, floating_kernel<kMish>);
  table.add({aten_gelu_default, aten_gelu__default}, gelu);
  table.add({aten_hardswish_default, aten_hardswish__default}, floating_kernel<kHardswish>);
  table.add({aten_hardsigmoid_default, aten_hardsigmoid__default}, floating_kernel<kHardsigmoid>);
  table.add({aten_hardtanh_default, aten_hardtanh__default}, hardtanh);
  table.add({aten_elu_default, aten_elu__default}, elu);
  table.add({aten_selu_default, aten_selu__default}, floating_kernel<kSelu>);
  table.add({aten_celu_default, aten_celu__default}, celu);
  table.add({aten_leaky_relu_default, aten_leaky_relu__default}, leaky_relu);
  table.add({aten_softplus_default}, softplus);
  table.add({aten_log_sigmoid_default}, floating_kernel<kLogSigmoid>);
  table.add({aten_threshold_default, aten_threshold__default}, threshold);
  table.add({aten_hardshrink_default}, hardshrink);
  table.add({aten_softshrink_default}, softshrink);
  table.add({aten_clamp_default, aten_clamp_Tensor, aten_clamp__default, aten_clamp__Tensor, aten_clamp_min_default,
             aten_clamp_min_Tensor, aten_clamp_min__default, aten_clamp_max_default, aten_clamp_max_Tensor,
             aten_clamp_max__default, aten_clip_default, aten_clip_Tensor, aten_clip__default},
            clamp);
  table.add({aten_prelu_default, aten__prelu_kernel_default}, prelu);
  table.add({aten_glu_default}, glu);
  table.add({aten_dropout_default, aten_dropout__default, aten_feature_dropout_default, aten_alpha_dropout_default,
             aten_feature_alpha_dropout_default},
            dropout);
  table.add({aten_native_dropout_default}, native_dropout);
}

}  // namespace aitune::reference

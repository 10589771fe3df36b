// Elementwise operators of one tensor: the shape stays, the dtype follows the family.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

/// The input is called self, except in newer operators.
const TensorType& operand(const Call& call) {
  return call.tensor(call.has("self") ? "self" : call.has("x") ? "x" : "input");
}

Types same(const Call& call) { return {operand(call)}; }

/// The absolute value of a complex number is real.
Types magnitude(const Call& call) {
  const TensorType& t = operand(call);
  return {{real_of(t.dtype), t.shape}};
}

Types to_floating(const Call& call) {
  const TensorType& t = operand(call);
  return {{floating(t.dtype), t.shape}};
}

/// Computed as a power: bool becomes i64.
Types square(const Call& call) {
  const TensorType& t = operand(call);
  return {{t.dtype == DType::b8 ? DType::i64 : t.dtype, t.shape}};
}

Types to_bool(const Call& call) { return {{DType::b8, operand(call).shape}}; }

Types clamp(const Call& call) {
  const TensorType& self = call.tensor("self");
  Promotion type;
  type.add(self);
  SymShape shape = self.shape;
  for (const std::string_view name : {"min", "max"}) {
    if (!call.given(name)) continue;
    type.add(call[name]);
    if (call[name].is_value()) shape = broadcast(call, shape, call.shape(name));
  }
  return {{type.result(), shape}};
}

Types glu(const Call& call) {
  TensorType t = call.tensor("self");
  const std::size_t d = call.dim("dim", t.shape.size());
  call.require(!t.shape.empty(), "a 0-dim tensor has no halves");
  if (const auto n = t.shape[d].as_constant()) call.require(*n % 2 == 0, "the halved dimension must be even");
  t.shape[d] = floordiv(t.shape[d], 2);
  return {t};
}

Types native_dropout(const Call& call) {
  const TensorType& t = call.tensor("input");
  return {t, {DType::b8, t.shape}};
}

Types fraction_and_exponent(const Call& call) {
  const TensorType& t = call.tensor("self");
  call.require(is_floating(t.dtype), "splits tensors of floating-point numbers");
  return {t, {DType::i32, t.shape}};
}

}  // namespace

void add_unary_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_abs_default}, magnitude);
  table.add({aten_rrelu_default,         aten_neg_default,
             aten_positive_default,      aten_relu_default,
             aten_relu__default,         aten_relu6_default,
             aten_relu6__default,        aten_sigmoid__default,
             aten_tanh__default,         aten_exp__default,
             aten_sqrt__default,         aten_rsqrt__default,
             aten_reciprocal__default,   aten_neg__default,
             aten_abs__default,          aten_sin__default,
             aten_cos__default,          aten_erf__default,
             aten_floor_default,         aten_floor__default,
             aten_ceil_default,          aten_round_default,
             aten_round__default,        aten_round_decimals,
             aten_trunc_default,         aten_frac_default,
             aten_sign_default,          aten_sgn_default,
             aten_silu_default,          aten_silu__default,
             aten_mish_default,          aten_mish__default,
             aten_gelu_default,          aten_gelu__default,
             aten_expm1__default,        aten_log__default,
             aten_log1p__default,        aten_ceil__default,
             aten_trunc__default,        aten_sign__default,
             aten_square__default,       aten_hardswish_default,
             aten_hardswish__default,    aten_hardsigmoid_default,
             aten_hardsigmoid__default,  aten_hardtanh_default,
             aten_hardtanh__default,     aten_elu_default,
             aten_elu__default,          aten_selu_default,
             aten_selu__default,         aten_celu_default,
             aten_celu__default,         aten_leaky_relu_default,
             aten_leaky_relu__default,   aten_softplus_default,
             aten_log_sigmoid_default,   aten_threshold_default,
             aten_threshold__default,    aten_hardshrink_default,
             aten_softshrink_default,    aten_logit__default,
             aten_logical_not__default,  aten_bitwise_not_default,
             aten_bitwise_not__default,  aten_nan_to_num_default,
             aten_nan_to_num__default,   aten_clamp__default,
             aten_clamp_min__default,    aten_clamp_max__default,
             aten_clip__default,         aten_copy_default,
             aten_copy__default,         aten_fill_Scalar,
             aten_fill_Tensor,           aten_fill__Scalar,
             aten_fill__Tensor,          aten_zero_default,
             aten_zero__default,         aten_dropout_default,
             aten_dropout__default,      aten_feature_dropout_default,
             aten_alpha_dropout_default, aten_feature_alpha_dropout_default},
            same);
  table.add({aten_sigmoid_default,
             aten_tanh_default,
             aten_exp_default,
             aten_exp2_default,
             aten_expm1_default,
             aten_log_default,
             aten_log2_default,
             aten_log10_default,
             aten_log1p_default,
             aten_sqrt_default,
             aten_rsqrt_default,
             aten_sin_default,
             aten_cos_default,
             aten_reciprocal_default,
             aten_tan_default,
             aten_asin_default,
             aten_acos_default,
             aten_atan_default,
             aten_sinh_default,
             aten_cosh_default,
             aten_asinh_default,
             aten_acosh_default,
             aten_atanh_default,
             aten_erf_default,
             aten_erfc_default,
             aten_erfinv_default,
             aten_lgamma_default,
             aten_sinc_default,
             aten_deg2rad_default,
             aten_rad2deg_default,
             aten_logit_default,
             aten_i0_default,
             aten_special_entr_default,
             aten_special_ndtr_default,
             aten_digamma_default,
             aten_polygamma_default,
             aten_mvlgamma_default,
             aten_special_i0e_default,
             aten_special_i1_default,
             aten_special_i1e_default,
             aten_special_erfcx_default,
             aten_special_ndtri_default,
             aten_special_log_ndtr_default,
             aten_special_bessel_j0_default,
             aten_special_bessel_j1_default,
             aten_special_bessel_y0_default,
             aten_special_bessel_y1_default,
             aten_special_modified_bessel_i0_default,
             aten_special_modified_bessel_i1_default,
             aten_special_modified_bessel_k0_default,
             aten_special_modified_bessel_k1_default,
             aten_special_scaled_modified_bessel_k0_default,
             aten_special_scaled_modified_bessel_k1_default,
             aten_special_spherical_bessel_j0_default,
             aten_special_airy_ai_default},
            to_floating);
  table.add({aten_isnan_default, aten_isinf_default, aten_isfinite_default, aten_logical_not_default,
             aten_signbit_default, aten_isposinf_default, aten_isneginf_default, aten_isreal_default},
            to_bool);
  table.add({aten_clamp_default, aten_clamp_Tensor, aten_clamp_min_default, aten_clamp_min_Tensor,
             aten_clamp_max_default, aten_clamp_max_Tensor, aten_clip_default, aten_clip_Tensor},
            clamp);
  table.add({aten_frexp_Tensor}, fraction_and_exponent);
  table.add({aten_square_default}, square);
  table.add({aten_glu_default}, glu);
  table.add({aten_native_dropout_default}, native_dropout);
}

}  // namespace aitune::infer

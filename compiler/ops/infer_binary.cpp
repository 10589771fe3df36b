// Elementwise operators of two and more operands: shapes broadcast, dtypes promote.

#include <array>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

struct Operands {
  Promotion types;
  SymShape shape;
};

void add_operand(const Call& call, std::string_view name, bool promotes, Operands& operands) {
  if (!call.given(name)) return;
  const Arg& arg = call[name];
  if (arg.is_value()) operands.shape = broadcast(call, operands.shape, arg.value()->type.shape);
  if (promotes) operands.types.add(arg);
}

/// Every argument that is an operand by its name in PyTorch's schemas.
Operands collect(const Call& call) {
  static constexpr std::array<std::string_view, 8> promoting = {"self",    "other", "exponent", "tensor1",
                                                                "tensor2", "end",   "x",        "n"};
  Operands operands;
  for (const auto name : promoting) add_operand(call, name, true, operands);
  for (const std::string_view name : {"condition", "mask", "weight"}) add_operand(call, name, false, operands);
  return operands;
}

Types promoted(const Call& call) {
  const Operands o = collect(call);
  return {{o.types.result(), o.shape}};
}

Types promoted_floating(const Call& call) {
  const Operands o = collect(call);
  return {{floating(o.types.result()), o.shape}};
}

Types division(const Call& call) {
  const bool rounds = call.given("rounding_mode");
  return rounds ? promoted(call) : promoted_floating(call);
}

Types compared(const Call& call) { return {{DType::b8, collect(call).shape}}; }

Types in_place(const Call& call) {
  const TensorType& self = call.tensor("self");
  const SymShape shape = collect(call).shape;
  call.require(shape.size() == self.shape.size(), "the operands broadcast to more than the tensor written to");
  for (std::size_t i = 0; i < shape.size(); ++i) unify(call, shape[i], self.shape[i]);
  return {self};
}

/// In double, whatever the operands are.
Types float_power(const Call& call) {
  const Operands o = collect(call);
  return {{is_complex(o.types.result()) ? DType::c128 : DType::f64, o.shape}};
}

Types masked_fill(const Call& call) { return {{call.tensor("self").dtype, collect(call).shape}}; }

/// heaviside: the values at zero have the dtype of the operand.
Types heaviside(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(self.dtype == call.tensor("values").dtype, "both operands have the same dtype");
  return {{self.dtype, broadcast(call, self.shape, call.shape("values"))}};
}

Types shifted(const Call& call) { return promoted(call); }

}  // namespace

void add_binary_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_add_Tensor,
             aten_add_Scalar,
             aten_sub_Tensor,
             aten_sub_Scalar,
             aten_subtract_Tensor,
             aten_rsub_Tensor,
             aten_rsub_Scalar,
             aten_mul_Tensor,
             aten_mul_Scalar,
             aten_multiply_Tensor,
             aten_floor_divide_default,
             aten_floor_divide_Scalar,
             aten_remainder_Tensor,
             aten_remainder_Scalar,
             aten_remainder_Scalar_Tensor,
             aten_fmod_Tensor,
             aten_fmod_Scalar,
             aten_pow_Tensor_Tensor,
             aten_pow_Tensor_Scalar,
             aten_pow_Scalar,
             aten_maximum_default,
             aten_minimum_default,
             aten_fmax_default,
             aten_fmin_default,
             aten_max_other,
             aten_min_other,
             aten_hypot_default,
             aten_logaddexp_default,
             aten_logaddexp2_default,
             aten_bitwise_and_Tensor,
             aten_bitwise_and_Scalar,
             aten_bitwise_and_Scalar_Tensor,
             aten_bitwise_or_Scalar_Tensor,
             aten_bitwise_xor_Scalar_Tensor,
             aten_bitwise_or_Tensor,
             aten_bitwise_or_Scalar,
             aten_bitwise_xor_Tensor,
             aten_bitwise_xor_Scalar,
             aten___and___Tensor,
             aten___and___Scalar,
             aten___or___Tensor,
             aten___or___Scalar,
             aten___xor___Tensor,
             aten___xor___Scalar,
             aten_where_self,
             aten_where_ScalarSelf,
             aten_where_ScalarOther,
             aten_where_Scalar,
             aten_lerp_Scalar,
             aten_lerp_Tensor,
             aten_addcmul_default,
             aten_gcd_default,
             aten_lcm_default,
             aten_nextafter_default,
             aten_bitwise_left_shift_Scalar_Tensor,
             aten_bitwise_right_shift_Scalar_Tensor},
            promoted);
  table.add({aten_bitwise_left_shift_Tensor, aten_bitwise_left_shift_Tensor_Scalar, aten_bitwise_right_shift_Tensor,
             aten_bitwise_right_shift_Tensor_Scalar, aten___lshift___Scalar, aten___rshift___Scalar},
            shifted);
  table.add({aten_divide_Tensor, aten_true_divide_Tensor, aten_div_Tensor, aten_div_Scalar, aten_div_Tensor_mode,
             aten_div_Scalar_mode, aten_addcdiv_default},
            [](const Call& call) { return call.has("rounding_mode") ? division(call) : promoted_floating(call); });
  table.add({aten_atan2_default,
             aten_copysign_Tensor,
             aten_copysign_Scalar,
             aten_xlogy_Tensor,
             aten_xlogy_Scalar_Other,
             aten_xlogy_Scalar_Self,
             aten_special_xlog1py_default,
             aten_special_xlog1py_other_scalar,
             aten_special_xlog1py_self_scalar,
             aten_ldexp_Tensor,
             aten_igamma_default,
             aten_igammac_default,
             aten_special_zeta_default,
             aten_special_zeta_other_scalar,
             aten_special_zeta_self_scalar,
             aten_special_chebyshev_polynomial_t_default,
             aten_special_chebyshev_polynomial_t_x_scalar,
             aten_special_chebyshev_polynomial_t_n_scalar,
             aten_special_chebyshev_polynomial_u_default,
             aten_special_chebyshev_polynomial_u_x_scalar,
             aten_special_chebyshev_polynomial_u_n_scalar,
             aten_special_chebyshev_polynomial_v_default,
             aten_special_chebyshev_polynomial_v_x_scalar,
             aten_special_chebyshev_polynomial_v_n_scalar,
             aten_special_chebyshev_polynomial_w_default,
             aten_special_chebyshev_polynomial_w_x_scalar,
             aten_special_chebyshev_polynomial_w_n_scalar,
             aten_special_shifted_chebyshev_polynomial_t_default,
             aten_special_shifted_chebyshev_polynomial_t_x_scalar,
             aten_special_shifted_chebyshev_polynomial_t_n_scalar,
             aten_special_shifted_chebyshev_polynomial_u_default,
             aten_special_shifted_chebyshev_polynomial_u_x_scalar,
             aten_special_shifted_chebyshev_polynomial_u_n_scalar,
             aten_special_shifted_chebyshev_polynomial_v_default,
             aten_special_shifted_chebyshev_polynomial_v_x_scalar,
             aten_special_shifted_chebyshev_polynomial_v_n_scalar,
             aten_special_shifted_chebyshev_polynomial_w_default,
             aten_special_shifted_chebyshev_polynomial_w_x_scalar,
             aten_special_shifted_chebyshev_polynomial_w_n_scalar,
             aten_special_hermite_polynomial_h_default,
             aten_special_hermite_polynomial_h_x_scalar,
             aten_special_hermite_polynomial_h_n_scalar,
             aten_special_hermite_polynomial_he_default,
             aten_special_hermite_polynomial_he_x_scalar,
             aten_special_hermite_polynomial_he_n_scalar,
             aten_special_laguerre_polynomial_l_default,
             aten_special_laguerre_polynomial_l_x_scalar,
             aten_special_laguerre_polynomial_l_n_scalar,
             aten_special_legendre_polynomial_p_default,
             aten_special_legendre_polynomial_p_x_scalar,
             aten_special_legendre_polynomial_p_n_scalar},
            promoted_floating);
  table.add({aten_float_power_Tensor_Scalar, aten_float_power_Tensor_Tensor, aten_float_power_Scalar}, float_power);
  table.add({aten_heaviside_default}, heaviside);
  table.add({aten_eq_Tensor, aten_eq_Scalar, aten_ne_Tensor, aten_ne_Scalar, aten_lt_Tensor, aten_lt_Scalar,
             aten_le_Tensor, aten_le_Scalar, aten_gt_Tensor, aten_gt_Scalar, aten_ge_Tensor, aten_ge_Scalar,
             aten_less_Tensor, aten_greater_Tensor, aten_not_equal_Tensor, aten_isclose_default,
             aten_logical_and_default, aten_logical_or_default, aten_logical_xor_default},
            compared);
  table.add({aten_add__Tensor,          aten_add__Scalar,         aten_sub__Tensor,         aten_sub__Scalar,
             aten_mul__Tensor,          aten_mul__Scalar,         aten_div__Tensor,         aten_div__Scalar,
             aten_div__Tensor_mode,     aten_div__Scalar_mode,    aten_pow__Tensor,         aten_pow__Scalar,
             aten_logical_and__default, aten_logical_or__default, aten_bitwise_and__Tensor, aten_bitwise_or__Tensor,
             aten___iand___Tensor,      aten___ior___Tensor,      aten_masked_fill__Scalar, aten_masked_fill__Tensor,
             aten_addcmul__default,     aten_addcdiv__default,    aten_remainder__Tensor,   aten_remainder__Scalar,
             aten_logical_xor__default, aten_bitwise_xor__Tensor, aten_lerp__Scalar,        aten_clamp__Tensor,
             aten_floor_divide__Tensor, aten_float_power__Tensor, aten_ldexp__default},
            in_place);
  table.add({aten_masked_fill_Scalar, aten_masked_fill_Tensor}, masked_fill);
  table.add({aten_prelu_default, aten__prelu_kernel_default}, like_self);
}

}  // namespace aitune::infer

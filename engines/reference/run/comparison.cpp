// Comparisons, logical and bitwise operators.

#include <cmath>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

/// Operands are compared in their promoted dtype: a number or a 0-dim tensor is first rounded to the dtype of the
/// tensor beside it.
template <auto F>
void compare(const Call& call) {
  Tensor a = operand(call, "self"), b = operand(call, "other");
  const bool number = !std::holds_alternative<Tensor>(call["other"]);
  if ((number || (b.dim() == 0 && a.dim() > 0)) && is_floating(a.dtype())) b = b.to(a.dtype());
  if (a.dim() == 0 && b.dim() > 0 && is_floating(b.dtype())) a = a.to(b.dtype());
  visit_compute(promoted_compute(call, {"self", "other"}),
                [&]<typename C>(C) { map<C, 2>(call.out(), {&a, &b}, [](C x, C y) { return C(F(x, y)); }); });
}

/// Of complex numbers, too, which have no order.
template <auto F>
void compare_equal(const Call& call) {
  const Tensor a = operand(call, "self"), b = operand(call, "other");
  if (!is_complex(a.dtype()) && !is_complex(b.dtype())) return compare<F>(call);
  const std::vector<Complex> x = complex_values(a, call.out().shape()), y = complex_values(b, call.out().shape());
  std::vector<Complex> equal(x.size());  // in place the answers are complex numbers, too
  for (std::size_t i = 0; i < x.size(); ++i) equal[i] = F(x[i], y[i]) ? 1 : 0;
  store_complex(call.out(), equal);
}

void isclose(const Call& call) {
  const double rtol = call.number("rtol"), atol = call.number("atol");
  const bool equal_nan = call.boolean("equal_nan");
  const Tensor &a = call.tensor("self"), &b = call.tensor("other");
  if (is_complex(a.dtype()) || is_complex(b.dtype())) {
    const Shape& shape = call.out().shape();
    const std::vector<Complex> x = complex_values(a, shape), y = complex_values(b, shape);
    const auto is_nan = [](Complex v) { return std::isnan(v.real()) || std::isnan(v.imag()); };
    for (std::size_t i = 0; i < x.size(); ++i)
      call.out().as<std::uint8_t>()[i] = x[i] == y[i] || (equal_nan && is_nan(x[i]) && is_nan(y[i])) ||
                                         (std::isfinite(std::abs(x[i])) && std::isfinite(std::abs(y[i])) &&
                                          std::abs(x[i] - y[i]) <= atol + rtol * std::abs(y[i]));
    return;
  }
  map<double, 2>(call.out(), {&a, &b}, [=](double x, double y) {
    if (x == y || (equal_nan && x != x && y != y)) return 1.0;
    return std::isfinite(x) && std::isfinite(y) && std::abs(x - y) <= atol + std::abs(rtol * y) ? 1.0 : 0.0;
  });
}

template <auto F>
void logical(const Call& call) {
  const Tensor a = magnitudes(call.tensor("self")), b = magnitudes(call.tensor("other"));
  // Each operand on its own counts as true where it is not zero, so a wide compute type is enough.
  const bool floating = is_floating(a.dtype()) || is_floating(b.dtype());
  visit_compute(floating ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    map<C, 2>(call.out(), {&a, &b}, [](C x, C y) { return C(F(x != C(0), y != C(0))); });
  });
}

template <auto F>
void bitwise(const Call& call) {
  const Tensor a = operand(call, "self"), b = operand(call, "other");
  if (is_floating(call.out().dtype())) call.unsupported(std::string(dtype_name(call.out().dtype())));
  map<std::int64_t, 2>(call.out(), {&a, &b}, F);
}

template <bool Left>
void shift(const Call& call) {
  const Tensor a = operand(call, "self"), b = operand(call, "other");
  const DType type = call.out().dtype();
  if (is_floating(type)) call.unsupported(std::string(dtype_name(type)));
  const auto bits = static_cast<std::int64_t>(dtype_size(type)) * 8;
  map<std::int64_t, 2>(call.out(), {&a, &b}, [bits](std::int64_t x, std::int64_t n) {
    const bool outside = n < 0 || n >= bits;
    if (Left) return outside ? std::int64_t{0} : static_cast<std::int64_t>(static_cast<std::uint64_t>(x) << n);
    return x >> (outside ? std::min<std::int64_t>(bits - 1, 63) : n);
  });
}

}  // namespace

void add_comparison_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_eq_Tensor, aten_eq_Scalar}, compare_equal<[](auto x, auto y) { return x == y; }>);
  table.add({aten_ne_Tensor, aten_ne_Scalar, aten_not_equal_Tensor},
            compare_equal<[](auto x, auto y) { return x != y; }>);
  table.add({aten_lt_Tensor, aten_lt_Scalar, aten_less_Tensor}, compare<[](auto x, auto y) { return x < y; }>);
  table.add({aten_le_Tensor, aten_le_Scalar}, compare<[](auto x, auto y) { return x <= y; }>);
  table.add({aten_gt_Tensor, aten_gt_Scalar, aten_greater_Tensor}, compare<[](auto x, auto y) { return y < x; }>);
  table.add({aten_ge_Tensor, aten_ge_Scalar}, compare<[](auto x, auto y) { return x >= y; }>);
  table.add({aten_isclose_default}, isclose);
  table.add({aten_logical_and_default, aten_logical_and__default}, logical<[](bool x, bool y) { return x && y; }>);
  table.add({aten_logical_or_default, aten_logical_or__default}, logical<[](bool x, bool y) { return x || y; }>);
  table.add({aten_logical_xor_default, aten_logical_xor__default}, logical<[](bool x, bool y) { return x != y; }>);
  table.add({aten_bitwise_and_Tensor, aten_bitwise_and_Scalar, aten_bitwise_and_Scalar_Tensor, aten_bitwise_and__Tensor,
             aten___and___Tensor, aten___and___Scalar, aten___iand___Tensor},
            bitwise<[](std::int64_t x, std::int64_t y) { return x & y; }>);
  table.add({aten_bitwise_or_Tensor, aten_bitwise_or_Scalar, aten_bitwise_or_Scalar_Tensor, aten_bitwise_or__Tensor,
             aten___or___Tensor, aten___or___Scalar, aten___ior___Tensor},
            bitwise<[](std::int64_t x, std::int64_t y) { return x | y; }>);
  table.add({aten_bitwise_xor_Tensor, aten_bitwise_xor__Tensor, aten_bitwise_xor_Scalar, aten_bitwise_xor_Scalar_Tensor,
             aten___xor___Tensor, aten___xor___Scalar},
            bitwise<[](std::int64_t x, std::int64_t y) { return x ^ y; }>);
  table.add({aten_bitwise_left_shift_Tensor, aten_bitwise_left_shift_Tensor_Scalar, aten___lshift___Scalar,
             aten_bitwise_left_shift_Scalar_Tensor},
            shift<true>);
  table.add({aten_bitwise_right_shift_Tensor, aten_bitwise_right_shift_Tensor_Scalar, aten___rshift___Scalar,
             aten_bitwise_right_shift_Scalar_Tensor},
            shift<false>);
}

}  // namespace aitune::reference

#pragma once
// Whole tensors as vectors of double, or of pairs of double: for kernels that are rarely met, where speed is nothing.

#include <algorithm>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "engines/reference/run/complex.h"
#include "engines/reference/run/elements.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {

/// Calls f with a value of the type to compute in.
template <typename F>
void visit_wide(bool complex, F&& f) {
  if (complex)
    f(Complex{});
  else
    f(double{});
}

/// The elements in row-major order. T is double or Complex; a complex tensor cannot be read as double.
template <typename T>
std::vector<T> wide_values(const Tensor& t) {
  if constexpr (std::is_same_v<T, Complex>) {
    return complex_values(t);
  } else {
    require_real(t);
    const Contiguous<double> values(t);
    return {values.data(), values.data() + t.numel()};
  }
}
/// The elements as broadcast to `shape`.
template <typename T>
std::vector<T> wide_values(const Tensor& t, const Shape& shape) {
  return wide_values<T>(view(t, shape, broadcast_strides(t, shape)));
}

/// Fills a contiguous tensor of as many elements.
template <typename T>
void store_wide(const Tensor& out, const std::vector<T>& values) {
  if constexpr (std::is_same_v<T, Complex>) {
    store_complex(out, values);
  } else {
    require_real(out);
    if (out.numel() != static_cast<std::int64_t>(values.size()))
      throw InvalidArgument("the result has another number of elements");
    store<double>(out.dtype(), out.data(), 1, out.numel(), values.data());
  }
}

/// The value as an element of the dtype holds it: PyTorch rounds what it computes step by step.
template <typename T>
T held(DType dtype, T value) {
  if constexpr (std::is_same_v<T, Complex>) {
    const DType part = dtype == DType::c128 ? DType::f64 : dtype == DType::c64 ? DType::f32 : dtype;
    return {held(part, value.real()), held(part, value.imag())};
  } else {
    if (dtype == DType::f64 || is_complex(dtype)) return value;
    std::byte bytes[sizeof(double)] = {};
    store<T>(dtype, bytes, 1, 1, &value);
    load<T>(dtype, bytes, 1, 1, &value);
    return value;
  }
}

/// What both broadcast to, if they do: broadcast_strides refuses it else.
inline Shape joint_shape(const Shape& a, const Shape& b) {
  Shape shape = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    std::int64_t& size = shape[shape.size() - shorter.size() + i];
    if (size == 1) size = shorter[i];
  }
  return shape;
}

/// Sizes before, of and after a dimension.
struct Around {
  std::int64_t outer = 1, length = 1, inner = 1;

  Around(const Shape& shape, std::size_t d) : length(shape.at(d)) {
    for (std::size_t i = 0; i < d; ++i) outer *= shape[i];
    for (std::size_t i = d + 1; i < shape.size(); ++i) inner *= shape[i];
  }
  std::int64_t at(std::int64_t o, std::int64_t i, std::int64_t k) const { return (o * length + i) * inner + k; }
};

}  // namespace aitune::reference

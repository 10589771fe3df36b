#pragma once
// Complex elements: whole tensors as vectors of double pairs, and back.

#include <complex>
#include <functional>
#include <optional>
#include <vector>

#include "base/tensor.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {

using Complex = std::complex<double>;

/// The elements in row-major order; real ones get an imaginary part of 0.
std::vector<Complex> complex_values(const Tensor& t);
/// The elements as broadcast to `shape`.
std::vector<Complex> complex_values(const Tensor& t, const Shape& shape);
/// Fills a contiguous tensor; a real one takes the real parts.
void store_complex(const Tensor& out, const std::vector<Complex>& values);
/// The real and the imaginary parts, as views; a real tensor has no second.
struct Parts {
  Tensor real;
  std::optional<Tensor> imaginary;
};
Parts parts_of(const Tensor& t);
/// f(a, b), for an f of real tensors that is linear in both, from f of the parts; the results have `shape`.
std::vector<Complex> complex_bilinear(const Tensor& a, const Tensor& b, const Shape& shape,
                                      const std::function<void(const Tensor& a, const Tensor& b, double* to)>& f);
/// The same bytes as real numbers, with one more dimension of 2.
Tensor as_real(const Tensor& t);

/// out = f(self, other), where the result is complex.
void complex_binary(const Call& call, const Tensor& a, const Tensor& b, Complex (*f)(Complex, Complex));
/// out = f(self), where the operand is complex.
void complex_unary(const Call& call, Complex (*f)(Complex));
/// The conjugates of a complex tensor's elements, in memory of their own.
Tensor conjugated(const Tensor& t);

/// How large each complex element is, in doubles; a real tensor as it is.
Tensor magnitudes(const Tensor& t);

/// A kernel for real operands, beside a function of complex ones.
template <Kernel Real, Complex (*F)(Complex)>
void with_complex(const Call& call) {
  if (is_complex(call.self().dtype())) return complex_unary(call, F);
  Real(call);
}

}  // namespace aitune::reference

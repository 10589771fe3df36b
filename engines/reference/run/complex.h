#pragma once
// Complex elements: whole tensors as vectors of double pairs, and back.

#include <complex>
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
/// The same bytes as real numbers, with one more dimension of 2.
Tensor as_real(const Tensor& t);

/// out = f(self, other), where the result is complex.
void complex_binary(const Call& call, const Tensor& a, const Tensor& b, Complex (*f)(Complex, Complex));
/// out = f(self), where the operand is complex.
void complex_unary(const Call& call, Complex (*f)(Complex));

}  // namespace aitune::reference

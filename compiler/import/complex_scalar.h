#pragma once
// A complex number of a program as the tensor that stands for it: operators take none as a number.

#include <complex>

#include "base/tensor.h"

namespace aitune {

/// A 0-dim c64, or c128. Beside a tensor with dimensions either promotes as Python's number does, unless that is of
/// integers (c64 then) or of doubles (c128).
inline Tensor complex_scalar(std::complex<double> value, bool as_doubles) {
  Tensor made(as_doubles ? DType::c128 : DType::c64, {});
  if (as_doubles)
    *reinterpret_cast<std::complex<double>*>(made.data()) = value;
  else
    *reinterpret_cast<std::complex<float>*>(made.data()) = std::complex<float>(value);
  return made;
}

}  // namespace aitune

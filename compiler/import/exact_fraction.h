#pragma once
// Numbers that people multiply sizes with: 0.5, 1.25.

#include <cmath>
#include <cstdint>
#include <optional>

namespace aitune {

struct ExactFraction {
  std::int64_t numerator = 0, denominator = 1;  ///< the denominator is a power of two
};

/// A float as the fraction that it is, if neither part is more than `most`: products with a size then stay far from 64
/// bits. Most that people write are; 0.1 is none.
inline std::optional<ExactFraction> exact_fraction(double value, std::int64_t most) {
  for (std::int64_t denominator = 1; denominator <= most; denominator *= 2) {
    const double numerator = value * static_cast<double>(denominator);
    if (!(std::abs(numerator) <= static_cast<double>(most))) return std::nullopt;
    if (numerator == std::floor(numerator)) return ExactFraction{static_cast<std::int64_t>(numerator), denominator};
  }
  return std::nullopt;
}

}  // namespace aitune

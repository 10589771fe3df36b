#pragma once
// Bilinear samples of one channel of an image, as torchvision's operators of regions take them.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace aitune::reference {

/// One channel of an image.
template <typename C>
struct Plane {
  const C* data;
  std::int64_t height, width;
  C at(std::int64_t y, std::int64_t x) const { return data[y * width + x]; }
};

/// roi_align's bilinear sample: the border reaches one pixel out.
template <typename C>
C sample_clamped(const Plane<C>& p, C y, C x) {
  if (!(y >= -1 && y <= static_cast<C>(p.height) && x >= -1 && x <= static_cast<C>(p.width))) return 0;
  const auto split = [](C v, std::int64_t size, std::int64_t& low, std::int64_t& high) {
    v = std::max(v, C{0});
    low = static_cast<std::int64_t>(v);
    if (low >= size - 1) {
      low = high = size - 1;
      return C{0};
    }
    high = low + 1;
    return v - static_cast<C>(low);
  };
  std::int64_t y0 = 0, y1 = 0, x0 = 0, x1 = 0;
  const C fy = split(y, p.height, y0, y1), fx = split(x, p.width, x0, x1);
  return (1 - fy) * (1 - fx) * p.at(y0, x0) + (1 - fy) * fx * p.at(y0, x1) + fy * (1 - fx) * p.at(y1, x0) +
         fy * fx * p.at(y1, x1);
}

constexpr std::int64_t kMostSamples = 1 << 12;  // along an axis of a bin

/// How many samples a bin takes along an axis; regions out of all bounds take no more than an image has pixels.
inline std::int64_t grid_size(std::int64_t ratio, double bin) {
  if (ratio > 0) return ratio;
  constexpr double most = kMostSamples;
  return std::isnan(bin) ? 0 : static_cast<std::int64_t>(std::clamp(std::ceil(bin), 0.0, most));
}

}  // namespace aitune::reference

#pragma once
// Views of tensors: the same bytes with other shape, strides or start.

#include "base/tensor.h"

namespace aitune::reference {

/// The tensor with this shape and these strides, starting `offset` elements further on.
inline Tensor view(const Tensor& t, Shape shape, Shape strides, std::int64_t offset = 0) {
  return {t.dtype(), std::move(shape), std::move(strides), t.owner(),
          t.data() + offset * static_cast<std::int64_t>(dtype_size(t.dtype()))};
}

/// `length` elements along `d`, from `start`, `step` apart.
inline Tensor slice(const Tensor& t, std::size_t d, std::int64_t start, std::int64_t length, std::int64_t step = 1) {
  Shape shape = t.shape(), strides = t.strides();
  const std::int64_t offset = start * strides[d];
  shape[d] = length;
  strides[d] *= step;
  return view(t, std::move(shape), std::move(strides), length > 0 ? offset : 0);
}

/// Position `index` along `d`, without that dimension.
inline Tensor select(const Tensor& t, std::size_t d, std::int64_t index) {
  Shape shape = t.shape(), strides = t.strides();
  const std::int64_t offset = index * strides[d];
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(d));
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(d));
  return view(t, std::move(shape), std::move(strides), offset);
}

inline Tensor unsqueeze(const Tensor& t, std::size_t d) {
  Shape shape = t.shape(), strides = t.strides();
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(d), 1);
  strides.insert(strides.begin() + static_cast<std::ptrdiff_t>(d), 0);
  return view(t, std::move(shape), std::move(strides));
}

/// Dimensions in another order.
template <typename Order>
Tensor permute(const Tensor& t, const Order& order) {
  Shape shape, strides;
  for (const auto d : order) {
    shape.push_back(t.shape()[static_cast<std::size_t>(d)]);
    strides.push_back(t.strides()[static_cast<std::size_t>(d)]);
  }
  return view(t, std::move(shape), std::move(strides));
}

}  // namespace aitune::reference

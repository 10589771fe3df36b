#include "runtime/tensor_ref.h"

#include <algorithm>
#include <cstring>

namespace aitune {
namespace {

bool has_row_major_strides(const TensorRef& t) {
  std::int64_t expected = 1;
  for (std::size_t d = t.shape.size(); d-- > 0;) {
    if (t.shape[d] == 0) return true;
    if (t.shape[d] != 1 && t.strides[d] != expected) return false;
    expected *= t.shape[d];
  }
  return true;
}

/// Copies the sub-tensor of dimensions [dim, rank) and returns the end of what was written.
std::byte* copy_from(const TensorRef& t, std::size_t dim, const std::byte* from, std::byte* to) {
  const auto element = static_cast<std::int64_t>(dtype_size(t.dtype));
  if (dim == t.shape.size()) {
    std::memcpy(to, from, static_cast<std::size_t>(element));
    return to + element;
  }
  for (std::int64_t i = 0; i < t.shape[dim]; ++i) to = copy_from(t, dim + 1, from + i * t.strides[dim] * element, to);
  return to;
}

}  // namespace

bool TensorRef::is_plain() const {
  const std::size_t alignment = std::min<std::size_t>(dtype_size(dtype), 8);
  return reinterpret_cast<std::uintptr_t>(data) % alignment == 0 && (strides.empty() || has_row_major_strides(*this));
}

std::vector<TensorRef> refer_to(std::span<const Tensor> tensors) { return {tensors.begin(), tensors.end()}; }

void copy_contiguous(const TensorRef& from, std::byte* to) {
  const auto* data = static_cast<const std::byte*>(from.data);
  if (!from.strides.empty()) {
    copy_from(from, 0, data, to);
  } else if (const auto bytes = static_cast<std::size_t>(element_count(from.shape)) * dtype_size(from.dtype)) {
    std::memcpy(to, data, bytes);
  }
}

}  // namespace aitune

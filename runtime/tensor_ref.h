#pragma once
// A caller's tensor as it crosses the border of the runtime: nothing is owned, nothing is allocated.

#include <cstdint>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/tensor.h"

namespace aitune {

/// Memory of the caller. `strides` are in elements; empty means contiguous, row-major. `shape` and `strides` must stay
/// alive as long as the reference is used. Outputs must be contiguous.
struct TensorRef {
  DType dtype = DType::f32;
  std::span<const std::int64_t> shape;
  std::span<const std::int64_t> strides;
  void* data = nullptr;

  TensorRef() = default;
  TensorRef(DType type, std::span<const std::int64_t> sizes, void* memory) : dtype(type), shape(sizes), data(memory) {}
  /// Refers into `tensor`, which must outlive this.
  explicit TensorRef(const Tensor& tensor)
      : dtype(tensor.dtype()), shape(tensor.shape()), strides(tensor.strides()), data(tensor.data()) {}

  /// Row-major without holes, and at an address that the element type may have.
  bool is_plain() const;
};

/// References to all of them; the tensors must outlive the result.
std::vector<TensorRef> refer_to(std::span<const Tensor> tensors);

/// Copies the elements in row-major order. `to` has room for all of them.
void copy_contiguous(const TensorRef& from, std::byte* to);

}  // namespace aitune

#pragma once
// A strided tensor in host memory. Small value type; copies share the bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/dtype.h"

namespace aitune {

using Shape = std::vector<std::int64_t>;

/// Number of elements. Throws InvalidArgument on a negative size or when the product overflows 63 bits.
std::int64_t element_count(std::span<const std::int64_t> shape);
/// Row-major strides, in elements.
Shape contiguous_strides(std::span<const std::int64_t> shape);
/// "f32[2,3]"
std::string describe(DType dtype, std::span<const std::int64_t> shape);

/// The DType whose elements are C++ values of type T.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return DType::b8;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::u8;
  else {
    static_assert(std::is_integral_v<T> && std::is_signed_v<T>, "no DType for this type");
    return sizeof(T) == 1 ? DType::i8 : sizeof(T) == 2 ? DType::i16 : sizeof(T) == 4 ? DType::i32 : DType::i64;
  }
}

/// A view of elements with shape and strides (in elements), sharing ownership of what it points into: heap, a file
/// mapping, or the caller's memory. Not synchronised: const access from many threads is fine, writers exclude others.
class Tensor {
 public:
  Tensor() = default;
  /// Zero-initialised, contiguous, 64-byte aligned.
  Tensor(DType dtype, Shape shape);
  /// As above with arbitrary elements, for those who write every one.
  static Tensor uninitialised(DType dtype, Shape shape);
  /// A view into `owner`'s bytes. No bounds are known here: the caller vouches for them.
  Tensor(DType dtype, Shape shape, Shape strides, std::shared_ptr<const void> owner, std::byte* data)
      : dtype_(dtype), shape_(std::move(shape)), strides_(std::move(strides)), owner_(std::move(owner)), data_(data) {}
  /// A non-owning contiguous view of memory that outlives it.
  static Tensor borrow(DType dtype, Shape shape, void* data);
  /// A 1-dim tensor with these values, converted to `dtype` (not complex).
  template <typename T>
  static Tensor of(DType dtype, std::span<const T> values) {
    Tensor native(dtype_of<T>(), {static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), native.template as<T>());
    return dtype == native.dtype() ? native : native.to(dtype);
  }
  /// A 0-dim tensor with this value, converted to `dtype` (not complex).
  template <typename T>
  static Tensor scalar(DType dtype, T value) {
    Tensor native(dtype_of<T>(), {});
    *native.template as<T>() = value;
    return dtype == native.dtype() ? native : native.to(dtype);
  }

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  std::int64_t dim() const { return static_cast<std::int64_t>(shape_.size()); }
  /// Throws InvalidArgument where there is no such dimension: what a plan says of a step's operands may be wrong.
  std::int64_t size(std::size_t d) const {
    if (d >= shape_.size()) refuse_dim(d);
    return shape_[d];
  }
  std::int64_t numel() const { return element_count(shape_); }
  std::size_t byte_size() const { return static_cast<std::size_t>(numel()) * dtype_size(dtype_); }
  bool is_contiguous() const;
  bool defined() const { return data_ != nullptr || !shape_.empty() || owner_ != nullptr; }
  std::byte* data() const { return data_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  const std::shared_ptr<const void>& owner() const { return owner_; }
  /// Points a borrowed view at other memory that outlives it; dtype, shape and strides stay.
  void rebase(void* data) { data_ = static_cast<std::byte*>(data); }

  /// Row-major copy of the elements (or *this when it is contiguous already).
  Tensor contiguous() const;
  /// Fresh contiguous copy, always.
  Tensor clone() const;
  /// Elementwise conversion with C++ rules (float to int truncates; to bool is != 0). Complex is refused.
  Tensor to(DType dtype) const;

 private:
  void allocate();
  [[noreturn]] void refuse_dim(std::size_t d) const;

  DType dtype_ = DType::f32;
  Shape shape_, strides_;
  std::shared_ptr<const void> owner_;
  std::byte* data_ = nullptr;
};

/// How far `value` is from `expected`: norm of the difference over the norm of the reference, in double.
/// Shapes and element counts must agree (InvalidArgument otherwise). A NaN or Inf in `value` where `expected` has
/// none gives infinity; equal NaN/Inf positions are skipped. Both all zero gives 0. A reference of numbers near
/// the subnormal ones counts as one of the least that have all their bits (2^-102 for f32, 2^-14 for f16).
double relative_error(const Tensor& value, const Tensor& expected);
/// Whether every element is finite (integers always are).
bool all_finite(const Tensor& t);

}  // namespace aitune

#include "format/tensor_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace aitune {

std::optional<std::uint64_t> tensor_bytes(DType dtype, std::span<const std::int64_t> shape) noexcept {
  if (shape.size() > kMaxFileDims) return std::nullopt;
  auto nonzero = static_cast<std::int64_t>(dtype_size(dtype));
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) empty = true;
    if (size != 0 && __builtin_mul_overflow(nonzero, size, &nonzero)) return std::nullopt;
  }
  return empty ? 0 : static_cast<std::uint64_t>(nonzero);
}

bool has_bad_bool(std::span<const std::byte> data) noexcept {
  std::byte all{};
  for (const std::byte b : data) all |= b;
  return (all & std::byte{0xfe}) != std::byte{};
}

void normalize_bools(std::span<std::byte> data) noexcept {
  for (std::byte& b : data) b = b == std::byte{} ? b : std::byte{1};
}

Tensor tensor_from_bytes(DType dtype, Shape shape, std::span<const std::byte> data,
                         const std::shared_ptr<const void>& owner, std::string_view where) {
  const auto needed = tensor_bytes(dtype, shape);
  if (!needed) throw Corrupt("the shape is too large or has a negative size", std::string(where));
  if (*needed != data.size()) {
    throw Corrupt(fmt::format("{} needs {} bytes, but there are {}", describe(dtype, shape), *needed, data.size()),
                  std::string(where), "the file is damaged or cut short; write it again");
  }
  const std::size_t alignment = is_complex(dtype) ? dtype_size(dtype) / 2 : dtype_size(dtype);
  const bool aligned = reinterpret_cast<std::uintptr_t>(data.data()) % alignment == 0;
  if (owner != nullptr && aligned && !data.empty() && (dtype != DType::b8 || !has_bad_bool(data))) {
    Shape strides = contiguous_strides(shape);
    return {dtype, std::move(shape), std::move(strides), owner, const_cast<std::byte*>(data.data())};
  }
  Tensor copy(dtype, std::move(shape));
  if (!data.empty()) std::memcpy(copy.data(), data.data(), data.size());
  if (dtype == DType::b8) normalize_bools({copy.data(), data.size()});
  return copy;
}

std::span<const std::byte> contiguous_bytes(const Tensor& tensor) {
  if (!tensor.is_contiguous()) throw InternalError("the bytes of a tensor that is not contiguous");
  return {tensor.data(), tensor.byte_size()};
}

}  // namespace aitune

#pragma once
// From the bytes of a tensor file to a Tensor, with every size checked.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/tensor.h"

namespace aitune {

/// Most dimensions that a tensor in a file may have; NumPy's limit.
constexpr std::size_t kMaxFileDims = 64;

/// Bytes of a contiguous tensor; nothing when a size is negative, there are too many dimensions, or the product of the
/// sizes other than zero overflows.
std::optional<std::uint64_t> tensor_bytes(DType dtype, std::span<const std::int64_t> shape) noexcept;

/// A row-major tensor over `data`, which must be exactly as large as it needs. Shares `owner` when there is one and the
/// data is aligned for its elements; copies otherwise. Bytes of a bool other than 0 become 1. Throws Corrupt.
Tensor tensor_from_bytes(DType dtype, Shape shape, std::span<const std::byte> data,
                         const std::shared_ptr<const void>& owner, std::string_view where);

/// The bytes of a contiguous tensor.
std::span<const std::byte> contiguous_bytes(const Tensor& tensor);

/// True when some byte of a bool tensor is neither 0 nor 1, which would be undefined behaviour to read as bool.
bool has_bad_bool(std::span<const std::byte> data) noexcept;
/// Turns every byte that is not zero into 1.
void normalize_bools(std::span<std::byte> data) noexcept;

}  // namespace aitune

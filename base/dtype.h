#pragma once
// Element types. The names are PyTorch's short ones; the numbers are ours and are fixed (they stand in plans).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace aitune {

enum class DType : std::uint8_t {
  u8 = 0,
  i8 = 1,
  i16 = 2,
  i32 = 3,
  i64 = 4,
  f16 = 5,
  f32 = 6,
  f64 = 7,
  c64 = 8,
  c128 = 9,
  b8 = 10,
  bf16 = 11,
};

/// Bytes of one element.
constexpr std::size_t dtype_size(DType t) {
  constexpr std::uint8_t sizes[] = {1, 1, 2, 4, 8, 2, 4, 8, 8, 16, 1, 2};
  return sizes[static_cast<std::size_t>(t)];
}
constexpr bool is_floating(DType t) {
  return t == DType::f16 || t == DType::f32 || t == DType::f64 || t == DType::bf16;
}
constexpr bool is_complex(DType t) { return t == DType::c64 || t == DType::c128; }
constexpr bool is_integral(DType t) { return !is_floating(t) && !is_complex(t) && t != DType::b8; }

/// "f32", "bf16", "bool", ...: the form used by the graph's text and by messages.
std::string_view dtype_name(DType t) noexcept;
/// The inverse of dtype_name; also takes PyTorch's and NumPy's long names ("float32", "torch.float32"). Empty if
/// unknown.
std::optional<DType> parse_dtype(std::string_view name) noexcept;

/// bf16 and f16 as they lie in memory; convert through float.
float bf16_to_float(std::uint16_t bits) noexcept;
std::uint16_t float_to_bf16(float value) noexcept;  ///< round to nearest even, NaN stays NaN
float f16_to_float(std::uint16_t bits) noexcept;
std::uint16_t float_to_f16(float value) noexcept;  ///< round to nearest even, NaN stays NaN

}  // namespace aitune

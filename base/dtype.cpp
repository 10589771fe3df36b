#include "base/dtype.h"

#include <array>
#include <bit>
#include <utility>

namespace aitune {
namespace {
constexpr std::array<std::string_view, 12> kNames = {"u8",  "i8",  "i16", "i32",  "i64",  "f16",
                                                     "f32", "f64", "c64", "c128", "bool", "bf16"};
constexpr std::array<std::pair<std::string_view, DType>, 15> kLongNames = {{{"uint8", DType::u8},
                                                                            {"int8", DType::i8},
                                                                            {"int16", DType::i16},
                                                                            {"int32", DType::i32},
                                                                            {"int64", DType::i64},
                                                                            {"float16", DType::f16},
                                                                            {"half", DType::f16},
                                                                            {"float32", DType::f32},
                                                                            {"float", DType::f32},
                                                                            {"float64", DType::f64},
                                                                            {"double", DType::f64},
                                                                            {"complex64", DType::c64},
                                                                            {"complex128", DType::c128},
                                                                            {"bfloat16", DType::bf16},
                                                                            {"fp32", DType::f32}}};
}  // namespace

std::string_view dtype_name(DType t) noexcept {
  const auto i = static_cast<std::size_t>(t);
  return i < kNames.size() ? kNames[i] : "invalid";
}

std::optional<DType> parse_dtype(std::string_view name) noexcept {
  if (name.starts_with("torch.")) name.remove_prefix(6);
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<DType>(i);
  for (const auto& [text, type] : kLongNames)
    if (text == name) return type;
  if (name == "fp16") return DType::f16;
  return std::nullopt;
}

float bf16_to_float(std::uint16_t bits) noexcept { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

std::uint16_t float_to_bf16(float value) noexcept {
  const auto u = std::bit_cast<std::uint32_t>(value);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((u >> 16) | 0x40u);
  return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

float f16_to_float(std::uint16_t h) noexcept {
  const std::uint32_t sign = std::uint32_t{h & 0x8000u} << 16;
  std::uint32_t exponent = (h >> 10) & 0x1fu;
  std::uint32_t mantissa = h & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    if (mantissa == 0) return std::bit_cast<float>(sign);
    exponent = 113;
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --exponent;
    }
    return std::bit_cast<float>(sign | (exponent << 23) | ((mantissa & 0x3ffu) << 13));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

std::uint16_t float_to_f16(float value) noexcept {
  const auto u = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
  const std::uint32_t magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x47800000u) return sign | 0x7c00u;
  if (magnitude < 0x38800000u) {  // subnormal: let the adder of floats do the rounding
    const float scaled = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(scaled) - 0x3f000000u);
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return sign | static_cast<std::uint16_t>((rounded - 0x38000000u) >> 13);
}

}  // namespace aitune

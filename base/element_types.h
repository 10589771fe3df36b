#pragma once
// The elements of tensors as C++ types, so that one template serves all dtypes.

#include <cstdint>
#include <type_traits>

#include "base/dtype.h"

namespace aitune {

/// IEEE's half precision.
struct Half {
  std::uint16_t bits;
  explicit operator float() const { return f16_to_float(bits); }
  static Half from(float v) { return {float_to_f16(v)}; }
};
/// The upper half of a float.
struct BrainFloat {
  std::uint16_t bits;
  explicit operator float() const { return bf16_to_float(bits); }
  static BrainFloat from(float v) { return {float_to_bf16(v)}; }
};
/// A byte that may hold any bits: true if one is set.
struct Bool {
  std::uint8_t byte;
};
template <typename T>
constexpr bool kSixteenBitFloat = std::is_same_v<T, Half> || std::is_same_v<T, BrainFloat>;

/// Calls f with a zero element of the type of `t`, or `unknown` where that is complex. Both give nothing back.
template <typename F, typename Unknown>
void visit_element(DType t, F&& f, Unknown&& unknown) {
  switch (t) {
    case DType::u8:
      return f(std::uint8_t{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::f16:
      return f(Half{});
    case DType::bf16:
      return f(BrainFloat{});
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::b8:
      return f(Bool{});
    case DType::c64:
    case DType::c128:
      return unknown();
  }
}

}  // namespace aitune

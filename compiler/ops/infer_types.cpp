// Type promotion as in PyTorch (c10/core/ScalarType, ATen/native/TypeProperties).

#include <array>

#include "base/error.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

int category(DType t) { return is_complex(t) ? 3 : is_floating(t) ? 2 : is_integral(t) ? 1 : 0; }

int bits_of_float(DType t) {
  return t == DType::f64 || t == DType::c128 ? 64 : t == DType::f32 || t == DType::c64 ? 32 : 16;
}

DType promote_floating(DType a, DType b) {
  if (a == b) return a;
  const bool complex = is_complex(a) || is_complex(b);
  const bool wide = bits_of_float(a) == 64 || bits_of_float(b) == 64;
  if (complex) return wide ? DType::c128 : DType::c64;
  return wide ? DType::f64 : DType::f32;
}

DType promote_integral(DType a, DType b) {
  if (a == b) return a;
  const bool has_u8 = a == DType::u8 || b == DType::u8;
  const DType wider = dtype_size(a) > dtype_size(b) ? a : b;
  return has_u8 && dtype_size(wider) == 1 ? DType::i16 : wider;
}

/// What the operands of a lower rank may still change: only the category.
std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
  if (!higher) return lower;
  if (!lower || category(*lower) <= category(*higher)) {
    if (higher == DType::b8 && lower) return promote(*higher, *lower);
    return higher;
  }
  if (is_complex(*lower) && is_floating(*higher)) return complex_of(*higher);
  return promote(*higher, *lower);
}

std::optional<DType> merge(std::optional<DType> a, DType b) { return a ? promote(*a, b) : b; }

}  // namespace

DType promote(DType a, DType b) {
  const int ca = category(a), cb = category(b);
  if (ca >= 2 && cb >= 2) return promote_floating(a, b);
  if (ca != cb) return ca > cb ? a : b;
  return ca == 0 ? DType::b8 : promote_integral(a, b);
}

void Promotion::add(const TensorType& tensor) {
  auto& slot = tensor.shape.empty() ? zero_dim_ : dimensioned_;
  slot = merge(slot, tensor.dtype);
}

void Promotion::add(const Arg& arg) {
  if (arg.is_value()) return add(arg.value()->type);
  if (std::holds_alternative<bool>(arg)) number_ = merge(number_, DType::b8);
  if (std::holds_alternative<SymInt>(arg)) number_ = merge(number_, DType::i64);
  if (std::holds_alternative<double>(arg)) number_ = merge(number_, DType::f32);
}

DType Promotion::result() const {
  const auto type = combine(dimensioned_, combine(zero_dim_, number_));
  if (!type) throw InvalidArgument("no operand to take a dtype from");
  return *type;
}

DType floating(DType t) { return is_floating(t) || is_complex(t) ? t : DType::f32; }

DType complex_of(DType t) { return t == DType::f64 || t == DType::c128 ? DType::c128 : DType::c64; }
DType real_of(DType t) { return t == DType::c128 ? DType::f64 : t == DType::c64 ? DType::f32 : t; }

}  // namespace aitune::infer

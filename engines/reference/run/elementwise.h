#pragma once
// Short forms for elementwise kernels.

#include <concepts>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {

/// out = f(in), for operators whose result is floating point.
template <typename F>
void apply_floating(const Call& call, const Tensor& in, F f) {
  visit_floating(call.out().dtype(), [&]<typename C>(C) { map<C, 1>(call.out(), {&in}, f); });
}
/// out = f(in), computed in the compute type of the result.
template <typename F>
void apply_any(const Call& call, const Tensor& in, F f) {
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) { map<C, 1>(call.out(), {&in}, f); });
}

/// Kernels made of a captureless function.
template <auto F>
void floating_kernel(const Call& call) {
  apply_floating(call, call.self(), F);
}
template <auto F>
void any_kernel(const Call& call) {
  apply_any(call, call.self(), F);
}

/// Wrapping integer arithmetic (signed overflow is undefined in C++), ordinary arithmetic for floating point.
template <typename T>
T wrap_add(T a, T b) {
  if constexpr (std::integral<T>)
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  else
    return a + b;
}
template <typename T>
T wrap_sub(T a, T b) {
  if constexpr (std::integral<T>)
    return static_cast<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
  else
    return a - b;
}
template <typename T>
T wrap_mul(T a, T b) {
  if constexpr (std::integral<T>)
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  else
    return a * b;
}

/// What PyTorch computes a call in: promotion of all operands, in three ranks (tensors, 0-dim tensors, numbers).
Compute promoted_compute(const Call& call, std::initializer_list<std::string_view> operands);
/// An operand that is a tensor or a number, as a tensor. Numbers become 0-dim f64, i64 or bool tensors.
Tensor operand(const Call& call, std::string_view name);

}  // namespace aitune::reference

#pragma once
// Elements of any dtype as values of a compute type C (float, double or std::int64_t), and the loops over them.

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/tensor.h"

namespace aitune::reference {

/// What arithmetic on a dtype is done in: f64 in double; f32, f16 and bf16 in float; integers and bool in int64.
enum class Compute : std::uint8_t { f32, f64, i64 };
Compute compute_of(DType t);
/// Calls f with a value of the compute type.
template <typename F>
void visit_compute(Compute c, F&& f) {
  switch (c) {
    case Compute::f32:
      f(float{});
      break;
    case Compute::f64:
      f(double{});
      break;
    case Compute::i64:
      f(std::int64_t{});
      break;
  }
}
/// The same for dtypes that are floating point; others are computed in float.
template <typename F>
void visit_floating(DType t, F&& f) {
  if (t == DType::f64)
    f(double{});
  else
    f(float{});
}

/// Reads n elements, `stride` elements apart, as C. Instantiated for the three compute types.
template <typename C>
void load(DType t, const std::byte* from, std::int64_t stride, std::int64_t n, C* to);
/// Writes n values, `stride` elements apart.
template <typename C>
void store(DType t, std::byte* to, std::int64_t stride, std::int64_t n, const C* from);

/// Throws Unsupported for complex tensors.
void require_real(const Tensor& t);

/// Elements of a tensor as C: in place where the dtype is that of C, converted (then contiguous) otherwise.
template <typename C>
struct Strided {
  const C* data = nullptr;
  Shape strides;
  std::vector<C> owned;
};
template <typename C>
Strided<C> strided(const Tensor& t);
/// The same, always contiguous.
template <typename C>
class Contiguous {
 public:
  Contiguous() = default;
  explicit Contiguous(const Tensor& t);
  /// Nothing for nullptr.
  explicit Contiguous(const Tensor* t) {
    if (t != nullptr) *this = Contiguous(*t);
  }
  Contiguous(Contiguous&& o) noexcept = default;
  Contiguous& operator=(Contiguous&& o) noexcept = default;
  const C* data() const { return data_; }
  C operator[](std::int64_t i) const { return data_[i]; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::vector<C> owned_;
  const C* data_ = nullptr;
};
/// Where to compute a contiguous output: its own memory if the dtype is that of C; else a buffer, converted on
/// commit().
template <typename C>
class Result {
 public:
  explicit Result(Tensor& out);
  C* data() { return data_; }
  void commit();

 private:
  Tensor& out_;
  std::vector<C> owned_;
  C* data_;
};

/// Several operands walked together over one shape. Neighbouring dimensions are merged where all strides allow.
struct Walk {
  Shape shape;
  std::vector<Shape> strides;  ///< for each operand, as long as shape
  void add(const Shape& strides_of_operand) { strides.push_back(strides_of_operand); }
  void merge();
  std::int64_t inner() const { return shape.empty() ? 1 : shape.back(); }
  std::int64_t inner_stride(std::size_t operand) const { return shape.empty() ? 0 : strides[operand].back(); }
};
/// Strides of `t` as broadcast to `shape`.
Shape broadcast_strides(const Tensor& t, const Shape& shape);

/// Calls f(offsets) for each row of the walk (all dimensions but the last), offsets in elements.
template <typename F>
void for_each_row(const Walk& walk, F&& f) {
  for (const std::int64_t n : walk.shape)
    if (n == 0) return;
  const std::size_t outer = walk.shape.empty() ? 0 : walk.shape.size() - 1;
  const std::size_t operands = walk.strides.size();
  std::vector<std::int64_t> index(outer, 0), offsets(operands, 0);
  while (true) {
    f(std::span<const std::int64_t>(offsets));
    std::size_t d = outer;
    while (d > 0) {
      --d;
      for (std::size_t o = 0; o < operands; ++o) offsets[o] += walk.strides[o][d];
      if (++index[d] < walk.shape[d]) break;
      for (std::size_t o = 0; o < operands; ++o) offsets[o] -= walk.strides[o][d] * walk.shape[d];
      index[d] = 0;
      if (d == 0) return;
    }
    if (outer == 0) return;
  }
}

inline constexpr std::int64_t kChunk = 1024;

/// Computes n values of a result from as many of each operand, by a function that is not known to map_chunks.
template <typename C, std::size_t N>
struct ChunkLoop {
  using Operands = std::array<const C*, N>;
  void (*run)(void* function, const Operands& from, C* to, std::int64_t n);
  void* function;
};

/// Walks the result in chunks: loads them of the operands, with broadcasting, runs the loop and stores what it
/// computed. Instantiated for the three compute types and up to three operands, so that each function costs its loop
/// alone.
template <typename C, std::size_t N>
void map_chunks(Tensor& out, const std::array<const Tensor*, N>& in, const ChunkLoop<C, N>& loop);

/// out[i] = f(in0[i], in1[i], ...) with broadcasting; computed in C.
template <typename C, std::size_t N, typename F>
void map(Tensor& out, const std::array<const Tensor*, N>& in, F f) {
  static_assert(N <= 3);
  const auto run = [](void* function, const std::array<const C*, N>& from, C* to, std::int64_t n) {
    F& g = *static_cast<F*>(function);
    for (std::int64_t i = 0; i < n; ++i) {
      if constexpr (N == 0) {
        to[i] = static_cast<C>(g());
      } else if constexpr (N == 1) {
        to[i] = static_cast<C>(g(from[0][i]));
      } else if constexpr (N == 2) {
        to[i] = static_cast<C>(g(from[0][i], from[1][i]));
      } else {
        to[i] = static_cast<C>(g(from[0][i], from[1][i], from[2][i]));
      }
    }
  };
  map_chunks<C, N>(out, in, {run, std::addressof(f)});
}

/// Copies elements (with broadcasting) bit by bit where the dtypes agree, converting otherwise. Any dtype.
void copy_elements(Tensor& out, const Tensor& in);

/// A 0-dim tensor holding a number.
Tensor scalar(DType t, double value);
Tensor scalar(std::int64_t value);

}  // namespace aitune::reference

#pragma once
// Matrix product on packed blocks: C = A * B.

#include <cstdint>
#include <functional>
#include <vector>

namespace aitune::reference {

/// A matrix in memory, strides in elements.
template <typename T>
struct Matrix {
  const T* data = nullptr;
  std::int64_t row_stride = 0, column_stride = 1;
};

/// Multiplies matrices; keeps its packing buffers between products. T is float, double or std::uint64_t (integers
/// wrap). One object serves one thread.
template <typename T>
class Gemm {
 public:
  /// Writes rows [k, k + rows) and columns [n, n + columns) of B to `to`, row after row, `pitch` elements apart.
  using FillB = std::function<void(std::int64_t k, std::int64_t rows, std::int64_t n, std::int64_t columns, T* to,
                                   std::int64_t pitch)>;

  Gemm();
  /// c[m, n] (row-major, rows `pitch` apart) = a[m, k] * b[k, n].
  void run(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c,
           std::int64_t pitch);
  /// The same with B produced piecewise: `fill` is asked for panels one tile wide.
  void run(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& a, const FillB& fill, T* c,
           std::int64_t pitch);

 private:
  using Micro = void (*)(std::int64_t k, const T* a, const T* b, T* tile);
  void pack_a(const Matrix<T>& a, std::int64_t m, std::int64_t rows, std::int64_t k, std::int64_t depth);
  void multiply_block(std::int64_t rows, std::int64_t columns, std::int64_t depth, bool first, T* c,
                      std::int64_t pitch);

  Micro micro_;
  std::int64_t rows_, columns_;  // of a tile
  std::vector<T> packed_a_, packed_b_, tile_;
};

}  // namespace aitune::reference

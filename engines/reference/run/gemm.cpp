// The product goes block by block: a block of B is packed in panels as wide as a tile, a block of A in strips as high
// as one; a micro-kernel for this CPU then keeps a tile of C in vector registers while it walks along k.

#include "engines/reference/run/gemm.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/target.h"

namespace aitune::reference {
namespace {

constexpr std::int64_t kDepth = 256, kHeight = 96, kWidth = 1024;

template <typename T, std::size_t Bytes>
struct Vector {
  typedef T type __attribute__((vector_size(Bytes)));
};

/// tile[Rows, Vectors * lanes] = sum over k of the outer products of a's and b's columns and rows.
template <typename T, std::size_t Bytes, int Rows, int Vectors>
[[gnu::always_inline]] inline void multiply_tile(std::int64_t depth, const T* a, const T* b, T* tile) {
  using V = typename Vector<T, Bytes>::type;
  constexpr int kLanes = static_cast<int>(Bytes / sizeof(T));
  V sum[Rows][Vectors] = {};
  for (std::int64_t k = 0; k < depth; ++k) {
    V row[Vectors];
    for (int j = 0; j < Vectors; ++j) std::memcpy(&row[j], b + j * kLanes, sizeof(V));
    for (int i = 0; i < Rows; ++i)
      for (int j = 0; j < Vectors; ++j) sum[i][j] += a[i] * row[j];
    a += Rows;
    b += Vectors * kLanes;
  }
  // Vector by vector: a copy of the whole array would keep it in memory throughout.
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j) std::memcpy(tile + (i * Vectors + j) * kLanes, &sum[i][j], sizeof(V));
}

#if defined(__x86_64__)
template <typename T>
[[gnu::target("avx512f,avx512bw,avx512vl,avx512dq,fma")]] void micro_avx512(std::int64_t depth, const T* a, const T* b,
                                                                            T* tile) {
  multiply_tile<T, 64, 12, 2>(depth, a, b, tile);
}
template <typename T>
[[gnu::target("avx2,fma")]] void micro_avx2(std::int64_t depth, const T* a, const T* b, T* tile) {
  multiply_tile<T, 32, 6, 2>(depth, a, b, tile);
}
#endif
template <typename T>
void micro_plain(std::int64_t depth, const T* a, const T* b, T* tile) {
  multiply_tile<T, 16, 4, 2>(depth, a, b, tile);
}

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

}  // namespace

template <typename T>
Gemm<T>::Gemm() : micro_(micro_plain<T>), rows_(4), columns_(32 / sizeof(T)) {
#if defined(__x86_64__)
  if (host_cpu().avx512) {
    micro_ = micro_avx512<T>;
    rows_ = 12;
    columns_ = 128 / sizeof(T);
  } else if (host_cpu().avx2_fma) {
    micro_ = micro_avx2<T>;
    rows_ = 6;
    columns_ = 64 / sizeof(T);
  }
#endif
  tile_.resize(static_cast<std::size_t>(rows_ * columns_));
}

template <typename T>
void Gemm<T>::pack_a(const Matrix<T>& a, std::int64_t m, std::int64_t rows, std::int64_t k, std::int64_t depth) {
  packed_a_.resize(static_cast<std::size_t>(round_up(rows, rows_) * depth));
  T* to = packed_a_.data();
  for (std::int64_t strip = 0; strip < rows; strip += rows_) {
    for (std::int64_t i = 0; i < rows_; ++i) {
      const bool inside = strip + i < rows;
      const T* from = a.data + (m + strip + i) * a.row_stride + k * a.column_stride;
      for (std::int64_t j = 0; j < depth; ++j) to[j * rows_ + i] = inside ? from[j * a.column_stride] : T(0);
    }
    to += rows_ * depth;
  }
}

template <typename T>
void Gemm<T>::multiply_block(std::int64_t rows, std::int64_t columns, std::int64_t depth, bool first, T* c,
                             std::int64_t pitch) {
  for (std::int64_t n = 0; n < columns; n += columns_)
    for (std::int64_t m = 0; m < rows; m += rows_) {
      micro_(depth, packed_a_.data() + m * depth, packed_b_.data() + n * depth, tile_.data());
      const std::int64_t height = std::min(rows_, rows - m), width = std::min(columns_, columns - n);
      for (std::int64_t i = 0; i < height; ++i) {
        T* to = c + (m + i) * pitch + n;
        const T* from = tile_.data() + i * columns_;
        if (first)
          std::copy_n(from, width, to);
        else
          for (std::int64_t j = 0; j < width; ++j) to[j] += from[j];
      }
    }
}

template <typename T>
void Gemm<T>::run(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& a, const FillB& fill, T* c,
                  std::int64_t pitch) {
  if (k == 0)
    for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * pitch, n, T(0));
  for (std::int64_t n0 = 0; n0 < n; n0 += kWidth) {
    const std::int64_t width = std::min(kWidth, n - n0);
    for (std::int64_t k0 = 0; k0 < k; k0 += kDepth) {
      const std::int64_t depth = std::min(kDepth, k - k0);
      packed_b_.resize(static_cast<std::size_t>(round_up(width, columns_) * depth));
      for (std::int64_t j = 0; j < width; j += columns_) {
        T* panel = packed_b_.data() + j * depth;
        const std::int64_t columns = std::min(columns_, width - j);
        if (columns < columns_) std::fill_n(panel, columns_ * depth, T(0));
        fill(k0, depth, n0 + j, columns, panel, columns_);
      }
      for (std::int64_t m0 = 0; m0 < m; m0 += kHeight) {
        const std::int64_t height = std::min(kHeight, m - m0);
        pack_a(a, m0, height, k0, depth);
        multiply_block(height, width, depth, k0 == 0, c + m0 * pitch + n0, pitch);
      }
    }
  }
}

template <typename T>
void Gemm<T>::run(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& a, const Matrix<T>& b, T* c,
                  std::int64_t pitch) {
  const auto fill = [&b](std::int64_t k0, std::int64_t rows, std::int64_t n0, std::int64_t columns, T* to,
                         std::int64_t to_pitch) {
    const T* from = b.data + k0 * b.row_stride + n0 * b.column_stride;
    if (b.column_stride == 1) {
      for (std::int64_t i = 0; i < rows; ++i) std::copy_n(from + i * b.row_stride, columns, to + i * to_pitch);
    } else {
      for (std::int64_t j = 0; j < columns; ++j)
        for (std::int64_t i = 0; i < rows; ++i) to[i * to_pitch + j] = from[i * b.row_stride + j * b.column_stride];
    }
  };
  run(m, n, k, a, FillB(fill), c, pitch);
}

template class Gemm<float>;
template class Gemm<double>;
template class Gemm<std::uint64_t>;

}  // namespace aitune::reference

#include "bench/kernels/peak.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>

#include "base/target.h"

namespace aitune::bench {
namespace {

constexpr int kSteps = 20000;
constexpr int kChains = 12;

[[gnu::target("avx512f"), gnu::noinline]] float spin_avx512() {
  __m512 sums[kChains];
#pragma GCC unroll 16
  for (__m512& s : sums) s = _mm512_set1_ps(static_cast<float>(&s - sums));
  __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(1e-3f);
  for (int i = 0; i < kSteps; ++i) {
    asm volatile("" : "+v"(factor), "+v"(term));
#pragma GCC unroll 16
    for (__m512& s : sums) s = _mm512_fmadd_ps(s, factor, term);
  }
  float total = 0;
#pragma GCC unroll 16
  for (const __m512& s : sums) total += _mm512_reduce_add_ps(s);
  return total;
}

[[gnu::target("avx2,fma"), gnu::noinline]] float spin_avx2() {
  __m256 sums[kChains];
#pragma GCC unroll 16
  for (__m256& s : sums) s = _mm256_set1_ps(static_cast<float>(&s - sums));
  __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(1e-3f);
  for (int i = 0; i < kSteps; ++i) {
    asm volatile("" : "+x"(factor), "+x"(term));
#pragma GCC unroll 16
    for (__m256& s : sums) s = _mm256_fmadd_ps(s, factor, term);
  }
  float total = 0;
#pragma GCC unroll 16
  for (const __m256& s : sums) total += _mm256_cvtss_f32(s);
  return total;
}

}  // namespace

double measure_peak_flops() {
  const bool wide = host_cpu().avx512;
  volatile float sink = 0;
  double best = 1e9;
  for (int i = 0; i < 300; ++i) {
    const auto start = std::chrono::steady_clock::now();
    sink = sink + (wide ? spin_avx512() : spin_avx2());
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return 2.0 * kSteps * kChains * (wide ? 16 : 8) / best;
}

}  // namespace aitune::bench

#pragma once
// What machine code was made for, and what this machine is.

#include <string>
#include <vector>

namespace aitune {

/// A CPU as far as code generation cares. A plan made for `a` runs on `b` when b.covers(a).
struct CpuTarget {
  std::string arch = "x86_64";
  bool avx2_fma = false;  ///< AVX2, FMA, F16C, BMI2: the floor
  bool avx512 = false;    ///< AVX512 F, BW, CD, DQ, VL
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool amx_bf16 = false;  ///< AMX-TILE and AMX-BF16, and the system lets this process use the tile registers
  bool operator==(const CpuTarget&) const = default;
  bool covers(const CpuTarget& needed) const;
  std::vector<std::string> feature_names() const;  ///< "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx_bf16"
  std::string str() const;                         ///< "x86_64 avx2 avx512 avx512_bf16"
};

/// The machine this runs on (CPUID and XCR0), read once. Asks the system for the use of the AMX tile registers where
/// the CPU has them; the permission holds for every thread of the process, so this must come before code that uses
/// them.
const CpuTarget& host_cpu();
/// "AMD EPYC 9B14", as the CPU itself says; empty if it does not.
std::string host_cpu_name();
/// What tells it from others of its name: "family 25 model 17 stepping 1 caches 32K+32K+1024K+32768K".
std::string host_cpu_details();
/// CPUs that this process may run on.
int host_cpu_count();

}  // namespace aitune

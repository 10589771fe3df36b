#include "base/target_level.h"

#include <cpuid.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "base/error.h"

namespace aitune {
namespace {

struct Cpuid {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Cpuid cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  Cpuid r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

bool bit(std::uint32_t word, int index) { return ((word >> index) & 1u) != 0; }

// Which register files the operating system saves; an instruction set is usable only where it saves its registers.
std::uint64_t saved_state() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

// Tile registers are large, so Linux saves them only for processes that ask. Once granted, all threads may use them.
bool tiles_permitted() {
  constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long tile_data = 18;               // the component's bit in XCR0
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

CpuTarget detect() {
  CpuTarget target;
  const Cpuid one = cpuid(1);
  if (!bit(one.ecx, 27)) return target;  // OSXSAVE
  const std::uint64_t saved = saved_state();
  const bool os_avx = (saved & 0x6) == 0x6;
  const bool os_avx512 = (saved & 0xe6) == 0xe6;
  const Cpuid seven = cpuid(7);
  const Cpuid seven_one = seven.eax >= 1 ? cpuid(7, 1) : Cpuid{};
  const bool fma_f16c_avx = bit(one.ecx, 12) && bit(one.ecx, 29) && bit(one.ecx, 28);
  const bool avx2_bmi2 = bit(seven.ebx, 5) && bit(seven.ebx, 8);
  target.avx2_fma = os_avx && fma_f16c_avx && avx2_bmi2;
  const bool f_dq_cd_bw_vl =
      bit(seven.ebx, 16) && bit(seven.ebx, 17) && bit(seven.ebx, 28) && bit(seven.ebx, 30) && bit(seven.ebx, 31);
  target.avx512 = target.avx2_fma && os_avx512 && f_dq_cd_bw_vl;
  target.avx512_vnni = target.avx512 && bit(seven.ecx, 11);
  target.avx512_bf16 = target.avx512 && bit(seven_one.eax, 5);
  const bool os_tiles = ((saved >> 17) & 3u) == 3;
  const bool tile_and_bf16 = bit(seven.edx, 24) && bit(seven.edx, 22);
  target.amx_bf16 = target.avx512_bf16 && os_tiles && tile_and_bf16 && tiles_permitted();
  return target;
}

std::uint32_t bits(std::uint32_t word, int low, int count) { return (word >> low) & ((1u << count) - 1); }

std::string kilobytes(const Cpuid& cache) {
  const std::uint64_t ways = bits(cache.ebx, 22, 10) + 1, partitions = bits(cache.ebx, 12, 10) + 1,
                      line = bits(cache.ebx, 0, 12) + 1, sets = std::uint64_t{cache.ecx} + 1;
  return std::to_string(ways * partitions * line * sets / 1024) + "K";
}

/// Sizes of the caches from the first level on: "32K+32K+1024K".
std::string cache_sizes() {
  constexpr std::uint32_t kIntel = 4, kAmd = 0x8000001Du;
  constexpr std::uint32_t kMost = 8;
  const auto kind = [](const Cpuid& cache) { return bits(cache.eax, 0, 5); };  // 0: there are no more
  const std::uint32_t leaf = kind(cpuid(kIntel)) != 0 ? kIntel : kAmd;
  std::string sizes;
  for (std::uint32_t i = 0; i < kMost; ++i) {
    const Cpuid cache = cpuid(leaf, i);
    if (kind(cache) == 0) break;
    sizes += (sizes.empty() ? "" : "+") + kilobytes(cache);
  }
  return sizes;
}

}  // namespace

bool CpuTarget::covers(const CpuTarget& needed) const {
  const auto has = [](bool here, bool there) { return here || !there; };
  return arch == needed.arch && has(avx2_fma, needed.avx2_fma) && has(avx512, needed.avx512) &&
         has(avx512_vnni, needed.avx512_vnni) && has(avx512_bf16, needed.avx512_bf16) && has(amx_bf16, needed.amx_bf16);
}

std::vector<std::string> CpuTarget::feature_names() const {
  std::vector<std::string> names;
  if (avx2_fma) names.emplace_back("avx2");
  if (avx512) names.emplace_back("avx512");
  if (avx512_vnni) names.emplace_back("avx512_vnni");
  if (avx512_bf16) names.emplace_back("avx512_bf16");
  if (amx_bf16) names.emplace_back("amx_bf16");
  return names;
}

std::string CpuTarget::str() const {
  std::string text = arch;
  for (const std::string& name : feature_names()) text += " " + name;
  return text;
}

CpuTarget limit_target(CpuTarget target, std::string_view level) {
  constexpr std::string_view kLevels[] = {"x86_64", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx_bf16"};
  const auto* const found = std::ranges::find(kLevels, level);
  if (found == std::end(kLevels))
    throw InvalidArgument("there is no CPU level '" + std::string(level) + "'", "AITUNE_CPU",
                          "It is x86_64, avx2, avx512, avx512_vnni, avx512_bf16 or amx_bf16");
  const auto at = found - std::begin(kLevels);
  target.avx2_fma = target.avx2_fma && at >= 1;
  target.avx512 = target.avx512 && at >= 2;
  target.avx512_vnni = target.avx512_vnni && at >= 3;
  target.avx512_bf16 = target.avx512_bf16 && at >= 4;
  target.amx_bf16 = target.amx_bf16 && at >= 5;
  return target;
}

const CpuTarget& host_cpu() {
  static const CpuTarget target = [] {
    const char* const level = std::getenv("AITUNE_CPU");
    return level && *level ? limit_target(detect(), level) : detect();
  }();
  return target;
}

std::string host_cpu_name() {
  constexpr std::uint32_t first = 0x80000002u, last = 0x80000004u;
  if (cpuid(0x80000000u).eax < last) return {};
  std::array<char, 49> text{};
  for (std::uint32_t leaf = first; leaf <= last; ++leaf) {
    const Cpuid r = cpuid(leaf);
    std::memcpy(text.data() + (leaf - first) * sizeof(Cpuid), &r, sizeof(Cpuid));
  }
  const std::string name = text.data();
  const auto begin = name.find_first_not_of(' ');
  return begin == std::string::npos ? std::string{} : name.substr(begin, name.find_last_not_of(' ') - begin + 1);
}

std::string host_cpu_details() {
  static const std::string details = [] {
    constexpr std::uint32_t kExtended = 15, kOfModels = 6;
    const std::uint32_t word = cpuid(1).eax, base = bits(word, 8, 4);
    const std::uint32_t family = base == kExtended ? base + bits(word, 20, 8) : base;
    const bool long_model = base == kExtended || base == kOfModels;
    const std::uint32_t model = bits(word, 4, 4) + (long_model ? bits(word, 16, 4) << 4 : 0);
    return "family " + std::to_string(family) + " model " + std::to_string(model) + " stepping " +
           std::to_string(bits(word, 0, 4)) + " caches " + cache_sizes();
  }();
  return details;
}

int host_cpu_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

}  // namespace aitune

#include "base/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "base/error.h"
#include "base/target_level.h"

namespace aitune {
namespace {

TEST(Target, HostAgreesWithTheCompilersOwnDetection) {
  const CpuTarget& host = host_cpu();
  __builtin_cpu_init();
  EXPECT_EQ(host.avx2_fma, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(host.avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"));
  EXPECT_EQ(host.avx512_vnni, host.avx512 && __builtin_cpu_supports("avx512vnni"));
  EXPECT_EQ(host.avx512_bf16, host.avx512 && __builtin_cpu_supports("avx512bf16"));
  EXPECT_TRUE(host.avx512_bf16 || !host.amx_bf16);
  EXPECT_GE(host_cpu_count(), 1);
}

TEST(Target, CoversMeansEveryNeededFeature) {
  CpuTarget small, large;
  small.avx2_fma = true;
  large.avx2_fma = large.avx512 = large.avx512_bf16 = true;
  EXPECT_TRUE(large.covers(small));
  EXPECT_TRUE(large.covers(large));
  EXPECT_FALSE(small.covers(large));
  CpuTarget tiles = large;
  tiles.amx_bf16 = true;
  EXPECT_TRUE(tiles.covers(large));
  EXPECT_FALSE(large.covers(tiles));
  CpuTarget other = small;
  other.arch = "aarch64";
  EXPECT_FALSE(large.covers(other));
}

TEST(Target, IsLimitedToALevel) {
  CpuTarget all;
  all.avx2_fma = all.avx512 = all.avx512_vnni = all.avx512_bf16 = all.amx_bf16 = true;
  EXPECT_EQ(limit_target(all, "amx_bf16"), all);
  EXPECT_EQ(limit_target(all, "avx512_bf16").str(), "x86_64 avx2 avx512 avx512_vnni avx512_bf16");
  EXPECT_EQ(limit_target(all, "avx512_vnni").str(), "x86_64 avx2 avx512 avx512_vnni");
  EXPECT_EQ(limit_target(all, "avx512").str(), "x86_64 avx2 avx512");
  EXPECT_EQ(limit_target(all, "avx2").str(), "x86_64 avx2");
  EXPECT_EQ(limit_target(all, "x86_64"), CpuTarget());
  EXPECT_EQ(limit_target(CpuTarget(), "avx512"), CpuTarget());
  EXPECT_THROW(limit_target(all, "sse"), InvalidArgument);
}

TEST(Target, TellsItsCpuFromOthersOfItsName) {
  // What Linux says of the same CPU.
  std::ifstream file("/proc/cpuinfo");
  std::map<std::string, std::string> facts;
  for (std::string line; std::getline(file, line) && !line.empty();)
    if (const auto colon = line.find(':'); colon + 2 < line.size())
      facts[line.substr(0, line.find_last_not_of("\t ", colon - 1) + 1)] = line.substr(colon + 2);
  EXPECT_THAT(host_cpu_details(), testing::StartsWith("family " + facts["cpu family"] + " model " + facts["model"] +
                                                      " stepping " + facts["stepping"] + " caches "));
  std::string sizes;
  for (int i = 0; i < 8; ++i) {
    std::ifstream cache("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i) + "/size");
    if (std::string size; cache >> size) sizes += (sizes.empty() ? "" : "+") + size;
  }
  if (!sizes.empty()) {
    EXPECT_THAT(host_cpu_details(), testing::EndsWith(" caches " + sizes));
  }
}

TEST(Target, PrintsItsFeatures) {
  CpuTarget t;
  EXPECT_EQ(t.str(), "x86_64");
  t.avx2_fma = t.avx512 = t.avx512_bf16 = true;
  EXPECT_EQ(t.str(), "x86_64 avx2 avx512 avx512_bf16");
  t.amx_bf16 = true;
  EXPECT_EQ(t.str(), "x86_64 avx2 avx512 avx512_bf16 amx_bf16");
}

}  // namespace
}  // namespace aitune

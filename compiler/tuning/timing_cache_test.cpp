#include "compiler/tuning/timing_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace aitune {
namespace {

class TimingCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) / "aitune_timing_cache_test" / "timings.json";
    std::filesystem::remove_all(path_.parent_path());
  }
  std::filesystem::path path_;
};

TEST_F(TimingCacheTest, WhatIsSavedIsLoaded) {
  TimingCache cache;
  cache.remember("gemm|avx512", {"14x2", 12.5});
  cache.save(path_);
  const auto loaded = TimingCache::load(path_);
  ASSERT_TRUE(loaded.find("gemm|avx512"));
  EXPECT_EQ(loaded.find("gemm|avx512")->choice, "14x2");
  EXPECT_FALSE(loaded.find("other"));
}

TEST_F(TimingCacheTest, SavingKeepsWhatOthersSaved) {
  TimingCache mine, theirs;
  theirs.remember("b", {"y", 2});
  mine.remember("a", {"x", 1});
  theirs.save(path_);
  mine.save(path_);
  EXPECT_EQ(TimingCache::load(path_).size(), 2U);
}

TEST_F(TimingCacheTest, DamagedFilesAreDroppedWithAWarning) {
  std::filesystem::create_directories(path_.parent_path());
  for (const char* text : {"", "{", "[]", R"({"version": 99, "timings": {}})",
                           R"({"version": 1, "timings": {"a": {"choice": 3, "us": 1}}})"}) {
    std::ofstream(path_) << text;
    std::string warning;
    EXPECT_EQ(TimingCache::load(path_, &warning).size(), 0U) << text;
    EXPECT_NE(warning.find("dropped"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace aitune

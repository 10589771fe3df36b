#include "compiler/tuning/timing_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "format/source.h"

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
                           R"({"version": 1, "timings": {"a": {"choice": 3, "us": 1}}})",
                           R"({"version": 2, "timings": {"a": {"choice": "14x2", "us": 1}}})",
                           R"({"version": 2, "timings": {"a": {"choice": "14x2", "us": 1, "sha256": "0"}}})"}) {
    std::ofstream(path_) << text;
    std::string warning;
    EXPECT_EQ(TimingCache::load(path_, &warning).size(), 0U) << text;
    EXPECT_NE(warning.find("dropped"), std::string::npos) << text;
    EXPECT_EQ(warning.find("at()"), std::string::npos) << warning;
  }
}

TEST_F(TimingCacheTest, AChangedValueIsNotBelieved) {
  TimingCache cache;
  cache.remember("gemm|avx512", {"14x2", 12.5});
  cache.save(path_);
  const std::string whole = read_file(path_);
  for (const auto& [from, to] : {std::pair("14x2", "14x4"), {"12.5", "11.5"}, {"gemm|avx512", "gemm|avx2"}}) {
    std::string damaged = whole;
    damaged.replace(damaged.find(from), std::strlen(from), to);
    write_file(path_, damaged);
    std::string warning;
    EXPECT_EQ(TimingCache::load(path_, &warning).size(), 0U) << from;
    EXPECT_THAT(warning, testing::HasSubstr("does not match its SHA-256"));
  }
}

TEST_F(TimingCacheTest, OtherFilesAreRefused) {
  const auto refusal = [&](const std::filesystem::path& path) -> std::string {
    try {
      refuse_no_timing_cache(path, "here");
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(path_), "");  // it is not there
  TimingCache cache;
  cache.remember("gemm|avx512", {"14x2", 12.5});
  cache.save(path_);
  EXPECT_EQ(refusal(path_), "");
  write_file(path_, read_file(path_).substr(0, 60));  // damaged, but ours
  EXPECT_EQ(refusal(path_), "");
  write_file(path_, "");
  EXPECT_EQ(refusal(path_), "");
  write_file(path_, R"({
 "timings": {},
 "version": 1
})");
  EXPECT_EQ(refusal(path_), "");
  for (const char* text : {"Dear diary", R"({"version": 1})", "PK\3\4"}) {
    write_file(path_, text);
    EXPECT_THAT(refusal(path_), testing::HasSubstr("is no timing cache, and would be lost")) << text;
    EXPECT_THAT(refusal(path_), testing::StartsWith("here: "));
    EXPECT_EQ(read_file(path_), text);
  }
  EXPECT_THAT(refusal(path_.parent_path()), testing::HasSubstr("is no file"));
}

}  // namespace
}  // namespace aitune

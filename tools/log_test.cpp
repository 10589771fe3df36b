#include "tools/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace aitune::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(Log, LevelsHaveSpdlogsNames) {
  EXPECT_EQ(parse_log_level("trace", ""), LogLevel::trace);
  EXPECT_EQ(parse_log_level("WARNING", ""), LogLevel::warn);
  EXPECT_EQ(parse_log_level("err", ""), LogLevel::error);
  EXPECT_EQ(parse_log_level("off", ""), LogLevel::off);
  try {
    parse_log_level("loud", "AITUNE_LOG");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("AITUNE_LOG"));
    EXPECT_THAT(error.fix(), HasSubstr("trace, debug, info, warn, error, critical, off"));
  }
}

TEST(Log, LinesSayWhenAndHowBad) {
  const auto when = std::chrono::system_clock::time_point() + std::chrono::milliseconds(86400'007);
  EXPECT_EQ(log_line(LogLevel::warn, "low", when), "[1970-01-02 00:00:00.007] [aitune] [warn] low");
}

std::vector<std::string> lines_at(LogLevel level) {
  std::vector<std::string> lines;
  const auto progress =
      make_log_progress(level, [&](const std::string& line) { lines.push_back(line.substr(line.find("] [") + 2)); });
  progress->stage("tune fp32");
  progress->block("block0", 0, 2);
  progress->step("gemm", 3, 8);
  progress->measured("fp32", 1.25);
  progress->warn("hot");
  return lines;
}

TEST(Log, ShowsItsLevelAndAbove) {
  EXPECT_THAT(lines_at(LogLevel::trace), ElementsAre(EndsWith("[info] tune fp32"), EndsWith("[debug] block0 (1 of 2)"),
                                                     EndsWith("[trace] gemm (4 of 8)"),
                                                     EndsWith("[info] fp32 takes 1.25 ms"), EndsWith("[warn] hot")));
  EXPECT_EQ(lines_at(LogLevel::debug).size(), 4U);
  EXPECT_EQ(lines_at(LogLevel::info).size(), 3U);
  EXPECT_THAT(lines_at(LogLevel::warn), ElementsAre(EndsWith("[warn] hot")));
  EXPECT_TRUE(lines_at(LogLevel::error).empty());
  EXPECT_TRUE(lines_at(LogLevel::off).empty());
}

}  // namespace
}  // namespace aitune::tools

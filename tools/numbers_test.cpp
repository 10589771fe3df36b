#include "tools/numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace aitune::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Numbers, AreRefusedWithWhatTheyMayBe) {
  const auto complaint = [](const CLI::Validator& check, std::string text) { return check(text); };
  EXPECT_THAT(complaint(integer_from(0, 1024), "1024"), IsEmpty());
  for (const char* wrong : {"1025", "-1", "abc", "1.5", "", "99999999999999999999", "1 "})
    EXPECT_THAT(complaint(integer_from(0, 1024), wrong), HasSubstr("is no integer from 0 to 1024")) << wrong;
  EXPECT_THAT(complaint(number_from(0.5, 3), "2.5"), IsEmpty());
  for (const char* wrong : {"0.4", "3.1", "nan", "inf", "x"})
    EXPECT_THAT(complaint(number_from(0.5, 3), wrong), HasSubstr("is no number from 0.5 to 3")) << wrong;
  EXPECT_THAT(complaint(number_from(0), "-3"), HasSubstr("'-3' is no number from 0 on"));
  EXPECT_THAT(complaint(number_from(0), "inf"), HasSubstr("no number"));
  EXPECT_THAT(complaint(number_above_zero(), "0"), HasSubstr("'0' is no number above 0"));
  EXPECT_THAT(complaint(number_above_zero(), "1e-9"), IsEmpty());
}

TEST(Numbers, BytesHaveUnits) {
  const auto bytes = [](std::string text) {
    const std::string complaint = as_bytes()(text);
    return complaint.empty() ? text : complaint;
  };
  EXPECT_EQ(bytes("0"), "0");
  EXPECT_EQ(bytes("17"), "17");
  EXPECT_EQ(bytes("64MB"), "67108864");
  EXPECT_EQ(bytes("2 gib"), "2147483648");
  EXPECT_EQ(bytes("1k"), "1024");
  EXPECT_EQ(bytes("3B"), "3");
  EXPECT_EQ(bytes("1T"), "1099511627776");
  for (const char* wrong : {"-5", "", "MB", "5PB", "1.5MB", "99999999999TB", "18446744073709551616", "0x10"})
    EXPECT_THAT(bytes(wrong), HasSubstr("is no number of bytes")) << wrong;
}

}  // namespace
}  // namespace aitune::tools

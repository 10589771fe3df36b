#include "format/json_problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <tuple>

namespace aitune {
namespace {

using nlohmann::ordered_json;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string problem_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ordered_json::exception& error) {
    return json_problem(error);
  }
  return "no problem";
}

TEST(JsonProblem, HasThePlaceAndNoNamesOfTheLibrary) {
  const auto parsed = [](const std::string& text) {
    return problem_of([&] { std::ignore = ordered_json::parse(text); });
  };
  EXPECT_THAT(parsed("{\n  \"a\": tru,\n"), StartsWith("line 2, column 11: invalid literal; last read: "));
  EXPECT_THAT(parsed(""), StartsWith("line 1, column 1: unexpected end of input"));
  EXPECT_THAT(parsed("{\"a\" 1}"), AllOf(HasSubstr("expected ':'"), Not(HasSubstr("exception"))));
  EXPECT_THAT(parsed("[\"" + std::string(5000, 'x')), EndsWith("..."));
  EXPECT_LT(parsed("[\"" + std::string(5000, 'x')).size(), 300U);
  EXPECT_THAT(parsed("\"\x01"), Not(HasSubstr("\x01")));
}

TEST(JsonProblem, NamesWhatIsMissingOrOfAnotherType) {
  const ordered_json json = {{"a", 1}};
  EXPECT_EQ(problem_of([&] { static_cast<void>(json.at("it's")); }), "'it's' is missing");
  EXPECT_EQ(problem_of([&] { static_cast<void>(json.at("a").get<std::string>()); }),
            "type must be string, but is number");
}

}  // namespace
}  // namespace aitune

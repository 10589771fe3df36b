#include "tools/measured_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace aitune::tools {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

TEST(MeasuredText, NamesBackendsWhereThereWasAChoice) {
  const Json slow = {{"backend", "A()"}, {"stays", false}, {"problem", "it is slow"}};
  const Json fast = {{"backend", "B()"}, {"stays", true},        {"problem", ""}, {"batch", 4},
                     {"latency_ms", 2},  {"throughput", 2000.0}, {"speedup", 3.5}};
  EXPECT_EQ(backends_text({{"backends", {slow, fast}}, {"selected_batch_size", 4}}, "f"),
            "  A(): it is slow\n* B(): 2 ms at batch 4, 2000.0 samples/s, 3.50 times as fast as eager\n"
            "best batch size: 4\n");
  EXPECT_EQ(backends_text({{"backends", Json::array({fast})}}, "f"), "");
  EXPECT_EQ(backends_text(Json::object(), "f"), "");  // of an older file
}

TEST(MeasuredText, ListsWhatStayedInFp32) {
  Json report = {{"bf16_share", 0.75}, {"kept_in_fp32", Json::array()}};
  for (const char* node : {"a", "b", "c"})
    report["kept_in_fp32"].push_back({{"node", node}, {"module", ""}, {"share", 0.1}, {"why", "its error"}});
  const std::string text = mixture_text(report, "f", 2);
  EXPECT_THAT(text,
              HasSubstr("75 % of the products' operations are in bf16; kept in fp32:\n    10.0 % a: its error\n"));
  EXPECT_THAT(text, HasSubstr("and 1 more"));
  EXPECT_EQ(mixture_text(Json::object(), "f", 2), "");
}

TEST(MeasuredText, RefusesFieldsOfOtherTypes) {
  const auto refusal = [](const Json& report) -> std::string {
    try {
      static_cast<void>(backends_text(report, "m.ait"));
      static_cast<void>(mixture_text(report, "m.ait", 8));
    } catch (const Corrupt& error) {
      return error.what();
    }
    return "it was taken";
  };
  for (const auto& [report, said] : std::initializer_list<std::pair<Json, const char*>>{
           {{{"backends", 3}}, "'backends' must be a list, and is number"},
           {{{"backends", {1, 2}}}, "'backends[0]"},
           {{{"backends", Json::array({{{"problem", 1}}})}}, "'backends[0].problem' must be a string"},
           {{{"backends", Json::array({{{"stays", "yes"}}})}}, "'backends[0].stays' must be a boolean"},
           {{{"selected_batch_size", -1}}, "'selected_batch_size' must be an integer"},
           {{{"bf16_share", "1"}}, "'bf16_share' must be a number"},
           {{{"bf16_share", 1}, {"kept_in_fp32", Json::object()}}, "'kept_in_fp32' must be a list"},
           {{{"bf16_share", 1}, {"kept_in_fp32", Json::array({{{"why", nullptr}}})}}, "'kept_in_fp32[0].why'"}}) {
    EXPECT_THAT(refusal(report), HasSubstr(said)) << report.dump();
    EXPECT_THAT(refusal(report), HasSubstr("m.ait: the figures of tuning cannot be read: "));
  }
}

}  // namespace
}  // namespace aitune::tools

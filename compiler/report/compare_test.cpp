#include "compiler/report/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/report/testing.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"

namespace aitune {
namespace {

/// The model with the floats of one of its weights doubled.
void double_weight(const std::filesystem::path& from, const std::filesystem::path& to, std::string_view weight) {
  const ZipReader zip = ZipReader::open(from);
  AtomicFile file(to);
  ZipWriter writer(file);
  bool found = false;
  for (const ZipEntry& entry : zip.entries()) {
    const auto bytes = zip.bytes(entry);
    std::vector<std::byte> content(bytes.begin(), bytes.end());
    if (entry.name.ends_with(weight)) {
      found = true;
      for (std::size_t i = 0; i + sizeof(float) <= content.size(); i += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, content.data() + i, sizeof value);
        value *= 2;
        std::memcpy(content.data() + i, &value, sizeof value);
      }
    }
    writer.add(entry.name, content);
  }
  writer.finish();
  file.commit();
  ASSERT_TRUE(found) << weight;
}

CompareReport compare(const std::filesystem::path& a, const std::filesystem::path& b,
                      const CompareOptions& options = {}) {
  Progress silent;
  return compare_models(a, b, options, silent);
}

TEST(Compare, AFileAndItsModelAreTheSame) {
  const CompareReport report = compare(tuned_digits(), digits_model());
  EXPECT_TRUE(report.same);
  EXPECT_FALSE(report.first);
  EXPECT_EQ(report.samples, 1U);
  ASSERT_EQ(report.outputs.size(), 1U);
  EXPECT_LT(report.outputs[0].error, 1e-4);
  EXPECT_TRUE(compare(digits_model(), tuned_digits()).same);
  EXPECT_TRUE(compare(tuned_digits(), tuned_digits()).same);
}

TEST(Compare, FindsTheNodeThatDiffers) {
  const TestFolder folder;
  double_weight(digits_model(), folder / "other.pt2", "/weight_6");  // features.7.weight
  for (const std::size_t budget : {std::size_t{1}, std::size_t{64} << 20}) {
    CompareOptions options;
    options.budget = budget;
    const CompareReport report = compare(tuned_digits(), folder / "other.pt2", options);
    EXPECT_FALSE(report.same);
    ASSERT_TRUE(report.first);
    const FirstDifference& first = *report.first;
    ASSERT_TRUE(first.block);
    EXPECT_EQ(first.engine, "cpu");
    EXPECT_GT(first.error, report.tolerance);
    EXPECT_LE(first.error_before, report.tolerance);
    EXPECT_FALSE(first.value_before.empty());
    const auto is_it = [](const ComparedNode& node) {
      return node.module == "features.7" && node.op == "aten.conv2d.default" &&
             node.code.find("train_digits.py:") != std::string::npos;
    };
    EXPECT_TRUE(std::ranges::any_of(first.nodes, is_it)) << report.to_json();
    const auto json = nlohmann::json::parse(report.to_json());
    EXPECT_EQ(json["same"], false);
    EXPECT_EQ(json["first"]["block"], *first.block);
  }
}

TEST(Compare, ALargerToleranceForgives) {
  const TestFolder folder;
  double_weight(digits_model(), folder / "other.pt2", "/weight_6");
  CompareOptions options;
  options.tolerance = 100;
  EXPECT_TRUE(compare(tuned_digits(), folder / "other.pt2", options).same);
}

TEST(Compare, WantsInputs) {
  EXPECT_THROW(compare(digits_model(), digits_model()), InvalidArgument);
  CompareOptions options;
  options.inputs = {digits_sample()};
  EXPECT_TRUE(compare(digits_model(), digits_model(), options).same);
}

}  // namespace
}  // namespace aitune

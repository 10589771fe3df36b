#include "compiler/report/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/passes/pipeline.h"
#include "compiler/report/testing.h"
#include "compiler/report/value_errors.h"
#include "compiler/tuning/lowering.h"
#include "compiler/tuning/tune.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"
#include "runtime/program.h"

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

/// A loop with a branch inside, at the third trip of which the two part.
constexpr const char* kNested = R"(graph(%x: f32[2,8]) {
  weight %w: f32[8,8] "w" = random(1)
  weight %zero: i64[] "zero" = splat(0)
  %h: f32[2,8] = aten.linear.default(%x, %w)
  %n: i64[], %y: f32[2,8] = higher_order.while_loop.default([%zero, %h], [], 5)
  region(%i: i64[], %a: f32[2,8]) {
    %c: bool[] = aten.lt.Scalar(%i, 4)
    return %c
  }
  region(%i: i64[], %a: f32[2,8]) {
    %late: bool[] = aten.ge.Scalar(%i, 2)
    %b: f32[2,8] = higher_order.cond.default(%late, [%a])
    region(%p: f32[2,8]) {
      weight %v: f32[8,8] "v" = random(2)
      %m: f32[2,8] = aten.linear.default(%p, %v)
      %s: f32[2,8] = aten.sigmoid.default(%m)
      return %s
    }
    region(%p: f32[2,8]) {
      %t: f32[2,8] = aten.tanh.default(%p)
      return %t
    }
    %k: i64[] = aten.add.Scalar(%i, 1)
    return %k, %b
  }
  return %y
})";

TEST(Compare, GoesIntoBranchesAndLoops) {
  Progress silent;
  const Graph exact = parse_graph(kNested);
  std::string text = kNested;
  text.replace(text.find("random(2)"), 9, "random(3)");
  const Graph other = parse_graph(text);
  Tensor x(DType::f32, {2, 8});
  for (int i = 0; i < 16; ++i) x.as<float>()[i] = static_cast<float>(i) / 16;
  CompilationSettings settings;
  settings.timing_cache_path = "none";
  settings.optimization_level = 0;
  settings.min_block_size = 1;
  const std::vector<std::vector<Tensor>> samples = {{x}};
  const TunedModel tuned = tune_graph(exact, samples, settings, silent);
  Instance instance(Program::from_built(tuned.plan));
  std::vector<std::string> warnings;
  const auto lowered = [&](const Graph& graph) {
    const LowerOptions options = lower_options(settings, silent, warnings);
    Graph result = functional_program(graph, options);
    lower(result, options);
    return result;
  };
  const Graph same = lowered(exact), differs = lowered(other);
  const auto names = value_names(tuned.plan.plan);
  const auto errors_with = [&](const Graph& graph) {
    return compare_values(values_of(graph, {x}), values_of(instance, {x}), names, std::size_t{1} << 20);
  };
  std::vector<std::string> compared;
  for (const ValueError& row : errors_with(same)) {
    compared.push_back(row.name);
    EXPECT_LT(row.error, 1e-5) << row.name;
  }
  EXPECT_THAT(compared, testing::Contains("n/body/b/then/s@2"));
  EXPECT_THAT(compared, testing::Contains("n/body/b/else/t"));
  EXPECT_THAT(compared, testing::Contains("n/body/k@4"));
  std::string first;
  for (const ValueError& row : errors_with(differs))
    if (first.empty() && row.error > 1e-3) first = row.name;
  EXPECT_EQ(first, "n/body/b/then/s");
  for (const auto& name : value_names(tuned.plan.plan)) EXPECT_TRUE(value_names(same).contains(name)) << name;
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

#include "format/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "format/plan.h"
#include "format/plan_samples.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

Manifest sample_manifest() {
  Manifest m;
  m.aitune_version = "0.1.0";
  m.name = "digits";
  m.modules = {{"digits",
                {{"x", DType::f32, {"s0", "4"}}},
                {{"y", DType::bf16, {"s0", "4*s0 + 1"}}},
                {{"s0", {1, 16}}, {"s1", {2, SymRange::kNoMax}}},
                {{"x", "0", "x"}, {"scale", "1", "", 0.5}},
                {{"x", "y", ""}, {"cache_keys", "cache_keys", "cache.keys"}}}};
  m.plans = {describe_plan("data/aitune/plans/0.plan", "digits", serialize_plan(samples::kernel_plan()))};
  m.entries = {{"models/digits.json", 12, sha256(as_byte_span("hello"))}};
  m.samples = {{"digits", "data/aitune/samples/0.in.safetensors", "data/aitune/samples/0.out.safetensors", {"boxes"}}};
  m.bounds = {{"bf16", 2e-2}, {"fp32", 1e-4}};
  m.config = R"({"ir":"dynamo","pickle_protocol":4})";
  m.measured = R"({"speedup":2.5})";
  return m;
}

/// What from_json says about the sample after `from` was replaced by `to` in its text.
std::string refusal(std::string_view from, std::string_view to) {
  std::string text = sample_manifest().to_json();
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  try {
    Manifest::from_json(text, "m.ait");
    return "accepted";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Manifest, ComesBackAsItWas) {
  const auto manifest = sample_manifest();
  EXPECT_EQ(Manifest::from_json(manifest.to_json(), "test"), manifest);
  EXPECT_EQ(Manifest::from_json(manifest.to_json(), "test").to_json(), manifest.to_json());
}

TEST(Manifest, DescribesPlans) {
  const auto plan = sample_manifest().plans.at(0);
  EXPECT_EQ(plan.precision, "fp32");
  EXPECT_EQ(plan.symbols.at("s0"), (SymRange{1, 16}));
  EXPECT_GT(plan.head_bytes, 0u);
}

TEST(Manifest, ErrorsNameTheField) {
  EXPECT_THAT(refusal(R"("name": "digits",)", ""), HasSubstr("'name' is missing"));
  EXPECT_THAT(refusal(R"("dtype": "f32")", R"("dtype": "f33")"),
              HasSubstr("'modules[0].inputs[0].dtype' must be a dtype"));
  EXPECT_THAT(refusal(R"("portable": true)", R"("portable": 1)"), HasSubstr("'portable' must be a boolean"));
  EXPECT_THAT(refusal(R"("size": 12)", R"("size": -12)"), HasSubstr("'entries[0].size' must be an integer from 0"));
  EXPECT_THAT(refusal(R"("size": 12)", R"("size": 18446744073709551615)"), HasSubstr("must be an integer"));
  EXPECT_THAT(refusal(R"("sha256": ")", R"("sha256": "z)"), HasSubstr("SHA-256"));
  EXPECT_THAT(refusal("{", "["), HasSubstr("not JSON"));
}

TEST(Manifest, NewerMajorVersionIsRefusedBeforeAnythingElse) {
  EXPECT_THAT(refusal(R"("major": 1)", R"("major": 2)"), HasSubstr("format version 2."));
  EXPECT_THROW(Manifest::from_json(R"({"format": {"major": 9, "minor": 3}})", "m.ait"), Incompatible);
}

TEST(Manifest, UnknownFieldsAndNewerMinorVersionsAreAccepted) {
  EXPECT_EQ(refusal(R"("minor": 1)", R"("minor": 7, "later": [1])"), "accepted");
}

TEST(Manifest, UnknownCpuFeaturesFitNoMachine) {
  auto manifest = sample_manifest();
  auto text = manifest.to_json();
  const std::string_view features = R"("features": [)";
  text.insert(text.find(features) + features.size(), R"("avx10")");
  EXPECT_FALSE(host_cpu().covers(Manifest::from_json(text, "test").plans[0].target));
}

TEST(Manifest, DeepNestingIsRefused) {
  const std::string deep(100000, '[');
  EXPECT_THROW(Manifest::from_json(deep, "test"), Corrupt);
  EXPECT_THROW(Manifest::from_json(std::string(5000, '[') + std::string(5000, ']'), "test"), Corrupt);
}

}  // namespace
}  // namespace aitune

#include "compiler/import/sample_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

std::vector<Tensor> tensors(const std::vector<Shape>& shapes) {
  std::vector<Tensor> list;
  for (const Shape& shape : shapes) list.emplace_back(DType::f32, shape);
  return list;
}

std::string type_text(SampleTypes& types, const std::string& name, std::size_t position,
                      const std::vector<Shape>& shapes) {
  return to_string(types.type_of(name, position, tensors(shapes)));
}

TEST(SampleTypes, SizesThatMoveTogetherAreOneSymbol) {
  SymRanges symbols;
  SampleTypes types({}, symbols);
  EXPECT_EQ(type_text(types, "x", 0, {{2, 3, 5}, {4, 3, 9}}), "f32[s0,3,s1]");
  EXPECT_EQ(type_text(types, "y", 1, {{9, 2}, {9, 4}}), "f32[9,s0]");
  EXPECT_EQ(symbols, (SymRanges{{"s0", {2, 4}}, {"s1", {5, 9}}}));
}

TEST(SampleTypes, GivenRangesNeedOneSampleAlone) {
  SymRanges symbols;
  const std::vector<Input> given = {parse_input("x=1..16x3x32..64..128x32..64..128"),
                                    parse_input("m=1..16x32..64..128")};
  SampleTypes types(given, symbols);
  // An image may be higher than wide; the mask's rows are the image's first size of that range.
  EXPECT_EQ(type_text(types, "x", 0, {{2, 3, 64, 64}}), "f32[s0,3,s1,s2]");
  EXPECT_EQ(type_text(types, "m", 1, {{2, 64}}), "f32[s0,s1]");
  types.check_given();
  EXPECT_EQ(symbols, (SymRanges{{"s0", {1, 16}}, {"s1", {32, 128}}, {"s2", {32, 128}}}));
}

TEST(SampleTypes, AGivenRangeWidensWhatSamplesShow) {
  SymRanges symbols;
  const std::vector<Input> given = {parse_input("y=1..16x*"), parse_input("z=2..8")};
  SampleTypes types(given, symbols);
  EXPECT_EQ(type_text(types, "x", 0, {{2, 7}, {4, 7}}), "f32[s0,7]");
  EXPECT_EQ(type_text(types, "y", 1, {{2, 5}, {4, 6}}), "f32[s0,s1]");
  EXPECT_EQ(symbols.at("s0"), (SymRange{1, 16}));
  EXPECT_EQ(type_text(types, "z", 2, {{2}, {4}}), "f32[s0]");
  EXPECT_EQ(symbols.at("s0"), (SymRange{2, 8}));  // what both allow
  EXPECT_EQ(symbols.at("s1"), (SymRange{5, 6}));
}

TEST(SampleTypes, WhatDoesNotFitIsRefused) {
  SymRanges symbols;
  const std::vector<Input> given = {parse_input("x=1..4"), parse_input("z=1..4")};
  SampleTypes types(given, symbols);
  const auto refusal = [&](const std::vector<Shape>& shapes) {
    try {
      types.type_of("x", 0, tensors(shapes));
      return std::string("accepted");
    } catch (const InvalidArgument& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(refusal({{2}, {5}}), HasSubstr("dimension 0 is 5 in sample 1, outside of the range [1, 4]"));
  EXPECT_THAT(refusal({{2, 2}}), HasSubstr("1 dimensions are given, the samples have 2"));
  EXPECT_THAT(refusal({{2}, {2, 2}}), HasSubstr("one sample is"));
  EXPECT_EQ(refusal({{2}}), "accepted");
  EXPECT_THROW(types.check_given(), InvalidArgument);  // nothing came for z
}

}  // namespace
}  // namespace aitune

#include "compiler/ops/slice_bounds.h"

#include <gtest/gtest.h>

#include "compiler/ops/schema.h"

namespace aitune {
namespace {

/// x[start:end] of s0 rows, of which there are `range`, once its bounds are clamped: "start, end".
std::string clamped(SymRange range, Arg start, Arg end) {
  Graph graph;
  graph.symbols["s0"] = range;
  Value* x = graph.add_input("x", {DType::f32, {SymInt::symbol("s0")}});
  const OpInfo& op = op_info(OpId::aten_slice_Tensor);
  ArgList args = bind_arguments(op, {x, SymInt(0), std::move(start), std::move(end)}, {});
  clamp_slice(graph, op, args);
  return args[2].sym().str() + ", " + args[3].sym().str();
}

const SymInt kToTheEnd = INT64_MAX;
const std::string kEnd = std::to_string(INT64_MAX);

TEST(ClampSlice, BoundsWithinAllSizesStay) {
  EXPECT_EQ(clamped({5, 9}, SymInt(-5), kToTheEnd), "-5, " + kEnd);
  EXPECT_EQ(clamped({5, 9}, SymInt(2), SymInt(-1)), "2, -1");
}

TEST(ClampSlice, BoundsBeyondAllSizesAreTheEnds) {
  EXPECT_EQ(clamped({5, 9}, SymInt(-9), kToTheEnd), "0, " + kEnd);
  EXPECT_EQ(clamped({5, 9}, SymInt(0), SymInt(-12)), "0, 0");
  EXPECT_EQ(clamped({5, 9}, SymInt(9), kToTheEnd), "s0, " + kEnd);
}

TEST(ClampSlice, BoundsBeyondSomeSizesAreFormulas) {
  EXPECT_EQ(clamped({5, 9}, SymInt(-7), kToTheEnd), max(SymInt::symbol("s0") - 7, 0).str() + ", " + kEnd);
  EXPECT_EQ(clamped({5, 9}, SymInt(7), kToTheEnd), min(SymInt::symbol("s0"), 7).str() + ", " + kEnd);
}

TEST(ClampSlice, SizesThatMayBeNothingAreTakenForLarger) {
  EXPECT_EQ(clamped({0, 9}, SymInt(-1), kToTheEnd), "-1, " + kEnd);
}

}  // namespace
}  // namespace aitune

#include "engines/null/compile/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/target.h"
#include "compiler/memory/plan_builder.h"
#include "compiler/partition/partition.h"
#include "engines/reference/compile/engine.h"

namespace aitune::null {
namespace {

constexpr const char* kText = R"(graph(%x: f32[2,4]) {
  %a: f32[2,4] = aten.relu.default(%x)
  %b: f32[2,4] = aten.tanh.default(%a)
  return %b
})";

TEST(NullEngine, LeavesEverythingToTheFallback) {
  const Graph graph = parse_graph(kText);
  const auto null = make_null_engine();
  const auto reference = reference::make_reference_engine();
  const CompileEngine* engines[] = {null.get(), reference.get()};
  const Partition parts = partition(graph, engines, {});
  ASSERT_EQ(parts.blocks.size(), 1U);
  EXPECT_EQ(parts.blocks[0].engine, reference.get());
  EXPECT_THAT(parts.blocks[0].fallback_reason, ::testing::HasSubstr("takes no operator"));
  EXPECT_EQ(parts.fallbacks.size(), 2U);
}

TEST(NullEngine, AloneItSupportsNothing) {
  const Graph graph = parse_graph(kText);
  const auto null = make_null_engine();
  const CompileEngine* engines[] = {null.get()};
  EXPECT_THROW(partition(graph, engines, {}), Unsupported);
}

TEST(NullEngine, CompilesNothing) {
  const Graph graph = parse_graph(kText);
  const auto null = make_null_engine(), reference = reference::make_reference_engine();
  const CompileEngine* engines[] = {reference.get()};
  const Partition parts = partition(graph, engines, {});
  PlanBuilder plan(graph, host_cpu(), "fp32", {});
  EXPECT_THROW(null->compile(parts.blocks.at(0), {}, plan), Unsupported);
}

}  // namespace
}  // namespace aitune::null

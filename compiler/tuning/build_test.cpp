#include "compiler/tuning/build.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "engines/reference/compile/engine.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

/// Takes everything but tanh, begins to build, and fails.
class FailingEngine final : public CompileEngine {
 public:
  explicit FailingEngine(ErrorCode code) : code_(code) {}
  std::string_view name() const override { return "failing"; }
  Support supports(const Node& node, const EngineOptions&) const override {
    return node.op_name() == "aten.tanh.default" ? Support::no("no tanh") : Support::yes();
  }
  void compile(const Block& block, const EngineOptions&, PlanBuilder& plan) const override {
    // What is left of a block half built: memory, a constant, code, a step that writes what the block should.
    const std::byte junk[64] = {};
    plan.add_code(junk);
    const std::uint32_t buffer = plan.buffer_of(*block.outputs.front());
    const std::uint32_t constant = plan.add_constant(junk);
    plan.add_arena(4096);
    plan.target().amx_bf16 = true;
    PlanStep step;
    step.kind = StepKind::fill;
    step.name = "half built";
    step.buffers = {buffer};
    step.sources = {plan.add_source(*block.graph.nodes().front())};
    step.params = {plan.expr(0), plan.expr(4), plan.expr(static_cast<std::int64_t>(constant))};
    plan.add_step(std::move(step));
    plan.add_product({});
    throw_error(code_, "it turned out to be too hard", "node x", "");
  }

 private:
  ErrorCode code_;
};

constexpr const char* kNet = R"(graph(%x: f32[s0,4]) where s0 in [1,8] {
  weight %w: f32[4] "w" = [1, 2, 3, 4]
  %a = aten.mul.Tensor(%x, %w)
  %t = aten.tanh.default(%a)
  %b = aten.relu.default(%t)
  %y = aten.add.Tensor(%b, %w)
  return %y
})";

BuildOptions options() {
  BuildOptions options;
  options.target = host_cpu();
  options.settings.min_block_size = 1;
  options.settings.num_threads = 1;
  options.opt_shape = {{"s0", 2}};
  return options;
}

TEST(Build, ABlockThatFailsGoesToTheFallbackWithoutTraces) {
  const Graph graph = parse_graph(kNet);
  const auto reference = reference::make_reference_engine();
  for (const ErrorCode code : {ErrorCode::unsupported, ErrorCode::unavailable, ErrorCode::io, ErrorCode::internal}) {
    const FailingEngine failing(code);
    const CompileEngine* engines[] = {&failing, reference.get()};
    const BuildResult built = build(graph, options(), engines);
    ASSERT_EQ(built.plan.plan.blocks.size(), 3U);
    for (const PlanBlock& block : built.plan.plan.blocks) EXPECT_EQ(block.engine, "reference");
    EXPECT_THAT(built.plan.plan.blocks[0].why, HasSubstr("too hard"));
    EXPECT_EQ(built.warnings.size(), 2U);
    EXPECT_THAT(built.warnings[0], HasSubstr("failing could not build it"));
    EXPECT_EQ(built.fallbacks.size(), 4U);  // tanh, which it does not take; and mul, relu, add
    for (const PlanStep& step : built.plan.plan.steps) EXPECT_NE(step.name, "half built");
    EXPECT_TRUE(built.plan.code.empty());
    EXPECT_TRUE(built.products.empty());
    EXPECT_FALSE(built.plan.plan.target.amx_bf16);

    LoadOptions load;
    load.num_threads = 1;
    Instance instance(Program::from_built(built.plan, load));
    Tensor x(DType::f32, {1, 4});
    for (int i = 0; i < 4; ++i) x.as<float>()[i] = 0;
    const auto outputs = instance.run(std::span(&x, 1));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(outputs[0].as<float>()[i], static_cast<float>(i + 1));
  }
}

TEST(Build, PassesThroughWhatFailedWhereTheSettingsSaySo) {
  const Graph graph = parse_graph(kNet);
  const auto reference = reference::make_reference_engine();
  const FailingEngine failing(ErrorCode::unavailable);
  const CompileEngine* engines[] = {&failing, reference.get()};
  BuildOptions pass = options();
  pass.settings.pass_through_build_failures = true;
  EXPECT_THROW(build(graph, pass, engines), Unavailable);
}

TEST(Build, FullCompilationMakesAFailureAnError) {
  const Graph graph = parse_graph(R"(graph(%x: f32[4]) {
    %y = aten.relu.default(%x)
    return %y
  })");
  const auto reference = reference::make_reference_engine();
  const FailingEngine failing(ErrorCode::unsupported);
  const CompileEngine* engines[] = {&failing, reference.get()};
  BuildOptions full = options();
  full.opt_shape.clear();
  full.settings.require_full_compilation = true;
  EXPECT_THROW(build(graph, full, engines), Unsupported);
}

TEST(Build, FullCompilationDisregardsTheSizeOfBlocks) {
  const Graph graph = parse_graph(R"(graph(%x: f32[4]) {
    %y = aten.relu.default(%x)
    return %y
  })");
  BuildOptions full = options();
  full.opt_shape.clear();
  full.settings.require_full_compilation = true;
  full.settings.min_block_size = 7;
  full.settings.optimization_level = 0;
  const BuildResult built = build(graph, full);
  EXPECT_THAT(built.warnings, testing::IsEmpty());  // ignored_settings() names it
  EXPECT_EQ(built.plan.plan.blocks.at(0).engine, "cpu");
}

}  // namespace
}  // namespace aitune

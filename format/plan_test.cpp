// Plans through the serialiser and the verifier, whole, edited and damaged.

#include "format/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "base/error.h"
#include "format/digest.h"
#include "format/plan_data.h"
#include "format/plan_eval.h"
#include "format/plan_header.h"
#include "format/plan_kernel.h"
#include "format/plan_samples.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

std::int64_t value_of(const Plan& plan, ExprId id, std::vector<std::int64_t> symbols) {
  std::vector<std::int64_t> values(plan.exprs.size());
  evaluate_exprs(plan.exprs, symbols, values);
  return values[id];
}

/// What read_plan says about a plan; empty if it is accepted.
std::string refusal(const BuiltPlan& built) {
  try {
    serialize_plan(built);
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(PlanExprs, EqualExpressionsAreOne) {
  Plan plan;
  plan.symbols = {{"s0", {}, 0, 0}};
  const auto s = SymInt::symbol("s0");
  const ExprId a = plan.add(s * SymInt(4) + SymInt(2));
  const std::size_t count = plan.exprs.size();
  EXPECT_EQ(plan.add(SymInt(2) + SymInt(4) * s), a);
  EXPECT_EQ(plan.constant(4), plan.add(SymInt(4)));
  EXPECT_EQ(plan.exprs.size(), count);
  plan.exprs.push_back({PlanExpr::Op::constant, 77, 0, 0});  // behind the back of the map
  EXPECT_EQ(plan.constant(77), plan.exprs.size() - 1);
}

TEST(PlanExprs, ValuesAgreeWithSymInt) {
  Plan plan;
  plan.symbols = {{"a", {}, 0, 0}, {"b", {}, 0, 1}};
  const auto a = SymInt::symbol("a"), b = SymInt::symbol("b");
  const std::vector<SymInt> cases = {SymInt(0),
                                     a * a * SymInt(3) - b,
                                     floordiv(a + SymInt(7), SymInt(4)) * b,
                                     mod(a - b, SymInt(5)),
                                     min(a, b) + max(a * b, SymInt(9)),
                                     floordiv(SymInt(0) - a, b)};
  for (const auto& c : cases) {
    const ExprId id = plan.add(c);
    for (const auto& [x, y] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {13, 4}, {4, 13}, {100, 3}}) {
      EXPECT_EQ(value_of(plan, id, {x, y}), c.evaluate({{"a", x}, {"b", y}})) << c.str() << " at " << x << ", " << y;
    }
  }
}

TEST(PlanExprs, UnknownSymbolOverflowAndZeroDivisorAreRefused) {
  Plan plan;
  EXPECT_THROW(plan.add(SymInt::symbol("nobody")), InternalError);
  EXPECT_THROW(evaluate_operation(PlanExpr::Op::mul, INT64_MAX, 2), Corrupt);
  EXPECT_THROW(evaluate_operation(PlanExpr::Op::add, INT64_MIN, -1), Corrupt);
  EXPECT_THROW(evaluate_operation(PlanExpr::Op::floordiv, INT64_MIN, -1), Corrupt);
  EXPECT_THROW(evaluate_operation(PlanExpr::Op::mod, 3, 0), Corrupt);
}

TEST(PlanFile, ComesBackAsItWas) {
  for (const auto& built : {samples::kernel_plan(), samples::reference_plan()}) {
    const auto bytes = serialize_plan(built);
    const auto loaded = read_plan(bytes, "test");
    BuiltPlan again{
        loaded.plan, {loaded.code.begin(), loaded.code.end()}, {loaded.constants.begin(), loaded.constants.end()}};
    EXPECT_EQ(serialize_plan(again), bytes);
    EXPECT_EQ(loaded.plan.steps[0].name, built.plan.steps[0].name);
    EXPECT_EQ(loaded.plan.buffers, built.plan.buffers);
    EXPECT_EQ(loaded.plan.sources[0].code, built.plan.sources[0].code);
    EXPECT_EQ(loaded.plan.symbols[0].range, built.plan.symbols[0].range);
    EXPECT_EQ(loaded.plan.guards.size(), built.plan.guards.size());
    EXPECT_EQ(again.code, built.code);
    EXPECT_EQ(again.constants, built.constants);
  }
}

TEST(PlanFile, OriginsAndValuesComeBack) {
  auto built = samples::kernel_plan();
  built.plan.origins = {{"m", "aten.mul.Tensor", "scale", "model.py:3", {}}, {"a", "aten.add.Tensor", "", "", {}}};
  built.plan.sources[0].origins = {0, 1};
  const ExprId four = built.plan.constant(4), one = built.plan.constant(1);
  built.plan.steps[0].values = {{"mul", built.plan.steps[0].buffers[1], DType::bf16, four, {four, one}, {one, four}}};
  const auto bytes = serialize_plan(built);
  const Plan plan = read_plan(bytes, "test").plan;
  ASSERT_EQ(plan.origins.size(), 2u);
  EXPECT_EQ(plan.origins[0].module, "scale");
  EXPECT_EQ(plan.sources[0].origins, (std::vector<std::uint32_t>{0, 1}));
  ASSERT_EQ(plan.steps[0].values.size(), 1u);
  const PlanValue& value = plan.steps[0].values[0];
  EXPECT_EQ(value.name, "mul");
  EXPECT_EQ(value.dtype, DType::bf16);
  EXPECT_EQ(value.offset, four);
  EXPECT_EQ(value.shape, (std::vector<ExprId>{four, one}));
  EXPECT_EQ(value.strides, (std::vector<ExprId>{one, four}));
}

TEST(PlanFile, SegmentsAreAligned) {
  const auto bytes = serialize_plan(samples::kernel_plan());
  const auto header = read_plan_header(bytes, "test");
  EXPECT_EQ(header.code.offset % 64, 0u);
  EXPECT_EQ(header.constants.offset % 64, 0u);
  EXPECT_EQ(plan_head_bytes(header), header.code.offset + header.code.size);
}

TEST(PlanFile, IsReadAtAnyAddress) {
  const auto bytes = serialize_plan(samples::kernel_plan());
  std::vector<std::byte> room(bytes.size() + 64);
  for (std::size_t shift = 0; shift < 64; ++shift) {
    std::memcpy(room.data() + shift, bytes.data(), bytes.size());
    EXPECT_EQ(read_plan(std::span(room).subspan(shift, bytes.size()), "test").plan.steps.size(), 2u);
  }
}

TEST(PlanFile, KernelsComeBack) {
  const auto built = samples::kernel_plan();
  const auto bytes = serialize_plan(built);
  const auto loaded = read_plan(bytes, "test");
  ASSERT_EQ(loaded.plan.kernels.size(), 2u);
  EXPECT_EQ(loaded.plan.kernels[1].entry, built.plan.steps[1].entry);
  EXPECT_EQ(loaded.plan.kernels[1].exprs, built.plan.kernels[1].exprs);
  EXPECT_EQ(loaded.plan.kernels[1].accesses, built.plan.kernels[1].accesses);
}

TEST(PlanKernels, AnEmptyBufferMayBeReadAtItsStartAndNotWritten) {
  Plan formulas;
  PlanKernel kernel;
  kernel.buffers = 1;
  kernel.tasks = formulas.constant(1);
  const auto call_touching = [&](std::int64_t bytes, bool written) {
    kernel.accesses = {{0, formulas.constant(0), formulas.constant(bytes), written}};
    kernel.exprs = formulas.exprs;
    const std::int64_t room = 0;
    check_call(kernel, {{}, 1, {&room, 1}}, "the call");
  };
  EXPECT_NO_THROW(call_touching(kEmptyBufferBytes, false));
  EXPECT_THROW(call_touching(kEmptyBufferBytes + 1, false), Corrupt);
  EXPECT_THROW(call_touching(4, true), Corrupt);
}

TEST(PlanFile, EveryBitFlipIsRefused) {
  const auto good = serialize_plan(samples::kernel_plan());
  const auto header = read_plan_header(good, "test");
  const auto is_padding = [&](std::size_t at) {  // nothing reads the bytes between sections
    return at >= sizeof(PlanHeader) &&
           !(at >= header.description.offset && at < header.description.offset + header.description.size) &&
           !(at >= header.code.offset && at < header.code.offset + header.code.size) &&
           !(at >= header.constants.offset && at < header.constants.offset + header.constants.size);
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (is_padding(i)) continue;
    auto bad = good;
    bad[i] ^= static_cast<std::byte>(1 << (i % 8));
    EXPECT_THROW(read_plan(bad, "test"), Error) << "byte " << i;
  }
}

TEST(PlanFile, EveryTruncationIsRefused) {
  const auto good = serialize_plan(samples::kernel_plan());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THROW(read_plan(std::span(good).first(size), "test"), Corrupt) << size;
  }
}

/// Recomputes the checksums, as somebody who means harm would.
void resign(std::vector<std::byte>& bytes) {
  PlanHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::span all(bytes);
  for (PlanSection* s : {&header.description, &header.code, &header.constants}) {
    s->hash = section_hash(all.subspan(s->offset, s->size));
  }
  const std::size_t hashed = sizeof header - sizeof header.header_hash;
  header.header_hash = xxh3_64(std::as_bytes(std::span(&header, 1)).first(hashed));
  std::memcpy(bytes.data(), &header, sizeof header);
}

TEST(PlanFile, DamagedDescriptionsWithGoodChecksumsNeverCrash) {
  for (const auto& good : {serialize_plan(samples::kernel_plan()), serialize_plan(samples::reference_plan()),
                           serialize_plan(samples::data_plan())}) {
    const auto header = read_plan_header(good, "test");
    for (std::size_t i = 0; i < header.description.size; ++i) {
      for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
        auto bad = good;
        bad[header.description.offset + i] = static_cast<std::byte>(value);
        resign(bad);
        try {
          read_plan(bad, "test");
        } catch (const Error& e) {
          EXPECT_NE(e.code(), ErrorCode::internal) << e.what();
        }
      }
    }
  }
}

TEST(PlanFile, NewerMajorVersionSaysSo) {
  auto bytes = serialize_plan(samples::kernel_plan());
  const std::uint16_t newer = kPlanMajor + 1;
  std::memcpy(bytes.data() + offsetof(PlanHeader, major), &newer, sizeof newer);
  try {
    read_plan(bytes, "m.ait:plan");
    FAIL() << "was accepted";
  } catch (const Incompatible& e) {
    EXPECT_THAT(e.what(), HasSubstr("format version 2.0"));
    EXPECT_THAT(e.what(), HasSubstr("m.ait:plan"));
  }
}

struct BadPlan {
  const char* message;
  std::function<void(BuiltPlan&)> spoil;
};

class PlanMeaning : public ::testing::TestWithParam<BadPlan> {};

TEST_P(PlanMeaning, IsRefused) {
  auto built = samples::kernel_plan();
  GetParam().spoil(built);
  EXPECT_THAT(refusal(built), HasSubstr(GetParam().message));
}

ExprId negative(BuiltPlan& b) { return b.plan.constant(-64); }

INSTANTIATE_TEST_SUITE_P(
    Plan, PlanMeaning,
    ::testing::Values(
        BadPlan{"the name of an input has control characters", [](auto& b) { b.plan.inputs[0].name = "x\n"; }},
        BadPlan{"unknown operation", [](auto& b) { b.plan.exprs[0].op = static_cast<PlanExpr::Op>(9); }},
        BadPlan{"uses a later one", [](auto& b) { b.plan.exprs.push_back({PlanExpr::Op::add, 0, 99, 0}); }},
        BadPlan{"is symbol 3 of 1", [](auto& b) { b.plan.exprs.push_back({PlanExpr::Op::symbol, 3, 0, 0}); }},
        BadPlan{"divides by zero",
                [](auto& b) {
                  const auto one = b.plan.constant(1), zero = b.plan.constant(0);
                  b.plan.exprs.push_back({PlanExpr::Op::mod, 0, one, zero});
                }},
        BadPlan{"has the range [5, 2]", [](auto& b) { b.plan.symbols[0].range = {5, 2}; }},
        BadPlan{"is not the size that it is taken from", [](auto& b) { b.plan.symbols[0].dim = 1; }},
        BadPlan{"input 7 does not exist", [](auto& b) { b.plan.symbols[0].input = 7; }},
        BadPlan{"a guard is expression 999", [](auto& b) { b.plan.guards.push_back({0, 999, true, ""}); }},
        BadPlan{"unknown dtype 99", [](auto& b) { b.plan.inputs[0].dtype = static_cast<DType>(99); }},
        BadPlan{"negative size", [](auto& b) { b.plan.outputs[0].shape[1] = negative(b); }},
        BadPlan{"unknown space", [](auto& b) { b.plan.buffers[0].space = static_cast<BufferSpace>(4); }},
        BadPlan{"input 1 does not exist", [](auto& b) { b.plan.buffers[0].index = 1; }},
        BadPlan{"negative offset", [](auto& b) { b.plan.buffers[1].offset = negative(b); }},
        BadPlan{"outside the constants", [](auto& b) { b.constants.resize(8); }},
        BadPlan{"not a multiple of 64",
                [](auto& b) {
                  b.constants.resize(64);
                  b.plan.buffers[2].offset = b.plan.constant(4);
                }},
        BadPlan{"outside the arena",
                [](auto& b) {
                  b.plan.arena_bytes = b.plan.constant(64);
                  b.plan.buffers[1].bytes = b.plan.constant(128);
                }},
        BadPlan{"view 2 needs 64 bytes of a buffer that has 16",
                [](auto& b) { b.plan.views[2].shape = {b.plan.constant(16)}; }},
        BadPlan{"enters the code at 4096", [](auto& b) { b.plan.steps[0].entry = 4096; }},
        BadPlan{"at 5, where no kernel begins", [](auto& b) { b.plan.steps[0].entry = 5; }},
        BadPlan{"where no kernel begins", [](auto& b) { b.plan.kernels.clear(); }},
        BadPlan{"does not lie behind", [](auto& b) { b.plan.kernels[1].entry = 0; }},
        BadPlan{"kernel 0 is at 9000 of the code", [](auto& b) { b.plan.kernels[0].entry = 9000; }},
        BadPlan{"kernel 0: buffer 2 does not exist", [](auto& b) { b.plan.kernels[0].accesses[0].buffer = 2; }},
        BadPlan{"kernel 0: expression 9 does not exist", [](auto& b) { b.plan.kernels[0].accesses[0].end = 9; }},
        BadPlan{"is symbol 1 of 1", [](auto& b) { b.plan.kernels[0].exprs[0].value = 1; }},
        BadPlan{"1 buffers and 1 parameters; it takes 2 and 1", [](auto& b) { b.plan.steps[0].buffers = {0}; }},
        BadPlan{"2 buffers and 0 parameters; it takes 2 and 1", [](auto& b) { b.plan.steps[0].params = {}; }},
        BadPlan{"writes into an input or a constant", [](auto& b) { b.plan.steps[0].buffers = {1, 0}; }},
        BadPlan{"gives its kernel 7 tasks; it divides its work into 8",
                [](auto& b) {
                  b.plan.steps[0].params = {b.plan.constant(8)};
                  b.plan.steps[0].tasks = b.plan.constant(7);
                  b.plan.buffers[0].bytes = b.plan.buffers[1].bytes = b.plan.constant(32);
                }},
        BadPlan{"gives its kernel buffer 1 with 28 bytes; it touches bytes 0 to 32",
                [](auto& b) {
                  b.plan.steps[0].params = {b.plan.constant(8)};
                  b.plan.steps[0].tasks = b.plan.constant(8);
                  b.plan.buffers[0].bytes = b.plan.constant(32);
                  b.plan.buffers[1].bytes = b.plan.constant(28);
                }},
        BadPlan{"block 9 does not exist", [](auto& b) { b.plan.steps[0].block = 9; }},
        BadPlan{"source 5 does not exist", [](auto& b) { b.plan.steps[0].sources = {5}; }},
        BadPlan{"node 3 does not exist", [](auto& b) { b.plan.sources[0].origins = {3}; }},
        BadPlan{"a node of the model comes from others",
                [](auto& b) {
                  b.plan.origins.resize(1);
                  b.plan.origins[0].origins = {0};
                }},
        BadPlan{"a value's buffer 77 does not exist",
                [](auto& b) { b.plan.steps[0].values.push_back({"v", 77, DType::f32, 0, {}, {}}); }},
        BadPlan{"a value has the unknown dtype 98",
                [](auto& b) { b.plan.steps[0].values.push_back({"v", 0, static_cast<DType>(98), 0, {}, {}}); }},
        BadPlan{"a value's offset is expression 5000",
                [](auto& b) { b.plan.steps[0].values.push_back({"v", 0, DType::f32, 5000, {}, {}}); }},
        BadPlan{"a value has 0 strides for 1 dimensions",
                [](auto& b) { b.plan.steps[0].values.push_back({"v", 0, DType::f32, 0, {0}, {}}); }},
        BadPlan{"buffer 50 does not exist", [](auto& b) { b.plan.steps[0].buffers = {50}; }},
        BadPlan{"parameter is expression", [](auto& b) { b.plan.steps[1].params = {1000}; }},
        BadPlan{"negative number of tasks", [](auto& b) { b.plan.steps[0].tasks = negative(b); }},
        BadPlan{"unknown kind 77", [](auto& b) { b.plan.steps[0].kind = static_cast<StepKind>(77); }},
        BadPlan{"a damaged payload", [](auto& b) { b.plan.steps[0].kind = StepKind::onednn; }},
        BadPlan{"fill with 2 buffers", [](auto& b) { b.plan.steps[0].kind = StepKind::fill; }},
        BadPlan{"no step writes output 'y'", [](auto& b) { b.plan.steps.pop_back(); }},
        BadPlan{"asks for 1000000 threads", [](auto& b) { b.plan.num_threads = 1000000; }}));

TEST(PlanMeaning, ReferenceStepsAreChecked) {
  const auto spoiled = [](const std::function<void(PlanStep&, Plan&)>& spoil) {
    auto built = samples::reference_plan();
    spoil(built.plan.steps[0], built.plan);
    return refusal(built);
  };
  EXPECT_THAT(spoiled([](auto& s, auto&) { s.op = "aten.no.such"; }), HasSubstr("does not know"));
  EXPECT_THAT(spoiled([](auto& s, auto&) { s.results.clear(); }), HasSubstr("has no result"));
  EXPECT_THAT(spoiled([](auto& s, auto&) { s.results = {0}; }), HasSubstr("writes into an input or a constant"));
  EXPECT_THAT(spoiled([](auto& s, auto&) { s.args[0].tensor = 33; }), HasSubstr("view 33 does not exist"));
  EXPECT_THAT(spoiled([](auto& s, auto&) { s.args[0].kind = static_cast<PlanArg::Kind>(8); }),
              HasSubstr("unknown kind"));
  EXPECT_THAT(spoiled([](auto& s, auto&) {
                PlanArg nested;
                nested.kind = PlanArg::Kind::list;
                for (int i = 0; i < 9; ++i) {
                  PlanArg outer;
                  outer.kind = PlanArg::Kind::list;
                  outer.list = {nested};
                  nested = outer;
                }
                s.args.push_back(nested);
              }),
              HasSubstr("nested deeper"));
  EXPECT_THAT(spoiled([](auto&, auto& p) { p.steps[1].params[1] = p.constant(12); }), HasSubstr("leaves its buffer"));
}

class DataPlanMeaning : public ::testing::TestWithParam<BadPlan> {};

TEST_P(DataPlanMeaning, IsRefused) {
  auto built = samples::data_plan();
  GetParam().spoil(built);
  EXPECT_THAT(refusal(built), HasSubstr(GetParam().message));
}

ExprId found(BuiltPlan& b) { return b.plan.add(SymInt::symbol("u0")); }

INSTANTIATE_TEST_SUITE_P(
    Plan, DataPlanMeaning,
    ::testing::Values(
        BadPlan{"the step of symbol u0: 3 does not exist", [](auto& b) { b.plan.symbols[1].step = 3; }},
        BadPlan{"comes from step 2, which is no operator", [](auto& b) { b.plan.symbols[1].step = 2; }},
        BadPlan{"the result of symbol u0: 1 does not exist", [](auto& b) { b.plan.symbols[1].result = 1; }},
        BadPlan{"dimension 2 does not exist", [](auto& b) { b.plan.symbols[1].dim = 2; }},
        BadPlan{"is not the size that it is taken from", [](auto& b) { b.plan.symbols[1].dim = 1; }},
        BadPlan{"the limit of a symbol is expression 999", [](auto& b) { b.plan.symbols[1].at_most = 999; }},
        BadPlan{"the limit of a symbol depends on a size that step 0 finds out only then",
                [](auto& b) { b.plan.symbols[1].at_most = found(b); }},
        BadPlan{"the arena's size depends on a size", [](auto& b) { b.plan.arena_bytes = found(b); }},
        BadPlan{"buffer 3 depends on a size", [](auto& b) { b.plan.buffers[3].bytes = found(b); }},
        BadPlan{"buffer 3 depends on a size", [](auto& b) { b.plan.buffers[3].offset = found(b); }},
        BadPlan{"output 'y' depends on a size", [](auto& b) { b.plan.outputs[0].largest = {}; }},
        BadPlan{"output 'y' depends on a size", [](auto& b) { b.plan.outputs[0].largest = {found(b)}; }},
        BadPlan{"output 'y' has two ranks",
                [](auto& b) { b.plan.outputs[0].largest.clear(), b.plan.outputs[0].largest = {0, 0}; }},
        BadPlan{"input 'x' has a shape that data decide",
                [](auto& b) { b.plan.inputs[0].largest = b.plan.inputs[0].shape; }},
        BadPlan{"step 0 (aten.index_select.default) depends on a size that step 1 finds out only then",
                [](auto& b) {
                  std::swap(b.plan.steps[0], b.plan.steps[1]);
                  b.plan.symbols[1].step = 1;
                }},
        BadPlan{"step 0 (twice) depends on a size that step 1 finds out only then", [](auto& b) {
                  std::rotate(b.plan.steps.begin(), b.plan.steps.begin() + 2, b.plan.steps.end());
                  b.plan.symbols[1].step = 1;
                }}));

TEST(PlanFile, SizesThatDataDecideComeBack) {
  const auto built = samples::data_plan();
  const auto bytes = serialize_plan(built);
  const Plan plan = read_plan(bytes, "test").plan;
  EXPECT_TRUE(plan.symbols[1].data);
  EXPECT_FALSE(plan.symbols[0].data);
  EXPECT_EQ(plan.symbols[1].at_most, built.plan.symbols[1].at_most);
  EXPECT_EQ(plan.outputs[1].largest, built.plan.outputs[1].largest);
  const auto known = known_after(plan);
  const auto definitions = plan_definitions(plan, known);
  ASSERT_EQ(definitions.size(), 1u);
  EXPECT_EQ(definitions[0].step, 0u);
  EXPECT_EQ(definitions[0].guards, std::vector<std::uint32_t>{0});
  EXPECT_EQ(step_needs(plan, plan.steps[0], known), 0u);
  EXPECT_EQ(step_needs(plan, plan.steps[2], known), 1u);
}

TEST(PlanMeaning, WhatARangeFindsOutIsItsOwn) {
  const auto spoiled = [](const std::function<void(Plan&)>& spoil) {
    auto built = samples::region_plan();
    spoil(built.plan);
    return refusal(built);
  };
  const auto found_size = [](Plan& p) { return p.add(SymInt::symbol("u0")); };
  EXPECT_EQ(spoiled([](Plan&) {}), "");
  EXPECT_THAT(spoiled([&](Plan& p) {
                p.views.push_back(p.views[p.steps[4].args[0].tensor]);
                p.views.back().shape = {found_size(p)};
                p.steps[4].args[0].tensor = static_cast<std::uint32_t>(p.views.size() - 1);
              }),
              HasSubstr("depends on a size that holds up to step 4 alone"));
  EXPECT_THAT(spoiled([&](Plan& p) {
                p.outputs[0].shape = {found_size(p)};
                p.outputs[0].largest = {p.constant(1)};
              }),
              HasSubstr("has a size that a step finds out within a range"));
  EXPECT_THAT(spoiled([](Plan& p) { p.guards[1].before = 6; }), HasSubstr("a guard is checked before step 6 of 5"));
  EXPECT_THAT(spoiled([](Plan& p) { p.guards[0].before = 2; }), HasSubstr("found out only later"));
  EXPECT_THAT(spoiled([](Plan& p) { p.guards[0].before = 5; }), HasSubstr("holds up to step 4 alone"));
  EXPECT_EQ(spoiled([](Plan& p) { p.guards[0].before = 3; }), "");
}

TEST(PlanFormat, GuardsOfRangesAreKept) {
  const auto bytes = serialize_plan(samples::region_plan());
  const Plan plan = read_plan(bytes, "test").plan;
  EXPECT_EQ(plan.guards[0].before, 0u);
  EXPECT_EQ(plan.guards[1].before, 2u);
  EXPECT_EQ(known_until(plan)[plan.symbols[1].at_most], plan.steps.size());
}

TEST(PlanMeaning, RangesOfStepsAreChecked) {
  constexpr std::size_t kLoop = 2, kBranch = 8;
  const auto spoiled = [](const std::function<void(Plan&)>& spoil) {
    auto built = samples::control_plan();
    spoil(built.plan);
    return refusal(built);
  };
  EXPECT_EQ(spoiled([](Plan&) {}), "");
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kLoop].ranges = {}; }), HasSubstr("has 0 ranges of steps"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kLoop].ranges = {1, 1, 1}; }), HasSubstr("has 3 ranges of steps"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[0].ranges = {1, 1}; }), HasSubstr("has 2 ranges of steps"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kBranch].ranges = {1, 2}; }),
              HasSubstr("has ranges of 1 and 2 steps where 2 follow"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kLoop].ranges = {0xffffffff, 2}; }), HasSubstr("where 8 follow"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kLoop].ranges = {2, 0xffffffff}; }), HasSubstr("where 8 follow"));
  // The branch would reach out of the loop's second range.
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kLoop].ranges = {1, 6}; }),
              HasSubstr("step 8 (if) has ranges of 1 and 1 steps where 1 follow"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kBranch].buffers = {}; }), HasSubstr("has no condition"));
  EXPECT_THAT(spoiled([](Plan& p) { p.buffers[p.steps[kBranch].buffers[0]].bytes = p.constant(0); }),
              HasSubstr("needs 1 bytes"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kBranch].params = {p.constant(1)}; }), HasSubstr("has 1 parameters"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[kLoop].params = {p.constant(-1)}; }), HasSubstr("negative limit of trips"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[1].params = {p.constant(17)}; }), HasSubstr("leaves its buffer"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[1].params = {p.constant(-1)}; }), HasSubstr("negative size"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[1].buffers.pop_back(); }), HasSubstr("a copy with 1 buffers"));
  EXPECT_THAT(spoiled([](Plan& p) { p.steps[1].buffers[1] = p.steps[1].buffers[0]; }),
              HasSubstr("writes into an input or a constant"));
  EXPECT_THAT(spoiled([](Plan& p) {
                PlanStep nested = p.steps[kBranch];
                p.steps.resize(kBranch);
                for (std::uint32_t i = 0; i < 200; ++i) {
                  nested.ranges = {200 - i, 0};
                  p.steps.push_back(nested);
                }
                p.steps.push_back(p.steps[1]);
                p.steps.back().buffers[1] = p.views[4].buffer;
              }),
              HasSubstr("lies in more than 32 ranges"));
}

TEST(PlanFormat, RangesOfStepsAreKept) {
  const auto bytes = serialize_plan(samples::control_plan());
  const Plan plan = read_plan(bytes, "test").plan;
  EXPECT_EQ(plan.steps[2].ranges, (std::vector<std::uint32_t>{1, 4}));
  EXPECT_TRUE(plan.steps[1].ranges.empty());
}

}  // namespace
}  // namespace aitune

// Special plans beside a general one: which runs, what they share, what is refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "format/plan_samples.h"
#include "runtime/instance_pool.h"
#include "runtime/plan_table.h"
#include "runtime/sample_archive.h"

namespace aitune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

LoadOptions on_one_thread() {
  LoadOptions options;
  options.num_threads = 1;
  return options;
}

/// The general plan with special ones for 4 and for 7 rows, which say so by another added row.
std::vector<BuiltPlan> plans() {
  std::vector<BuiltPlan> list = {samples::kernel_plan(), samples::fixed_kernel_plan(4), samples::fixed_kernel_plan(7)};
  auto* row = reinterpret_cast<float*>(list[2].constants.data());
  for (int i = 0; i < 4; ++i) row[i] = 70;
  share_constants(list[0], std::span(list).subspan(1));
  return list;
}

std::shared_ptr<const Program> open(const std::vector<BuiltPlan>& list, const LoadOptions& options = on_one_thread()) {
  const auto bytes = std::make_shared<std::vector<std::byte>>(samples::archive_of(list));
  return Program::from_bytes(*bytes, "m.ait", options, bytes);
}

Tensor rows_of(std::int64_t rows, float value) {
  Tensor x(DType::f32, {rows, 4});
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = value;
  return x;
}

float first_of(Instance& instance, std::int64_t rows, float value) {
  const Tensor x = rows_of(rows, value);
  return instance.run(std::span(&x, 1)).at(0).as<float>()[0];
}

std::string refusal(const std::function<void()>& work) {
  try {
    work();
    return "accepted";
  } catch (const Error& e) {
    EXPECT_NE(e.code(), ErrorCode::internal) << e.what();
    return e.what();
  }
}

TEST(SpecialPlans, RunForTheirSizesAndTheGeneralOneForAllOthers) {
  const auto program = open(plans());
  ASSERT_EQ(program->special_count(), 2u);
  Instance instance(program);
  for (int round = 0; round < 3; ++round)
    for (std::int64_t rows = 1; rows <= 16; ++rows) {
      EXPECT_EQ(first_of(instance, rows, 5), rows == 7 ? 80 : 11) << rows << " rows";
      const Tensor x = rows_of(rows, 0);
      const Program& used = instance.program_for(std::span(&x, 1));
      EXPECT_EQ(used.where(), rows == 4   ? "m.ait:data/aitune/plans/1.plan"
                              : rows == 7 ? "m.ait:data/aitune/plans/2.plan"
                                          : "m.ait:data/aitune/plans/0.plan");
    }
}

TEST(SpecialPlans, StoreEqualConstantsOnce) {
  const auto list = plans();
  EXPECT_EQ(list[0].constants.size(), 64u + 16u);  // the row that two plans add, and the one that the third adds
  EXPECT_TRUE(list[1].constants.empty());
  EXPECT_TRUE(list[2].constants.empty());
  const auto program = open(list);
  EXPECT_EQ(Program::special(program, 0)->constants().data(), program->constants().data());
  EXPECT_EQ(&Program::special(program, 0)->pool(), &program->pool());
}

TEST(SpecialPlans, AreProgramsThatKeepTheGeneralOneAlive) {
  auto special = Program::special(open(plans()), 1);
  Instance instance(special);
  EXPECT_EQ(first_of(instance, 7, 1), 72);
  EXPECT_THAT(refusal([&] { first_of(instance, 6, 1); }), HasSubstr("expected f32[7,4], got f32[6,4]"));
}

TEST(SpecialPlans, CanBeLeftOut) {
  LoadOptions options = on_one_thread();
  options.special_plans = false;
  const auto program = open(plans(), options);
  EXPECT_EQ(program->special_count(), 0u);
  Instance instance(program);
  EXPECT_EQ(first_of(instance, 7, 5), 11);
}

TEST(SpecialPlans, WrongInputsAreRefusedWithTheGeneralRange) {
  Instance instance(open(plans()));
  const auto run = [&](const Tensor& x) { return refusal([&] { instance.run(std::span(&x, 1)); }); };
  EXPECT_THAT(run(Tensor(DType::f32, {7, 5})), HasSubstr("s0 in [1,16]"));
  EXPECT_THAT(run(Tensor(DType::f64, {7, 4})), HasSubstr("s0 in [1,16]"));
  EXPECT_THAT(run(Tensor(DType::f32, {7})), HasSubstr("s0 in [1,16]"));
  EXPECT_THAT(run(Tensor(DType::f32, {17, 4})), AllOf(HasSubstr("out of range"), HasSubstr("s0 in [1,16]")));
  EXPECT_THAT(refusal([&] { instance.run(std::span<const Tensor>()); }), HasSubstr("takes 1 inputs"));
}

TEST(SpecialPlans, ThatDoNotBelongToTheGeneralOneAreRefused) {
  const auto spoilt = [](const std::function<void(std::vector<BuiltPlan>&)>& spoil) {
    auto list = plans();
    spoil(list);
    return refusal([&] { open(list); });
  };
  EXPECT_THAT(spoilt([](auto& list) { list[1].plan.inputs[0].name = "z"; }), HasSubstr("other inputs or outputs"));
  EXPECT_THAT(spoilt([](auto& list) { list[1].plan.outputs[0].name = "z"; }), HasSubstr("other inputs or outputs"));
  EXPECT_THAT(spoilt([](auto& list) {
                list[1] = samples::fixed_kernel_plan(17);
                list[1].plan.shared_constants = list[0].constants.size();
                list[1].constants.clear();
              }),
              HasSubstr("the general one for 1 to 16"));
  EXPECT_THAT(spoilt([](auto& list) { list[1].plan.shared_constants += 64; }), HasSubstr("takes its constants from"));
  EXPECT_THAT(spoilt([](auto& list) { list = {list[0], list[0]}; }), HasSubstr("accepted"));  // two general ones
  const auto alone = serialize_plan(plans()[1]);
  EXPECT_THAT(refusal([&] { Program::from_plan(alone, "p", on_one_thread()); }), HasSubstr("stands alone"));
}

TEST(SpecialPlans, ServeManyThreadsWithOtherShapesAtOnce) {
  InstancePool pool(open(plans()));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 200; ++round) {
        const std::int64_t rows = (caller + round) % 16 + 1;
        const InstancePool::Lease lease(pool);
        if (first_of(lease->instance, rows, 3) != (rows == 7 ? 76 : 7)) ++wrong;
      }
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(PlanTable, LooksAtNothingThatIsNotThere) {
  const Plan general = samples::kernel_plan().plan;
  PlanTable table(general);
  EXPECT_EQ(table.find({}), std::nullopt);
  table.add(general, samples::fixed_kernel_plan(3).plan, "here");
  EXPECT_EQ(table.rows(), 1u);
  EXPECT_EQ(table.find({}), std::nullopt);
  const Tensor scalar(DType::f32, {}), good(DType::f32, {3, 4}), other(DType::f32, {2, 4});
  EXPECT_EQ(table.find(refer_to(std::span(&scalar, 1))), std::nullopt);
  EXPECT_EQ(table.find(refer_to(std::span(&other, 1))), std::nullopt);
  EXPECT_EQ(table.find(refer_to(std::span(&good, 1))), 0u);
  EXPECT_THROW(PlanTable().add(general, samples::fixed_kernel_plan(3).plan, "here"), Corrupt);
}

}  // namespace
}  // namespace aitune

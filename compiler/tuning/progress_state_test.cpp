#include "compiler/tuning/progress_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aitune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProgressState, SaysNothingOfWhatIsNotKnown) {
  ProgressState state;
  state.stage("import");
  EXPECT_EQ(state.current_stage(), "import");
  EXPECT_EQ(state.text(), "");
}

TEST(ProgressState, KeepsTheBestAndForgetsTheBlock) {
  ProgressState state;
  state.stage("fp32");
  state.block("block 2", 1, 5);
  state.measured("fp32", 4);
  state.measured("bf16", 2.5);
  state.measured("mixed", 3);
  EXPECT_THAT(state.text(), AllOf(HasSubstr(" block 2 of 5"), HasSubstr("best so far bf16, 2.5 ms")));
  state.stage("bf16");
  EXPECT_THAT(state.text(), AllOf(Not(HasSubstr("block")), HasSubstr("best so far bf16")));
}

TEST(ProgressState, TimeLeftIsWithinTheBudget) {
  ProgressState state(1e6);
  state.stage("fp32");
  state.block("block", 0, 1);
  for (std::size_t i = 0; i <= 50; ++i) state.step(i, 100);
  EXPECT_THAT(state.text(), HasSubstr("s left"));
}

}  // namespace
}  // namespace aitune

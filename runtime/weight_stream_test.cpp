// Weights that stay in the file: how much of them is in memory, and that the answers are the same.

#include "runtime/weight_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "base/error.h"
#include "format/plan_samples.h"
#include "format/source.h"
#include "format/test_folder.h"
#include "runtime/instance.h"
#include "runtime/sample_archive.h"

namespace aitune {
namespace {

using testing::HasSubstr;

constexpr std::size_t kSteps = 6, kStepBytes = std::size_t{8} << 20;
constexpr std::size_t kWords = kStepBytes / sizeof(std::int32_t);

/// Six outputs of 8 MiB, each the copy of a constant: word w of constant i is i * 1000003 + w.
BuiltPlan copying_plan() {
  BuiltPlan built;
  Plan& plan = built.plan;
  plan.precision = "fp32";
  plan.num_threads = 1;
  plan.blocks.push_back({"reference", "", {}});
  const ExprId bytes = plan.constant(kStepBytes), words = plan.constant(kWords);
  for (std::uint32_t i = 0; i < kSteps; ++i) {
    plan.buffers.push_back({BufferSpace::constant, 0, plan.constant(static_cast<std::int64_t>(i * kStepBytes)), bytes});
    plan.buffers.push_back({BufferSpace::output, i, plan.constant(0), bytes});
    plan.outputs.push_back({fmt::format("y{}", i), DType::i32, {words}});
    PlanStep step;
    step.kind = StepKind::copy;
    step.name = "copy";
    step.buffers = {2 * i, 2 * i + 1};
    step.params = {bytes};
    plan.steps.push_back(std::move(step));
  }
  plan.arena_bytes = plan.constant(0);
  built.constants.resize(kSteps * kStepBytes);
  auto* const data = reinterpret_cast<std::int32_t*>(built.constants.data());
  for (std::size_t i = 0; i < kSteps * kWords; ++i)
    data[i] = static_cast<std::int32_t>(i / kWords * 1000003 + i % kWords);
  return built;
}

/// Bytes of the mapping around `address` that are in this process's memory.
std::size_t resident(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    std::size_t kilobytes = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
      inside = begin <= wanted && wanted < end;
    else if (inside && std::sscanf(line.c_str(), "Rss: %zu kB", &kilobytes) == 1)
      return kilobytes * 1024;
  }
  return 0;
}

struct File {
  TestFolder folder;
  std::filesystem::path path = folder / "m.ait";
  explicit File(std::string config = "{}") {
    write_file(path, samples::archive_of({copying_plan()}, [&](Manifest& m) { m.config = std::move(config); }));
  }
};

LoadOptions with_budget(std::uint64_t budget) {
  LoadOptions options;
  options.num_threads = 1;
  options.weight_budget = budget;
  return options;
}

/// Runs all steps, checks the outputs, and gives the most of the file that was in memory behind a step.
std::size_t most_resident(const std::shared_ptr<const Program>& program) {
  Instance instance(program);
  std::size_t most = 0;
  const StepObserver look = [&](std::size_t, std::chrono::nanoseconds) {
    most = std::max(most, resident(program->constants().data()));
  };
  const auto outputs = instance.run(std::span<const Tensor>(), &look);
  for (std::size_t i = 0; i < kSteps; ++i)
    for (const std::size_t word : {std::size_t{0}, kWords / 2, kWords - 1})
      EXPECT_EQ(outputs[i].as<std::int32_t>()[word], static_cast<std::int32_t>(i * 1000003 + word));
  return most;
}

/// What else of the file is in memory: its plan and manifest, and the rest of huge pages on both sides of a piece.
constexpr std::size_t kSlack = std::size_t{9} << 19;

TEST(WeightStream, KeepsToItsBudget) {
  const File file;
  const auto all = Program::open(file.path, with_budget(0));
  EXPECT_EQ(all->weight_stream(), nullptr);
  EXPECT_GE(most_resident(all), kSteps * kStepBytes);
  const auto program = Program::open(file.path, with_budget(3 * kStepBytes));
  EXPECT_LE(resident(program->constants().data()), kSlack) << "checksums were compared, and the pages given back";
  const std::size_t most = most_resident(program);
  EXPECT_LE(most, 3 * kStepBytes + kSlack);
  EXPECT_GE(most, kStepBytes);
}

TEST(WeightStream, ABudgetBelowAStepKeepsThatStepAlone) {
  const File file;
  EXPECT_LE(most_resident(Program::open(file.path, with_budget(1))), kStepBytes + kSlack);
}

TEST(WeightStream, TheFileMayAskForIt) {
  const File file(R"({"compile_config": {"enable_weight_streaming": true}})");
  const auto program = Program::open(file.path, with_budget(0));
  ASSERT_NE(program->weight_stream(), nullptr);
  EXPECT_EQ(program->weight_stream()->budget(), 2 * kStepBytes) << "what two steps in a row read";
  EXPECT_LE(most_resident(program), 2 * kStepBytes + kSlack);
}

TEST(WeightStream, MemoryThatIsNoFileIsNeverGivenBack) {
  const auto bytes = samples::archive_of({copying_plan()});
  try {
    Program::from_bytes(bytes, "m.ait", with_budget(kStepBytes));
    FAIL();
  } catch (const Unsupported& error) {
    EXPECT_THAT(error.what(), HasSubstr("the weights cannot stay in the file"));
  }
  const auto asked = samples::archive_of(
      {copying_plan()}, [](Manifest& m) { m.config = R"({"compile_config": {"enable_weight_streaming": true}})"; });
  const auto program = Program::from_bytes(asked, "m.ait", with_budget(0));
  EXPECT_EQ(program->weight_stream(), nullptr);
  most_resident(program);
}

TEST(WeightStream, ManyThreadsShareIt) {
  const File file;
  const auto program = Program::open(file.path, with_budget(2 * kStepBytes));
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { most_resident(program); });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace aitune

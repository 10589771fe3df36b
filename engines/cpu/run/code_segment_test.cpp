#include "engines/cpu/run/code_segment.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "engines/cpu/run/kernel_step.h"

namespace aitune::cpu {
namespace {

constexpr std::uint8_t kCount[] = {  // add qword ptr [buffers[0]], end - begin, atomically
    0x48, 0x8b, 0x07,                // mov rax, [rdi]
    0x48, 0x8b, 0x00,                // mov rax, [rax]
    0x48, 0x29, 0xf2,                // sub rdx, rsi
    0xf0, 0x48, 0x01, 0x10,          // lock add [rax], rdx
    0xc3};

TEST(CodeSegment, RunsAndIsNotWritable) {
  const CodeSegment code(std::as_bytes(std::span(kCount)));
  std::int64_t count = 0;
  void* buffers[] = {&count};
  KernelCall call{code.entry(0), {buffers, nullptr}, 1000, false};
  ThreadPool pool(3);
  run_kernel(call, pool);
  EXPECT_EQ(count, 1000);
  call.serial = true;
  run_kernel(call, pool);
  EXPECT_EQ(count, 2000);
  call.tasks = 0;
  run_kernel(call, pool);
  EXPECT_EQ(count, 2000);

  char address[32];
  std::snprintf(address, sizeof address, "%lx-", reinterpret_cast<unsigned long>(code.entry(0)));
  std::ifstream maps("/proc/self/maps");
  std::string line, permissions;
  while (std::getline(maps, line)) {
    if (line.starts_with(address)) permissions = line.substr(line.find(' ') + 1, 4);
  }
  EXPECT_EQ(permissions, "r-xp");
}

TEST(CodeSegment, MovesAndChecksEntries) {
  CodeSegment code(std::as_bytes(std::span(kCount)));
  CodeSegment other = std::move(code);
  EXPECT_EQ(code.size(), 0u);  // NOLINT(bugprone-use-after-move): moving leaves it empty
  EXPECT_EQ(other.size(), sizeof kCount);
  EXPECT_THROW(other.entry(sizeof kCount), InternalError);
  EXPECT_THROW(CodeSegment().entry(0), InternalError);
}

}  // namespace
}  // namespace aitune::cpu

// A program of its own: it counts every allocation of the process.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "format/plan_samples.h"
#include "runtime/instance.h"

namespace {
std::atomic<long> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size, 16); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace aitune {
namespace {

TEST(Allocations, NoneInTheSteadyState) {
  LoadOptions options;
  options.num_threads = 2;
  Instance instance(Program::from_built(samples::kernel_plan(), options));
  std::vector<Tensor> memory;
  for (const std::int64_t rows : {3, 16}) {
    memory.emplace_back(DType::f32, Shape{rows, 4});  // contiguous input
    memory.emplace_back(DType::f32, Shape{rows, 4});  // output
    const Tensor& wide = memory.emplace_back(DType::f32, Shape{rows, 8});
    memory.emplace_back(DType::f32, Shape{rows, 4}, Shape{8, 1}, wide.owner(), wide.data());  // strided input
  }
  const auto run_all = [&] {
    for (const std::size_t i : {0u, 4u}) {
      const TensorRef contiguous(memory[i]), output(memory[i + 1]), strided(memory[i + 3]);
      instance.run({&contiguous, 1}, {&output, 1});
      instance.run({&strided, 1}, {&output, 1});
    }
  };
  run_all();
  const long before = allocations;
  for (int i = 0; i < 100; ++i) run_all();
  EXPECT_EQ(allocations - before, 0);
  EXPECT_GT(before, 0) << "the counter counts nothing";
}

}  // namespace
}  // namespace aitune

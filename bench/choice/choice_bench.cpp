// What choosing a plan for a call's shapes costs: the lookup among special plans by itself, and the whole way of a call
// from shapes to prepared steps, for shapes that alternate.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "format/plan_samples.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace {

using namespace aitune;
using Clock = std::chrono::steady_clock;

/// Median over rounds of the nanoseconds of one call of `work`.
template <typename Work>
double nanoseconds(const Work& work) {
  constexpr int kRounds = 51, kCalls = 20000;
  std::array<double, kRounds> rounds{};
  for (double& round : rounds) {
    const auto start = Clock::now();
    for (int i = 0; i < kCalls; ++i) work(i);
    round = std::chrono::duration<double, std::nano>(Clock::now() - start).count() / kCalls;
  }
  std::ranges::nth_element(rounds, rounds.begin() + kRounds / 2);
  return rounds[kRounds / 2];
}

/// Keeps the compiler from leaving out what nobody reads.
template <typename T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

void measure(int specials) {
  constexpr std::int64_t kRows = 16;  // that the sample plan takes
  BuiltPlan general = samples::kernel_plan();
  std::vector<BuiltPlan> plans;
  for (int i = 0; i < specials; ++i) plans.push_back(samples::fixed_kernel_plan(i % kRows + 1));
  share_constants(general, plans);
  LoadOptions options;
  options.num_threads = 1;
  const auto program = Program::from_built(general, options, plans);

  std::vector<Tensor> tensors;
  for (std::int64_t rows = 1; rows <= kRows; ++rows) tensors.emplace_back(DType::f32, Shape{rows, 4});
  std::vector<std::vector<TensorRef>> calls;
  for (const Tensor& tensor : tensors) calls.push_back(refer_to(std::span(&tensor, 1)));
  const auto call = [&](int i) -> std::span<const TensorRef> {
    return calls[static_cast<std::size_t>(i) % calls.size()];
  };

  Instance instance(program);
  const double choice = nanoseconds([&](int i) { keep(program->choose(call(i))); });
  const double same = nanoseconds([&](int) { keep(instance.output_shapes(call(0))); });
  const double other = nanoseconds([&](int i) { keep(instance.output_shapes(call(i))); });
  fmt::print(
      "{:2} special plans: lookup {:6.1f} ns; known shapes to prepared steps, always the same {:6.1f} ns, {} in turn "
      "{:6.1f} ns\n",
      specials, choice, same, kRows, other);
}

}  // namespace

int main() {
  for (const int specials : {0, 1, 4, 16, 64}) measure(specials);
}

#include "engines/cpu/compile/search_time.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "engines/cpu/compile/time_runs.h"

namespace aitune::cpu {
namespace {

/// A machine that never was, and what products take on it.
class Machine {
 public:
  explicit Machine(unsigned seed) : random_(seed), making_(uniform(0.006, 0.05)), speed_(std::exp(uniform(23, 28))) {}

  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }
  double best(const SearchTime::Work& work) const { return work.operations / speed_; }
  /// Code of another length for each product, and candidates that are slower than the best by as much as they like.
  double seconds(const SearchTime::Work& work) {
    const double making = making_ * (1 + work.functions) * std::exp(uniform(-0.4, 0.4));
    return static_cast<double>(work.candidates) *
           (making + work.packed * 1.5e-9 + seconds_of_time_runs(best(work) * uniform(1.2, 2.5), 1));
  }
  double making() const { return making_; }

 private:
  std::mt19937 random_;
  double making_, speed_;
};

TEST(SearchTime, IsWithinAFactorOfTwo) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::size_t looks = 0, off = 0;
  for (unsigned i = 0; i < 200; ++i) {
    Machine machine(seed + i);
    const auto count = static_cast<std::size_t>(machine.uniform(4, 50));
    std::map<std::string, SearchTime::Work> products;
    std::vector<double> seconds;
    for (std::size_t p = 0; p < count; ++p) {
      const SearchTime::Work work{static_cast<std::size_t>(machine.uniform(2, 65)),
                                  std::exp(machine.uniform(14, 20.5))};
      products.emplace(fmt::format("{:03}", p), work);
      seconds.push_back(machine.seconds(work));
    }
    double left = static_cast<double>(count) * machine.making();
    for (const double s : seconds) left += s;
    SearchTime time(products, {count, 0}, 1);
    std::size_t p = 0;
    for (const auto& [name, work] : products) {
      EXPECT_EQ(time.left().has_value(), p >= 2);
      if (const auto estimate = time.left()) {
        ++looks;
        off += *estimate < left / 2 || *estimate > left * 2 ? 1 : 0;
      }
      time.done(name, seconds[p], work.candidates, machine.best(work));
      left -= seconds[p++];
    }
  }
  EXPECT_GT(looks, 2000U);
  EXPECT_LE(off, looks / 100);
}

TEST(SearchTime, KnownProductsTakeNoTime) {
  const SearchTime::Work work{10, 1e8, 1, 1e6};
  SearchTime time({{"a", work}, {"b", work}, {"c", {}}, {"d", work}}, {}, 1);
  time.done("a", 2, 10, 1e-3);
  time.done("c", 0.1, 0, 0);
  EXPECT_FALSE(time.left());
  time.done("b", 2, 10, 1e-3);
  ASSERT_TRUE(time.left());
  EXPECT_DOUBLE_EQ(*time.left(), 2);
  time.done("d", 0, 0, 0);  // found after all
  EXPECT_DOUBLE_EQ(*time.left(), 0);
}

TEST(SearchTime, TimesOfCandidatesAreThoseOfTimeRuns) {
  EXPECT_DOUBLE_EQ(seconds_of_time_runs(0, 1), 0);
  EXPECT_DOUBLE_EQ(seconds_of_time_runs(1e-6, 1), 41e-6);
  EXPECT_DOUBLE_EQ(seconds_of_time_runs(1e-3, 1), 5e-3);
  EXPECT_DOUBLE_EQ(seconds_of_time_runs(1, 1), 5);
  EXPECT_DOUBLE_EQ(seconds_of_time_runs(1, 3), 13);
}

}  // namespace
}  // namespace aitune::cpu

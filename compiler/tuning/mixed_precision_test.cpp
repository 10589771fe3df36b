#include "compiler/tuning/mixed_precision.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace aitune {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ProductFacts product(std::string node, double error, double gain) { return {std::move(node), gain, error, gain}; }

std::vector<ProductFacts> random_products(std::size_t count, std::mt19937& random) {
  std::lognormal_distribution<double> error(-5, 1), gain(2, 1);
  std::vector<ProductFacts> products;
  for (std::size_t i = 0; i < count; ++i)
    products.push_back(product("p" + std::to_string(i), error(random), gain(random)));
  return products;
}

struct Sums {
  double error, gain;
};
Sums sums(const std::vector<ProductFacts>& products, const std::vector<bool>& chosen) {
  Sums s{0, 0};
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (!chosen[i]) continue;
    s.error += products[i].error * products[i].error;
    s.gain += products[i].gain;
  }
  s.error = std::sqrt(s.error);
  return s;
}

TEST(ChooseBf16, SavesAsMuchAsAnySetWithinTheBudget) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    const auto products = random_products(10, random);
    const double budget = 0.01 * (1 + round % 4);
    const Sums found = sums(products, choose_bf16(products, budget));
    EXPECT_LE(found.error, budget);
    for (unsigned set = 0; set < 1U << products.size(); ++set) {
      std::vector<bool> chosen;
      for (std::size_t i = 0; i < products.size(); ++i) chosen.push_back((set >> i & 1U) != 0);
      const Sums other = sums(products, chosen);
      // Rounding errors up to parts of the budget costs less than this.
      if (other.error <= 0.999 * budget) {
        EXPECT_GE(found.gain, other.gain * (1 - 1e-9));
      }
    }
  }
}

TEST(ChooseBf16, LeavesOutWhatIsSlowerOrNotFinite) {
  const std::vector<ProductFacts> products = {product("slow", 0, -1),
                                              product("even", 1e-6, 0),
                                              product("overflows", kInfinity, 100),
                                              product("nan", std::nan(""), 100),
                                              product("good", 1e-3, 5),
                                              product("exact", 0, 1)};
  EXPECT_EQ(choose_bf16(products, 1e-2), (std::vector<bool>{false, false, false, false, true, true}));
  EXPECT_EQ(choose_bf16(products, 0), std::vector<bool>(6, false));
  EXPECT_TRUE(choose_bf16({}, 1e-2).empty());
}

/// Tries what the search proposes in a world where errors are `factor` times as large as they should be together.
double best_gain(const std::vector<ProductFacts>& products, double bound, double factor, int& tries) {
  MixedSearch search(products, bound, 0);
  double best = 0;
  for (tries = 0; const auto kept = search.next(); ++tries) {
    std::vector<bool> chosen;
    for (const auto& p : products) chosen.push_back(!kept->contains(p.node));
    const Sums s = sums(products, chosen);
    search.report(factor * s.error);
    if (factor * s.error <= MixedSearch::kMost * bound) best = std::max(best, s.gain);
  }
  return best;
}

TEST(MixedSearch, StopsAtTheFirstChoiceThatIsAsFarOffAsExpected) {
  std::mt19937 random(3);
  int tries = 0;
  EXPECT_GT(best_gain(random_products(60, random), 2e-2, 1, tries), 0);
  EXPECT_EQ(tries, 1);
}

TEST(MixedSearch, CorrectsABudgetThatProvesTooLargeOrTooSmall) {
  std::mt19937 random(4);
  const auto products = random_products(60, random);
  for (const double factor : {0.4, 0.7, 1.2, 2.0, 5.0}) {
    int tries = 0;
    const double gain = best_gain(products, 2e-2, factor, tries);
    const Sums ideal = sums(products, choose_bf16(products, 2e-2 / factor));
    EXPECT_GT(gain, 0.6 * ideal.gain) << factor;
    EXPECT_LE(tries, MixedSearch::kTries);
  }
}

TEST(MixedSearch, GivesUpWhereNothingIsGained) {
  MixedSearch none({product("a", 1e-3, -1), product("b", kInfinity, 9)}, 2e-2, 0);
  EXPECT_FALSE(none.next());
  MixedSearch little({product("a", 1e-3, 1)}, 2e-2, 2);
  EXPECT_FALSE(little.next());
}

TEST(MixedSearch, EndsWhereOutputsStayNotFinite) {
  std::mt19937 random(5);
  MixedSearch search(random_products(30, random), 2e-2, 0);
  int tries = 0;
  for (; search.next(); ++tries) search.report(kInfinity);
  EXPECT_GT(tries, 1);
  EXPECT_LE(tries, MixedSearch::kTries);
}

TEST(MixedSearch, NamesWhatItKeeps) {
  MixedSearch search({product("costly", 1.5e-2, 3), product("cheap", 1e-3, 1), product("slow", 0, -1)}, 1.7e-2, 0);
  const auto kept = search.next();
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, (NodeNames{"costly", "slow"}));
}

}  // namespace
}  // namespace aitune

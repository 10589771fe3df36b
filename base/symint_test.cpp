#include "base/symint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "base/error.h"

namespace aitune {
namespace {

using testing::HasSubstr;

const SymInt a = SymInt::symbol("a"), b = SymInt::symbol("b"), c = SymInt::symbol("c");

TEST(SymInt, ConstantsFold) {
  EXPECT_TRUE(SymInt().is(0));
  EXPECT_TRUE((SymInt(2) + 3).is(5));
  EXPECT_TRUE((SymInt(2) * 3 - 7).is(-1));
  EXPECT_TRUE(floordiv(-7, 2).is(-4));
  EXPECT_TRUE(mod(-7, 2).is(1));
  EXPECT_TRUE(mod(7, -2).is(-1));
  EXPECT_TRUE(max(3, -3).is(3));
  EXPECT_TRUE((a - a).is(0));
  EXPECT_FALSE(a.as_constant());
  EXPECT_THROW(a.constant(), InternalError);
}

TEST(SymInt, PrintsCanonically) {
  EXPECT_EQ((a + 1).str(), "a + 1");
  EXPECT_EQ((SymInt(1) + a).str(), "a + 1");
  EXPECT_EQ((b * a * 2 - a * a * 3 - 4).str(), "-3*a**2 + 2*a*b - 4");
  EXPECT_EQ(((a + b) * (a - b)).str(), "a**2 - b**2");
  EXPECT_EQ(floordiv(a + 1, 2).str(), "((a + 1)//2)");
  EXPECT_EQ(floordiv(a, b).str(), "(a//b)");
  EXPECT_EQ(mod(a, 3).str(), "Mod(a, 3)");
  EXPECT_EQ(max(a, 1).str(), max(1, a).str());
  EXPECT_EQ(SymInt::symbol("s10") + SymInt::symbol("s2"), SymInt::parse("s2 + s10"));
  EXPECT_EQ(to_string(SymShape{a, 3, a * 2}), "[a,3,2*a]");
}

struct Simplification {
  SymInt found, expected;
};

TEST(SymInt, Simplifies) {
  const std::vector<Simplification> cases = {
      {floordiv(a * 6, 3), a * 2},
      {floordiv(a * 4 + 2, 2), a * 2 + 1},
      {floordiv(a * 4 + 3, 2), a * 2 + 1},
      {floordiv(a + 3, 2), floordiv(a + 1, 2) + 1},
      {floordiv(a - 1, 2) + 1, floordiv(a + 1, 2)},
      {floordiv(floordiv(a, 2), 3), floordiv(a, 6)},
      {floordiv(floordiv(a + 1, 2) + 1, 2), floordiv(a + 3, 4)},
      {floordiv(a * b, b), a},
      {floordiv(a * b + a, b + 1), a},
      {floordiv(a * a - b * b, a + b), a - b},
      {floordiv(a * 2, b * 2), floordiv(a, b)},
      {floordiv(a * c, b * c), floordiv(a, b)},
      {floordiv(a * b + 5, b), a + floordiv(5, b)},
      {floordiv(a, -1), SymInt(0) - a},
      {floordiv(SymInt(0) - a, 2), SymInt(0) - floordiv(a + 1, 2)},
      {mod(a * 4, 2), 0},
      {mod(a * 5 + 7, 2), mod(a + 1, 2)},
      {mod(a * 2, 4), mod(a, 2) * 2},
      {mod(mod(a, 6), 3), mod(a, 3)},
      {mod(a * b, b), 0},
      {max(a, a + 1), a + 1},
      {min(a, a + 1), a},
      {max(max(a, 1), max(2, b)), max(max(b, 2), a)},
      {min(a, a), a},
      {product({a, 2, b, 3}), a * b * 6},
  };
  for (const auto& [found, expected] : cases) EXPECT_EQ(found, expected) << found.str() << " != " << expected.str();
}

TEST(SymInt, DivideExactIsExact) {
  EXPECT_EQ(divide_exact(a * b * 6, a * 3), b * 2);
  EXPECT_EQ(divide_exact((a + 1) * (b + 2), b + 2), a + 1);
  EXPECT_EQ(divide_exact(a * 3, 2), std::nullopt);
  EXPECT_EQ(divide_exact(a, b), std::nullopt);
  EXPECT_EQ(divide_exact(a, 0), std::nullopt);
  EXPECT_EQ(divide_exact(0, a), SymInt(0));
}

TEST(SymInt, ContentIsTheCommonDivisor) {
  EXPECT_EQ(content(a * 6 + b * 9), (std::pair<std::int64_t, SymInt>(3, a * 2 + b * 3)));
  EXPECT_EQ(content(SymInt(0)).first, 0);
  EXPECT_EQ(content(a * -4 + 2), (std::pair<std::int64_t, SymInt>(2, a * -2 + 1)));
}

TEST(SymInt, ContiguousStrides) {
  EXPECT_EQ(contiguous_strides(SymShape{a, 3, b}), (SymShape{b * 3, b, 1}));
  EXPECT_EQ(contiguous_strides(SymShape{}), SymShape{});
}

TEST(SymInt, SubstituteAndSymbols) {
  const SymInt e = floordiv(a + b, 2) * b;
  EXPECT_TRUE(e.substitute({{"a", 5}, {"b", 3}}).is(12));
  EXPECT_EQ(e.substitute({{"a", b}}), b * b);
  std::vector<std::string> names;
  e.collect_symbols(names);
  EXPECT_THAT(names, testing::UnorderedElementsAre("a", "b"));
}

TEST(SymInt, ParsesTextOfTorchExport) {
  const SymInt s0 = SymInt::symbol("s0"), s77 = SymInt::symbol("s77");
  const std::vector<std::pair<std::string, SymInt>> cases = {
      {"s77", s77},
      {"17", 17},
      {"-3", -3},
      {"2*s0", s0 * 2},
      {"-1*s0", s0 * -1},
      {"s0 + 1", s0 + 1},
      {"((s0 + 1)//2)", floordiv(s0 + 1, 2)},
      {"FloorDiv(s0, 2)", floordiv(s0, 2)},
      {"Mod(s0, 3)", mod(s0, 3)},
      {"PythonMod(s0, 3)", mod(s0, 3)},
      {"s0 % 3", mod(s0, 3)},
      {"Max(1, s0)", max(1, s0)},
      {"Min(4, s0, s77)", min(min(4, s0), s77)},
      {"s0**2", s0 * s0},
      {"s0**2*s77", s0 * s0 * s77},
      {"-s0**2", s0 * s0 * -1},
      {"floor(s0/2 - 1/2)", floordiv(s0 - 1, 2)},
      {"ceiling(s0/2)", floordiv(s0 + 1, 2)},
      {"4*(s0/2)", s0 * 2},
      {"Integer(5)", 5},
      {"Symbol('s0', positive=True, integer=True)", s0},
      {"Mul(Integer(2), Symbol('s0', positive=True, integer=True))", s0 * 2},
      {"Add(Symbol('s0', integer=True), Integer(-1))", s0 - 1},
      {"FloorDiv(Add(Symbol('s0'), Integer(-1)), Integer(2))", floordiv(s0 - 1, 2)},
      {"Pow(Symbol('s0'), Integer(3))", s0 * s0 * s0},
      {"Mul(Rational(1, 2), Add(Mul(Integer(2), Symbol('s0')), Integer(4)))", s0 + 2},
      {"  ( s0+1 ) * ( s0-1 ) ", s0 * s0 - 1},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(SymInt::parse(text), expected) << text;
}

TEST(SymInt, ReadsBackExtremeCoefficients) {
  for (const SymInt& s :
       {SymInt(INT64_MIN), SymInt(INT64_MAX), a * INT64_MIN, a + INT64_MIN, a * INT64_MAX + b * INT64_MIN - 1})
    EXPECT_EQ(SymInt::parse(s.str()), s) << s.str();
  EXPECT_TRUE(SymInt::parse("-2**2").is(-4));
  EXPECT_TRUE(SymInt::parse("-7//2").is(-4));
  EXPECT_TRUE(SymInt::parse("1 - 7//2").is(-2));
}

TEST(SymInt, RefusesOtherText) {
  for (const std::string text : {"",
                                 "s0 +",
                                 "(s0",
                                 "s0)",
                                 "s0 s1",
                                 "2**s0",
                                 "s0/2",
                                 "1.5",
                                 "s0 // 0",
                                 "s0 % 0",
                                 "a,b",
                                 "Max()",
                                 "Mod(s0)",
                                 "99999999999999999999",
                                 "Symbol('s0'",
                                 "Symbol(s0)",
                                 "s0**99",
                                 "@",
                                 "s0**",
                                 ".5"})
    EXPECT_THROW(SymInt::parse(text), Error) << text;
  EXPECT_THROW(SymInt::parse(std::string(100000, '(')), Corrupt);
  EXPECT_THROW(SymInt::parse(std::string(1000, '(')), Corrupt);
  EXPECT_THROW(SymInt::parse(std::string(1000, '-') + "s0)"), Corrupt);
  EXPECT_THROW(SymInt::parse("sin(s0)"), Unsupported);
  try {
    SymInt::parse("s0 + *");
    FAIL();
  } catch (const Corrupt& error) {
    EXPECT_THAT(error.what(), HasSubstr("column 6"));
  }
}

TEST(SymInt, LimitsGrowthAndOverflow) {
  EXPECT_THROW(SymInt(INT64_MAX) + 1, Unsupported);
  EXPECT_THROW(a * INT64_MAX * 2, Unsupported);
  EXPECT_THROW(floordiv(INT64_MIN, -1), Unsupported);
  EXPECT_TRUE(mod(INT64_MIN, -1).is(0));
  EXPECT_THROW(SymInt::parse("(a+b+c+d+e+f+g+h+i+j)**12"), Unsupported);
  SymInt nested = a;
  EXPECT_THROW(for (int i = 0; i < 100; ++i) nested = floordiv(nested + b, c + nested), Unsupported);
  EXPECT_THROW(floordiv(a, 0), InvalidArgument);
  EXPECT_THROW(mod(a, 0), InvalidArgument);
  EXPECT_THROW(floordiv(5, a).evaluate({{"a", 0}}), InvalidArgument);
}

TEST(SymInt, UnboundSymbolIsNamed) {
  try {
    (a + b).evaluate({{"a", 1}});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("symbol b"));
  }
}

std::int64_t floor_div(std::int64_t x, std::int64_t y) {
  return static_cast<std::int64_t>(std::floor(static_cast<long double>(x) / static_cast<long double>(y)));
}

// An expression and the function that it stands for, built side by side.
struct Pair {
  SymInt symbolic;
  std::function<std::optional<std::int64_t>(const SymValues&)> plain;
};

class RandomExpression : public testing::TestWithParam<unsigned> {
 protected:
  std::mt19937 random_{GetParam()};
  int pick(int low, int high) { return std::uniform_int_distribution(low, high)(random_); }

  Pair leaf() {
    static const char* const names[] = {"a", "b", "c"};
    if (pick(0, 2) == 0) {
      const std::int64_t value = pick(-6, 6);
      return {value, [value](const SymValues&) { return std::optional(value); }};
    }
    const std::string name = names[pick(0, 2)];
    return {SymInt::symbol(name), [name](const SymValues& v) { return std::optional(v.at(name)); }};
  }

  Pair make(int depth) {
    if (depth == 0) return leaf();
    Pair x = make(depth - 1), y = make(pick(0, depth - 1));
    const int operation = pick(0, 6);
    SymInt s;
    try {
      switch (operation) {
        case 0:
          s = x.symbolic + y.symbolic;
          break;
        case 1:
          s = x.symbolic - y.symbolic;
          break;
        case 2:
          s = x.symbolic * y.symbolic;
          break;
        case 3:
          s = floordiv(x.symbolic, y.symbolic);
          break;
        case 4:
          s = mod(x.symbolic, y.symbolic);
          break;
        case 5:
          s = min(x.symbolic, y.symbolic);
          break;
        default:
          s = max(x.symbolic, y.symbolic);
          break;
      }
    } catch (const Error&) {
      return x;  // division by zero or too large
    }
    return {s, [x = x.plain, y = y.plain, operation](const SymValues& v) -> std::optional<std::int64_t> {
              const auto p = x(v), q = y(v);
              if (!p || !q) return std::nullopt;
              if ((operation == 3 || operation == 4) && *q == 0) return std::nullopt;
              switch (operation) {
                case 0:
                  return *p + *q;
                case 1:
                  return *p - *q;
                case 2:
                  return *p * *q;
                case 3:
                  return floor_div(*p, *q);
                case 4:
                  return *p - *q * floor_div(*p, *q);
                case 5:
                  return std::min(*p, *q);
                default:
                  return std::max(*p, *q);
              }
            }};
  }
};

TEST_P(RandomExpression, EvaluatesParsesAndBoundsLikePlainArithmetic) {
  for (int round = 0; round < 300; ++round) {
    const Pair pair = make(pick(1, 4));
    const SymInt again = SymInt::parse(pair.symbolic.str());
    ASSERT_EQ(again, pair.symbolic) << pair.symbolic.str() << " reads back as " << again.str();
    SymRanges ranges;
    for (const std::string name : {"a", "b", "c"}) {
      const int low = pick(-3, 5);
      ranges[name] = {low, low + pick(0, 6)};
    }
    const SymRange bounds = pair.symbolic.range(ranges);
    for (int sample = 0; sample < 20; ++sample) {
      SymValues values;
      std::map<std::string, SymInt, std::less<>> constants;
      for (const auto& [name, range] : ranges) {
        values[name] = pick(static_cast<int>(range.min), static_cast<int>(range.max));
        constants[name] = values[name];
      }
      const auto expected = pair.plain(values);
      if (!expected) continue;  // division by zero somewhere: no value is promised
      ASSERT_EQ(pair.symbolic.evaluate(values), *expected) << pair.symbolic.str();
      ASSERT_LE(bounds.min, *expected) << pair.symbolic.str();
      ASSERT_GE(bounds.max, *expected) << pair.symbolic.str();
      ASSERT_TRUE(pair.symbolic.substitute(constants).is(*expected)) << pair.symbolic.str();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomExpression, testing::Range(1u, 13u));

TEST(SymInt, RangeSaturates) {
  const SymRanges ranges = {{"a", {1, 16}}, {"b", {2, SymRange::kNoMax}}};
  EXPECT_EQ((a * 2 + 1).range(ranges), (SymRange{3, 33}));
  EXPECT_EQ((a * b).range(ranges), (SymRange{2, SymRange::kNoMax}));
  EXPECT_EQ(floordiv(b, a).range(ranges), (SymRange{0, SymRange::kNoMax}));
  EXPECT_EQ(mod(b, 8).range(ranges), (SymRange{0, 7}));
  EXPECT_EQ((a - b).range(ranges), (SymRange{INT64_MIN, 14}));
  EXPECT_EQ(c.range(ranges), (SymRange{INT64_MIN, SymRange::kNoMax}));
  EXPECT_EQ(floordiv(a + 1, 2).range(ranges), (SymRange{1, 8}));
}

TEST(SymInt, OrderIsTotal) {
  const std::vector<SymInt> all = {0, 1, a, b, a * 2, a + 1, a * b, floordiv(a, 2), mod(a, 2), max(a, 1)};
  for (const SymInt& x : all)
    for (const SymInt& y : all) EXPECT_EQ((x < y) + (y < x) + (x == y), 1) << x.str() << " " << y.str();
}

}  // namespace
}  // namespace aitune

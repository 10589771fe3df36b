#include "compiler/import/dynamo/sympy.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace aitune::dynamo {
namespace {

const std::string kS0 = "Symbol('s0', positive=True, integer=True)";
const std::string kS1 = "Symbol('s1', integer=True)";

TEST(Sympy, ReadsFunctionForm) {
  const SymInt s0 = SymInt::symbol("s0"), s1 = SymInt::symbol("s1");
  EXPECT_EQ(parse_sympy("Integer(-7)"), SymInt(-7));
  EXPECT_EQ(parse_sympy(kS0), s0);
  EXPECT_EQ(parse_sympy("Add(Mul(Integer(2), " + kS0 + "), " + kS1 + ", Integer(-1))"), s0 * 2 + s1 - 1);
  EXPECT_EQ(parse_sympy("FloorDiv(Add(" + kS0 + ", Integer(1)), Integer(2))"), floordiv(s0 + 1, 2));
  EXPECT_EQ(parse_sympy("CeilDiv(" + kS0 + ", Integer(4))"), floordiv(s0 + 3, 4));
  EXPECT_EQ(parse_sympy("Mod(" + kS0 + ", Integer(3))"), mod(s0, 3));
  EXPECT_EQ(parse_sympy("Max(Integer(1), " + kS0 + ", " + kS1 + ")"), max(max(1, s0), s1));
  EXPECT_EQ(parse_sympy("Pow(" + kS0 + ", Integer(2))"), s0 * s0);
}

TEST(Sympy, RoundsFractionsOfSizes) {
  const SymInt s0 = SymInt::symbol("s0");
  const std::string scaled = "Mul(Float('1.5', precision=53), ToFloat(" + kS0 + "))";
  EXPECT_EQ(parse_sympy("TruncToInt(" + scaled + ")"), floordiv(s0 * 3, 2));
  EXPECT_EQ(parse_sympy("CeilToInt(Add(" + scaled + ", Float('0.25', precision=53)))"), floordiv(s0 * 6 + 4, 4));
  EXPECT_EQ(parse_sympy("FloorToInt(IntTrueDiv(" + kS0 + ", Integer(3)))"), floordiv(s0, 3));
  EXPECT_EQ(parse_sympy("TruncToInt(Mul(Float('2.0', precision=53), ToFloat(" + kS0 + ")))"), s0 * 2);
  EXPECT_THROW(parse_sympy(scaled), Unsupported);
  EXPECT_THROW(parse_sympy("TruncToInt(Mul(Float('0.1', precision=53), ToFloat(" + kS0 + ")))"), Unsupported);
  EXPECT_THROW(parse_sympy("IntTrueDiv(Integer(1), " + kS0 + ")"), Unsupported);
  EXPECT_THROW(parse_sympy("Float('x', precision=53)"), Corrupt);
}

TEST(Sympy, ReadsInfixFormOfOldFiles) {
  EXPECT_EQ(parse_sympy("3*s0 - 1"), SymInt::symbol("s0") * 3 - 1);
  EXPECT_EQ(parse_sympy("s0"), SymInt::symbol("s0"));
}

TEST(Sympy, RefusesWhatIsNoExpression) {
  const std::string texts[] = {"",
                               "Integer(",
                               "Integer()",
                               "Integer(99999999999999999999)",
                               "Add(" + kS0,
                               "Add(" + kS0 + ",)",
                               "Symbol('s0",
                               "Symbol('', x=y)",
                               "Mod(" + kS0 + ")",
                               "FloorDiv(" + kS0 + ", " + kS0 + ", " + kS0 + ")"};
  for (const std::string& text : texts) {
    EXPECT_THROW(parse_sympy(text), Corrupt) << text;
  }
  EXPECT_THROW(parse_sympy(kS0 + "x"), Corrupt);
  EXPECT_THROW(parse_sympy("FloorDiv(" + kS0 + ", Integer(0))"), Error);
}

TEST(Sympy, RefusesWhatIsNoWholeNumber) {
  EXPECT_THROW(parse_sympy("Pow(" + kS0 + ", Integer(-1))"), Unsupported);
  EXPECT_THROW(parse_sympy("Pow(Integer(2), " + kS0 + ")"), Unsupported);
  EXPECT_THROW(parse_sympy("OpaqueUnaryFn_sqrt(" + kS0 + ")"), Unsupported);
}

TEST(Sympy, LimitsNesting) {
  std::string text = kS0;
  for (int i = 0; i < 14'000; ++i) text.insert(0, "Add(");
  EXPECT_THROW(parse_sympy(text), Corrupt);
  EXPECT_THROW(parse_sympy(std::string(100'000, ' ') + text), Corrupt);
}

}  // namespace
}  // namespace aitune::dynamo

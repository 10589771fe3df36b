#include "compiler/import/dynamo/sympy.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "compiler/import/dynamo/json.h"
#include "compiler/import/exact_fraction.h"

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxSympyText = 1 << 16;
constexpr int kMaxNesting = 100;
constexpr std::int64_t kMaxPower = 8;
constexpr std::int64_t kMaxDenominator = std::int64_t{1} << 24;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  SymInt parse() {
    if (text_.size() > kMaxSympyText) fail("an expression that is too long");
    const Fraction value = expression();
    skip_space();
    if (at_ != text_.size()) fail("text after the end");
    return whole(value);
  }

 private:
  /// Floats stand between a size and what rounds it: TruncToInt(Mul(Float('1.5'), ToFloat(s0))).
  struct Fraction {
    SymInt numerator;
    std::int64_t denominator = 1;  // positive
  };
  using Values = std::vector<Fraction>;

  SymInt whole(const Fraction& f) const {
    if (f.denominator == 1) return f.numerator;
    if (auto exact = divide_exact(f.numerator, SymInt(f.denominator))) return *std::move(exact);
    throw Unsupported(fmt::format("a fraction in the size expression \"{}\"", printable(text_)));
  }

  [[noreturn]] void fail(std::string_view problem) const {
    throw Corrupt(fmt::format("{} at column {} of the size expression \"{}\"", problem, at_ + 1, printable(text_)));
  }

  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(fmt::format("no '{}'", c));
  }
  std::string_view word() {
    skip_space();
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (start == at_) fail("no name");
    return text_.substr(start, at_ - start);
  }

  std::int64_t integer() {
    skip_space();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("no whole number of 64 bits");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  // ", positive=True, integer=True"
  void skip_assumptions() {
    while (take(',')) {
      word();
      expect('=');
      word();
    }
  }

  // Symbol('s0', positive=True, integer=True): the assumptions say no more than the ranges do.
  SymInt symbol() {
    expect('\'');
    const std::string name(word());
    expect('\'');
    skip_assumptions();
    return SymInt::symbol(name);
  }

  // Float('1.5', precision=53), where that is a fraction of small numbers; others are no exact multiples of a size.
  Fraction real() {
    expect('\'');
    const std::string digits(word_with_sign());
    expect('\'');
    skip_assumptions();
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) fail("no number");
    if (const auto exact = exact_fraction(value, kMaxDenominator))
      return {SymInt(exact->numerator), exact->denominator};
    throw Unsupported(fmt::format(
        "the factor {} in the size expression \"{}\": sizes are multiplied with halves, quarters and so on alone",
        digits, printable(text_)));
  }
  std::string_view word_with_sign() {
    skip_space();
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '-' || text_[at_] == '+')) ++at_;
    return text_.substr(start, at_ - start);
  }

  Values arguments() {
    Values values;
    do values.push_back(expression());
    while (take(','));
    return values;
  }

  Fraction expression() {
    if (++nesting_ > kMaxNesting) fail("too many nested functions");
    skip_space();
    const std::size_t start = at_;
    const std::string_view function = word();
    expect('(');
    const Fraction value = function == "Symbol"    ? Fraction{symbol()}
                           : function == "Integer" ? Fraction{SymInt(integer())}
                           : function == "Float"   ? real()
                                                   : apply(function, start, arguments());
    expect(')');
    --nesting_;
    return value;
  }

  Fraction add(const Fraction& a, const Fraction& b) const {
    return {a.numerator * SymInt(b.denominator) + b.numerator * SymInt(a.denominator), common(a, b)};
  }
  Fraction multiply(const Fraction& a, const Fraction& b) const { return {a.numerator * b.numerator, common(a, b)}; }
  Fraction divide(const Fraction& a, const Fraction& b) const {
    const auto divisor = b.numerator.as_constant();
    if (!divisor || *divisor <= 0 || *divisor > kMaxDenominator)
      throw Unsupported(fmt::format("a division in the size expression \"{}\"", printable(text_)));
    return {a.numerator * SymInt(b.denominator), common(a, {SymInt(0), *divisor})};
  }
  std::int64_t common(const Fraction& a, const Fraction& b) const {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(a.denominator, b.denominator, &product) || product > kMaxDenominator)
      throw Unsupported(fmt::format("so fine a fraction in the size expression \"{}\"", printable(text_)));
    return product;
  }

  /// Of sizes, which are not negative: cutting and rounding down are the same.
  static SymInt floor(const Fraction& f) { return floordiv(f.numerator, SymInt(f.denominator)); }
  static SymInt ceil(const Fraction& f) {
    return floordiv(f.numerator + SymInt(f.denominator - 1), SymInt(f.denominator));
  }

  std::optional<Fraction> rounded(std::string_view function, const Values& values) const {
    if (values.size() != 1) return std::nullopt;
    const Fraction& x = values[0];
    if (function == "ToFloat") return x;
    if (function == "TruncToInt" || function == "FloorToInt" || function == "TruncToFloat") return Fraction{floor(x)};
    if (function == "CeilToInt") return Fraction{ceil(x)};
    return std::nullopt;
  }

  Fraction apply(std::string_view function, std::size_t start, const Values& values) {
    using Fold = std::function<SymInt(const SymInt&, const SymInt&)>;
    static const std::map<std::string_view, Fold> binary = {
        {"FloorDiv", [](const SymInt& a, const SymInt& b) { return floordiv(a, b); }},
        {"CleanDiv", [](const SymInt& a, const SymInt& b) { return floordiv(a, b); }},
        {"CeilDiv", [](const SymInt& a, const SymInt& b) { return floordiv(a + b - 1, b); }},
        {"Mod", [](const SymInt& a, const SymInt& b) { return mod(a, b); }},
        {"PythonMod", [](const SymInt& a, const SymInt& b) { return mod(a, b); }},
        {"Pow", power},
        {"PowByNatural", power}};
    if (const auto value = rounded(function, values)) return *value;
    if (function == "Add" || function == "Mul") {
      Fraction value = values.front();
      for (std::size_t i = 1; i < values.size(); ++i)
        value = function == "Add" ? add(value, values[i]) : multiply(value, values[i]);
      return value;
    }
    if (function == "Max" || function == "Min") {
      SymInt value = whole(values.front());
      for (std::size_t i = 1; i < values.size(); ++i)
        value = function == "Max" ? max(value, whole(values[i])) : min(value, whole(values[i]));
      return {value};
    }
    const bool divides = function == "IntTrueDiv" || function == "FloatTrueDiv";
    const auto it = binary.find(function);
    if (it == binary.end() && !divides)
      throw Unsupported(
          fmt::format("the function {} in the size expression \"{}\"", printable(function, 40), printable(text_)));
    if (values.size() != 2) {
      at_ = start;
      fail(fmt::format("{} with {} arguments", function, values.size()));
    }
    if (divides) return divide(values[0], values[1]);
    return {it->second(whole(values[0]), whole(values[1]))};
  }

  static SymInt power(const SymInt& base, const SymInt& exponent) {
    const auto count = exponent.as_constant();
    if (!count || *count < 0 || *count > kMaxPower)
      throw Unsupported(fmt::format("the power {} in a size expression", exponent.str()));
    SymInt value = 1;
    for (std::int64_t i = 0; i < *count; ++i) value *= base;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

SymInt parse_sympy(std::string_view text) {
  const bool functions = text.find("Symbol(") != std::string_view::npos || text.starts_with("Integer(");
  return functions ? Parser(text).parse() : SymInt::parse(text);
}

}  // namespace aitune::dynamo

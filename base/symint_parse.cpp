#include <fmt/format.h>

#include <cctype>

#include "base/error.h"
#include "base/symint.h"
#include "base/symint_access.h"

namespace aitune {
namespace {

constexpr std::size_t kMaxExpressionText = 1 << 16;
constexpr int kMaxNesting = 100;
constexpr std::int64_t kMaxPower = 16;

// Sympy writes floor(s0/2 - 1/2); fractions live only inside the parser.
struct Fraction {
  SymInt numerator, denominator = 1;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  SymInt parse_all() {
    if (text_.size() > kMaxExpressionText) fail(fmt::format("an expression of {} characters", text_.size()));
    const Fraction value = sum();
    skip_space();
    if (at_ != text_.size()) fail("text after the end of the expression");
    return whole(value);
  }

 private:
  using Arguments = std::vector<Fraction>;

  [[noreturn]] void fail(std::string_view problem) const {
    throw Corrupt(fmt::format("{} at column {} of the size expression \"{}\"", problem, at_ + 1, text_.substr(0, 200)));
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) fail(fmt::format("expected \"{}\"", token));
  }

  SymInt whole(const Fraction& f) const {
    if (f.denominator.is(1)) return f.numerator;
    if (auto q = divide_exact(f.numerator, f.denominator)) return *std::move(q);
    fail("a fraction that is no whole number");
  }

  Fraction divide(const Fraction& a, const Fraction& b) const {
    if (b.numerator.is(0)) fail("division by zero");
    SymInt numerator = a.numerator * b.denominator, denominator = a.denominator * b.numerator;
    if (auto q = divide_exact(numerator, denominator)) return {*std::move(q), 1};
    return {std::move(numerator), std::move(denominator)};
  }
  static Fraction add(const Fraction& a, const Fraction& b) {
    if (a.denominator == b.denominator) return {a.numerator + b.numerator, a.denominator};
    return {a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator};
  }
  static Fraction multiply(const Fraction& a, const Fraction& b) {
    return {a.numerator * b.numerator, a.denominator * b.denominator};
  }
  static Fraction negate(const Fraction& a) { return {a.numerator * SymInt(-1), a.denominator}; }
  static SymInt floor(const Fraction& a) { return floordiv(a.numerator, a.denominator); }

  Fraction sum() {
    Fraction value = product();
    while (true) {
      if (take("+"))
        value = add(value, product());
      else if (take("-"))
        value = add(value, negate(product()));
      else
        return value;
    }
  }

  Fraction product() {
    Fraction value = unary();
    while (true) {
      skip_space();
      if (take("//"))
        value = {floor(divide(value, nonzero(unary()))), 1};
      else if (take("/"))
        value = divide(value, unary());
      else if (take("%"))
        value = {remainder(value, unary()), 1};
      else if (!text_.substr(at_).starts_with("**") && take("*"))
        value = multiply(value, unary());
      else
        return value;
    }
  }

  Fraction nonzero(Fraction f) const {
    if (f.numerator.is(0)) fail("division by zero");
    return f;
  }
  SymInt remainder(const Fraction& a, const Fraction& b) const { return mod(whole(a), whole(nonzero(b))); }

  Fraction unary() {
    bool negative = false;
    while (true) {
      if (take("-"))
        negative = !negative;
      else if (!take("+"))
        break;
    }
    if (negative && at_ < text_.size() && digit()) return negative_number();
    const Fraction value = power();
    return negative ? negate(value) : value;
  }

  // Read with its sign, because the least integer has no positive counterpart. A power binds tighter than the sign.
  Fraction negative_number() {
    const std::int64_t value = number(-1);
    return take("**") ? negate(raise({checked_multiply(value, -1)}, number())) : Fraction{value};
  }

  Fraction power() {
    Fraction base = primary();
    if (!take("**")) return base;
    const bool parenthesised = take("(");
    Fraction result = raise(base, number());
    if (parenthesised) expect(")");
    return result;
  }

  Fraction raise(const Fraction& base, std::int64_t exponent) const {
    if (exponent > kMaxPower) fail(fmt::format("a power above {}", kMaxPower));
    Fraction result{1};
    for (std::int64_t i = 0; i < exponent; ++i) result = multiply(result, base);
    return result;
  }

  std::int64_t number(int sign = 1) {
    skip_space();
    if (at_ == text_.size() || !digit()) fail("expected a number");
    std::int64_t value = 0;
    for (; at_ < text_.size() && digit(); ++at_)
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, sign * (text_[at_] - '0'), &value))
        fail("a number beyond 63 bits");
    return value;
  }
  bool digit() const { return text_[at_] >= '0' && text_[at_] <= '9'; }
  bool name_character() const { return std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'; }

  Fraction primary() {
    if (++nesting_ > kMaxNesting) fail("too many nested parentheses");
    Fraction value = nested_primary();
    --nesting_;
    return value;
  }

  Fraction nested_primary() {
    if (take("(")) {
      Fraction inside = sum();
      expect(")");
      return inside;
    }
    skip_space();
    if (at_ == text_.size()) fail("the expression ends too early");
    if (digit()) return {number()};
    const std::size_t begin = at_;
    while (at_ < text_.size() && (name_character() || text_[at_] == '.')) ++at_;
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (name.empty() || name.front() == '.') fail("expected a number, a symbol or a parenthesis");
    if (!take("(")) return {SymInt::symbol(std::string(name))};
    return name == "Symbol" ? symbol() : call(name, arguments());
  }

  // Symbol('s0', positive=True, integer=True): the assumptions stand in the ranges too.
  Fraction symbol() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_++] : '\0';
    const std::size_t end = text_.find(quote, at_);
    if ((quote != '\'' && quote != '"') || end == std::string_view::npos) fail("expected a quoted symbol");
    const std::size_t begin = at_;
    while (at_ < end && name_character()) ++at_;
    if (at_ != end || begin == end) fail("expected the name of a symbol");
    const std::string_view name = text_.substr(begin, end - begin);
    ++at_;
    while (take(",")) {
      skip_space();
      while (at_ < text_.size() && (name_character() || text_[at_] == '=')) ++at_;
    }
    expect(")");
    return {SymInt::symbol(std::string(name))};
  }

  Arguments arguments() {
    Arguments args;
    if (take(")")) return args;
    do args.push_back(sum());
    while (take(","));
    expect(")");
    return args;
  }

  Fraction call(std::string_view name, const Arguments& args) const {
    const auto count = [&](std::size_t n) {
      if (args.size() != n) fail(fmt::format("{} takes {} arguments, not {}", name, n, args.size()));
    };
    const auto fold = [&](auto&& f) {
      if (args.empty()) fail(fmt::format("{} takes at least one argument", name));
      Fraction value = args[0];
      for (std::size_t i = 1; i < args.size(); ++i) value = f(value, args[i]);
      return value;
    };
    if (name == "Add") return fold([](const Fraction& a, const Fraction& b) { return add(a, b); });
    if (name == "Mul") return fold([](const Fraction& a, const Fraction& b) { return multiply(a, b); });
    if (name == "Max")
      return fold([&](const Fraction& a, const Fraction& b) { return Fraction{max(whole(a), whole(b))}; });
    if (name == "Min")
      return fold([&](const Fraction& a, const Fraction& b) { return Fraction{min(whole(a), whole(b))}; });
    if (name == "floor" || name == "FloorToInt") return count(1), Fraction{floor(args[0])};
    if (name == "ceiling" || name == "CeilToInt") return count(1), negate({floor(negate(args[0]))});
    if (name == "Integer" || name == "Identity" || name == "ToFloat") return count(1), args[0];
    if (name == "FloorDiv" || name == "CleanDiv") return count(2), Fraction{floor(divide(args[0], nonzero(args[1])))};
    if (name == "CeilDiv") return count(2), negate({floor(divide(negate(args[0]), nonzero(args[1])))});
    if (name == "Rational" || name == "IntTrueDiv") return count(2), divide(args[0], args[1]);
    if (name == "Mod" || name == "PythonMod") return count(2), Fraction{remainder(args[0], args[1])};
    if (name == "Pow" || name == "PowByNatural") return count(2), power_call(args[0], args[1]);
    throw Unsupported(fmt::format("the function {} in the size expression \"{}\"", name, text_.substr(0, 200)));
  }

  Fraction power_call(const Fraction& base, const Fraction& exponent) const {
    const auto n = whole(exponent).as_constant();
    if (!n) fail("a symbolic power");
    if (*n < 0) return divide({1}, raise(base, checked_multiply(*n, -1)));
    return raise(base, *n);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

SymInt SymInt::parse(std::string_view text) { return Parser(text).parse_all(); }

}  // namespace aitune

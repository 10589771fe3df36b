#include "compiler/import/dynamo/sympy.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxSympyText = 1 << 16;
constexpr int kMaxNesting = 100;
constexpr std::int64_t kMaxPower = 8;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  SymInt parse() {
    if (text_.size() > kMaxSympyText) fail("an expression that is too long");
    SymInt value = expression();
    skip_space();
    if (at_ != text_.size()) fail("text after the end");
    return value;
  }

 private:
  using Values = std::vector<SymInt>;

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

  // Symbol('s0', positive=True, integer=True): the assumptions say no more than the ranges do.
  SymInt symbol() {
    expect('\'');
    const std::string name(word());
    expect('\'');
    while (take(',')) {
      word();
      expect('=');
      word();
    }
    return SymInt::symbol(name);
  }

  Values arguments() {
    Values values;
    do values.push_back(expression());
    while (take(','));
    return values;
  }

  SymInt expression() {
    if (++nesting_ > kMaxNesting) fail("too many nested functions");
    skip_space();
    const std::size_t start = at_;
    const std::string_view function = word();
    expect('(');
    SymInt value = function == "Symbol"    ? symbol()
                   : function == "Integer" ? SymInt(integer())
                                           : apply(function, start, arguments());
    expect(')');
    --nesting_;
    return value;
  }

  SymInt apply(std::string_view function, std::size_t start, const Values& values) {
    using Fold = std::function<SymInt(const SymInt&, const SymInt&)>;
    static const std::map<std::string_view, Fold> folds = {
        {"Add", [](const SymInt& a, const SymInt& b) { return a + b; }},
        {"Mul", [](const SymInt& a, const SymInt& b) { return a * b; }},
        {"Max", [](const SymInt& a, const SymInt& b) { return max(a, b); }},
        {"Min", [](const SymInt& a, const SymInt& b) { return min(a, b); }}};
    static const std::map<std::string_view, Fold> binary = {
        {"FloorDiv", [](const SymInt& a, const SymInt& b) { return floordiv(a, b); }},
        {"CleanDiv", [](const SymInt& a, const SymInt& b) { return floordiv(a, b); }},
        {"CeilDiv", [](const SymInt& a, const SymInt& b) { return floordiv(a + b - 1, b); }},
        {"Mod", [](const SymInt& a, const SymInt& b) { return mod(a, b); }},
        {"PythonMod", [](const SymInt& a, const SymInt& b) { return mod(a, b); }},
        {"Pow", power},
        {"PowByNatural", power}};
    if (const auto it = folds.find(function); it != folds.end()) {
      SymInt value = values.front();
      for (std::size_t i = 1; i < values.size(); ++i) value = it->second(value, values[i]);
      return value;
    }
    const auto it = binary.find(function);
    if (it == binary.end())
      throw Unsupported(
          fmt::format("the function {} in the size expression \"{}\"", printable(function, 40), printable(text_)));
    if (values.size() != 2) {
      at_ = start;
      fail(fmt::format("{} with {} arguments", function, values.size()));
    }
    return it->second(values[0], values[1]);
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

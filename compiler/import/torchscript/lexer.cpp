#include "compiler/import/torchscript/lexer.h"

#include <fmt/format.h>

#include "base/error.h"

namespace aitune::torchscript {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 26;
constexpr std::size_t kMaxIndents = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_letter(c) || is_digit(c); }

class Lexer {
 public:
  explicit Lexer(const Source& source) : source_(source), text_(source.text) {}

  std::vector<Token> run() {
    if (text_.size() > kMaxBytes) fail("it is too large");
    while (at_ < text_.size()) {
      if (line_start_ && brackets_ == 0) {
        if (!begin_line()) continue;
      }
      token();
    }
    if (brackets_ != 0) fail("a bracket is not closed");
    if (!line_start_) add(TokenKind::newline, at_);
    for (; indents_.size() > 1; indents_.pop_back()) add(TokenKind::dedent, at_);
    add(TokenKind::end, at_);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Corrupt("this is not TorchScript as PyTorch writes it: " + what,
                  place(source_, static_cast<std::uint32_t>(at_)));
  }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void add(TokenKind kind, std::size_t start) {
    tokens_.push_back({kind, text_.substr(start, at_ - start), static_cast<std::uint32_t>(start)});
  }

  // Measures the indentation; false for a line without code.
  bool begin_line() {
    const std::size_t start = at_;
    while (peek() == ' ') ++at_;
    if (peek() == '\n' || peek() == '#' || at_ == text_.size() || peek() == '\r') {
      skip_line();
      return false;
    }
    const std::size_t width = at_ - start;
    if (width > indents_.back()) {
      if (indents_.size() > kMaxIndents) fail("blocks are nested too deeply");
      indents_.push_back(width);
      tokens_.push_back({TokenKind::indent, {}, static_cast<std::uint32_t>(at_)});
    }
    for (; width < indents_.back(); indents_.pop_back())
      tokens_.push_back({TokenKind::dedent, {}, static_cast<std::uint32_t>(at_)});
    if (width != indents_.back()) fail("a line's indentation fits no block");
    line_start_ = false;
    return true;
  }

  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    if (at_ < text_.size()) ++at_;
  }

  void token() {
    const char c = peek();
    if (c == '\n') {
      if (brackets_ == 0) {
        add(TokenKind::newline, at_);
        line_start_ = true;
      }
      ++at_;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '#') {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else if (is_letter(c)) {
      const std::size_t start = at_;
      while (is_name(peek())) ++at_;
      add(TokenKind::name, start);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (c == '"' || c == '\'') {
      string(c);
    } else {
      symbol();
    }
  }

  // "1", "1.5" and "1.+2.j", as PyTorch writes them.
  void number() {
    const std::size_t start = at_;
    const TokenKind plain = digits() ? TokenKind::real : TokenKind::integer;
    const std::size_t end = at_;
    const bool more = (peek() == '+' || peek() == '-') && (is_digit(peek(1)) || (peek(1) == '.' && is_digit(peek(2))));
    if (more) {
      ++at_;
      digits();
      if (peek() == 'j' && !is_name(peek(1))) {
        ++at_;
        return add(TokenKind::complex, start);
      }
      at_ = end;
    }
    if (is_name(peek())) fail("a number is followed by letters");
    add(plain, start);
  }

  // Whether the number has a point or an exponent.
  bool digits() {
    bool real = false;
    while (is_digit(peek())) ++at_;
    if (peek() == '.') {
      real = true;
      ++at_;
      while (is_digit(peek())) ++at_;
    }
    if (peek() == 'e' || peek() == 'E') {
      real = true;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!is_digit(peek())) fail("a number has no exponent");
      while (is_digit(peek())) ++at_;
    }
    return real;
  }

  void string(char quote) {
    const std::size_t start = at_++;
    while (peek() != quote) {
      if (at_ >= text_.size() || peek() == '\n') fail("a string has no end");
      at_ += peek() == '\\' ? 2 : 1;
    }
    ++at_;
    add(TokenKind::string, start);
  }

  void symbol() {
    const std::size_t start = at_;
    const std::string_view two = text_.substr(at_, 2);
    if (two == "->") {
      at_ += 2;
    } else {
      const char c = text_[at_];
      if (std::string_view("()[]{}:,.=-@*").find(c) == std::string_view::npos)
        fail(fmt::format("'{}' stands here", printable(text_.substr(at_, 1))));
      if (c == '(' || c == '[' || c == '{') ++brackets_;
      if (c == ')' || c == ']' || c == '}') {
        if (brackets_ == 0) fail("a bracket is closed that was not opened");
        --brackets_;
      }
      ++at_;
    }
    add(TokenKind::symbol, start);
  }

  const Source& source_;
  std::string_view text_;
  std::size_t at_ = 0, brackets_ = 0;
  bool line_start_ = true;
  std::vector<std::size_t> indents_ = {0};
  std::vector<Token> tokens_;
};

int octal_value(std::string_view digits) {
  int value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '7') return -1;
    value = value * 8 + (c - '0');
  }
  return digits.size() == 3 && value < 256 ? value : -1;
}

}  // namespace

std::vector<Token> tokenize(const Source& source) { return Lexer(source).run(); }

std::string unquote(const Token& token, const Source& source) {
  static constexpr std::string_view kEscapes = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
  std::string_view raw = token.text;
  raw.remove_prefix(1);
  raw.remove_suffix(1);
  std::string content;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      content += raw[i];
      continue;
    }
    const auto known = i + 1 < raw.size() ? kEscapes.find(raw[i + 1]) : std::string_view::npos;
    const int octal = known == std::string_view::npos ? octal_value(raw.substr(std::min(i + 1, raw.size()), 3)) : -1;
    if (known != std::string_view::npos) {
      content += kMeanings[known];
      ++i;
    } else if (octal >= 0) {
      content += static_cast<char>(octal);
      i += 3;
    } else {
      throw Corrupt("a string has an escape that PyTorch does not write", place(source, token.offset));
    }
  }
  return content;
}

}  // namespace aitune::torchscript

#include "compiler/import/fx/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "compiler/import/pickle/pickle_text.h"

namespace aitune::fx {
namespace {

constexpr std::size_t kMaxSource = std::size_t{1} << 24;
constexpr std::size_t kMaxTokens = std::size_t{1} << 20;
constexpr std::size_t kMaxBrackets = 100;

// Longer ones first.
constexpr auto kSymbols = std::to_array<std::string_view>(
    {"**=", "//=", "<<=", ">>=", "==", "!=", "<=", ">=", "->", "+=", "-=", "*=", "/=", "%=", "&=",
     "|=",  "^=",  "@=",  "**",  "//", "<<", ">>", "+",  "-",  "*",  "/",  "%",  "@",  "&",  "|",
     "^",   "~",   "<",   ">",   "(",  ")",  "[",  "]",  "{",  "}",  ",",  ":",  ".",  ";",  "="});

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view where) : source_(source), where_(where) {
    if (source.size() > kMaxSource) corrupt(fmt::format("the source has {} bytes", source.size()));
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      if (line_start_) {
        line_start_ = false;
        if (!indentation()) continue;
      }
      step();
    }
    if (!brackets_.empty()) corrupt("a bracket is not closed");
    if (!tokens_.empty() && tokens_.back().kind != TokenKind::newline) add(TokenKind::newline);
    for (; indents_.size() > 1; indents_.pop_back()) add(TokenKind::dedent);
    add(TokenKind::end);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void corrupt(std::string what) const {
    throw Corrupt(std::move(what), line_place(where_, line_),
                  "only the source that torch.fx generates is read; save the GraphModule again");
  }
  [[noreturn]] void unsupported(std::string what) const {
    throw Unsupported(std::move(what), line_place(where_, line_));
  }

  char peek(std::size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  Token& add(TokenKind kind) {
    if (tokens_.size() >= kMaxTokens) corrupt("the source is too long");
    Token& token = tokens_.emplace_back();
    token.kind = kind;
    token.line = line_;
    return token;
  }

  // At the start of a line: false if the line is blank or a comment, which is consumed.
  bool indentation() {
    std::size_t width = 0;
    while (peek() == ' ') ++width, ++at_;
    if (peek() == '#') skip_comment();
    if (at_ == source_.size()) return false;
    if (peek() == '\n') {
      next_line();
      return false;
    }
    if (width > indents_.back()) {
      if (indents_.size() >= kMaxBrackets) corrupt("blocks are nested too deep");
      indents_.push_back(width);
      add(TokenKind::indent);
    }
    for (; width < indents_.back(); indents_.pop_back()) add(TokenKind::dedent);
    if (width != indents_.back()) corrupt("the indentation fits no block");
    return true;
  }

  void next_line() {
    ++at_;
    ++line_;
    line_start_ = brackets_.empty();
  }

  void skip_comment() {
    while (at_ < source_.size() && source_[at_] != '\n') ++at_;
  }

  void step() {
    const char c = peek();
    if (c == ' ') {
      ++at_;
    } else if (c == '#') {
      skip_comment();
    } else if (c == '\n') {
      if (brackets_.empty()) add(TokenKind::newline);
      next_line();
    } else if (is_letter(c)) {
      name();
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (c == '\'' || c == '"') {
      string(c);
    } else {
      symbol();
    }
  }

  void name() {
    const std::size_t start = at_;
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    if (peek() == '\'' || peek() == '"') unsupported("a string with a prefix");
    add(TokenKind::name).text = source_.substr(start, at_ - start);
  }

  void digits() {
    while (is_digit(peek())) ++at_;
  }

  void number() {
    const std::size_t start = at_;
    bool real = false;
    digits();
    if (peek() == '.') {
      real = true;
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      real = true;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    const bool imaginary = peek() == 'j' && !is_letter(peek(1)) && !is_digit(peek(1));
    if (is_letter(peek()) && !imaginary) unsupported("a number that is neither a decimal integer nor a float");
    const std::string_view text = source_.substr(start, at_ - start);
    if (imaginary) ++at_;
    real = real || imaginary;
    Token& token = add(imaginary ? TokenKind::imaginary : real ? TokenKind::real : TokenKind::integer);
    const auto [end, error] = real ? std::from_chars(text.data(), text.data() + text.size(), token.real)
                                   : std::from_chars(text.data(), text.data() + text.size(), token.integer);
    if (real && error == std::errc::result_out_of_range) {
      token.real = text.find("e-") != std::string_view::npos ? 0.0 : std::numeric_limits<double>::infinity();
    } else if (error == std::errc::result_out_of_range) {
      unsupported("an integer beyond 64 bits");
    } else if (error != std::errc() || end != text.data() + text.size()) {
      corrupt("a number is malformed");
    }
  }

  void string(char quote) {
    const std::size_t start = at_++;
    if (peek() == quote && peek(1) == quote) unsupported("a string in triple quotes");
    while (peek() != quote) {
      if (at_ >= source_.size() || peek() == '\n') corrupt("a string has no end");
      at_ += peek() == '\\' ? 2 : 1;
    }
    ++at_;
    const auto content = unquote_python_string(source_.substr(start, at_ - start));
    if (!content) corrupt("a string is malformed");
    add(TokenKind::string).text = *content;
  }

  void symbol() {
    const std::string_view rest = source_.substr(at_);
    const auto* const found =
        std::find_if(kSymbols.begin(), kSymbols.end(), [&](std::string_view s) { return rest.starts_with(s); });
    if (found == kSymbols.end()) {
      corrupt(fmt::format("the character 0x{:02x} has no place here", static_cast<unsigned char>(peek())));
    }
    if (found->size() == 1) track_bracket(found->front());
    at_ += found->size();
    add(TokenKind::symbol).text = *found;
  }

  void track_bracket(char c) {
    if (c == '(' || c == '[' || c == '{') {
      if (brackets_.size() >= kMaxBrackets) corrupt("brackets are nested too deep");
      brackets_.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    } else if (c == ')' || c == ']' || c == '}') {
      if (brackets_.empty() || brackets_.back() != c) corrupt("a closing bracket fits no opening one");
      brackets_.pop_back();
    }
  }

  std::string_view source_, where_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_start_ = true;
  std::vector<std::size_t> indents_{0};
  std::vector<char> brackets_;
  std::vector<Token> tokens_;
};

}  // namespace

std::string line_place(std::string_view where, int line) { return fmt::format("{}:{}", where, line); }

std::vector<Token> tokenize(std::string_view source, std::string_view where) { return Lexer(source, where).run(); }

}  // namespace aitune::fx

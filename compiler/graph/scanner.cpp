#include "compiler/graph/scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"

namespace aitune {
namespace {

bool is_word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

void Scanner::fail_at(std::size_t position, std::string_view problem) const {
  const std::string_view before = text_.substr(0, position);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t begin = before.find_last_of('\n') + 1;  // npos + 1 is 0
  throw Corrupt(fmt::format("{}", problem), fmt::format("graph text {}:{}", line, position - begin + 1));
}

void Scanner::skip_blank() {
  while (at_ < text_.size()) {
    if (is_blank(text_[at_]))
      ++at_;
    else if (text_[at_] == '#')
      at_ = std::min(text_.find('\n', at_), text_.size());
    else
      return;
  }
}

bool Scanner::at_end() {
  skip_blank();
  return at_ == text_.size();
}

bool Scanner::ahead(std::string_view token) {
  skip_blank();
  return text_.substr(at_).starts_with(token);
}

bool Scanner::take(std::string_view token) {
  if (!ahead(token)) return false;
  at_ += token.size();
  return true;
}

void Scanner::expect(std::string_view token) {
  if (!take(token)) fail(fmt::format("expected {}", token));
}

std::string_view Scanner::peek_word() {
  skip_blank();
  std::size_t end = at_;
  while (end < text_.size() && is_word_character(text_[end])) ++end;
  return text_.substr(at_, end - at_);
}

bool Scanner::take_word(std::string_view wanted) {
  if (peek_word() != wanted) return false;
  at_ += wanted.size();
  return true;
}

std::string_view Scanner::word(std::string_view what) {
  const std::string_view found = peek_word();
  if (found.empty()) fail(fmt::format("expected {}", what));
  at_ += found.size();
  return found;
}

std::string Scanner::quoted() {
  if (!take("\"")) fail("expected a quoted string");
  const std::size_t begin = at_ - 1;
  std::string value;
  while (true) {
    if (at_ == text_.size() || text_[at_] == '\n') fail_at(begin, "a string without end");
    const char c = text_[at_++];
    if (c == '"') return value;
    if (c != '\\') {
      value += c;
      continue;
    }
    const char escape = at_ < text_.size() ? text_[at_++] : '\0';
    if (escape == 'n')
      value += '\n';
    else if (escape == 't')
      value += '\t';
    else if (escape == 'r')
      value += '\r';
    else if (escape == '"' || escape == '\\')
      value += escape;
    else if (escape == 'x') {
      unsigned char byte = 0;
      const std::string_view digits = text_.substr(at_, 2);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (error != std::errc{} || digits.size() != 2 || end != digits.data() + 2)
        fail("expected two hexadecimal digits");
      value += static_cast<char>(byte);
      at_ += 2;
    } else {
      fail("unknown escape in a string");
    }
  }
}

std::string_view Scanner::expression() {
  skip_blank();
  const std::size_t begin = at_;
  std::size_t depth = 0;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '(') ++depth;
    if (c == '\n' || c == '#' || (depth == 0 && (c == ',' || c == ')' || c == ']'))) break;
    if (c == ')') --depth;
  }
  const std::string_view found = trim(text_.substr(begin, at_ - begin));
  if (found.empty()) fail_at(begin, "expected a value");
  return found;
}

std::string_view Scanner::trailing_comment() {
  std::size_t i = at_;
  while (i < text_.size() && (text_[i] == ' ' || text_[i] == '\t')) ++i;
  if (i == text_.size() || text_[i] != '#') return {};
  at_ = std::min(text_.find('\n', i), text_.size());
  return trim(text_.substr(i + 1, at_ - i - 1));
}

}  // namespace aitune

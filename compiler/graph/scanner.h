#pragma once
// Reads the words of the text form and knows where each stands.

#include <string>
#include <string_view>

namespace aitune {

/// A cursor over text. Every failure is a Corrupt that gives line and column of the cursor.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[noreturn]] void fail(std::string_view problem) const { fail_at(at_, problem); }
  [[noreturn]] void fail_at(std::size_t position, std::string_view problem) const;
  std::size_t position() const { return at_; }

  /// Spaces and line ends, and comments when they do not belong to a node.
  void skip_blank();
  bool at_end();
  bool ahead(std::string_view token);
  /// Takes a token of punctuation if it comes next.
  bool take(std::string_view token);
  void expect(std::string_view token);
  /// Takes a whole word (letters, digits, _ and dots) if it comes next.
  bool take_word(std::string_view word);
  std::string_view peek_word();
  std::string_view word(std::string_view what);
  /// A quoted string, unescaped.
  std::string quoted();
  /// Everything up to , ) ] or the line's end outside of parentheses, without blanks at the ends.
  std::string_view expression();
  /// The rest of the line after # if a comment follows on this line, trimmed.
  std::string_view trailing_comment();

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace aitune

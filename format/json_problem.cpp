#include "format/json_problem.h"

#include <algorithm>
#include <string_view>

namespace aitune {
namespace {

/// Removes `beginning`, which ends with `end`, if the text has it.
void drop_beginning(std::string_view& text, std::string_view beginning, std::string_view end) {
  if (!text.starts_with(beginning)) return;
  if (const auto at = text.find(end); at != text.npos) text.remove_prefix(at + end.size());
}

}  // namespace

std::string json_problem(const nlohmann::json::exception& error) {
  constexpr std::size_t kLongest = 200;
  constexpr int kKeyNotFound = 403;
  std::string_view text = error.what();
  drop_beginning(text, "[json.exception.", "] ");
  drop_beginning(text, "parse error at ", "at ");
  std::string place;
  if (const auto colon = text.find(": "); text.starts_with("line ") && colon != text.npos) {
    place = text.substr(0, colon + 2);
    text.remove_prefix(colon + 2);
    drop_beginning(text, "syntax error while parsing ", " - ");
  }
  std::string said = error.id == kKeyNotFound && text.starts_with("key '")
                         ? std::string(text.substr(4, text.rfind('\'') - 3)) + " is missing"
                         : std::string(text);
  if (said.size() > kLongest) said = said.substr(0, kLongest) + "...";
  std::ranges::replace_if(said, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return place + said;
}

}  // namespace aitune

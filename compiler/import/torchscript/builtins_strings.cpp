// Strings, messages and exceptions.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "compiler/import/torchscript/builtins.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;

constexpr std::string_view kSpaces = " \t\n\r\f\v";

const std::string& text_of(Call& call, std::size_t i) {
  const auto* text = call[i].get<std::string>();
  if (text == nullptr) call.evaluator.unsupported(fmt::format("{} of {}", call.name, call[i].kind()));
  return *text;
}

// "{} and {}": the arguments in their order, as TorchScript's format() has it.
Result format(Call& call) {
  const std::string pattern = text_of(call, 0);
  std::string text;
  std::size_t next = 1;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.compare(i, 2, "{}") == 0 && next < call.size()) {
      text += to_text(call[next++]);
      ++i;
    } else {
      text += pattern[i];
    }
  }
  call.evaluator.charge(text.size());
  return text;
}

// "%s and %d", with a tuple of arguments or one.
Result percent_format(Call& call) {
  const std::string pattern = text_of(call, 0);
  Vals args(call.args.begin() + 1, call.args.end());
  if (args.size() == 1 && args[0].items() != nullptr) args = Vals(*args[0].items());
  std::string text;
  std::size_t next = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      text += pattern[i];
    } else if (pattern[i + 1] == '%') {
      text += pattern[++i];
    } else {
      i = std::min(pattern.find_first_not_of("0123456789.+- #", i + 1), pattern.size() - 1);
      text += next < args.size() ? to_text(args[next++]) : "?";
    }
  }
  call.evaluator.charge(text.size());
  return text;
}

Result to_string(Call& call) {
  if (call.size() == 0) return std::string();
  std::string text = to_text(call[0]);
  call.evaluator.charge(text.size());
  return text;
}

Result join_strings(Call& call) {
  const Vals* items = call[1].items();
  if (items == nullptr) return std::nullopt;
  const std::string separator = text_of(call, 0);
  std::string text;
  for (const Val& item : *items) {
    text += (text.empty() ? "" : separator) + to_text(item);
    call.evaluator.charge(separator.size() + 1);
  }
  call.evaluator.charge(text.size());
  return text;
}

template <int (*function)(int)>
Result map_characters(Call& call) {
  std::string text = text_of(call, 0);
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(function(c)); });
  return text;
}
// Searching may look at every character of one text for every character of the other.
void charge_search(Call& call) { call.evaluator.charge(1 + text_of(call, 0).size() * text_of(call, 1).size() / 256); }
Result starts_with(Call& call) { return text_of(call, 0).starts_with(text_of(call, 1)); }
Result ends_with(Call& call) { return text_of(call, 0).ends_with(text_of(call, 1)); }
/// Whether the text is searched as a whole: from 0 to its end, which TorchScript calls -1.
bool of_all(const Call& call) {
  const auto is = [&](std::size_t i, std::int64_t value) { return call.size() <= i || call[i].integer() == value; };
  return is(2, 0) && is(3, -1);
}
template <bool last>
Result find(Call& call) {
  if (call[0].get<std::string>() == nullptr || !of_all(call)) return std::nullopt;
  charge_search(call);
  const std::string &text = text_of(call, 0), &part = text_of(call, 1);
  const auto at = last ? text.rfind(part) : text.find(part);
  return SymInt(at == std::string::npos ? -1 : static_cast<std::int64_t>(at));
}
Result count_parts(Call& call) {
  if (call[0].get<std::string>() == nullptr || !of_all(call)) return std::nullopt;
  charge_search(call);
  const std::string &text = text_of(call, 0), &part = text_of(call, 1);
  if (part.empty()) return SymInt(static_cast<std::int64_t>(text.size()) + 1);
  std::int64_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return SymInt(found);
}
template <bool left, bool right>
Result strip(Call& call) {
  const std::string& text = text_of(call, 0);
  const std::string unwanted = call.size() > 1 && !call[1].is_none() ? text_of(call, 1) : std::string(kSpaces);
  const auto first = left ? text.find_first_not_of(unwanted) : 0;
  const auto end = right ? text.find_last_not_of(unwanted) : text.size();
  if (first == std::string::npos || end == std::string::npos) return std::string();
  return text.substr(first, end - first + 1);
}

template <int (*is)(int)>
Result all_characters(Call& call) {
  const std::string& text = text_of(call, 0);
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return is(c) != 0; });
}
/// Characters without cases are of no matter, but one has to have one.
template <int (*is)(int), int (*is_other)(int)>
Result all_of_case(Call& call) {
  const std::string& text = text_of(call, 0);
  return std::ranges::any_of(text, [](unsigned char c) { return is(c) != 0; }) &&
         std::ranges::none_of(text, [](unsigned char c) { return is_other(c) != 0; });
}
Result replace(Call& call) {
  const std::string text = text_of(call, 0), from = text_of(call, 1), to = text_of(call, 2);
  if (from.empty()) return text;
  charge_search(call);
  std::string made;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(from, at)) != std::string::npos; at = found + from.size()) {
    made += text.substr(at, found - at) + to;
    call.evaluator.charge(to.size() + 1);
  }
  return made + text.substr(at);
}
/// Parts between any spaces, of which there may be several.
Val words_of(Call& call, const std::string& text, std::int64_t most) {
  call.evaluator.charge(text.size());
  Vals words;
  auto at = text.find_first_not_of(kSpaces);
  while (at != std::string::npos) {
    const auto end = std::ssize(words) == most ? std::string::npos : text.find_first_of(kSpaces, at);
    words.emplace_back(text.substr(at, end - at));
    at = end == std::string::npos ? end : text.find_first_not_of(kSpaces, end);
  }
  return make_list(std::move(words));
}
Result split_text(Call& call) {
  if (call[0].get<std::string>() == nullptr) return std::nullopt;
  const std::string text = text_of(call, 0);
  const std::int64_t most = call.size() > 2 ? call[2].integer().value_or(-1) : -1;
  if (call.size() < 2 || call[1].is_none()) return words_of(call, text, most);
  const std::string separator = text_of(call, 1);
  if (separator.empty()) call.evaluator.invalid("a string is split at nothing");
  call.evaluator.charge(text.size() * (1 + separator.size() / 16));
  Vals parts;
  std::size_t at = 0;
  for (std::size_t found; std::ssize(parts) != most && (found = text.find(separator, at)) != std::string::npos;
       at = found + separator.size())
    parts.emplace_back(text.substr(at, found - at));
  parts.emplace_back(text.substr(at));
  return make_list(std::move(parts));
}

Result raise(Call& call) {
  const std::string message = call.size() > 0 ? to_text(call[0]) : "";
  std::string type = call.size() > 1 ? to_text(call[1]) : "an exception";
  if (type.starts_with("builtins.")) type = type.substr(9);
  call.evaluator.invalid(
      fmt::format("the model raises {}{}{}", printable(type), message.empty() ? "" : ": ", printable(message, 1000)),
      "give samples that the model takes");
}

Result assertion(Call& call) {
  const Val truth = call.evaluator.truth(call[0]);
  if (truth.get<bool>() != nullptr && !*truth.get<bool>())
    call.evaluator.invalid(
        fmt::format("an assertion of the model fails: {}", call.size() > 1 ? printable(to_text(call[1]), 1000) : ""));
  return Val(None{});
}

}  // namespace

void add_strings(BuiltinTable& table) {
  table.add({"format"}, format);
  table.add({"percentFormat"}, percent_format);
  table.add({"str"}, to_string);
  table.add({"join"}, join_strings);
  table.add({"lower"}, map_characters<std::tolower>);
  table.add({"upper"}, map_characters<std::toupper>);
  table.add({"startswith"}, starts_with);
  table.add({"endswith"}, ends_with);
  table.add({"find"}, find<false>);
  table.add({"rfind"}, find<true>);
  table.add({"count"}, count_parts);
  table.add({"strip"}, strip<true, true>);
  table.add({"lstrip"}, strip<true, false>);
  table.add({"rstrip"}, strip<false, true>);
  table.add({"isdigit", "isdecimal", "isnumeric"}, all_characters<std::isdigit>);
  table.add({"isalpha"}, all_characters<std::isalpha>);
  table.add({"isalnum"}, all_characters<std::isalnum>);
  table.add({"isspace"}, all_characters<std::isspace>);
  table.add({"isupper"}, all_of_case<std::isupper, std::islower>);
  table.add({"islower"}, all_of_case<std::islower, std::isupper>);
  table.add({"replace"}, replace);
  table.add({"split"}, split_text);
  table.add({"RaiseException"}, raise);
  table.add({"_assert"}, assertion);
}

}  // namespace aitune::torchscript

// Strings, messages and exceptions.

#include <fmt/format.h>

#include <algorithm>

#include "compiler/import/torchscript/builtins.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;

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
Result find(Call& call) {
  charge_search(call);
  const auto at = text_of(call, 0).find(text_of(call, 1));
  return SymInt(at == std::string::npos ? -1 : static_cast<std::int64_t>(at));
}
Result strip(Call& call) {
  const std::string& text = text_of(call, 0);
  const auto first = text.find_first_not_of(" \t\n\r");
  if (first == std::string::npos) return std::string();
  return text.substr(first, text.find_last_not_of(" \t\n\r") - first + 1);
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
Result split_text(Call& call) {
  if (call[0].get<std::string>() == nullptr) return std::nullopt;
  const std::string text = text_of(call, 0);
  const std::string separator =
      call.size() > 1 && call[1].get<std::string>() != nullptr ? *call[1].get<std::string>() : " ";
  if (separator.empty()) call.evaluator.invalid("a string is split at nothing");
  call.evaluator.charge(text.size() * (1 + separator.size() / 16));
  Vals parts;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(separator, at)) != std::string::npos; at = found + separator.size())
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
  table.add({"find"}, find);
  table.add({"strip"}, strip);
  table.add({"replace"}, replace);
  table.add({"split"}, split_text);
  table.add({"RaiseException"}, raise);
  table.add({"_assert"}, assertion);
}

}  // namespace aitune::torchscript

#include "compiler/import/dynamo/json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "format/json_problem.h"

namespace aitune::dynamo {

using nlohmann::json;

std::string printable(std::string_view text, std::size_t limit) {
  std::string result;
  for (const char c : text.substr(0, limit)) result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  if (text.size() > limit) result += "...";
  return result;
}

namespace {

/// The text with quotes around those numbers outside of strings that JSON does not have; nothing if there are none.
std::optional<std::string> with_special_numbers(std::string_view text) {
  constexpr std::string_view kNames[] = {"-Infinity", "Infinity", "NaN"};
  std::string result;
  std::size_t copied = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') ++i;
    if (in_string || (c != '-' && c != 'I' && c != 'N')) continue;
    for (const std::string_view name : kNames) {
      if (!text.substr(i).starts_with(name)) continue;
      result.append(text.substr(copied, i - copied)).append("\"").append(name).append("\"");
      i += name.size() - 1;
      copied = i + 1;
      break;
    }
  }
  if (copied == 0) return std::nullopt;
  return result.append(text.substr(copied));
}

}  // namespace

std::shared_ptr<const json> parse_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (text.size() > limits.bytes)
    throw Unsupported(fmt::format("JSON of {} bytes, more than the limit of {}", text.size(), limits.bytes), where);
  std::size_t values = 0;
  using Event = json::parse_event_t;
  const auto watch = [&](int depth, Event event, json&) {
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= limits.depth)
      throw Unsupported(fmt::format("JSON nested deeper than {} levels", limits.depth), where);
    if (++values > limits.values) throw Unsupported(fmt::format("JSON of more than {} values", limits.values), where);
    return true;
  };
  try {
    const auto changed = with_special_numbers(text);
    if (changed) text = *changed;
    return std::make_shared<const json>(json::parse(text.begin(), text.end(), watch));
  } catch (const json::exception& error) {
    throw Corrupt("not valid JSON: " + json_problem(error), where, "export the model again with torch.export.save");
  }
}

std::string JsonView::place() const { return path_.empty() ? where_ : fmt::format("{}: {}", where_, path_); }

void JsonView::corrupt(std::string_view problem) const { throw Corrupt(std::string(problem), place()); }

void JsonView::unsupported(std::string_view problem, std::string fix) const {
  throw Unsupported(std::string(problem), place(), std::move(fix));
}

JsonView JsonView::member(std::string_view key, const json& value) const {
  const std::string name = printable(key, 80);
  return {&value, where_, path_.empty() ? name : fmt::format("{}.{}", path_, name)};
}

JsonView JsonView::at(std::string_view key) const {
  if (!value_->is_object()) corrupt(fmt::format("{} where an object with \"{}\" must be", value_->type_name(), key));
  const auto it = value_->find(key);
  if (it == value_->end()) corrupt(fmt::format("the key \"{}\" is missing", key));
  return member(key, *it);
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  if (!value_->is_object()) corrupt(fmt::format("{} where an object must be", value_->type_name()));
  const auto it = value_->find(key);
  if (it == value_->end() || it->is_null()) return std::nullopt;
  return member(key, *it);
}

std::vector<JsonView> JsonView::items() const {
  if (!value_->is_array()) corrupt(fmt::format("{} where a list must be", value_->type_name()));
  std::vector<JsonView> result;
  result.reserve(value_->size());
  for (const json& item : *value_) result.push_back({&item, where_, fmt::format("{}[{}]", path_, result.size())});
  return result;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  if (!value_->is_object()) corrupt(fmt::format("{} where an object must be", value_->type_name()));
  std::vector<std::pair<std::string, JsonView>> result;
  result.reserve(value_->size());
  for (const auto& [key, value] : value_->items()) result.emplace_back(key, member(key, value));
  return result;
}

std::pair<std::string, JsonView> JsonView::tagged() const {
  if (!value_->is_object() || value_->size() != 1) corrupt("an object with exactly one key must be here");
  const auto it = value_->begin();
  return {it.key(), member(it.key(), *it)};
}

std::int64_t JsonView::integer() const {
  if (value_->is_number_unsigned()) {
    const auto value = value_->get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      corrupt(fmt::format("the number {} does not fit 64 bits", value));
    return static_cast<std::int64_t>(value);
  }
  if (!value_->is_number_integer()) corrupt(fmt::format("{} where a whole number must be", value_->type_name()));
  return value_->get<std::int64_t>();
}

double JsonView::number() const {
  if (value_->is_number()) return value_->get<double>();
  if (value_->is_string()) {
    const auto& text = value_->get_ref<const std::string&>();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  }
  corrupt(fmt::format("{} where a number must be", value_->type_name()));
}

bool JsonView::boolean() const {
  if (!value_->is_boolean()) corrupt(fmt::format("{} where true or false must be", value_->type_name()));
  return value_->get<bool>();
}

const std::string& JsonView::string() const {
  if (!value_->is_string()) corrupt(fmt::format("{} where a string must be", value_->type_name()));
  return value_->get_ref<const std::string&>();
}

bool JsonView::is_null() const { return value_->is_null(); }
bool JsonView::is_boolean() const { return value_->is_boolean(); }

}  // namespace aitune::dynamo

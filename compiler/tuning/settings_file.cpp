// Settings from JSON and YAML.

#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/tuning/settings_table.h"
#include "compiler/tuning/yaml.h"
#include "format/json_problem.h"
#include "format/source.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostFileBytes = 256 << 10;
constexpr int kMostDepth = 2;  // a list in the object

std::string_view type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return "a bool";
    case Json::value_t::string:
      return "a text";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::object:
      return "an object";
    default:
      return "a number";
  }
}

bool fits(SettingKind kind, const Json& value) {
  switch (kind) {
    case SettingKind::boolean:
      return value.is_boolean();
    case SettingKind::integer:
      return value.is_number_integer();
    case SettingKind::number:
      return value.is_number();
    case SettingKind::text:
      return value.is_string();
    case SettingKind::boolean_or_text:
      return value.is_boolean() || value.is_string();
    case SettingKind::list:
      break;
  }
  return value.is_string() || value.is_array();  // "fp32,bf16", or a list
}

/// As set() takes it.
std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& item : value) {
    if (!item.is_string())
      throw InvalidArgument(fmt::format("{} is {} in a list of texts", item.dump(), type_of(item)));
    if (item.get_ref<const std::string&>().find(',') != std::string::npos)
      throw InvalidArgument(fmt::format("{} has a comma, which separates items", item.dump()));
    text += item.get_ref<const std::string&>() + ",";
  }
  return text;
}

void set_from(CompilationSettings& settings, const std::string& name, const Json& value, std::string_view where) {
  const SettingField* field = find_setting(name);
  if (!field) refuse_unknown_setting(name, where);
  try {
    if (value.is_null() && field->reset) return field->reset(settings);
    if (!fits(field->kind, value)) throw InvalidArgument(fmt::format("{} is {}", value.dump(), type_of(value)));
    if (field->reset && value == "none") return field->reset(settings);
    field->set(settings, text_of(value));
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(error.problem(), fmt::format("{}: setting {}", where, name),
                          fmt::format("It takes: {}", field->type));
  }
}

void set_all(CompilationSettings& settings, const Json& fields, std::string_view where) {
  if (!fields.is_object())
    throw InvalidArgument(fmt::format("the file holds {}", type_of(fields)), std::string(where),
                          "Write one object with settings by name");
  CompilationSettings changed = settings;  // all of the file, or nothing
  for (const auto& [name, value] : fields.items()) set_from(changed, name, value, where);
  settings = std::move(changed);
}

void check_size(std::string_view text, std::string_view where) {
  if (text.size() > kMostFileBytes)
    throw InvalidArgument(fmt::format("settings of {} bytes; {} are read at most", text.size(), kMostFileBytes),
                          std::string(where));
}

Json parse_json(std::string_view text, std::string_view where) {
  std::set<std::string> seen;
  const auto look = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMostDepth) throw InvalidArgument("the file nests deeper than a list of texts", std::string(where));
    if (event == Json::parse_event_t::key && depth == 1 && !seen.insert(value.get<std::string>()).second)
      throw InvalidArgument(fmt::format("'{}' is given twice", value.get<std::string>()), std::string(where));
    return true;
  };
  try {
    return Json::parse(text, look);
  } catch (const Json::exception& error) {
    throw Corrupt(fmt::format("the file is no JSON: {}", json_problem(error)), std::string(where),
                  "Correct it there: it is one object with settings by name, such as {\"optimization_level\": 3}");
  }
}

}  // namespace

void CompilationSettings::read_json(std::string_view text, std::string_view where) {
  check_size(text, where);
  set_all(*this, parse_json(text, where), where);
}

void CompilationSettings::read_yaml(std::string_view text, std::string_view where) {
  check_size(text, where);
  set_all(*this, parse_yaml(text, where, kMostDepth), where);
}

void CompilationSettings::read_file(const std::filesystem::path& file) {
  const std::string ending = file.extension().string();
  const bool yaml = ending == ".yaml" || ending == ".yml";
  if (!yaml && ending != ".json")
    throw InvalidArgument(fmt::format("a file of settings does not end in '{}'", ending), file.string(),
                          "Its name ends in .json, .yaml or .yml");
  const std::string text = aitune::read_file(file, kMostFileBytes);
  yaml ? read_yaml(text, file.string()) : read_json(text, file.string());
}

CompilationSettings CompilationSettings::from_file(const std::filesystem::path& file) {
  CompilationSettings settings;
  settings.read_file(file);
  return settings;
}

}  // namespace aitune

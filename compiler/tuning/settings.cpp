#include "compiler/tuning/settings.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/tuning/settings_table.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

const CompilationSettings& defaults() {
  static const CompilationSettings settings;
  return settings;
}

}  // namespace

void CompilationSettings::set(std::string_view field, std::string_view value) {
  const SettingField* f = find_setting(field);
  if (!f) refuse_unknown_setting(field, "settings");
  if (f->reset && (value.empty() || value == "none" || value == "None")) return f->reset(*this);
  try {
    f->set(*this, value);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(error.problem(), fmt::format("setting {}", field), fmt::format("It takes: {}", f->type));
  }
}

std::string CompilationSettings::to_json() const {
  Json json = Json::object();
  for (const SettingField& f : setting_fields()) json[std::string(f.name)] = f.get(*this);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);  // names may be no UTF-8
}

std::string CompilationSettings::recorded_json() const {
  Json json = Json::object();
  for (const SettingField& f : setting_fields())
    if (!f.of_the_run) json[std::string(f.name)] = f.get(*this);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<SettingHelp> setting_help() {
  std::vector<SettingHelp> help;
  for (const SettingField& f : setting_fields())
    help.push_back({f.name, f.type, f.meaning, f.ignored_by_cpu, f.ignored_by_reference, f.always, f.shown_by,
                    f.get(defaults()).dump()});
  return help;
}

std::string_view precision_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "fp32";
    case DType::bf16:
      return "bf16";
    case DType::f16:
      return "fp16";
    case DType::i8:
      return "int8";
    default:
      return dtype_name(dtype);
  }
}

}  // namespace aitune

#include "compiler/import/dynamo/portable.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace aitune::dynamo {
namespace {

using nlohmann::json;

PortableEntry entry_of(std::string name, std::string text) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return {std::move(name), std::as_bytes(std::span(owner->data(), owner->size())), owner};
}

// torch.export.load wants the program to be called "model".
std::string canonical_name(const Pt2Archive& archive, const std::string& name) {
  const Pt2Archive plain{.zip = archive.zip, .layout = Layout::archive, .model = "model"};
  const std::map<std::string, std::string> names = {
      {archive.program_entry(), plain.program_entry()},       {archive.weights_pickle(), plain.weights_pickle()},
      {archive.constants_pickle(), plain.constants_pickle()}, {archive.weights_config(), plain.weights_config()},
      {archive.constants_config(), plain.constants_config()}, {archive.sample_inputs(), plain.sample_inputs()}};
  const auto it = names.find(name);
  return it == names.end() ? name : it->second;
}

bool belongs_to_program(std::string_view name) {
  for (const std::string_view part : {"models/", "data/weights/", "data/constants/", "data/sample_inputs/"})
    if (name.starts_with(part)) return true;
  return name == "archive_format" || name == "archive_version" || name == "byteorder" || name == ".data/version";
}

// PyTorch 2.5 wrote {"as_none": []} where schema 8 has {"as_none": true}; nothing else that it reads has changed.
json upgrade_program(const json& value) {
  if (value.is_array()) {
    json result = json::array();
    for (const json& item : value) result.push_back(upgrade_program(item));
    return result;
  }
  if (!value.is_object()) return value;
  json result = json::object();
  for (const auto& [key, item] : value.items())
    result[key] = key == "as_none" && item.is_array() ? json(true) : upgrade_program(item);
  return result;
}

std::string program_text(const json& program) {
  json upgraded = upgrade_program(program);
  upgraded["schema_version"] = {{"major", 8}, {"minor", 1}};
  return upgraded.dump();
}

std::vector<PortableEntry> converted_entries(const Pt2Archive& archive, const json& program) {
  std::vector<PortableEntry> entries;
  for (const std::string& name :
       {archive.weights_pickle(), archive.constants_pickle(), archive.program_entry(), archive.sample_inputs()}) {
    if (!archive.has(name)) continue;
    const bool rewrite = name == archive.program_entry() && program["schema_version"]["major"] == 7;
    if (rewrite)
      entries.push_back(entry_of(canonical_name(archive, name), program_text(program)));
    else
      entries.push_back({canonical_name(archive, name), archive.bytes(name), archive.zip->owner()});
  }
  entries.push_back(entry_of("archive_format", "pt2"));
  entries.push_back(entry_of("archive_version", "0"));
  entries.push_back(entry_of(".data/version", "6\n"));
  entries.push_back(entry_of("byteorder", "little"));
  return entries;
}

}  // namespace

std::vector<PortableEntry> portable_entries(const Pt2Archive& archive, const json& program) {
  if (archive.layout == Layout::zip) return converted_entries(archive, program);
  std::vector<PortableEntry> entries;
  for (const ZipEntry& entry : archive.zip->entries()) {
    std::string_view name = entry.name;
    name.remove_prefix(archive.zip->top().size());
    if (!belongs_to_program(name)) continue;
    entries.push_back({canonical_name(archive, std::string(name)), archive.zip->bytes(entry), archive.zip->owner()});
  }
  return entries;
}

}  // namespace aitune::dynamo

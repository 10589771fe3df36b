#include "compiler/report/measured.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/target.h"
#include "format/safetensors.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

/// A field that may be missing or of another kind: what a report shows is never worth an error.
double number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}
std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}
bool flag(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}
/// The items of a list of this kind.
std::vector<Json> items(const Json& object, const char* key, bool (*is_kind)(const Json&)) {
  std::vector<Json> list;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return list;
  for (const Json& item : *found)
    if (is_kind(item)) list.push_back(item);
  return list;
}
bool is_object(const Json& json) { return json.is_object(); }
bool is_string(const Json& json) { return json.is_string(); }

std::vector<std::string> texts(const Json& object, const char* key) {
  std::vector<std::string> list;
  for (const Json& item : items(object, key, is_string)) list.push_back(item.get<std::string>());
  return list;
}

void add_settings(const Json& config, const std::string& prefix, std::vector<SettingRow>& rows) {
  for (const auto& [key, value] : config.items()) {
    if (value.is_object())
      add_settings(value, prefix + key + ".", rows);
    else
      rows.push_back({prefix + key, value.is_string() ? value.get<std::string>()
                                                      : value.dump(-1, ' ', false, Json::error_handler_t::replace)});
  }
}

Json parse_object(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_object() ? json : Json::object();
}

}  // namespace

ModelReport describe_file(const std::filesystem::path& path, const Manifest& manifest) {
  const Json measured = parse_object(manifest.measured);
  ModelReport report;
  report.file = path.filename().string();
  report.name = manifest.name;
  report.aitune_version = manifest.aitune_version;
  report.file_bytes = std::filesystem::file_size(path);
  report.portable = manifest.portable;
  report.tuned_milliseconds = number(measured, "latency_ms");
  report.baseline_milliseconds = number(measured, "baseline_ms");
  report.tune_seconds = number(measured, "seconds");
  report.error = number(measured, "relative_error");
  report.accepted_error = number(measured, "accepted_error");
  report.samples = manifest.samples.size();
  report.lowered_nodes = static_cast<std::size_t>(std::max(0.0, number(measured, "nodes")));
  report.strategy = text(measured, "strategy");
  for (const Json& b : items(measured, "backends", is_object))
    report.backends.push_back({text(b, "backend"), text(b, "problem"), flag(b, "stays"),
                               static_cast<std::int64_t>(std::clamp(number(b, "batch"), 0.0, 1e12)),
                               number(b, "latency_ms"), number(b, "speedup")});
  const std::string chosen = text(measured, "chosen");
  for (const Json& c : items(measured, "candidates", is_object))
    report.candidates.push_back({text(c, "precision"), text(c, "problem"), flag(c, "correct"),
                                 text(c, "precision") == chosen, number(c, "latency_ms"), number(c, "relative_error"),
                                 number(c, "build_seconds")});
  for (const Json& k : items(measured, "kept_in_fp32", is_object))
    report.kept_in_fp32.push_back(
        {text(k, "module").empty() ? text(k, "node") : text(k, "module"), text(k, "why"), number(k, "share")});
  report.fallbacks = texts(measured, "fallbacks");
  report.warnings = texts(measured, "warnings");
  add_settings(parse_object(manifest.config), "", report.settings);
  return report;
}

MachineReport describe_machine(const Plan& plan, int threads) {
  return {host_cpu_name(), host_cpu().str(), plan.target.str(), host_cpu_count(), threads};
}

std::vector<NamedTensors> file_samples(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  const Manifest manifest = read_manifest(zip);
  std::vector<NamedTensors> samples;
  for (const ManifestSample& sample : manifest.samples) {
    const ZipEntry& entry = zip.at(sample.inputs);
    zip.verify_crc(entry);
    samples.push_back(read_safetensors(zip.bytes(entry), zip.owner(), path.string() + "/" + sample.inputs));
  }
  return samples;
}

std::vector<Tensor> in_plan_order(const Plan& plan, const NamedTensors& named, const std::string& where) {
  std::vector<Tensor> ordered;
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const auto found = std::ranges::find_if(
        named, [&](const auto& t) { return t.first == plan.inputs[i].name || t.first == std::to_string(i); });
    if (found == named.end())
      throw InvalidArgument(fmt::format("input '{}' is missing", plan.inputs[i].name), where,
                            "Give every input by its name or position");
    ordered.push_back(found->second);
  }
  return ordered;
}

}  // namespace aitune

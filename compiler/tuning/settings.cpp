#include "compiler/tuning/settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

/// One field: how it is read from text and shown. The only list of settings.
struct Field {
  SettingHelp help;
  void (*set)(CompilationSettings&, std::string_view);
  Json (*get)(const CompilationSettings&);
};

bool parse_bool(std::string_view text) {
  if (text == "true" || text == "True" || text == "1") return true;
  if (text == "false" || text == "False" || text == "0") return false;
  throw InvalidArgument(fmt::format("'{}' is neither true nor false", text));
}

template <typename T>
T parse_number(std::string_view text, T low, T high) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= low && value <= high))
    throw InvalidArgument(fmt::format("'{}' is not a number from {} to {}", text, low, high));
  return value;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

std::set<DType> parse_precisions(std::string_view text) {
  std::set<DType> precisions;
  for (const auto& name : split(text)) {
    const auto type = parse_dtype(name);
    if (!type || (*type != DType::f32 && *type != DType::bf16 && *type != DType::f16))
      throw InvalidArgument(fmt::format("'{}' is not a precision: fp32, bf16, fp16", name));
    precisions.insert(*type);
  }
  if (precisions.empty()) throw InvalidArgument("at least one precision is needed: fp32, bf16, fp16");
  return precisions;
}

template <bool CompilationSettings::* member>
constexpr Field bool_field(std::string_view name, std::string_view meaning) {
  return {{name, "bool", meaning},
          [](CompilationSettings& s, std::string_view v) { s.*member = parse_bool(v); },
          [](const CompilationSettings& s) { return Json(s.*member); }};
}

const std::array<Field, 18>& fields() {
  using S = CompilationSettings;
  static const std::array<Field, 18> table = {{
      {{"enabled_precisions", "list of fp32, bf16, fp16", "precisions that kernels may use; fp32 always may be"},
       [](S& s, std::string_view v) { s.enabled_precisions = parse_precisions(v); },
       [](const S& s) {
         Json list = Json::array();
         for (const DType t : s.enabled_precisions) list.push_back(precision_name(t));
         return list;
       }},
      {{"min_block_size", "integer >= 1", "smallest number of nodes in a compiled block"},
       [](S& s, std::string_view v) { s.min_block_size = parse_number<int>(v, 1, 1 << 20); },
       [](const S& s) { return Json(s.min_block_size); }},
      {{"torch_executed_ops", "list of operators", "operators that stay on the reference engine"},
       [](S& s, std::string_view v) {
         s.torch_executed_ops.clear();
         for (auto& op : split(v)) s.torch_executed_ops.insert(std::move(op));
       },
       [](const S& s) {
         return Json(std::vector<std::string>(s.torch_executed_ops.begin(), s.torch_executed_ops.end()));
       }},
      bool_field<&S::require_full_compilation>("require_full_compilation",
                                               "refuse models that need the reference engine"),
      bool_field<&S::pass_through_build_failures>("pass_through_build_failures",
                                                  "a block that cannot be built is an error"),
      {{"optimization_level", "integer 0 to 5", "0 builds fastest, 5 searches longest"},
       [](S& s, std::string_view v) { s.optimization_level = parse_number<int>(v, 0, 5); },
       [](const S& s) { return Json(s.optimization_level); }},
      {{"timing_cache_path", "path or none", "file with timings of earlier tunings"},
       [](S& s, std::string_view v) { s.timing_cache_path = v; },
       [](const S& s) { return Json(s.timing_cache_path); }},
      {{"num_threads", "integer >= 0", "threads at run time, 0 for all"},
       [](S& s, std::string_view v) { s.num_threads = parse_number<int>(v, 0, 1024); },
       [](const S& s) { return Json(s.num_threads); }},
      {{"engine", "cpu, reference or empty", "the only engine to use"},
       [](S& s, std::string_view v) {
         if (!v.empty() && v != "cpu" && v != "reference")
           throw InvalidArgument(fmt::format("there is no engine '{}': cpu, reference", v));
         s.engine = v;
       },
       [](const S& s) { return Json(s.engine); }},
      bool_field<&S::onednn>("onednn", "call oneDNN where it is installed and faster; the file then needs it to run"),
      {{"max_relative_error", "number 0 to 1",
        "accepted error against the reference, 0 for 1e-4 (fp32) or 2e-2 (bf16)"},
       [](S& s, std::string_view v) { s.max_relative_error = parse_number<double>(v, 0.0, 1.0); },
       [](const S& s) { return Json(s.max_relative_error); }},
      bool_field<&S::portable>("portable", "keep the program itself in the file, so that PyTorch opens it"),
      {{"max_special_plans", "integer 0 to 64", "plans for common shapes alone, beside the general one"},
       [](S& s, std::string_view v) { s.max_special_plans = parse_number<int>(v, 0, 64); },
       [](const S& s) { return Json(s.max_special_plans); }},
      {{"special_plan_gain", "number -1 to 1", "share of the general plan's time that a special one must save"},
       [](S& s, std::string_view v) { s.special_plan_gain = parse_number<double>(v, -1.0, 1.0); },
       [](const S& s) { return Json(s.special_plan_gain); }},
      {{"dryrun", "bool or path",
        "build nothing, and report how the model would be cut, also into the file of that path"},
       [](S& s, std::string_view v) {
         if (v.empty() || v == "false" || v == "False" || v == "0")
           s.dryrun.clear();
         else
           s.dryrun = v == "True" || v == "1" ? "true" : v;
       },
       [](const S& s) { return s.dryrun.empty() || s.dryrun == "true" ? Json(!s.dryrun.empty()) : Json(s.dryrun); }},
      bool_field<&S::fallback_data_dependent_ops>(
          "fallback_data_dependent_ops", "operators with results whose size data decide stay on the reference engine"),
      {{"max_data_dependent_size", "integer >= 1",
        "largest size that data may decide where neither operator nor model limits it"},
       [](S& s, std::string_view v) {
         s.max_data_dependent_size = parse_number<std::int64_t>(v, 1, std::int64_t{1} << 40);
       },
       [](const S& s) { return Json(s.max_data_dependent_size); }},
      {{"custom_ops", "list of shared libraries", "libraries of custom operators to load"},
       [](S& s, std::string_view v) { s.custom_ops = split(v); },
       [](const S& s) { return Json(s.custom_ops); }},
  }};
  return table;
}

}  // namespace

void CompilationSettings::set(std::string_view field, std::string_view value) {
  for (const Field& f : fields()) {
    if (f.help.field != field) continue;
    try {
      f.set(*this, value);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(error.problem(), fmt::format("setting {}", field),
                            fmt::format("It takes: {}", f.help.type));
    }
    return;
  }
  std::vector<std::string_view> names;
  for (const Field& f : fields()) names.push_back(f.help.field);
  throw InvalidArgument(fmt::format("there is no setting '{}'", field), "settings",
                        fmt::format("There are: {}", fmt::join(names, ", ")));
}

std::string CompilationSettings::to_json() const {
  Json json = Json::object();
  for (const Field& f : fields()) json[std::string(f.help.field)] = f.get(*this);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);  // names may be no UTF-8
}

std::vector<SettingHelp> setting_help() {
  std::vector<SettingHelp> help;
  for (const Field& f : fields()) help.push_back(f.help);
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
    default:
      return dtype_name(dtype);
  }
}

}  // namespace aitune

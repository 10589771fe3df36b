// Which settings have no effect, and why: by engine, and beside other settings.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/tuning/settings_table.h"

namespace aitune {
namespace {

using S = CompilationSettings;

constexpr std::size_t kMostTogether = 6;

/// Settings that have no effect where others have certain values.
struct IdleSettings {
  std::string_view names[kMostTogether];
  std::string_view why;
  bool (*idle)(const S&);
};

bool caches_engines(const S& s) { return s.cache_built_engines || s.reuse_cached_engines; }

constexpr IdleSettings kIdle[] = {
    {{"autocast_low_precision_type", "autocast_excluded_nodes", "autocast_excluded_ops",
      "autocast_max_output_threshold", "autocast_max_depth_of_reduction"},
     "enable_autocast is off",
     [](const S& s) { return !s.enable_autocast; }},
    {{"enabled_precisions", "max_quantisation_error"},
     "enable_autocast chooses the precision of each product by its own rules",
     [](const S& s) { return s.enable_autocast; }},
    {{"max_quantisation_error"},
     "enabled_precisions has no int8",
     [](const S& s) { return !s.enable_autocast && !s.enabled_precisions.contains(DType::i8); }},
    {{"min_block_size"},
     "require_full_compilation is on",
     [](const S& s) { return s.require_full_compilation && s.min_block_size > 1; }},
    {{"special_plan_gain"}, "max_special_plans is 0", [](const S& s) { return s.max_special_plans == 0; }},
    {{"num_avg_timing_iters"},
     "optimization_level 0 times no kernels",
     [](const S& s) { return s.optimization_level == 0; }},
    {{"timing_cache_path"},
     "optimization_level 0 times no kernels",
     [](const S& s) { return s.optimization_level == 0 && s.timing_cache_path != "none"; }},
    {{"engine_cache_dir", "refit_identical_engine_weights"},
     "cache_built_engines and reuse_cached_engines are off",
     [](const S& s) { return !caches_engines(s); }},
    {{"engine_cache_size"}, "cache_built_engines is off", [](const S& s) { return !s.cache_built_engines; }},
};

constexpr std::string_view kNoSearch = "what is built comes from the decision log, and nothing is searched";
/// What has no effect where decisions are given.
constexpr IdleSettings kOfTheSearch[] = {
    {{"timing_cache_path"}, kNoSearch, [](const S& s) { return s.timing_cache_path != "none"; }},
    {{"tune_budget_seconds", "cache_built_engines", "reuse_cached_engines", "engine_cache_dir", "engine_cache_size"},
     kNoSearch,
     [](const S&) { return true; }},
};

bool is_changed(const SettingField& field, const S& settings) {
  static const S defaults;
  return field.get(settings) != field.get(defaults);
}

std::string_view why_ignored(const SettingField& field, std::string_view engine) {
  return engine == "reference" ? field.ignored_by_reference : field.ignored_by_cpu;
}

/// A line for those of the row that are set and idle; nothing for what the engine ignores anyway.
void name_idle(const IdleSettings& row, const S& settings, std::string_view engine, std::vector<std::string>& lines) {
  if (!row.idle(settings)) return;
  std::vector<std::string_view> names;
  for (const std::string_view name : row.names)
    if (const SettingField* f = find_setting(name); f && why_ignored(*f, engine).empty() && is_changed(*f, settings))
      names.push_back(name);
  if (!names.empty())
    lines.push_back(
        fmt::format("{} {} ignored: {}", fmt::join(names, ", "), names.size() == 1 ? "is" : "are", row.why));
}

}  // namespace

std::vector<std::string> ignored_settings(const CompilationSettings& settings, std::string_view engine) {
  std::vector<std::string> lines;
  for (const SettingField& f : setting_fields())
    if (const auto why = why_ignored(f, engine); !why.empty() && is_changed(f, settings))
      lines.push_back(fmt::format("{} is ignored by engine {}: {}", f.name, engine, why));
  for (const IdleSettings& row : kIdle) name_idle(row, settings, engine, lines);
  return lines;
}

std::vector<std::string> ignored_beside_decisions(const CompilationSettings& settings, std::string_view engine) {
  std::vector<std::string> lines;
  for (const IdleSettings& row : kOfTheSearch) name_idle(row, settings, engine, lines);
  return lines;
}

}  // namespace aitune

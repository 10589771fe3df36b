// aitune cache: what tuning remembers, listed, verified and pruned.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/tuning/engine_cache.h"
#include "compiler/tuning/timing_cache.h"
#include "tools/commands.h"
#include "tools/numbers.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct CacheOptions {
  std::string engines, timings;
  std::uint64_t limit = 0;
};

struct Caches {
  explicit Caches(const CacheOptions& options)
      : engine_folder(options.engines.empty() ? default_engine_cache_path() : std::filesystem::path(options.engines)),
        timing_file(options.timings.empty() ? default_timing_cache_path() : std::filesystem::path(options.timings)),
        engines(engine_folder, 0) {
    if (!options.timings.empty()) refuse_no_timing_cache(timing_file, "--timing-cache-path");
    std::error_code ignored;
    if (!options.engines.empty() && std::filesystem::exists(engine_folder, ignored) &&
        !std::filesystem::is_directory(engine_folder, ignored))
      throw InvalidArgument(fmt::format("'{}' is no folder", options.engines), "--engine-cache-dir",
                            "Give the folder of an engine cache");
  }
  std::filesystem::path engine_folder, timing_file;
  EngineCache engines;
};

/// Shows both caches; the status is that of a failure if `verify` found damage.
void show(const CacheOptions& options, bool verify, Common& common) {
  const Caches caches(options);
  std::string warning;
  const std::size_t timings = TimingCache::load(caches.timing_file, &warning).size();
  bool whole = warning.empty();
  auto rows = nlohmann::ordered_json::array();
  for (const auto& entry : caches.engines.list(verify)) {
    whole = whole && entry.problem.empty();
    rows.push_back({{"file", entry.file.string()}, {"bytes", entry.bytes}, {"problem", entry.problem}});
  }
  if (verify && !whole) common.status = 1;
  if (common.json)
    return print_json(
        {{"timing_cache", {{"file", caches.timing_file.string()}, {"timings", timings}, {"problem", warning}}},
         {"engine_cache", {{"folder", caches.engine_folder.string()}, {"entries", rows}}}});
  fmt::print("timing cache {}: {} timings{}\n", caches.timing_file.string(), timings,
             warning.empty() ? "" : " (" + warning + ")");
  fmt::print("engine cache {}: {} entries\n", caches.engine_folder.string(), rows.size());
  for (const auto& row : rows) {
    const auto problem = row["problem"].get<std::string>();
    fmt::print("  {:>10} {}{}\n", human_bytes(row["bytes"].get<double>()), row["file"].get<std::string>(),
               problem.empty() ? "" : ": " + problem);
  }
}

void prune(const CacheOptions& options, const Common& common) {
  const Caches caches(options);
  const std::size_t removed = caches.engines.prune(options.limit);
  std::string warning;
  static_cast<void>(TimingCache::load(caches.timing_file, &warning));
  bool timings_removed = options.limit == 0 || !warning.empty();
  std::error_code ignored;
  timings_removed = timings_removed && std::filesystem::remove(caches.timing_file, ignored);
  if (common.json) return print_json({{"engines_removed", removed}, {"timings_removed", timings_removed}});
  fmt::print("{} entries of the engine cache removed{}\n", removed, timings_removed ? ", and the timing cache" : "");
}

}  // namespace

void add_cache_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("cache", std::string(about_command("cache")));
  const auto options = std::make_shared<CacheOptions>();
  command->require_subcommand(1);
  const auto part = [&](const char* name, const char* meaning) {
    auto* sub = command->add_subcommand(name, meaning);
    sub->add_option("--engine-cache-dir", options->engines, "the engine cache; the user's if left out");
    sub->add_option("--timing-cache-path", options->timings, "the timing cache; the user's if left out");
    add_common_options(*sub, common);
    return sub;
  };
  part("list", "show the entries")->callback([options, &common] { show(*options, false, common); });
  part("verify", "read every entry; the status is 1 if one is damaged")->callback([options, &common] {
    show(*options, true, common);
  });
  auto* pruning = part("prune", "remove what is damaged, and what was used longest ago");
  pruning
      ->add_option("--size", options->limit,
                   "bytes to keep of the engine cache, such as 64MB; 0 removes all, timings as well")
      ->transform(as_bytes())
      ->capture_default_str();
  pruning->callback([options, &common] { prune(*options, common); });
}

}  // namespace aitune::tools

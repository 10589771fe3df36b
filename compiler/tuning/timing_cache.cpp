#include "compiler/tuning/timing_cache.h"

#include <cmath>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/source.h"

namespace aitune {
namespace {

constexpr int kVersion = 1;
constexpr std::uint64_t kMaxFile = 64 << 20;

std::map<std::string, Timing> parse(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  if (json.at("version") != kVersion) throw Corrupt("another version of the cache");
  std::map<std::string, Timing> entries;
  for (const auto& [key, value] : json.at("timings").items()) {
    Timing timing{value.at("choice").get<std::string>(), value.at("us").get<double>()};
    if (!std::isfinite(timing.microseconds) || timing.microseconds < 0) throw Corrupt("a timing that is no time");
    entries.emplace(key, std::move(timing));
  }
  return entries;
}

}  // namespace

TimingCache TimingCache::load(const std::filesystem::path& path, std::string* warning) {
  TimingCache cache;
  if (!std::filesystem::exists(path)) return cache;
  try {
    cache.entries_ = parse(read_file(path, kMaxFile));
  } catch (const std::exception& error) {
    if (warning) *warning = "timing cache " + path.string() + " was dropped: " + error.what();
  }
  return cache;
}

std::optional<Timing> TimingCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(key);
  return it == entries_.end() ? std::nullopt : std::optional(it->second);
}

void TimingCache::remember(const std::string& key, Timing timing) {
  const std::lock_guard lock(mutex_);
  entries_[key] = std::move(timing);
}

std::size_t TimingCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void TimingCache::save(const std::filesystem::path& path) const {
  auto merged = load(path).entries_;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, timing] : entries_) merged[key] = timing;
  }
  nlohmann::json timings = nlohmann::json::object();
  for (const auto& [key, timing] : merged) timings[key] = {{"choice", timing.choice}, {"us", timing.microseconds}};
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  write_file(path, nlohmann::json{{"version", kVersion}, {"timings", timings}}.dump(1) + "\n");
}

std::filesystem::path default_timing_cache_path() {
  const auto variable = [](const char* name) {
    const char* v = std::getenv(name);
    return std::filesystem::path(v ? v : "");
  };
  if (const auto dir = variable("AITUNE_CACHE_DIR"); !dir.empty()) return dir / "timings.json";
  if (const auto dir = variable("XDG_CACHE_HOME"); !dir.empty()) return dir / "aitune" / "timings.json";
  return variable("HOME") / ".cache" / "aitune" / "timings.json";
}

}  // namespace aitune

#include "compiler/tuning/timing_cache.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "aitune/version.h"
#include "base/error.h"
#include "format/digest.h"
#include "format/json_problem.h"
#include "format/source.h"

namespace aitune {
namespace {

constexpr int kTimingsVersion = 2;
/// Every file begins so; those of the first version did with the second of these.
constexpr std::string_view kBeginning = "{\n \"format\": \"aitune timing cache\"";
constexpr std::string_view kFirstBeginning = "{\n \"timings\": {";
constexpr std::uint64_t kMaxFile = 64 << 20;
constexpr int kMaxDepth = 8;
constexpr auto kReplace = nlohmann::json::error_handler_t::replace;

/// Another version's kernels of the same name may be others.
std::string of_this_version(const std::string& key) { return key + "|aitune=" + kVersion; }

std::string dropped(std::string_view where, std::string_view why) {
  return "timing cache " + std::string(where) + " was dropped: " + std::string(why);
}

bool limit_depth(int depth, nlohmann::json::parse_event_t /*event*/, nlohmann::json& /*value*/) {
  if (depth > kMaxDepth) throw Corrupt("it nests too deep");
  return true;
}

std::string digest_of_entry(const std::string& key, const std::string& choice, double microseconds) {
  const std::string text = nlohmann::json({key, choice, microseconds}).dump(-1, ' ', false, kReplace);
  return to_hex(sha256(std::as_bytes(std::span(text.data(), text.size()))));
}

std::map<std::string, Timing> read(std::string_view text) {
  const auto json = nlohmann::json::parse(text, limit_depth);
  if (!json.is_object()) throw Corrupt("it holds no JSON object");
  if (json.at("version") != kTimingsVersion) throw Corrupt("it is of another version of aitune");
  std::map<std::string, Timing> entries;
  for (const auto& [key, value] : json.at("timings").items()) {
    Timing timing{value.at("choice").get<std::string>(), value.at("us").get<double>()};
    if (value.at("sha256") != digest_of_entry(key, timing.choice, timing.microseconds))
      throw Corrupt("an entry does not match its SHA-256");
    if (!std::isfinite(timing.microseconds) || timing.microseconds < 0) throw Corrupt("a timing that is no time");
    entries.emplace(key, std::move(timing));
  }
  return entries;
}

}  // namespace

TimingCache TimingCache::load(const std::filesystem::path& path, std::string* warning) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  try {
    return parse(read_file(path, kMaxFile), path.string(), warning);
  } catch (const Error& failure) {
    if (warning) *warning = dropped(path.string(), failure.problem());
    return {};
  }
}

TimingCache TimingCache::parse(std::string_view text, std::string_view where, std::string* warning) {
  TimingCache cache;
  try {
    cache.entries_ = read(text);
  } catch (const Error& error) {
    if (warning) *warning = dropped(where, error.problem());
  } catch (const nlohmann::json::exception& error) {
    if (warning) *warning = dropped(where, json_problem(error));
  }
  return cache;
}

std::optional<Timing> TimingCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(of_this_version(key));
  return it == entries_.end() ? std::nullopt : std::optional(it->second);
}

void TimingCache::remember(const std::string& key, Timing timing) {
  std::filesystem::path path;
  {
    const std::lock_guard lock(mutex_);
    entries_[of_this_version(key)] = std::move(timing);
    if (path_.empty() || Clock::now() - saved_ < apart_) return;
    path = path_;
    saved_ = Clock::now();
  }
  try {
    save(path);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): whoever saves in the end says so
  }
}

void TimingCache::save_at_times(std::filesystem::path path, std::chrono::seconds apart) {
  const std::lock_guard lock(mutex_);
  path_ = std::move(path);
  apart_ = apart;
  saved_ = Clock::now();
}

TimingCache::TimingCache(TimingCache&& other) noexcept
    : entries_(std::move(other.entries_)),
      given_(std::move(other.given_)),
      decisions_(std::move(other.decisions_)),
      misses_(std::move(other.misses_)),
      final_(other.final_),
      path_(std::move(other.path_)),
      apart_(other.apart_),
      saved_(other.saved_) {}

TimingCache TimingCache::of_decisions(Tactics decisions) {
  TimingCache cache;
  cache.given_ = std::move(decisions);
  cache.final_ = true;
  return cache;
}

void TimingCache::decide(const std::string& key, TacticDecision decision) {
  const std::lock_guard lock(mutex_);
  decisions_[key] = std::move(decision);
}

Tactics TimingCache::take_decisions() {
  const std::lock_guard lock(mutex_);
  return std::exchange(decisions_, {});
}

std::optional<TacticDecision> TimingCache::decided(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  for (const Tactics* tactics : {&decisions_, &given_})
    if (const auto it = tactics->find(key); it != tactics->end()) return it->second;
  return std::nullopt;
}

void TimingCache::miss(std::string why) {
  const std::lock_guard lock(mutex_);
  misses_.push_back(std::move(why));
}

std::vector<std::string> TimingCache::misses() const {
  const std::lock_guard lock(mutex_);
  return misses_;
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
  for (const auto& [key, timing] : merged)
    timings[key] = {{"choice", timing.choice},
                    {"us", timing.microseconds},
                    {"sha256", digest_of_entry(key, timing.choice, timing.microseconds)}};
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  const nlohmann::json file = {{"format", "aitune timing cache"}, {"version", kTimingsVersion}, {"timings", timings}};
  write_file(path, file.dump(1, ' ', false, kReplace) + "\n");
}

void refuse_no_timing_cache(const std::filesystem::path& path, const std::string& where) {
  std::error_code ignored;
  const auto kind = std::filesystem::status(path, ignored).type();
  if (kind == std::filesystem::file_type::not_found || kind == std::filesystem::file_type::none) return;
  constexpr const char* kFix = "Give the path of a timing cache, or of a file that is not there yet";
  if (kind != std::filesystem::file_type::regular)
    throw InvalidArgument(fmt::format("'{}' is no file", path.string()), where, kFix);
  std::string beginning(kBeginning.size(), '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  beginning.resize(static_cast<std::size_t>(file.gcount()));
  if (beginning.empty() || kBeginning.starts_with(beginning) || beginning.starts_with(kFirstBeginning)) return;
  throw InvalidArgument(fmt::format("'{}' is no timing cache, and would be lost", path.string()), where, kFix);
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

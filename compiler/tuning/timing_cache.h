#pragma once
// What was measured before: which tactic was fastest for a kernel on a machine.

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace aitune {

/// One remembered choice.
struct Timing {
  std::string choice;       ///< the tactic's name
  double microseconds = 0;  ///< what it took when it was chosen
};

/// Timings by key. Keys hold everything that the time depends on: kernel fingerprint, CPU, threads, version. Plain
/// data; a damaged or foreign file is dropped with a warning, never trusted. Thread-safe.
class TimingCache {
 public:
  TimingCache() = default;
  /// Reads the file if it exists. `warning` says why a file was dropped.
  static TimingCache load(const std::filesystem::path& path, std::string* warning = nullptr);
  /// The same from the text of such a file; `where` names it in the warning.
  static TimingCache parse(std::string_view text, std::string_view where, std::string* warning = nullptr);
  /// One that only knows what was decided in an earlier tuning: nothing is timed with it, and what it does not know is
  /// chosen by rule.
  static TimingCache of_decisions(std::map<std::string, std::string> decisions);
  TimingCache(TimingCache&& other) noexcept
      : entries_(std::move(other.entries_)), decisions_(std::move(other.decisions_)), final_(other.final_) {}

  std::optional<Timing> find(const std::string& key) const;
  void remember(const std::string& key, Timing timing);
  /// Notes a choice of this tuning, with a key that knows no machine: what a plan is built from again.
  void decide(const std::string& key, std::string choice);
  std::optional<std::string> decision(const std::string& key) const;
  std::map<std::string, std::string> decisions() const;
  bool is_final() const { return final_; }  ///< made by of_decisions
  /// Writes all entries, atomically; entries that another process saved meanwhile are kept.
  void save(const std::filesystem::path& path) const;
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Timing> entries_;
  std::map<std::string, std::string> decisions_;
  bool final_ = false;
};

/// The user's cache: $AITUNE_CACHE_DIR, else $XDG_CACHE_HOME/aitune, else ~/.cache/aitune; file timings.json.
std::filesystem::path default_timing_cache_path();

}  // namespace aitune

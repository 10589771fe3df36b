#pragma once
// What was measured before: which tactic was fastest for a kernel on a machine.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aitune {

/// One remembered choice.
struct Timing {
  std::string choice;       ///< the tactic's name
  double microseconds = 0;  ///< what it took when it was chosen
};

/// How a kernel is made: what a plan is built from again. Plain data.
struct TacticDecision {
  std::string tile;                ///< name of the tile; that of our own kernel where oneDNN is called instead
  std::string onednn;              ///< name of the call of oneDNN that is used; empty: a generated kernel
  std::size_t candidates = 0;      ///< among how many it was chosen
  double microseconds = 0;         ///< what it took when it was chosen; 0: it was chosen by rule, and not timed
  std::vector<std::string> nodes;  ///< what it computes, with its module: "conv2d_1 (layer1.conv1)"
  bool same_choice(const TacticDecision& other) const { return tile == other.tile && onednn == other.onednn; }
  bool operator==(const TacticDecision&) const = default;
};
/// By a key that knows no machine: the kernel's fingerprint, what it was made for, sizes.
using Tactics = std::map<std::string, TacticDecision>;

/// Timings by key. Keys hold everything that the time depends on: kernel fingerprint, CPU, threads, version. Plain
/// data, each with its SHA-256; a damaged file is dropped with a warning, never trusted. Thread-safe.
class TimingCache {
 public:
  TimingCache() = default;
  /// Reads the file if it exists. `warning` says why a file was dropped.
  static TimingCache load(const std::filesystem::path& path, std::string* warning = nullptr);
  /// The same from the text of such a file; `where` names it in the warning.
  static TimingCache parse(std::string_view text, std::string_view where, std::string* warning = nullptr);
  /// One that only knows what was decided in an earlier tuning: nothing is timed with it, and what it does not know is
  /// chosen by rule.
  static TimingCache of_decisions(Tactics decisions);
  TimingCache(TimingCache&& other) noexcept;

  std::optional<Timing> find(const std::string& key) const;
  void remember(const std::string& key, Timing timing);
  /// Notes a choice for the plan that is being built.
  void decide(const std::string& key, TacticDecision decision);
  /// What was decided since the last call: the choices of one plan.
  Tactics take_decisions();

  bool is_final() const { return final_; }  ///< made by of_decisions
  /// Of those that it was made of, and those of the plan that is being built.
  std::optional<TacticDecision> decided(const std::string& key) const;
  /// Notes that what was decided cannot be had, and why.
  void miss(std::string why);
  std::vector<std::string> misses() const;

  /// Writes all entries, atomically; entries that another process saved meanwhile are kept.
  void save(const std::filesystem::path& path) const;
  /// From now on remember() saves, too, where the last time was a while ago: what ends the process leaves the rest.
  void save_at_times(std::filesystem::path path, std::chrono::seconds apart = std::chrono::seconds(10));
  std::size_t size() const;

 private:
  using Clock = std::chrono::steady_clock;

  mutable std::mutex mutex_;
  std::map<std::string, Timing> entries_;
  Tactics given_, decisions_;
  std::vector<std::string> misses_;
  bool final_ = false;
  std::filesystem::path path_;  // to save at times; empty: never
  std::chrono::seconds apart_{};
  Clock::time_point saved_;
};

/// Throws InvalidArgument naming `where` for what is there and is no timing cache, damaged or not: saving would
/// destroy it.
void refuse_no_timing_cache(const std::filesystem::path& path, const std::string& where);

/// The user's cache: $AITUNE_CACHE_DIR, else $XDG_CACHE_HOME/aitune, else ~/.cache/aitune; file timings.json.
std::filesystem::path default_timing_cache_path();

}  // namespace aitune

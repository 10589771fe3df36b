#pragma once
// What earlier tunings ended with, so that the same model is not searched again: cache_built_engines,
// reuse_cached_engines.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/tuning/decisions.h"

namespace aitune {

/// A folder of decisions, one file each, by everything that they depend on. Entries are plain data: plans are built
/// from them again, with the model's own weights, and compared with the reference, so that nothing in the folder is
/// ever executed or believed. Any number of processes may share it: files appear complete or not at all, and one that
/// is gone is not there.
class EngineCache {
 public:
  /// `limit` in bytes; what was used longest ago goes first.
  EngineCache(std::filesystem::path folder, std::uint64_t limit) : folder_(std::move(folder)), limit_(limit) {}

  /// What was decided for this key, now the entry used last. A damaged entry is removed, and `warning` says so.
  std::optional<Decisions> find(std::string_view key, std::string* warning) const;
  /// Keeps the decisions, and removes others until all fit the limit. Throws IoError.
  void keep(std::string_view key, const Decisions& decisions) const;

  struct Entry {
    std::filesystem::path file;
    std::uint64_t bytes = 0;
    std::filesystem::file_time_type used;
    std::string problem;  ///< why it cannot be used; empty if it can
  };
  /// All entries, those used last in front; `verify` reads them.
  std::vector<Entry> list(bool verify) const;
  /// Removes damaged entries, and the oldest until the rest fits; returns how many were removed.
  std::size_t prune(std::uint64_t limit) const;

 private:
  std::filesystem::path file_of(std::string_view key) const;
  std::filesystem::path folder_;
  std::uint64_t limit_;
};

/// The user's folder: "engines" beside the timing cache.
std::filesystem::path default_engine_cache_path();

}  // namespace aitune

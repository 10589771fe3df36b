#include "compiler/tuning/engine_cache.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/tuning/timing_cache.h"
#include "format/digest.h"
#include "format/source.h"

namespace aitune {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxEntry = 64 << 20;
constexpr std::string_view kEnding = ".engine";

std::string digest_of(std::string_view text) {
  return to_hex(sha256(std::as_bytes(std::span(text.data(), text.size()))));
}

/// Whether a file can be ours: TensorRT's engines end in .engine, too, and may share the folder.
bool is_entry_name(const fs::path& file) {
  constexpr std::size_t kDigestLetters = 64;
  const std::string stem = file.stem().string();
  return file.extension() == kEnding && stem.size() == kDigestLetters &&
         stem.find_first_not_of("0123456789abcdef") == stem.npos;
}

/// Digest of all that follows; the key, whose length stands in front; the decisions.
std::string entry_text(std::string_view key, const Decisions& decisions) {
  const std::string rest = fmt::format("{}\n{}\n{}", key.size(), key, decisions.to_json());
  return digest_of(rest) + "\n" + rest;
}

struct Parsed {
  std::string key;
  Decisions decisions;
};

Parsed parse_entry(std::string_view text, const std::string& where) {
  const auto line = [&] {
    const auto end = text.find('\n');
    if (end == text.npos) throw Corrupt("it ends early", where);
    const auto found = text.substr(0, end);
    text.remove_prefix(end + 1);
    return found;
  };
  const auto digest = line();
  if (digest != digest_of(text)) throw Corrupt("it does not match its SHA-256", where);
  std::size_t size = 0;
  for (const char c : line()) {
    if (c < '0' || c > '9' || size > kMaxEntry) throw Corrupt("its key has no length", where);
    size = size * 10 + static_cast<std::size_t>(c - '0');
  }
  if (size >= text.size() || text[size] != '\n') throw Corrupt("its key is cut", where);
  return {std::string(text.substr(0, size)), Decisions::from_json(text.substr(size + 1), where)};
}

Parsed read_entry(const fs::path& file) { return parse_entry(read_file(file, kMaxEntry), file.string()); }

}  // namespace

fs::path EngineCache::file_of(std::string_view key) const { return folder_ / (digest_of(key) + std::string(kEnding)); }

std::optional<Decisions> EngineCache::find(std::string_view key, std::string* warning) const {
  const fs::path file = file_of(key);
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  try {
    Parsed entry = read_entry(file);
    if (entry.key != key) throw Corrupt("it belongs to another model", file.string());
    fs::last_write_time(file, fs::file_time_type::clock::now(), ignored);
    return std::move(entry.decisions);
  } catch (const NotFound&) {
    return std::nullopt;  // another process has removed it
  } catch (const Error& error) {
    if (warning)
      *warning = fmt::format("an entry of the engine cache was dropped: {}: {}", file.string(), error.problem());
    fs::remove(file, ignored);
    return std::nullopt;
  }
}

void EngineCache::keep(std::string_view key, const Decisions& decisions) const {
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  write_file(file_of(key), entry_text(key, decisions));
  prune(limit_);
}

std::vector<EngineCache::Entry> EngineCache::list(bool verify) const {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    if (!is_entry_name(it->path())) continue;
    std::error_code gone;
    Entry entry{it->path(), fs::file_size(it->path(), gone), fs::last_write_time(it->path(), gone), {}};
    if (gone) continue;
    if (verify) try {
        const Parsed parsed = read_entry(entry.file);
        if (file_of(parsed.key) != entry.file) entry.problem = "it has another entry's name";
      } catch (const Error& failure) {
        entry.problem = failure.problem();
      }
    entries.push_back(std::move(entry));
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) { return a.used > b.used; });
  return entries;
}

std::size_t EngineCache::prune(std::uint64_t limit) const {
  std::size_t removed = 0;
  std::uint64_t bytes = 0;
  for (const Entry& entry : list(true)) {
    bytes += entry.bytes;
    if (entry.problem.empty() && bytes <= limit) continue;
    bytes -= entry.bytes;
    std::error_code gone;
    if (fs::remove(entry.file, gone)) ++removed;
  }
  return removed;
}

fs::path default_engine_cache_path() { return default_timing_cache_path().parent_path() / "engines"; }

}  // namespace aitune

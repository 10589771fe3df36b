// aitune diff: which decisions make two files differ.

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "compiler/tuning/artifact.h"
#include "compiler/tuning/decision_diff.h"
#include "format/digest.h"
#include "format/manifest.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "tools/commands.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

constexpr int kExitDiffers = 1, kExitTrouble = 2;  // as those of diff

struct DiffCommand {
  std::string a, b;
};

struct ComparedFiles {
  std::vector<Difference> differences;
  std::vector<std::string> entries;  ///< of the archives, that are not the same; none of decision logs
  bool same = true;

  /// Whether nothing but measured figures differs.
  bool only_figures() const {
    return !same && std::ranges::all_of(differences, [](const Difference& d) { return d.group == "figures"; }) &&
           entries.empty();
  }
};

bool is_archive(const std::string& path) { return path.ends_with(".ait"); }

/// Names of the entries that are not the same, but for the decisions' own.
std::vector<std::string> compare_entries(const Manifest& a, const Manifest& b) {
  std::map<std::string, int> found;  // 1: in a, 2: in b, 3: in both, and another one
  const auto add = [&](const Manifest& one, const Manifest& other, int bit) {
    for (const ManifestEntry& entry : one.entries) {
      const ManifestEntry* twin = other.find_entry(entry.name);
      if (entry.name != kDecisionsEntry && (!twin || twin->sha256 != entry.sha256)) found[entry.name] |= bit;
    }
  };
  add(a, b, 1);
  add(b, a, 2);
  std::vector<std::string> names;
  for (const auto& [name, where] : found)
    names.push_back(shown(name) + (where == 1 ? " (A alone)" : where == 2 ? " (B alone)" : ""));
  return names;
}

ComparedFiles compare_files(const DiffCommand& command) {
  ComparedFiles result;
  result.differences = compare_decisions(read_decisions(command.a), read_decisions(command.b));
  if (is_archive(command.a) && is_archive(command.b)) {
    const ZipReader a = ZipReader::open(command.a), b = ZipReader::open(command.b);
    result.entries = compare_entries(read_manifest(a), read_manifest(b));
    result.same = std::ranges::equal(a.file_bytes(), b.file_bytes());
  } else {
    result.same = result.differences.empty();
  }
  return result;
}

void print_json_of(const DiffCommand& command, const ComparedFiles& result) {
  nlohmann::ordered_json json = {{"a", command.a},
                                 {"b", command.b},
                                 {"same", result.same},
                                 {"only_figures", result.only_figures()},
                                 {"differences", nlohmann::ordered_json::array()},
                                 {"entries", result.entries}};
  for (const Difference& d : result.differences)
    json["differences"].push_back({{"group", d.group}, {"what", d.what}, {"a", d.a}, {"b", d.b}});
  print_json(json);
}

/// A side of a difference, on one line.
std::string side(const std::string& text) { return text.empty() ? "none" : shown(text); }

void print_text_of(const ComparedFiles& result) {
  constexpr std::size_t kShown = 12;
  if (result.same) {
    fmt::print("the same\n");
    return;
  }
  for (const std::string_view group : kDifferenceGroups) {
    const auto count = static_cast<std::size_t>(std::ranges::count(result.differences, group, &Difference::group));
    if (count == 0) continue;
    if (group == "figures") {
      fmt::print("figures (measured, they decide nothing): {} differ\n", count);
      continue;
    }
    fmt::print("{}\n", group);
    std::size_t printed = 0;
    for (const Difference& d : result.differences) {
      if (d.group != group) continue;
      if (++printed > kShown) break;
      fmt::print("  {}: {} -> {}\n", shown(d.what), side(d.a), side(d.b));
    }
    if (count > kShown) fmt::print("  and {} more (--json has all)\n", count - kShown);
  }
  if (result.only_figures()) {
    fmt::print("every decision is the same: only measured figures differ\n");
    return;
  }
  if (!result.entries.empty()) fmt::print("entries that differ\n");
  for (const std::string& entry : result.entries) fmt::print("  {}\n", entry);
  if (result.differences.empty() && result.entries.empty())
    fmt::print("every decision and every entry is the same: what differs is how the files were written\n");
  else if (result.differences.empty())
    fmt::print("no decision explains it\n");
}

void diff(const DiffCommand& command, Common& common) {
  const ComparedFiles result = compare_files(command);
  if (!result.same) common.status = kExitDiffers;
  if (common.json)
    print_json_of(command, result);
  else
    print_text_of(result);
}

}  // namespace

void add_diff_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("diff", std::string(about_command("diff")));
  const auto options = std::make_shared<DiffCommand>();
  command->add_option("a", options->a, "an .ait file, or a decision log that aitune inspect --decisions wrote")
      ->required();
  command->add_option("b", options->b, "another one")->required();
  add_common_options(*command, common);
  command->preparse_callback([&common](std::size_t /*words*/) { common.error_status = kExitTrouble; });
  command->callback([options, &common] { diff(*options, common); });
}

}  // namespace aitune::tools

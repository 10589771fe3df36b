#include "runtime/archive.h"

#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "format/plan_header.h"
#include "runtime/bundle.h"

namespace aitune {
namespace {

constexpr std::string_view kCopyAgain = "Copy the file again from where it was made";

std::string_view stripped(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

/// What differs between one entry of the manifest and the archive; empty if nothing does.
std::string difference(const ZipReader& archive, const ManifestEntry& expected) {
  const ZipEntry* entry = archive.find_in_top(expected.name);
  if (!entry) return fmt::format("{} is missing", expected.name);
  if (entry->size != expected.size) {
    return fmt::format("{} has {} bytes instead of {}", expected.name, entry->size, expected.size);
  }
  if (sha256(archive.bytes(*entry)) != expected.sha256) {
    return fmt::format("{} does not match its SHA-256", expected.name);
  }
  return {};
}

}  // namespace

Manifest read_manifest(const ZipReader& archive) {
  const ZipEntry* entry = archive.find_in_top(kManifestEntry);
  if (!entry && is_bundle(archive))
    throw InvalidArgument(fmt::format("the file holds several modules: {}", module_list(bundled_modules(archive))),
                          archive.where(), "Take one out: aitune extract FILE.ait --module NAME -o OUT.ait");
  if (!entry) {
    throw Unsupported("the archive holds no tuned model (extra/aitune/manifest.json is missing)", archive.where(),
                      "Make one with: aitune tune MODEL -o OUT.ait");
  }
  const auto text = archive.text(*entry);
  // The version decides first: a newer format may have another digest.
  Manifest manifest = Manifest::from_json(text, archive.where());
  const ZipEntry* digest = archive.find_in_top(kManifestDigestEntry);
  if (!digest) throw Corrupt(fmt::format("{} is missing", kManifestDigestEntry), archive.where());
  if (stripped(archive.text(*digest)) != to_hex(sha256(as_byte_span(text)))) {
    throw Corrupt("the manifest does not match its SHA-256", archive.where(), std::string(kCopyAgain));
  }
  return manifest;
}

const ManifestModule& choose_module(const Manifest& manifest, std::string_view wanted, std::string_view where) {
  if (manifest.modules.empty()) throw Corrupt("the manifest lists no module", std::string(where));
  if (wanted.empty()) return manifest.modules.front();
  for (std::size_t i = 0; i < manifest.modules.size(); ++i)
    if (wanted == std::to_string(i)) return manifest.modules[i];
  if (const auto* found = manifest.find_module(wanted)) return *found;
  std::vector<std::string> names;
  for (const auto& m : manifest.modules) names.push_back(m.name);
  throw NotFound(fmt::format("there is no module '{}': the file holds {}", wanted, fmt::join(names, ", ")),
                 std::string(where), "Ask for one that is there");
}

const ManifestPlan& choose_plan(const Manifest& manifest, const LoadOptions& options, std::string_view where) {
  if (manifest.stripped)
    throw Unavailable("the file was saved without weights (strip_engine_weights), and cannot run as it is",
                      std::string(where), "Put weights into it: aitune refit FILE.ait MODEL.pt2 -o OUT.ait");
  const ManifestModule& module = choose_module(manifest, options.module, where);
  const CpuTarget& host = options.host ? *options.host : host_cpu();
  std::vector<std::string> held, precisions;
  for (const ManifestPlan& plan : manifest.plans) {
    if (plan.module != module.name || !plan.special_of.empty()) continue;
    held.push_back(fmt::format("{} ({})", plan.target.str(), plan.precision));
    precisions.push_back(plan.precision);
    const bool wanted = options.precision.empty() || options.precision == plan.precision;
    if (wanted && host.covers(plan.target)) return plan;
  }
  if (!options.precision.empty() && !held.empty() &&
      std::ranges::find(precisions, options.precision) == precisions.end())
    throw NotFound(fmt::format("there is no plan of '{}' in {}: the file holds {}", module.name, options.precision,
                               fmt::join(precisions, ", ")),
                   std::string(where), "Ask for one that is there, or tune with that precision enabled");
  const auto asked = options.precision.empty() ? std::string() : fmt::format(" in {}", options.precision);
  throw Incompatible(
      fmt::format("no plan of '{}' runs here{}: the file holds plans for {}; this machine is {}", module.name, asked,
                  held.empty() ? "no machine at all" : fmt::format("{}", fmt::join(held, ", ")), host.str()),
      std::string(where),
      manifest.portable
          ? "Tune the model on this machine (aitune tune), or load with rebuild=true where the compiler is "
            "installed"
          : "Tune the original model on this machine (aitune tune): this file was saved without it");
}

std::vector<const ManifestPlan*> special_plans(const Manifest& manifest, const ManifestPlan& general,
                                               const LoadOptions& options) {
  const CpuTarget& host = options.host ? *options.host : host_cpu();
  std::vector<const ManifestPlan*> plans;
  for (const ManifestPlan& plan : manifest.plans)
    if (!plan.special_of.empty() && plan.special_of == general.entry && host.covers(plan.target))
      plans.push_back(&plan);
  return plans;
}

std::span<const std::byte> plan_bytes(const ZipReader& archive, const ManifestPlan& plan, bool verify) {
  const auto where = fmt::format("{}:{}", archive.where(), plan.entry);
  const auto bytes = archive.bytes(archive.at(plan.entry));
  const std::size_t head = plan_head_bytes(read_plan_header(bytes, where));
  if (plan.head_bytes != head) {
    throw Corrupt(fmt::format("the plan's head has {} bytes, the manifest says {}", head, plan.head_bytes), where,
                  std::string(kCopyAgain));
  }
  if (verify && sha256(bytes.first(plan.head_bytes)) != plan.head_sha256) {
    throw Corrupt("the plan does not match its SHA-256", where, std::string(kCopyAgain));
  }
  return bytes;
}

ForeignConstants constants_of(const ZipReader& archive, const Manifest& manifest, const ManifestPlan& plan,
                              bool verify) {
  const auto owner = std::ranges::find(manifest.plans, plan.constants_of, &ManifestPlan::entry);
  if (owner == manifest.plans.end() || !owner->constants_of.empty() || !owner->special_of.empty())
    throw Corrupt(fmt::format("the plan takes its constants from '{}', which has none", plan.constants_of),
                  fmt::format("{}:{}", archive.where(), plan.entry));
  const auto bytes = plan_bytes(archive, *owner, verify);
  const PlanHeader header = read_plan_header(bytes, owner->entry);
  return {bytes.subspan(header.constants.offset, header.constants.size), header.constants.hash};
}

void verify_entries(const ZipReader& archive) {
  if (is_bundle(archive)) {
    for (const ZipEntry& entry : archive.entries()) archive.verify_crc(entry);
    for (const BundledModule& module : bundled_modules(archive)) verify_entries(ZipReader(module.bytes, module.where));
    return;
  }
  const Manifest manifest = read_manifest(archive);
  std::vector<std::string> wrong;
  for (const ManifestEntry& entry : manifest.entries) {
    if (auto text = difference(archive, entry); !text.empty()) wrong.push_back(std::move(text));
  }
  for (const ZipEntry& entry : archive.entries()) {
    std::string_view name = entry.name;
    if (name.starts_with(archive.top())) name.remove_prefix(archive.top().size());
    if (name == kManifestEntry || name == kManifestDigestEntry || manifest.find_entry(name)) continue;
    wrong.push_back(fmt::format("{} is not in the manifest", name));
  }
  if (!wrong.empty())
    throw Corrupt(fmt::format("{}", fmt::join(wrong, "; ")), archive.where(), std::string(kCopyAgain));
}

void prefault(std::span<const std::byte> bytes) noexcept {
  constexpr std::uintptr_t page = 4096;
  const std::size_t before = reinterpret_cast<std::uintptr_t>(bytes.data()) % page;
  auto* const begin = const_cast<std::byte*>(bytes.data()) - before;  // madvise takes whole pages, and writes nothing
#ifdef MADV_POPULATE_READ
  madvise(begin, before + bytes.size(), MADV_POPULATE_READ);
#else
  madvise(begin, before + bytes.size(), MADV_WILLNEED);
#endif
}

}  // namespace aitune

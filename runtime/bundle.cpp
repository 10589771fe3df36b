#include "runtime/bundle.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "runtime/archive.h"

namespace aitune {
namespace {

const ZipEntry* find_part(const ZipReader& archive, std::size_t index) {
  return archive.find_in_top(fmt::format("{}{}.ait", kBundleFolder, index));
}

std::string name_of(std::span<const std::byte> bytes, const std::string& where) {
  const ZipReader part(bytes, where);
  if (is_bundle(part)) throw Corrupt("it holds modules of its own, and should be one", where);
  const Manifest manifest = read_manifest(part);
  return manifest.modules.empty() ? manifest.name : manifest.modules.front().name;
}

}  // namespace

bool is_bundle(const ZipReader& archive) {
  return archive.find_in_top(kManifestEntry) == nullptr && find_part(archive, 0) != nullptr;
}

std::vector<BundledModule> bundled_modules(const ZipReader& bundle) {
  std::vector<BundledModule> modules;
  while (const ZipEntry* entry = find_part(bundle, modules.size())) {
    const std::string where = fmt::format("{}:{}{}.ait", bundle.where(), kBundleFolder, modules.size());
    const auto bytes = bundle.bytes(*entry);
    modules.push_back({name_of(bytes, where), where, bytes});
  }
  return modules;
}

std::string module_list(std::span<const BundledModule> modules) {
  std::vector<std::string> names;
  for (const BundledModule& module : modules) names.push_back(fmt::format("{} ({})", names.size(), module.name));
  return fmt::format("{}", fmt::join(names, ", "));
}

BundledModule choose_bundled(const ZipReader& bundle, std::string_view wanted) {
  const std::vector<BundledModule> modules = bundled_modules(bundle);
  if (wanted.empty()) return modules.front();
  for (std::size_t i = 0; i < modules.size(); ++i)
    if (wanted == std::to_string(i)) return modules[i];
  const auto named = std::ranges::count(modules, wanted, &BundledModule::name);
  if (named == 1) return *std::ranges::find(modules, wanted, &BundledModule::name);
  if (named > 1)
    throw InvalidArgument(
        fmt::format("{} modules are called '{}': the file holds {}", named, wanted, module_list(modules)),
        bundle.where(), "Ask for one by its number");
  throw NotFound(fmt::format("there is no module '{}': the file holds {}", wanted, module_list(modules)),
                 bundle.where(), "Ask for one that is there, by name or number");
}

ZipReader open_module(const std::filesystem::path& path, std::string_view wanted) {
  ZipReader archive = ZipReader::open(path);
  if (!is_bundle(archive)) {
    if (!wanted.empty()) choose_module(read_manifest(archive), wanted, archive.where());
    return archive;
  }
  BundledModule chosen = choose_bundled(archive, wanted);
  return {chosen.bytes, std::move(chosen.where), archive.owner()};
}

}  // namespace aitune

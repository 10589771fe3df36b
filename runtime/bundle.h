#pragma once
// Files that hold several modules (those of a pipeline, or the graphs of one module): a zip with an .ait for each.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/manifest.h"
#include "format/zip_reader.h"

namespace aitune {

/// A module of such a file.
struct BundledModule {
  std::string name;                  ///< as its manifest says; graphs of one module share it
  std::string where;                 ///< "pipeline.ait:data/aitune/modules/0.ait"
  std::span<const std::byte> bytes;  ///< an .ait, in place
};

/// Whether the archive is such a file.
bool is_bundle(const ZipReader& archive);
/// Its modules in order, which live as long as the archive. Throws Corrupt if one is no .ait, or compressed.
std::vector<BundledModule> bundled_modules(const ZipReader& bundle);
/// "0 (encoder), 1 (decoder)"
std::string module_list(std::span<const BundledModule> modules);
/// The module of that number ("0") or name; the first one if `wanted` is empty. Throws NotFound, and InvalidArgument
/// for a name that several have.
BundledModule choose_bundled(const ZipReader& bundle, std::string_view wanted);
/// The .ait of a module in the file at `path`, which stays mapped: the file itself where that is no bundle. Throws as
/// the above and ZipReader do.
ZipReader open_module(const std::filesystem::path& path, std::string_view wanted);

}  // namespace aitune

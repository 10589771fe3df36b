#pragma once
// Finding and checking what a program needs inside an .ait.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "format/manifest.h"
#include "format/zip_reader.h"
#include "runtime/program.h"

namespace aitune {

/// The manifest, checked against its digest. Throws Corrupt or Incompatible, and Unsupported for an archive that has
/// none (a .pt2 that was never tuned), and InvalidArgument for one that holds several modules (runtime/bundle.h).
Manifest read_manifest(const ZipReader& archive);

/// The module of that number ("0") or name; the first one if `wanted` is empty. Throws NotFound.
const ManifestModule& choose_module(const Manifest& manifest, std::string_view wanted, std::string_view where);

/// The first general plan of the wanted module and precision that the machine can run. Throws NotFound for an unknown
/// module, Incompatible (listing the targets in the file) when no plan fits.
const ManifestPlan& choose_plan(const Manifest& manifest, const LoadOptions& options, std::string_view where);

/// The special plans that belong to a general one and that the machine can run.
std::vector<const ManifestPlan*> special_plans(const Manifest& manifest, const ManifestPlan& general,
                                               const LoadOptions& options);

/// The constants of another plan, in place, and their section_hash. Throws Corrupt if there is no such plan, or if it
/// has none of its own.
struct ForeignConstants {
  std::span<const std::byte> bytes;
  std::uint64_t hash = 0;
};
ForeignConstants constants_of(const ZipReader& archive, const Manifest& manifest, const ManifestPlan& plan,
                              bool verify);

/// The plan's bytes in place, its head checked against the manifest if `verify`.
std::span<const std::byte> plan_bytes(const ZipReader& archive, const ManifestPlan& plan, bool verify);

/// Compares every entry with the manifest: none missing, none added, sizes and SHA-256. Throws Corrupt listing all that
/// differ. Reads the whole file. Of a file with several modules, every module so, and the checksums of the zip.
void verify_entries(const ZipReader& archive);

/// Asks the system to map these pages now; a hint, which may do nothing.
void prefault(std::span<const std::byte> bytes) noexcept;

}  // namespace aitune

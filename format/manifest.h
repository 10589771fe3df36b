#pragma once
// extra/aitune/manifest.json: what an .ait holds. docs/artifact-format.md describes every field.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/symint.h"
#include "base/target.h"
#include "format/arguments.h"
#include "format/digest.h"

namespace aitune {

// Names of entries, without the archive's top folder.
inline constexpr std::string_view kManifestEntry = "extra/aitune/manifest.json";
inline constexpr std::string_view kManifestDigestEntry = "extra/aitune/manifest.sha256";  ///< 64 hexadecimal digits
// Binary entries lie outside extra/: torch.export.load decodes everything in there as UTF-8.
inline constexpr std::string_view kPlanFolder = "data/aitune/plans/";
/// Where the modules lie in a file that holds several: "0.ait", "1.ait", and so on.
inline constexpr std::string_view kBundleFolder = "data/aitune/modules/";
/// The first values of the buffers that a module writes to, each called by its place in `written`: its elements alone.
inline constexpr std::string_view kBufferFolder = "data/aitune/buffers/";
inline constexpr std::string_view kSampleFolder = "data/aitune/samples/";

/// An input or output of a module. Sizes are texts of SymInts ("s0", "224").
struct ManifestTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::string> shape;
  bool operator==(const ManifestTensor&) const = default;
};

/// One module: a model that was tuned.
struct ManifestModule {
  std::string name;
  std::vector<ManifestTensor> inputs, outputs;
  SymRanges symbols;
  std::vector<Argument> arguments;    ///< what forward() takes, where that is more than `inputs` say
  std::vector<WrittenInput> written;  ///< inputs that it writes to
  bool operator==(const ManifestModule&) const = default;
};

/// A plan in the file. General plans of a module stand in the order of preference: the first that fits the machine is
/// taken, and with it the special plans that belong to it.
struct ManifestPlan {
  std::string entry;
  std::string module;
  std::string special_of;    ///< a special plan: the entry of the general one that serves all other sizes
  std::string constants_of;  ///< a general plan for another machine: the entry of the plan that has its constants
  CpuTarget target;
  std::string precision;         ///< "fp32", "bf16" or "int8"
  SymRanges symbols;             ///< what it serves; a part of the module's ranges, or all of them
  std::uint64_t head_bytes = 0;  ///< everything in front of the constants
  Sha256 head_sha256{};          ///< of those bytes; the constants' own hash lies inside them
  bool operator==(const ManifestPlan&) const = default;
};

struct ManifestEntry {
  std::string name;
  std::uint64_t size = 0;
  Sha256 sha256{};
  bool operator==(const ManifestEntry&) const = default;
};

/// A recorded call of a module with the reference engine's answers: entries that hold tensors named as the module's
/// inputs and outputs (.safetensors).
struct ManifestSample {
  std::string module, inputs, outputs;
  std::vector<std::string> unsettled = {};  ///< outputs that are not kept, as a rounding decides their sizes
  bool operator==(const ManifestSample&) const = default;
};

struct Manifest {
  static constexpr int kMajor = 1, kMinor = 1;

  int major = kMajor, minor = kMinor;
  std::string aitune_version;
  std::string name;       ///< of the whole, as the user called it
  bool portable = true;   ///< whether the program itself is in the file
  bool stripped = false;  ///< without weights, and so without plans: to be refitted
  std::vector<ManifestModule> modules;
  std::vector<ManifestPlan> plans;
  std::vector<ManifestEntry> entries;  ///< every entry of the archive but the manifest and its digest
  std::vector<ManifestSample> samples;
  std::map<std::string, double> bounds;  ///< largest relative error allowed, by precision
  std::string config = "{}";             ///< a JSON object, verbatim: the backend's configuration
  /// Whether the configuration has this setting, and has it true.
  bool is_set(std::string_view setting) const;
  std::string measured = "{}";  ///< a JSON object: what tuning measured

  bool operator==(const Manifest&) const = default;

  /// JSON text, indented, keys in a fixed order. Throws InternalError if `config` or `measured` is not a JSON object.
  std::string to_json() const;
  /// Throws Incompatible for a newer major version (looked at before anything else), Corrupt with the field's path
  /// for anything missing or of the wrong kind. Unknown fields are skipped.
  static Manifest from_json(std::string_view text, std::string_view where);

  /// Null if there is none.
  const ManifestModule* find_module(std::string_view name) const;
  const ManifestEntry* find_entry(std::string_view name) const;
};

/// The manifest's row for a plan: target, precision, symbols and head digest are read from the serialised plan.
/// Throws like read_plan.
ManifestPlan describe_plan(std::string entry, std::string module, std::span<const std::byte> plan);

}  // namespace aitune

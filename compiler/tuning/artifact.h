#pragma once
// Writing the .ait: the program as PyTorch reads it, and aitune's part beside it. docs/artifact-format.md is the text.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "compiler/import/imported_model.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// What goes into the file. The references must outlive the call.
struct ArtifactContents {
  const ImportedModel& model;
  const TunedModel& tuned;
  std::string name;                               ///< of the module, as the user called it
  std::string config = "{}";                      ///< the backend's configuration, a JSON object
  int pickle_protocol = 4;                        ///< 2 to 5, for the pickles of the program
  bool portable = true;                           ///< whether the program itself goes in
  double bound = 0;                               ///< accepted relative error of the chosen plan
  std::map<std::string, std::string> extra = {};  ///< further texts, by name below extra/
  bool stripped = false;                          ///< neither plans nor the program: nothing with weights in it
};

/// What a file can be refitted from.
inline constexpr std::string_view kDecisionsEntry = "data/aitune/decisions.json";

/// Writes the file atomically: whatever fails, a file of that name stays as it was.
void write_artifact(const std::filesystem::path& path, const ArtifactContents& contents);

/// Checks what will be copied into the artifact, before the long work begins: the checksum of every entry of `file`,
/// which the model came from, and that the program's pickles hold plain data alone, since PyTorch would execute them
/// when it opens the .ait. Throws Unsupported or Corrupt naming the entry. Where only the program's example inputs are
/// something else, such as objects of the user's classes, the program stays out of the artifact, with a warning.
void check_program(ImportedModel& model, const std::filesystem::path& file);

/// The bytes of a torch.save file, written again with another pickle protocol; the same values and tensors. Throws
/// Unsupported for pickles of more than plain data.
std::vector<std::byte> repickle(std::span<const std::byte> file, const std::string& where, int protocol);

}  // namespace aitune

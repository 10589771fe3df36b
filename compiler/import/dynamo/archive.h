#pragma once
// Where the parts of a saved program lie in its file: the archive of PyTorch 2.8 and newer, and what came before it.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/zip_reader.h"

namespace aitune::dynamo {

enum class Layout {
  zip,      ///< 2.5 to 2.7: serialized_exported_program.json and pickles, at the top
  archive,  ///< 2.8 and newer: archive_format, models/, data/
};

/// An opened file that holds one exported program.
struct Pt2Archive {
  std::shared_ptr<const ZipReader> zip;
  Layout layout = Layout::archive;
  std::string model;  ///< "model" unless it was packaged under another name

  std::string program_entry() const;
  std::string weights_pickle() const;    ///< may not exist
  std::string constants_pickle() const;  ///< may not exist
  std::string weights_config() const;
  std::string constants_config() const;
  std::string sample_inputs() const;
  /// "model.pt2/data/weights/weight_0", for messages.
  std::string place(std::string_view entry) const;
  /// The content of an entry, in place, its checksum checked. Throws NotFound.
  std::span<const std::byte> bytes(std::string_view entry) const;
  std::string_view text(std::string_view entry) const;
  bool has(std::string_view entry) const { return zip->find_in_top(entry) != nullptr; }
};

/// Finds out what kind of file it is. Throws Unsupported, saying what it is instead, when it holds no exported program
/// or several.
Pt2Archive open_archive(std::shared_ptr<const ZipReader> zip);

}  // namespace aitune::dynamo

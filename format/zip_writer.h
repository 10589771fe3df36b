#pragma once
// Writes a zip as torch.export.save does: entries stored, their data 64-byte aligned, all under one folder.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "format/source.h"

namespace aitune {

/// Whether an archive may have an entry of this name: a relative path with forward slashes, without "..", empty parts,
/// backslashes and control characters.
bool is_entry_name(std::string_view name);

/// Streams entries to a sink, front to back. The same entries always give the same bytes: there is no clock in them.
/// ZIP64 records appear where sizes need them. One thread at a time.
class ZipWriter {
 public:
  /// `sink` must outlive the writer and be at its start. `top` is the folder of all entries, without a slash; with an
  /// empty one names are taken as they are. A "top" that PyTorch reads back is the file's name without its suffix,
  /// but any will do.
  explicit ZipWriter(ByteSink& sink, std::string_view top = {});

  /// Throws InvalidArgument when the name was written before or is not a plain relative path.
  void add(std::string_view name, std::span<const std::byte> content);
  void add(std::string_view name, std::string_view content);
  /// One entry from several pieces, without joining them.
  void add(std::string_view name, std::span<const std::span<const std::byte>> pieces);
  /// Writes the directory. Nothing may be added after it; call it before committing the file.
  void finish();

  /// Where the next entry's header goes: the bytes written so far.
  std::uint64_t size() const { return written_; }

 private:
  struct Written {
    std::string name;
    std::uint64_t offset, size;
    std::uint32_t crc;
  };
  void put(std::span<const std::byte> bytes);
  void put_local_header(const Written& entry);
  void put_central_header(const Written& entry);
  void put_end(std::uint64_t directory_offset);

  ByteSink& sink_;
  std::string top_;
  std::uint64_t written_ = 0;
  std::vector<Written> entries_;
  std::unordered_set<std::string> names_;
  bool finished_ = false;
};

}  // namespace aitune

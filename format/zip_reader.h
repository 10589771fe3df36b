#pragma once
// Reads the zip of a PT2 archive (.pt2, .ait, .pt) or .npz in place. Nothing in the bytes is trusted.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/source.h"

namespace aitune {

struct ZipEntry {
  std::string name;  ///< checked: relative, forward slashes, no "..", no control characters
  std::uint64_t header_offset = 0;
  std::uint64_t offset = 0;       ///< of the entry's data in the file
  std::uint64_t stored_size = 0;  ///< bytes in the file
  std::uint64_t size = 0;         ///< bytes of the content; equals stored_size unless deflated
  std::uint32_t crc = 0;
  bool deflated = false;
};

/// The directory of a zip archive, checked as a whole when it is opened: every entry lies inside the file, none
/// overlaps another, local and central headers agree, names are safe and unique. Contents are not checked until
/// verify_crc. Constant after construction, so many threads may use it.
class ZipReader {
 public:
  /// `owner` keeps `bytes` alive; without one they must outlive the reader. `where` names the file in messages. Throws
  /// Corrupt, or Unsupported for encryption, several disks, and methods other than stored and deflated.
  ZipReader(std::span<const std::byte> bytes, std::string where, std::shared_ptr<const void> owner = nullptr);
  /// Keeps the file mapped.
  explicit ZipReader(const MappedFile& file);
  ZipReader(ZipReader&&) = default;
  ZipReader& operator=(ZipReader&&) = default;
  ZipReader(const ZipReader&) = delete;  // names are indexed by views into the entries
  ZipReader& operator=(const ZipReader&) = delete;
  static ZipReader open(const std::filesystem::path& path) { return ZipReader(MappedFile::open(path)); }

  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// By full name; null if there is none.
  const ZipEntry* find(std::string_view name) const;
  /// The folder that all entries are in, with its slash ("model/"), as PyTorch writes it; empty if there is none.
  const std::string& top() const { return top_; }
  /// find(top() + name).
  const ZipEntry* find_in_top(std::string_view name) const;
  /// Like find_in_top, but throws NotFound.
  const ZipEntry& at(std::string_view name) const;

  /// The content of a stored entry, in place. Throws Unsupported if it is deflated.
  std::span<const std::byte> bytes(const ZipEntry& entry) const;
  std::string_view text(const ZipEntry& entry) const;
  /// The content of any entry, copied; deflated ones are inflated and their CRC is checked. Throws Corrupt if the entry
  /// claims more than `limit` bytes or more than deflate can give.
  std::vector<std::byte> read(const ZipEntry& entry, std::uint64_t limit) const;
  /// Throws Corrupt, naming the entry, when the content of a stored entry is not what its CRC-32 says.
  void verify_crc(const ZipEntry& entry) const;

  const std::string& where() const { return where_; }
  /// Keeps the bytes alive; null when the reader was made without an owner.
  const std::shared_ptr<const void>& owner() const { return owner_; }
  std::span<const std::byte> file_bytes() const { return bytes_; }

 private:
  struct Directory {
    std::uint64_t offset = 0, size = 0, count = 0;
  };
  Directory find_directory() const;
  Directory read_zip64_directory(std::uint64_t locator, const Directory& small) const;
  void read_entries(const Directory& directory);
  std::uint64_t read_central_header(std::uint64_t at, const Directory& directory);
  void read_local_header(ZipEntry& entry, std::uint16_t flags, std::uint16_t method, std::uint64_t end) const;
  void check_name(const std::string& name) const;
  void check_overlaps() const;
  void index_names();
  void find_top();
  [[noreturn]] void corrupt(const std::string& what) const;

  std::span<const std::byte> bytes_;
  std::string where_;
  std::shared_ptr<const void> owner_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::string top_;
};

}  // namespace aitune

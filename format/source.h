#pragma once
// Where bytes come from and go to: files mapped read-only, and files that are replaced whole or not at all.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aitune {

/// A regular file mapped read-only. Copies share the mapping; it lasts as long as any copy or owner().
/// Safe to read from many threads. The file must not shrink while it is mapped.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws NotFound if there is no such file, IoError if it cannot be read or is not a regular file.
  static MappedFile open(const std::filesystem::path& path);

  std::span<const std::byte> bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  /// bytes()[offset, offset + size); throws Corrupt when that leaves the file.
  std::span<const std::byte> slice(std::uint64_t offset, std::uint64_t size) const;
  const std::string& path() const { return path_; }
  /// Keeps the mapping alive.
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::string path_;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

/// The whole file as text. Throws like MappedFile::open, and Unsupported when the file is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = std::uint64_t{1} << 31);

/// Somewhere to write bytes, front to back.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::span<const std::byte> bytes) = 0;
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
};

/// Collects what is written in memory.
class MemorySink final : public ByteSink {
 public:
  using ByteSink::write;
  void write(std::span<const std::byte> bytes) override { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

/// A file that appears under its name complete or not at all. What is written goes to a file without a name in the same
/// folder (one with a temporary name where the file system lacks those); commit() syncs it and renames it over `path`.
/// Without commit(), when anything fails, or when the process is killed, a file that was there before is whole and
/// nothing else is left. Every failure names the path: InvalidArgument if there can be no such file (its folder does
/// not exist, or it is a folder itself), IoError otherwise.
class AtomicFile final : public ByteSink {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  using ByteSink::write;
  void write(std::span<const std::byte> bytes) override;
  void commit();
  std::uint64_t size() const { return size_; }

 private:
  void flush();
  void write_through(std::span<const std::byte> bytes);
  std::string temporary_name(std::string_view ending) const;
  void give_name();
  void discard() noexcept;
  [[noreturn]] void fail(std::string_view action, int error);

  std::filesystem::path path_;
  std::string temporary_;  // empty while the file has no name
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::vector<std::byte> buffer_;
};

/// Replaces the file's content through an AtomicFile.
void write_file(const std::filesystem::path& path, std::string_view content);
void write_file(const std::filesystem::path& path, std::span<const std::byte> content);

}  // namespace aitune

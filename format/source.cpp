#include "format/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace aitune {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;
constexpr int kNameAttempts = 100;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string error_text(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_to_read(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) throw NotFound("no such file", path, "check the path");
  throw IoError(fmt::format("cannot read the file: {}", error_text(error)), path);
}

// The mode of the file that is replaced, or what the process gives to new files.
mode_t mode_for(const fs::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return info.st_mode & 0777;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

// Renaming must replace the file that a symbolic link points to, not the link.
fs::path resolve_link(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error)) return path;
  fs::path target = fs::weakly_canonical(path, error);
  return error ? path : target;
}

fs::path folder_of(const fs::path& path) {
  fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

}  // namespace

MappedFile MappedFile::open(const fs::path& path) {
  MappedFile file;
  file.path_ = path.string();
  // O_NONBLOCK: opening a named pipe must fail below, not wait for a writer.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) fail_to_read(file.path_, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) fail_to_read(file.path_, errno);
  if (!S_ISREG(info.st_mode)) {
    throw InvalidArgument(S_ISDIR(info.st_mode) ? "it is a folder, not a file" : "not a regular file", file.path_,
                          "give the path of a file");
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return file;
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) fail_to_read(file.path_, errno);
  file.owner_ = std::shared_ptr<const void>(address, [size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  file.bytes_ = {static_cast<const std::byte*>(address), size};
  return file;
}

std::span<const std::byte> MappedFile::slice(std::uint64_t offset, std::uint64_t size) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset) {
    throw Corrupt(fmt::format("{} bytes at offset {} lie outside of the file of {} bytes", size, offset, bytes_.size()),
                  path_, "the file is damaged or cut short; copy it again");
  }
  return bytes_.subspan(offset, size);
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  const MappedFile file = MappedFile::open(path);
  if (file.size() > limit) {
    throw Unsupported(fmt::format("the file has {} bytes, more than the {} that are read at once", file.size(), limit),
                      file.path());
  }
  return {reinterpret_cast<const char*>(file.bytes().data()), file.size()};
}

AtomicFile::AtomicFile(const fs::path& path) : path_(resolve_link(path)) {
  std::error_code ignored;
  const auto kind = fs::status(path_, ignored).type();
  if (path_.filename().empty() || kind == fs::file_type::directory) fail("write", EISDIR);
  if (kind != fs::file_type::regular && kind != fs::file_type::not_found && kind != fs::file_type::none)
    throw InvalidArgument("not a regular file: it will not be replaced", path_.string(), "give the path of a file");
  const mode_t mode = mode_for(path_);
  // A file without a name goes away with the process, however that ends. It gets its name when it is complete, through
  // /proc; where either is missing, a temporary name has to do from the start.
  if (::access("/proc/self/fd", F_OK) == 0)
    fd_ = ::open(folder_of(path_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd_ < 0) {
    temporary_ = temporary_name("XXXXXX");
    fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  }
  if (fd_ < 0) {
    const int error = errno;
    temporary_.clear();
    fail("write", error);
  }
  if (::fchmod(fd_, mode) != 0) fail("set the permissions of", errno);
  buffer_.reserve(kBufferBytes);
}

std::string AtomicFile::temporary_name(std::string_view ending) const {
  return (folder_of(path_) / fmt::format(".{}.{}", path_.filename().string(), ending)).string();
}

void AtomicFile::give_name() {
  if (!temporary_.empty()) return;
  const std::string from = fmt::format("/proc/self/fd/{}", fd_);
  std::random_device random;
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    temporary_ = temporary_name(fmt::format("{:08x}", random()));
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) == 0) return;
    if (errno != EEXIST) break;
  }
  const int error = errno;
  temporary_.clear();
  fail("name", error);
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (fd_ < 0) throw InternalError("write to a file that is committed or has failed", path_.string());
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  if (bytes.size() > kBufferBytes) {
    write_through(bytes);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void AtomicFile::commit() {
  if (fd_ < 0) throw InternalError("commit of a file that is committed or has failed", path_.string());
  flush();
  if (::fsync(fd_) != 0) fail("write", errno);
  give_name();
  if (::close(std::exchange(fd_, -1)) != 0) fail("write", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("replace", errno);
  temporary_.clear();
  const Descriptor folder(::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot sync a folder; the file itself is complete and in place.
  if (folder.get() >= 0 && ::fsync(folder.get()) != 0 && errno != EINVAL && errno != EROFS) {
    throw IoError(fmt::format("the file is written, but its folder could not be synced: {}", error_text(errno)),
                  path_.string());
  }
}

void AtomicFile::flush() {
  write_through(buffer_);
  buffer_.clear();
}

void AtomicFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail(std::string_view action, int error) {
  discard();
  std::error_code ignored;
  const bool existed = fs::exists(path_, ignored);
  std::string what = fmt::format("cannot {} the file: {}; {}", action, error_text(error),
                                 existed ? "the old file is untouched" : "nothing was left behind");
  if (error == EISDIR) throw InvalidArgument("it is a folder, not a file", path_.string(), "give the path of a file");
  if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == EINVAL)
    throw InvalidArgument(std::move(what), path_.string(), "check the path: its folder must exist");
  throw IoError(std::move(what), path_.string(),
                error == ENOSPC || error == EDQUOT || error == EFBIG ? "free some space on that disk or save elsewhere"
                                                                     : "check that the folder may be written");
}

void write_file(const fs::path& path, std::span<const std::byte> content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void write_file(const fs::path& path, std::string_view content) {
  write_file(path, std::as_bytes(std::span(content.data(), content.size())));
}

}  // namespace aitune

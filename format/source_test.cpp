#include "format/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "format/test_folder.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

// Lets no file grow past a size, as a full disk would; writes then fail with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limited{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  sighandler_t handler_;
  rlimit old_{};
};

TEST(MappedFile, MapsAndOutlivesItself) {
  const TestFolder folder;
  write_file(folder / "a", "hello");
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
  {
    const MappedFile file = MappedFile::open(folder / "a");
    EXPECT_EQ(file.size(), 5u);
    owner = file.owner();
    bytes = file.slice(1, 3);
    EXPECT_THROW(file.slice(3, 3), Corrupt);
    EXPECT_THROW(file.slice(2, UINT64_MAX), Corrupt);
    EXPECT_TRUE(file.slice(5, 0).empty());
  }
  EXPECT_EQ(bytes[0], std::byte{'e'});
}

TEST(MappedFile, RefusesWhatIsNotAFile) {
  const TestFolder folder;
  EXPECT_THROW(MappedFile::open(folder / "none"), NotFound);
  EXPECT_THROW(MappedFile::open(folder.path()), InvalidArgument);
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(MappedFile::open(folder / "pipe"), InvalidArgument);
  write_file(folder / "empty", "");
  EXPECT_EQ(MappedFile::open(folder / "empty").size(), 0u);
}

TEST(ReadFile, KeepsToItsLimit) {
  const TestFolder folder;
  write_file(folder / "a", "hello");
  EXPECT_EQ(read_file(folder / "a"), "hello");
  EXPECT_THROW(read_file(folder / "a", 4), Unsupported);
}

TEST(AtomicFile, AppearsOnCommitOnly) {
  const TestFolder folder;
  write_file(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
    EXPECT_EQ(read_file(folder / "a"), "old");
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
  const std::string large(300000, 'x');
  AtomicFile file(folder / "a");
  file.write("start");
  file.write(large);
  file.write("end");
  EXPECT_EQ(file.size(), large.size() + 8);
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), "start" + large + "end");
  EXPECT_EQ(files_in(folder.path()), 1u);
  EXPECT_THROW(file.write("more"), InternalError);
}

TEST(AtomicFile, LeavesTheOldFileWhenTheDiskIsFull) {
  const TestFolder folder;
  write_file(folder / "a", "old");
  try {
    const FileSizeLimit limit(200000);
    AtomicFile file(folder / "a");
    file.write(std::string(1000000, 'x'));
    file.commit();
    FAIL() << "the write should have failed";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr((folder / "a").string()));
    EXPECT_THAT(error.what(), HasSubstr("the old file is untouched"));
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, NamesThePathWhenTheFolderIsMissing) {
  const TestFolder folder;
  try {
    AtomicFile file(folder / "none/a");
    FAIL() << "there is no such folder";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr((folder / "none/a").string()));
  }
  EXPECT_THROW(AtomicFile file(folder.path()), InvalidArgument);
}

TEST(AtomicFile, IsGoneWithAProcessThatIsKilled) {
  const TestFolder folder;
  write_file(folder / "a", "old");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    AtomicFile file(folder / "a");
    file.write(std::string(300000, 'x'));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, KeepsModeAndFollowsLinks) {
  const TestFolder folder;
  write_file(folder / "a", "old");
  ASSERT_EQ(::chmod((folder / "a").c_str(), 0640), 0);
  std::filesystem::create_symlink("a", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "a"), "new");
  struct stat info{};
  ASSERT_EQ(::stat((folder / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

}  // namespace
}  // namespace aitune

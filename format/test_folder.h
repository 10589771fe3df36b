#pragma once
// A fresh folder for one test, removed with all that is in it.

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace aitune {

class TestFolder {
 public:
  TestFolder() : path_((std::filesystem::temp_directory_path() / "aitune-test-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::filesystem::filesystem_error("mkdtemp", path_, {});
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::filesystem::path operator/(std::string_view name) const { return std::filesystem::path(path_) / name; }
  std::filesystem::path path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace aitune

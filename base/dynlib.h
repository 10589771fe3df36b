#pragma once
// Libraries of others that are opened at run time, where they are installed.

#include <initializer_list>
#include <optional>
#include <string>

namespace aitune {

/// An open shared library. It is never unloaded: threads and caches of its own may outlive our interest in it.
/// Constant after it is made; any thread may use it.
class DynLib {
 public:
  /// Opens the first of `names` (paths, or names that the dynamic loader searches for) that works; empty if none does,
  /// and then `why`, if given, says what the loader said of the last one.
  static std::optional<DynLib> open(std::initializer_list<std::string> names, std::string* why = nullptr);

  /// The file that was opened, or what it was asked for by where the loader does not tell.
  const std::string& path() const { return path_; }
  /// Sets `function` to the symbol, searched here and in what the library depends on; null and false if it is missing.
  template <typename Function>
  bool bind(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(find(name));
    return function != nullptr;
  }

 private:
  DynLib(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* find(const char* name) const;

  void* handle_;
  std::string path_;
};

}  // namespace aitune

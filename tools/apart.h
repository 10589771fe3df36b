#pragma once
// Work in a process of its own, for plans that nobody vouches for yet.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace aitune::tools {

/// Where the work is; in memory that both processes see.
class Whereabouts {
 public:
  /// Says what comes next. Cut to what there is room for.
  void next(std::string_view what);

 private:
  friend int run_apart(const bool& json, const std::string& subject, const std::function<void(Whereabouts&)>& body);
  char what_[256] = {};
  std::uint64_t count_ = 0;
};

/// Runs `body` in a child process as guarded() does and returns its status. Where the child crashed, or nothing
/// happened for minutes, throws ValidationError that names `subject` and what came next. Call it before there are
/// threads.
int run_apart(const bool& json, const std::string& subject, const std::function<void(Whereabouts&)>& body);

}  // namespace aitune::tools

#pragma once
// The .debug_pkl beside each source: which characters came from which line of the user's files.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compiler/import/pickle/pickle.h"

namespace aitune::torchscript {

struct UserLine {
  std::string file, text;
  std::int64_t line = 0;
};

/// Damaged debug information is as good as none.
class DebugInfo {
 public:
  DebugInfo() = default;
  /// Reads what `root` says. Never throws for what it does not understand.
  explicit DebugInfo(const PickleValue& root);
  /// The line that the character at `offset` came from; an empty file if unknown.
  UserLine find(std::uint32_t offset) const;

 private:
  struct Row {
    std::int64_t offset = 0, file = 0, first_line = 0, start = 0;
  };
  std::vector<std::string> strings_;
  std::vector<Row> rows_;                         // by offset
  std::vector<std::vector<std::int64_t>> texts_;  // indices into strings_, by Row
};

}  // namespace aitune::torchscript

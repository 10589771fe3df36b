#pragma once
// State of a model that the samples do not give.

#include <string>
#include <utility>

#include "base/error.h"

namespace aitune::torchscript {

/// An attribute that forward() stores a tensor in, or writes into, and that is no input. Where the file has a tensor
/// for it, the import begins anew with that as its value.
class UngivenState : public Unsupported {
 public:
  /// `path`: as find_slot takes it.
  UngivenState(std::string path, const std::string& problem, const std::string& where, const std::string& fix)
      : Unsupported(problem, where, fix), path_(std::move(path)) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace aitune::torchscript

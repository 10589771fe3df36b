#pragma once
// The one way in which reading a forward ends where it holds what aitune has not.

#include <string>
#include <utility>

#include "base/error.h"

namespace aitune::fx {

/// Throws Unsupported: what was met, and what to do about it.
[[noreturn]] inline void refuse(std::string what, std::string fix = {}) {
  throw Unsupported(std::move(what), "", std::move(fix));
}

}  // namespace aitune::fx

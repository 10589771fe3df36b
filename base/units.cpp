#include "base/units.h"

#include <fmt/format.h>

namespace aitune {

std::string human_time(double milliseconds) {
  return milliseconds < 1     ? fmt::format("{:.0f} us", milliseconds * 1e3)
         : milliseconds < 1e4 ? fmt::format("{:.3g} ms", milliseconds)
                              : fmt::format("{:.3g} s", milliseconds / 1e3);
}

std::string human_bytes(double bytes) {
  return bytes < 1e3   ? fmt::format("{:.0f} B", bytes)
         : bytes < 1e6 ? fmt::format("{:.1f} kB", bytes / 1e3)
                       : fmt::format("{:.1f} MB", bytes / 1e6);
}

}  // namespace aitune

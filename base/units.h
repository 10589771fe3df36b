#pragma once
// Times and sizes for people.

#include <string>

namespace aitune {

/// "27 us", "3.41 ms", "12.5 s"
std::string human_time(double milliseconds);
/// "980 B", "12.3 kB", "4.7 MB"
std::string human_bytes(double bytes);

}  // namespace aitune

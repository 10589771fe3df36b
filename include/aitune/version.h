#pragma once

namespace aitune {

/// Version of the compiler and the runtime; they are released together.
inline constexpr const char* kVersion = "0.1.0";

}  // namespace aitune

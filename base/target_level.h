#pragma once
// What a machine would be with less.

#include <string_view>

#include "base/target.h"

namespace aitune {

/// The target with all that it has beyond a level taken away: "x86_64" (nothing), "avx2", "avx512",
/// "avx512_vnni", "avx512_bf16", "amx_bf16". Throws InvalidArgument for any other text. host_cpu() is limited to the
/// level in the environment's AITUNE_CPU, if that is set.
CpuTarget limit_target(CpuTarget target, std::string_view level);

}  // namespace aitune

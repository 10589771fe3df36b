#pragma once
// The CPU engine's compile half.

#include <memory>
#include <string>

#include "compiler/partition/engine.h"

namespace aitune::cpu {

/// Generates fused kernels through LLVM. Takes every operator in rules() with float32, integer and bool tensors.
std::unique_ptr<CompileEngine> make_cpu_engine();

/// Version of the oneDNN that plans of this machine may call; "none" without one.
std::string onednn_version();

}  // namespace aitune::cpu

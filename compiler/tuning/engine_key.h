#pragma once
// What an entry of the engine cache depends on.

#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/settings.h"

namespace aitune {

/// Text with everything that decides what tuning ends with: aitune's version, the program, its weights (but for
/// refit_identical_engine_weights), the samples' shapes, preferred sizes, settings with an effect on plans,
/// autocast's own samples, the CPU, its threads, oneDNN.
std::string engine_key(const Graph& imported, std::span<const std::vector<Tensor>> samples, const SymValues& preferred,
                       const CompilationSettings& settings, std::span<const std::vector<Tensor>> calibration = {});

}  // namespace aitune

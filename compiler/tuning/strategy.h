#pragma once
// Strategies at work: backends are tried, and one stays.

#include <functional>
#include <memory>
#include <string>

#include "aitune/strategy.hpp"
#include "compiler/import/imported_model.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/tune.h"
#include "runtime/program.h"

namespace aitune {

/// What a backend made of a model.
struct Built {
  TorchTensorRTAotBackendConfig config;
  ImportedModel imported;
  TunedModel tuned;
  std::shared_ptr<const Program> program;
};

/// One line: "TorchTensorRTAotBackend(engine="cpu", optimization_level=0)", with the settings that are not the default.
std::string describe(const Backend& backend);

/// How a backend compiles. TorchEagerBackend has the other settings of `like`.
TorchTensorRTAotBackendConfig config_of(const Backend& backend, const TorchTensorRTAotBackendConfig& like);

/// The configuration that says what holds for all of a strategy's backends: that of the first which has one.
TorchTensorRTAotBackendConfig common_config(const TuneStrategy& strategy);

/// Has backends built by `build` until the strategy is content. What was tried, and why which stays, is in the result's
/// report. A backend that fails is reported and left out. Throws what the only backend throws; ValidationError if none
/// is left.
Built choose_backend(const TuneStrategy& strategy,
                     const std::function<Built(const TorchTensorRTAotBackendConfig&)>& build, Progress& progress);

}  // namespace aitune

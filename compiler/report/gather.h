#pragma once
// From an .ait file to its report: reads the file, measures its plan here, and compares it with the reference engine.

#include <filesystem>
#include <vector>

#include "compiler/report/model_report.h"
#include "compiler/tuning/progress.h"
#include "format/tensor_files.h"

namespace aitune {

struct ReportOptions {
  double seconds = 2;  ///< how long to measure the plan, and at most about as long the reference
  int threads = 0;     ///< 0: as tuned
  bool reference =
      true;  ///< also run the reference engine: the latency before, and errors. Takes minutes on large models
  NamedTensors inputs;  ///< none: the first sample in the file
};

/// Throws as Program::open; InvalidArgument if there are neither inputs nor samples. What the program in the file
/// cannot tell (it is not there, or cannot be imported) is left out, with a warning in the report.
ModelReport gather_report(const std::filesystem::path& path, const ReportOptions& options, Progress& progress);

}  // namespace aitune

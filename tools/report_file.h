#pragma once

#include <string>

#include "compiler/report/gather.h"

namespace aitune::tools {

/// Throws what would keep a report from being written to this file: its ending, or the file system.
void check_report_file(const std::string& file);

/// Gathers the report on `model` and writes it to `file`, in the form that its ending says.
void write_report(const std::string& model, const std::string& file, const ReportOptions& options, Progress& progress);

}  // namespace aitune::tools

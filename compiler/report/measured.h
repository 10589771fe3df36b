#pragma once
// The parts of a report that the file's manifest and the machine tell.

#include <filesystem>
#include <vector>

#include "compiler/report/model_report.h"
#include "format/manifest.h"
#include "format/plan.h"
#include "format/tensor_files.h"

namespace aitune {

/// File, configuration, and what was measured when it was tuned. Fields that the manifest lacks, or has in another
/// form, stay empty.
ModelReport describe_file(const std::filesystem::path& path, const Manifest& manifest);
MachineReport describe_machine(const Plan& plan, int threads);
/// Inputs by name or position, in the order of the plan. Throws InvalidArgument for a missing one.
std::vector<Tensor> in_plan_order(const Plan& plan, const NamedTensors& named, const std::string& where);
/// The inputs that the file was tuned on.
std::vector<NamedTensors> file_samples(const std::filesystem::path& path);

}  // namespace aitune

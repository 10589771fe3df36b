#pragma once
// Two files, or a file and the model it came from, on the same inputs: whether they agree, and where they part.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compiler/tuning/progress.h"
#include "format/tensor_files.h"

namespace aitune {

struct CompareOptions {
  double tolerance = 0;              ///< relative error; 0: what the files were tuned with, the larger of the two
  std::vector<NamedTensors> inputs;  ///< none: the samples in the first file that has some
  std::size_t budget = std::size_t{64} << 20;  ///< bytes of values that are kept for comparison at one time
  int threads = 0;
};

/// One output over all samples.
struct OutputComparison {
  std::string name;
  double error = 0;        ///< the largest
  std::size_t sample = 0;  ///< of which
};

/// A node of the user's model.
struct ComparedNode {
  std::string name, op, module, code;
};

/// Where the two part: the first value, in the order of a run, that differs.
struct FirstDifference {
  std::string value;  ///< in a branch or loop as in value_errors.h: "while_loop_2/body/add@3" is that of the third trip
  double error = 0;
  std::size_t sample = 0;
  std::optional<std::size_t> block, step;  ///< of the plan that it was found in; none where both are models
  std::string engine, kernel;
  std::vector<ComparedNode> nodes;  ///< that compute it, in the model's order
  std::string value_before;         ///< the last one before it that agrees; empty if there is none
  double error_before = 0;
};

struct CompareReport {
  double tolerance = 0;
  std::size_t samples = 0;
  std::vector<OutputComparison> outputs;
  bool same = true;                      ///< every output of every sample is within the tolerance
  std::optional<FirstDifference> first;  ///< if not same, and the two have values of one name
  std::size_t values = 0;                ///< that both have and that were compared

  std::string to_json() const;
};

/// Compares `a` with `b`, which is the reference: each an .ait, of which the general plan runs as fused as always, or a
/// saved model, which the reference engine runs. Where outputs differ, the values that both have are compared block by
/// block, in memory for one window of them. Throws what opening and importing throw; InvalidArgument if there are no
/// inputs, or the two have other outputs.
CompareReport compare_models(const std::filesystem::path& a, const std::filesystem::path& b,
                             const CompareOptions& options, Progress& progress);

}  // namespace aitune

#pragma once
// What the user may set: the fields of Torch-TensorRT's CompilationSettings that this version honours, and ours.

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace aitune {

/// How a model is compiled. Names, meanings and defaults as in torch_tensorrt.dynamo.CompilationSettings where it has
/// them.
struct CompilationSettings {
  /// Storage types that kernels may use beside float32, which is always allowed; the fastest correct one wins.
  std::set<DType> enabled_precisions = {DType::f32};
  /// Smallest number of nodes for which a compiled block is worth leaving the fallback.
  int min_block_size = 5;
  /// Operators that stay on the fallback, "aten.gelu.default" or "torch.ops.aten.gelu.default".
  std::set<std::string, std::less<>> torch_executed_ops;
  bool require_full_compilation = false;     ///< a node on the fallback is an error
  bool pass_through_build_failures = false;  ///< a block that cannot be built is an error instead of a fallback
  int optimization_level = 3;                ///< 0 builds fastest (no timing), 5 searches longest
  std::string timing_cache_path;             ///< empty: the user's cache; "none": no cache
  int num_threads = 0;                       ///< threads at run time; 0: all of the machine
  std::string engine;                        ///< "cpu" or "reference"; empty: the best of all
  bool onednn = true;             ///< oneDNN may be called where it is installed and faster; the plan then needs it
  double max_relative_error = 0;  ///< accepted error against the reference; 0: 1e-4 in fp32, 2e-2 in bf16
  bool portable = true;           ///< the file also holds the program itself
  int max_special_plans = 4;  ///< plans for common shapes alone, beside the general one of a model with moving sizes
  double special_plan_gain = 0.05;  ///< share of the general plan's time that a special one must save to be kept

  /// Everything but building plans: what would become of the model is reported, as text, and nothing can be saved.
  /// Empty: off; "true": on; any other text: on, and the report is also written to the file of that path.
  std::string dryrun;
  bool fallback_data_dependent_ops =
      false;  ///< operators whose result has a size that data decide stay on the fallback
  /// What a size that data decide is taken to be at most, where neither its operator nor the model says: for memory.
  std::int64_t max_data_dependent_size = 1 << 20;
  /// Libraries of custom operators (include/aitune/custom_op.h) that models may use. They are loaded into the process.
  std::vector<std::string> custom_ops;

  /// Sets a field from text ("enabled_precisions", "fp32,bf16"). Throws InvalidArgument naming the field, its type and
  /// the allowed values; an unknown field gets the list of all.
  void set(std::string_view field, std::string_view value);
  /// JSON object with every field.
  std::string to_json() const;
};

/// One line of help: field, value type, meaning. From the same table that set() and to_json() use.
struct SettingHelp {
  std::string_view field, type, meaning;
};
std::vector<SettingHelp> setting_help();

/// "fp32", "bf16": how a precision is written in settings, plans and reports.
std::string_view precision_name(DType dtype);

}  // namespace aitune

#pragma once
// What the user may set: every field of Torch-TensorRT's CompilationSettings, those of its older versions, and ours.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace aitune {

/// How a model is compiled. Names, meanings and defaults as in torch_tensorrt.dynamo.CompilationSettings where it has
/// them. setting_help() says what each does on which engine; tuning names those that its engine ignores.
struct CompilationSettings {
  using Names = std::set<std::string, std::less<>>;

  /// Storage types that kernels may use beside float32, which is always allowed; the fastest correct one wins.
  std::set<DType> enabled_precisions = {DType::f32};
  /// Smallest number of nodes for which a compiled block is worth leaving the fallback.
  int min_block_size = 5;
  /// Operators that stay on the fallback, "aten.gelu.default" or "torch.ops.aten.gelu.default".
  Names torch_executed_ops;
  bool require_full_compilation = false;     ///< a node on the fallback is an error
  bool pass_through_build_failures = false;  ///< a block that cannot be built is an error instead of a fallback
  int optimization_level = 3;                ///< 0 builds fastest (no timing), 5 searches longest
  std::string timing_cache_path;             ///< empty: the user's cache; "none": no cache
  int num_threads = 0;                       ///< threads at run time; 0: all of the machine
  std::string engine;                        ///< "cpu" or "reference"; empty: the best of all
  bool onednn = true;             ///< oneDNN may be called where it is installed and faster; the plan then needs it
  double max_relative_error = 0;  ///< accepted error against the reference; 0: 1e-4 in fp32, 2e-2 in bf16
  double max_quantisation_error = 0.05;  ///< the same for plans with int8 in them, which max_relative_error is not for
  bool portable = true;                  ///< the file also holds the program itself
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
  std::string engine_cache_dir;                            ///< empty: the user's cache
  std::int64_t engine_cache_size = std::int64_t{5} << 30;  ///< bytes
  double tune_budget_seconds = 0;  ///< time that tuning may take; 0: as long as the search takes

  // Of Torch-TensorRT, in its order.
  std::int64_t workspace_size = 0;  ///< bytes
  std::optional<std::int64_t> max_aux_streams;
  bool version_compatible = false;
  bool truncate_double = false;
  bool use_complex_decomposition = true;
  bool use_fast_partitioner = true;
  bool enable_experimental_decompositions = false;
  std::string device;  ///< empty: this machine's CPU
  bool disable_tf32 = false;
  bool assume_dynamic_shape_support = false;
  bool sparse_weights = false;
  std::string engine_capability = "standard";  ///< "standard", "safety", "dla_standalone"
  int num_avg_timing_iters = 1;
  std::int64_t dla_sram_size = 1048576;           ///< bytes
  std::int64_t dla_local_dram_size = 1073741824;  ///< bytes
  std::int64_t dla_global_dram_size = 536870912;  ///< bytes
  bool hardware_compatible = false;
  bool lazy_engine_init = false;
  bool cache_built_engines = false;
  bool reuse_cached_engines = false;
  bool use_fp32_acc = false;
  bool refit_identical_engine_weights = false;
  bool strip_engine_weights = false;
  bool immutable_weights = true;
  bool enable_weight_streaming = false;
  bool enable_cross_compile_for_windows = false;
  std::string tiling_optimization_level = "none";  ///< "none", "fast", "moderate", "full"
  std::int64_t l2_limit_for_tiling = -1;           ///< bytes
  bool use_distributed_mode_trace = false;
  bool offload_module_to_cpu = false;
  bool enable_autocast = false;
  std::string autocast_low_precision_type;  ///< "fp16" or "bf16"; empty: none
  Names autocast_excluded_nodes, autocast_excluded_ops;
  double autocast_max_output_threshold = 512;
  std::optional<std::int64_t> autocast_max_depth_of_reduction;
  bool enable_resource_partitioning = false;
  std::optional<std::int64_t> cpu_memory_budget;  ///< bytes
  bool dynamically_allocate_resources = false;
  bool decompose_attention = false;
  Names disabled_constant_fold_exclusions;
  bool attn_bias_is_causal = true;
  bool use_explicit_typing = true;  ///< of older versions

  /// Sets a field from text ("enabled_precisions", "fp32,bf16"). Throws InvalidArgument naming the field, its type and
  /// the allowed values; an unknown field gets the list of all.
  void set(std::string_view field, std::string_view value);
  /// Sets the fields that a JSON or YAML file names (by its ending: .json, .yaml, .yml); the others stay. Throws
  /// InvalidArgument for an unknown field, a wrong type or value, a field given twice; Corrupt for what is neither.
  void read_file(const std::filesystem::path& file);
  /// The same from text; `where` names it in messages.
  void read_json(std::string_view text, std::string_view where);
  void read_yaml(std::string_view text, std::string_view where);
  /// Defaults, and what the file says.
  static CompilationSettings from_file(const std::filesystem::path& file);
  /// JSON object with every field; read_json takes it.
  std::string to_json() const;
  /// The same without what says nothing of the result: paths, caches, budgets. It is what an .ait records.
  std::string recorded_json() const;
};

/// One setting, as help and documents show it. From the same table that set() and to_json() use.
struct SettingHelp {
  std::string_view field, type, meaning;
  std::string_view ignored_by_cpu, ignored_by_reference;  ///< why that engine ignores it; empty: it does what it says
  std::string_view always;                                ///< what is done whatever its value; empty: its value decides
  std::string_view shown_by;                              ///< the test that shows it, by its path
  std::string default_value;                              ///< JSON
};
std::vector<SettingHelp> setting_help();

/// Lines for the settings that differ from their default and have no effect: that the engine ("cpu", "reference")
/// ignores ("sparse_weights is ignored by engine cpu: ..."), or that others leave none ("autocast_excluded_ops is
/// ignored: enable_autocast is off").
std::vector<std::string> ignored_settings(const CompilationSettings& settings, std::string_view engine);
/// The same for settings of the search where decisions are given instead: caches, the budget.
std::vector<std::string> ignored_beside_decisions(const CompilationSettings& settings, std::string_view engine);

/// "fp32", "bf16": how a precision is written in settings, plans and reports.
std::string_view precision_name(DType dtype);

}  // namespace aitune

#include "compiler/tuning/settings_table.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;
using S = CompilationSettings;

constexpr std::int64_t kAnyBytes = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view kOnDefault = "compiler/tuning/settings_test.cpp";

bool parse_bool(std::string_view text) {
  if (text == "true" || text == "True" || text == "1") return true;
  if (text == "false" || text == "False" || text == "0") return false;
  throw InvalidArgument(fmt::format("'{}' is neither true nor false", text));
}

template <typename T>
T parse_number(std::string_view text, T low, T high) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= low && value <= high))
    throw InvalidArgument(fmt::format("'{}' is not a number from {} to {}", text, low, high));
  return value;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

std::set<DType> parse_precisions(std::string_view text) {
  std::set<DType> precisions;
  for (const auto& name : split(text)) {
    const auto type = parse_dtype(name);
    if (!type || (*type != DType::f32 && *type != DType::bf16 && *type != DType::f16 && *type != DType::i8))
      throw InvalidArgument(fmt::format("'{}' is not a precision: fp32, bf16, fp16, int8", name));
    precisions.insert(*type);
  }
  if (precisions.empty()) throw InvalidArgument("at least one precision is needed: fp32, bf16, fp16, int8");
  return precisions;
}

/// A list of regular expressions. std::regex goes deeper with every character.
void set_patterns(S& s, std::string_view text) {
  constexpr std::size_t kMost = 512;
  S::Names patterns;
  for (auto& pattern : split(text)) {
    if (pattern.size() > kMost)
      throw InvalidArgument(fmt::format("a pattern of {} characters is longer than {}", pattern.size(), kMost));
    try {
      const std::regex compiled(pattern);
    } catch (const std::regex_error&) {
      throw InvalidArgument(fmt::format("'{}' is no regular expression", pattern));
    }
    patterns.insert(std::move(pattern));
  }
  s.autocast_excluded_nodes = std::move(patterns);
}

void set_low_precision(S& s, std::string_view text) {
  const auto type = parse_dtype(text);
  if (!type || (*type != DType::bf16 && *type != DType::f16))
    throw InvalidArgument(fmt::format("'{}' is none of fp16, bf16", text));
  s.autocast_low_precision_type = precision_name(*type);
}

/// A truth as people and YAML write it, or a path.
void set_dryrun(S& s, std::string_view text) {
  std::string word(text);
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::ranges::find(words, word) != words.end();
  };
  if (is_one_of({"", "false", "0", "no", "off"}))
    s.dryrun.clear();
  else
    s.dryrun = is_one_of({"true", "1", "yes", "on"}) ? "true" : text;
}

/// One of some words, whatever their case: Python writes "EngineCapability.STANDARD".
template <std::size_t n>
std::string choose(std::string_view text, const std::string_view (&words)[n]) {
  std::string word(text.substr(text.find_last_of('.') + 1));
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::ranges::find(words, word) != std::end(words)) return word;
  throw InvalidArgument(fmt::format("'{}' is none of {}", text, fmt::join(words, ", ")));
}

template <bool S::* member>
constexpr SettingField boolean(std::string_view name, std::string_view meaning) {
  return {name,
          SettingKind::boolean,
          "true or false",
          meaning,
          [](S& s, std::string_view v) { s.*member = parse_bool(v); },
          [](const S& s) { return Json(s.*member); }};
}

template <auto member, auto low, auto high>
constexpr SettingField integer(std::string_view name, std::string_view type, std::string_view meaning) {
  using T = std::remove_reference_t<decltype(std::declval<S&>().*member)>;
  return {name,
          SettingKind::integer,
          type,
          meaning,
          [](S& s, std::string_view v) { s.*member = parse_number<T>(v, low, high); },
          [](const S& s) { return Json(s.*member); }};
}

template <std::optional<std::int64_t> S::* member>
constexpr SettingField optional_integer(std::string_view name, std::string_view type, std::string_view meaning) {
  return SettingField{name,
                      SettingKind::integer,
                      type,
                      meaning,
                      [](S& s, std::string_view v) { s.*member = parse_number<std::int64_t>(v, 0, kAnyBytes); },
                      [](const S& s) { return s.*member ? Json(*(s.*member)) : Json(nullptr); }}
      .template or_none<member>();
}

template <double S::* member, double low, double high>
constexpr SettingField number(std::string_view name, std::string_view type, std::string_view meaning) {
  return {name,
          SettingKind::number,
          type,
          meaning,
          [](S& s, std::string_view v) { s.*member = parse_number<double>(v, low, high); },
          [](const S& s) { return Json(s.*member); }};
}

template <std::string S::* member>
constexpr SettingField text(std::string_view name, std::string_view type, std::string_view meaning) {
  return {name,
          SettingKind::text,
          type,
          meaning,
          [](S& s, std::string_view v) { s.*member = v; },
          [](const S& s) { return Json(s.*member); }};
}

template <S::Names S::* member>
constexpr SettingField names(std::string_view name, std::string_view type, std::string_view meaning) {
  return {name,
          SettingKind::list,
          type,
          meaning,
          [](S& s, std::string_view v) {
            (s.*member).clear();
            for (auto& item : split(v)) (s.*member).insert(std::move(item));
          },
          [](const S& s) { return Json(std::vector<std::string>((s.*member).begin(), (s.*member).end())); }};
}

constexpr std::string_view kEngines = "cpu, reference or empty", kTuneTest = "compiler/tuning/tune_test.cpp",
                           kBuildTest = "compiler/tuning/build_test.cpp",
                           kSpecialTest = "compiler/tuning/special_plans_test.cpp",
                           kCacheTest = "compiler/tuning/engine_cache_test.cpp",
                           kCastTest = "compiler/tuning/autocast_test.cpp",
                           kEffectTest = "compiler/tuning/settings_effect_test.cpp";
// Why it is ignored.
constexpr std::string_view kForGpus = "it is for GPUs", kNothingToChoose = "it has one kernel for each operator",
                           kOwnTypes = "it computes in the program's own types",
                           kUncut = "blocks are not cut by memory";

constexpr SettingField kFields[] = {
    SettingField{"enabled_precisions", SettingKind::list, "list of fp32, bf16, fp16, int8",
                 "precisions that kernels may use; fp32 always may be, fp16 never is",
                 [](S& s, std::string_view v) { s.enabled_precisions = parse_precisions(v); },
                 [](const S& s) {
                   Json list = Json::array();
                   for (const DType t : s.enabled_precisions) list.push_back(precision_name(t));
                   return list;
                 }}
        .ignored_by_reference_for(kOwnTypes)
        .shown(kTuneTest),
    integer<&S::min_block_size, 1, 1 << 20>("min_block_size", "integer 1 to 1048576",
                                            "smallest number of nodes in a compiled block")
        .ignored_by_reference_for("it compiles nothing")
        .shown("compiler/partition/partition_test.cpp"),
    names<&S::torch_executed_ops>("torch_executed_ops", "list of operators",
                                  "operators that stay on the reference engine")
        .shown(kTuneTest),
    boolean<&S::require_full_compilation>("require_full_compilation", "refuse models that need the reference engine")
        .shown(kBuildTest),
    boolean<&S::pass_through_build_failures>("pass_through_build_failures", "a block that cannot be built is an error")
        .shown(kBuildTest),
    integer<&S::optimization_level, 0, 5>("optimization_level", "integer 0 to 5",
                                          "0 builds fastest, 5 searches longest")
        .or_none<&S::optimization_level>()
        .ignored_by_reference_for(kNothingToChoose)
        .shown("engines/cpu/compile/tactics_test.cpp"),
    text<&S::timing_cache_path>("timing_cache_path", "path or none", "file with timings of earlier tunings")
        .ignored_by_reference_for(kNothingToChoose)
        .not_recorded()
        .shown(kTuneTest),
    integer<&S::num_threads, 0, 1024>("num_threads", "integer 0 to 1024", "threads at run time, 0 for all")
        .shown(kTuneTest),
    SettingField{"engine", SettingKind::text, kEngines, "the only engine to use",
                 [](S& s, std::string_view v) {
                   if (!v.empty() && v != "cpu" && v != "reference")
                     throw InvalidArgument(fmt::format("there is no engine '{}': cpu, reference", v));
                   s.engine = v;
                 },
                 [](const S& s) { return Json(s.engine); }}
        .shown(kTuneTest),
    boolean<&S::onednn>("onednn", "call oneDNN where it is installed and faster; the file then needs it to run")
        .ignored_by_reference_for("it calls no library")
        .shown("engines/cpu/test/onednn_test.cpp"),
    number<&S::max_relative_error, 0.0, 1.0>("max_relative_error", "number 0 to 1",
                                             "accepted error against the reference, 0 for 1e-4 (fp32) or 2e-2 (bf16)")
        .shown(kTuneTest),
    number<&S::max_quantisation_error, 0.0, 1.0>("max_quantisation_error", "number 0 to 1",
                                                 "accepted error of a plan with int8 against the reference")
        .ignored_by_reference_for("it computes in the program's own types")
        .shown("compiler/tuning/quantisation_test.cpp"),
    boolean<&S::portable>("portable", "keep the program itself in the file, so that PyTorch opens it")
        .shown("tests/torch/test_portable.py"),
    integer<&S::max_special_plans, 0, 64>("max_special_plans", "integer 0 to 64",
                                          "plans for common shapes alone, beside the general one")
        .shown(kSpecialTest),
    number<&S::special_plan_gain, -1.0, 1.0>("special_plan_gain", "number -1 to 1",
                                             "share of the general plan's time that a special one must save")
        .shown(kSpecialTest),
    SettingField{
        "dryrun", SettingKind::boolean_or_text, "true, false or a path",
        "build nothing, and report how the model would be cut, also into the file of that path", set_dryrun,
        [](const S& s) { return s.dryrun.empty() || s.dryrun == "true" ? Json(!s.dryrun.empty()) : Json(s.dryrun); }}
        .not_recorded()
        .shown("tests/e2e/artifact_test.cpp"),
    boolean<&S::fallback_data_dependent_ops>(
        "fallback_data_dependent_ops", "operators with results whose size data decide stay on the reference engine")
        .shown("compiler/partition/partition_test.cpp"),
    integer<&S::max_data_dependent_size, 1, std::int64_t{1} << 40>(
        "max_data_dependent_size", "integer 1 to 2^40",
        "largest size that data may decide where neither operator nor model limits it")
        .shown("tests/torch/test_data_dependent.py"),
    SettingField{"custom_ops", SettingKind::list, "list of shared libraries", "libraries of custom operators to load",
                 [](S& s, std::string_view v) { s.custom_ops = split(v); },
                 [](const S& s) { return Json(s.custom_ops); }}
        .not_recorded()
        .shown("tests/custom_ops/custom_ops_test.cpp"),
    text<&S::engine_cache_dir>("engine_cache_dir", "path, empty for the user's", "folder of the engine cache")
        .ignored_by_reference_for(kNothingToChoose)
        .not_recorded()
        .shown(kCacheTest),
    integer<&S::engine_cache_size, 0, kAnyBytes>("engine_cache_size", "number of bytes",
                                                 "size of the engine cache; what was used longest ago goes first")
        .ignored_by_reference_for(kNothingToChoose)
        .not_recorded()
        .shown(kCacheTest),
    number<&S::tune_budget_seconds, 0.0, 1e9>("tune_budget_seconds", "seconds, 0 for no limit",
                                              "time that tuning may take; what is not timed by then is chosen by rule")
        .not_recorded()
        .ignored_by_reference_for(kNothingToChoose)
        .shown("compiler/tuning/anytime_test.cpp"),
    // Of Torch-TensorRT, in its order.
    integer<&S::workspace_size, 0, kAnyBytes>("workspace_size", "number of bytes, 0 for no limit",
                                              "memory that a run may use for intermediate results")
        .shown(kTuneTest),
    optional_integer<&S::max_aux_streams>("max_aux_streams", "integer >= 0 or none", "streams beside the main one")
        .ignored(kForGpus),
    boolean<&S::version_compatible>("version_compatible", "newer versions run the file: they all do, without it, too")
        .shown(kOnDefault),
    boolean<&S::truncate_double>("truncate_double", "compute float64 in float32; inputs and outputs stay float64")
        .shown(kEffectTest),
    boolean<&S::use_complex_decomposition>("use_complex_decomposition", "complex numbers as pairs of real ones")
        .ignored("complex numbers are always made pairs of real ones"),
    boolean<&S::use_fast_partitioner>("use_fast_partitioner", "cut the graph by adjacency, not globally")
        .ignored("there is one partitioner"),
    boolean<&S::enable_experimental_decompositions>("enable_experimental_decompositions", "decompose further")
        .ignored("there is one set of decompositions"),
    SettingField{"device", SettingKind::text, "cpu or none", "the device to compile for",
                 [](S& s, std::string_view v) { s.device = v == "cpu" ? "" : v; },  // it is what is done
                 [](const S& s) { return s.device.empty() ? Json(nullptr) : Json(s.device); }}
        .or_none<&S::device>()
        .ignored("models are compiled for the CPU of this machine"),
    boolean<&S::disable_tf32>("disable_tf32", "no TF32 in products")
        .done_always("products of fp32 have all its bits")
        .shown(kEffectTest),
    boolean<&S::assume_dynamic_shape_support>("assume_dynamic_shape_support", "take every converter for dynamic")
        .done_always("every operator takes sizes that move")
        .shown(kEffectTest),
    boolean<&S::sparse_weights>("sparse_weights", "use sparse kernels for sparse weights")
        .ignored("there are no kernels for sparse weights"),
    SettingField{
        "engine_capability", SettingKind::text, "standard, safety, dla_standalone", "restrict the engine's kernels",
        [](S& s, std::string_view v) { s.engine_capability = choose(v, {"standard", "safety", "dla_standalone"}); },
        [](const S& s) { return Json(s.engine_capability); }}
        .ignored(kForGpus),
    integer<&S::num_avg_timing_iters, 1, 1 << 20>("num_avg_timing_iters", "integer 1 to 1048576",
                                                  "runs over which the time of a candidate is averaged")
        .ignored_by_reference_for(kNothingToChoose)
        .shown("engines/cpu/compile/tactics_test.cpp"),
    integer<&S::dla_sram_size, 0, kAnyBytes>("dla_sram_size", "number of bytes", "memory of a DLA").ignored(kForGpus),
    integer<&S::dla_local_dram_size, 0, kAnyBytes>("dla_local_dram_size", "number of bytes", "memory of a DLA")
        .ignored(kForGpus),
    integer<&S::dla_global_dram_size, 0, kAnyBytes>("dla_global_dram_size", "number of bytes", "memory of a DLA")
        .ignored(kForGpus),
    boolean<&S::hardware_compatible>(
        "hardware_compatible", "the file has plans for AVX2, AVX-512 and AVX512_BF16, as far as this CPU has them")
        .shown("tests/e2e/compatible_test.cpp"),
    boolean<&S::lazy_engine_init>("lazy_engine_init", "set engines up when all are compiled")
        .done_always("nothing is loaded before the whole file is made, and loading maps it")
        .shown(kEffectTest),
    boolean<&S::cache_built_engines>("cache_built_engines", "keep what tuning decided in the engine cache")
        .ignored_by_reference_for(kNothingToChoose)
        .not_recorded()
        .shown(kCacheTest),
    boolean<&S::reuse_cached_engines>("reuse_cached_engines", "build from the engine cache, without searching again")
        .ignored_by_reference_for(kNothingToChoose)
        .not_recorded()
        .shown(kCacheTest),
    boolean<&S::use_fp32_acc>("use_fp32_acc", "sum products of fp16 in fp32")
        .done_always("sums of fp16 and bf16 are in fp32")
        .shown(kEffectTest),
    boolean<&S::refit_identical_engine_weights>("refit_identical_engine_weights",
                                                "models that differ in weights alone share entries of the engine cache")
        .ignored_by_reference_for(kNothingToChoose)
        .shown(kCacheTest),
    boolean<&S::strip_engine_weights>("strip_engine_weights", "leave the weights out of the file: refit puts some in")
        .shown("tests/e2e/refit_test.cpp"),
    boolean<&S::immutable_weights>("immutable_weights", "weights will never be replaced")
        .done_always("every file can be refitted")
        .shown("tests/e2e/refit_test.cpp"),
    boolean<&S::enable_weight_streaming>("enable_weight_streaming",
                                         "weights stay in the file, and only what steps need is in memory")
        .shown("runtime/weight_stream_test.cpp"),
    boolean<&S::enable_cross_compile_for_windows>("enable_cross_compile_for_windows", "make a file for Windows")
        .ignored("plans run on Linux"),
    SettingField{
        "tiling_optimization_level", SettingKind::text, "none, fast, moderate, full",
        "how long to look for tilings across layers",
        [](S& s, std::string_view v) { s.tiling_optimization_level = choose(v, {"none", "fast", "moderate", "full"}); },
        [](const S& s) { return Json(s.tiling_optimization_level); }}
        .ignored(kForGpus),
    integer<&S::l2_limit_for_tiling, -1, kAnyBytes>("l2_limit_for_tiling", "number of bytes, -1 for no limit",
                                                    "L2 cache that such tilings may use")
        .ignored(kForGpus),
    boolean<&S::use_distributed_mode_trace>("use_distributed_mode_trace", "export models of several devices")
        .ignored("models run on one machine"),
    boolean<&S::offload_module_to_cpu>("offload_module_to_cpu", "move the model off the GPU while it is compiled")
        .done_always("the model is in the CPU's memory alone")
        .shown(kEffectTest),
    boolean<&S::enable_autocast>("enable_autocast", "choose the precision of each product by rule")
        .ignored_by_reference_for(kOwnTypes)
        .shown(kCastTest),
    SettingField{"autocast_low_precision_type", SettingKind::text, "fp16, bf16 or none",
                 "autocast's low precision; with fp16 or none everything stays in fp32", set_low_precision,
                 [](const S& s) {
                   return s.autocast_low_precision_type.empty() ? Json(nullptr) : Json(s.autocast_low_precision_type);
                 }}
        .or_none<&S::autocast_low_precision_type>()
        .ignored_by_reference_for(kOwnTypes)
        .shown(kCastTest),
    SettingField{"autocast_excluded_nodes", SettingKind::list, "list of regular expressions",
                 "nodes that stay in fp32, by name or module", set_patterns,
                 [](const S& s) {
                   return Json(
                       std::vector<std::string>(s.autocast_excluded_nodes.begin(), s.autocast_excluded_nodes.end()));
                 }}
        .ignored_by_reference_for(kOwnTypes)
        .shown(kCastTest),
    names<&S::autocast_excluded_ops>("autocast_excluded_ops", "list of operators", "operators that stay in fp32")
        .ignored_by_reference_for(kOwnTypes)
        .shown(kCastTest),
    number<&S::autocast_max_output_threshold, 0.0, std::numeric_limits<double>::max()>(
        "autocast_max_output_threshold", "number >= 0", "products with larger numbers in their results stay in fp32")
        .ignored_by_reference_for(kOwnTypes)
        .shown(kCastTest),
    optional_integer<&S::autocast_max_depth_of_reduction>("autocast_max_depth_of_reduction", "integer >= 0 or none",
                                                          "products that sum more numbers stay in fp32")
        .ignored_by_reference_for(kOwnTypes)
        .shown(kCastTest),
    SettingField{"autocast_calibration_dataloader", SettingKind::text, "none, or calls of the model in Python",
                 "samples whose numbers autocast looks at; none: those of tuning",
                 [](S&, std::string_view v) {
                   throw InvalidArgument(fmt::format("'{}' is text, which is no calls of a model", v));
                 },
                 [](const S&) { return Json(nullptr); }, [](S&) {}}
        .not_recorded()
        .ignored_by_reference_for(kOwnTypes)
        .shown("python/tests/test_settings.py"),
    boolean<&S::enable_resource_partitioning>("enable_resource_partitioning", "cut blocks that need much memory")
        .ignored(kUncut),
    optional_integer<&S::cpu_memory_budget>("cpu_memory_budget", "number of bytes or none",
                                            "memory that compiling may use")
        .ignored(kUncut),
    boolean<&S::dynamically_allocate_resources>("dynamically_allocate_resources", "hold memory only while running")
        .shown("runtime/instance_test.cpp"),
    boolean<&S::decompose_attention>("decompose_attention", "attention as single operators").shown(kEffectTest),
    names<&S::disabled_constant_fold_exclusions>("disabled_constant_fold_exclusions", "list of operators",
                                                 "operators on constants that are folded all the same")
        .done_always("all constants are folded")
        .shown(kEffectTest),
    boolean<&S::attn_bias_is_causal>("attn_bias_is_causal", "take masks of attention for causal")
        .ignored("masks are used as they come"),
    boolean<&S::use_explicit_typing>("use_explicit_typing", "dtypes as in the model, of older versions")
        .ignored("enabled_precisions says what may be used"),
};

}  // namespace

std::span<const SettingField> setting_fields() { return kFields; }

const SettingField* find_setting(std::string_view name) {
  const auto* found = std::ranges::find(kFields, name, &SettingField::name);
  return found == std::end(kFields) ? nullptr : found;
}

void refuse_unknown_setting(std::string_view name, std::string_view where) {
  std::vector<std::string_view> all;
  for (const SettingField& f : kFields) all.push_back(f.name);
  throw InvalidArgument(fmt::format("there is no setting '{}'", name), std::string(where),
                        fmt::format("There are: {}", fmt::join(all, ", ")));
}

}  // namespace aitune

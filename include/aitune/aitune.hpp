#pragma once
// The C++ interface of aitune: tune a PyTorch model ahead of time, save it, load it. The names are those of the Torch-
// TensorRT AOT backend's guide. Programs that only load and run use <aitune/runtime.hpp>, which needs no compiler.
//
//   aitune::TorchTensorRTAotBackendConfig config;
//   config.compile_config.enabled_precisions = {aitune::DType::f32, aitune::DType::bf16};
//   aitune::OneBackendStrategy strategy(aitune::TorchTensorRTAotBackend{config});
//   aitune::Module model("model.pt2", "my-model", strategy);
//   aitune::tune(model, samples);
//   aitune::save(model, "model.ait");
//   aitune::load(model, "model.ait");

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aitune/strategy.hpp"
#include "base/error.h"
#include "base/tensor.h"
#include "compiler/tuning/decisions.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/report.h"
#include "format/tensor_files.h"

namespace aitune {

struct TunedModel;  // compiler/tuning/tune.h
class Module;

/// How tune() goes about it, beside the module's configuration. What is referred to outlives the call.
struct TuneOptions {
  Progress* progress = nullptr;
  /// Builds the plans that these describe instead of searching, without timing anything: the module, saved, is the file
  /// that they come from, byte for byte. Program, weights, samples, name, configuration and aitune's version must be
  /// the same: InvalidArgument names what is not.
  const Decisions* decisions = nullptr;
  /// Asked between candidates; true ends the search, and what was found so far is built. What was timed is in the
  /// timing cache, from which another tuning goes on.
  std::function<bool()> stop;
  /// Called when there is a plan that is right and faster than the one before, first with one chosen by rule, after
  /// seconds. Within the call the module may be saved (and nothing else); what is thrown ends tuning.
  std::function<void(const Module&)> improved;
  /// Inputs on which autocast looks at the sizes of numbers (autocast_max_output_threshold); none: the samples.
  std::vector<NamedTensors> calibration = {};
};

/// What tuning decided: of an .ait, or of a JSON file that `aitune inspect --decisions` wrote. Throws Corrupt for
/// anything else, Unsupported for an .ait that does not say.
Decisions read_decisions(const std::filesystem::path& path);

/// Texts that an .ait carries along, by name: what torch.export.save calls extra_files.
using ExtraFiles = std::map<std::string, std::string>;

/// A model: saved program, tuned plan, or both. Movable; one thread at a time. Throws InvalidArgument for a name that
/// files cannot hold: "../x", one with control characters.
class Module {
 public:
  /// A model to tune. The file is read by tune().
  Module(std::filesystem::path model, std::string name, TuneStrategy strategy = OneBackendStrategy{});
  /// A model that will be loaded.
  explicit Module(std::string name);
  ~Module();
  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;

  const std::string& name() const;
  /// Runs the tuned or loaded plan. Inputs in call order. Throws InvalidArgument if they do not fit, or if nothing was
  /// tuned or loaded yet.
  std::vector<Tensor> operator()(std::span<const Tensor> inputs);
  /// The same by names; outputs carry the program's names.
  NamedTensors operator()(const NamedTensors& inputs);

 private:
  friend TuneReport tune(Module&, std::span<const NamedTensors>, const TuneOptions&);
  friend void save(const Module&, const std::filesystem::path&, const ExtraFiles&);
  friend void load(Module&, const std::filesystem::path&, bool);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Inputs of a call are NamedTensors (format/tensor_files.h): by the program's names or by position ("0", "1", ...).

/// Tunes the module with its strategy on the samples (at least one): the outputs of every candidate plan are compared
/// with the reference on all of them, and the fastest correct plan stays; the strategy decides among its backends. With
/// the setting dryrun nothing is built: the report says what would be, and is printed if there is no `progress`. Throws
/// Unsupported with everything that is not supported at once, ValidationError if no plan is correct.
TuneReport tune(Module& module, std::span<const NamedTensors> samples, Progress* progress = nullptr);

TuneReport tune(Module& module, std::span<const NamedTensors> samples, const TuneOptions& options);

/// The configuration that decisions were made with. Paths, caches and custom operators' libraries are no part of it.
TorchTensorRTAotBackendConfig configuration_of(const Decisions& decisions);

/// Writes a tuned module as an .ait, atomically: a file of that name stays whole until the new one is. `extra` is
/// found in the file under extra/; its texts are UTF-8. Throws InvalidArgument for a name that is no relative path or
/// that the manifest has.
void save(const Module& module, const std::filesystem::path& path, const ExtraFiles& extra = {});

/// Puts the weights of another model, the same program with the same shapes, into an .ait, and writes the result: the
/// plans are built again as the file says that tuning chose them, without timing candidates, and compared with the
/// reference on the file's samples. `file` may have no weights at all (strip_engine_weights). Throws InvalidArgument
/// naming the weights that differ in shape or dtype, ValidationError if the plan is off with the new ones.
void refit(const std::filesystem::path& file, const std::filesystem::path& model, const std::filesystem::path& output,
           Progress* progress = nullptr);

/// Builds what an earlier tuning decided once more, and writes the result: tune() with TuneOptions::decisions. The
/// configuration is that of `decisions`, an .ait, whose extra files are kept, too, or a decision log.
void repeat(const std::filesystem::path& decisions, const std::filesystem::path& model,
            std::span<const NamedTensors> samples, const std::filesystem::path& output, Progress* progress = nullptr);

/// The texts that an .ait carries along; none for other files.
ExtraFiles recorded_extra(const std::filesystem::path& path);

/// The inputs that an .ait was tuned on. Throws InvalidArgument if the file is none.
std::vector<NamedTensors> recorded_inputs(const std::filesystem::path& path);

/// The ranges that were given for the inputs of an .ait; none for other files. Tuning it again keeps them if the
/// configuration has none.
std::vector<Input> recorded_shapes(const std::filesystem::path& path);

/// The settings that an .ait was tuned with, but for what says nothing of the file; the defaults for other files.
CompilationSettings recorded_settings(const std::filesystem::path& path);

/// Loads an .ait into the module. With `rebuild`, a file whose plans do not fit this machine is compiled again from the
/// program inside; otherwise that is Incompatible.
void load(Module& module, const std::filesystem::path& path, bool rebuild = false);

}  // namespace aitune

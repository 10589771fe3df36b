#pragma once
// An .ait as the subcommands use it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "format/tensor_files.h"
#include "format/zip_reader.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune::tools {

/// The .ait of a module in the file at `path`. Throws InvalidArgument, naming the modules, where there are several and
/// `module` is empty.
ZipReader open_ait(const std::string& path, const std::string& module);

/// A loaded file with one instance.
class Model {
 public:
  /// Throws like open_ait and Program::open.
  Model(const std::string& path, const LoadOptions& options);

  const Program& program() const { return *program_; }
  const std::shared_ptr<const Program>& shared_program() const { return program_; }
  /// What runs inputs of these shapes: the program or one of its special plans.
  const Program& program_for(const std::vector<Tensor>& inputs) { return instance_.program_for(inputs); }
  Instance& instance() { return instance_; }
  /// Samples from files, or those that the file was tuned on if there are none. In call order.
  std::vector<std::vector<Tensor>> samples(const std::vector<std::string>& files) const;
  /// Puts named tensors into call order. Throws InvalidArgument naming what is missing or unknown.
  std::vector<Tensor> in_order(const NamedTensors& named, const std::string& where) const;
  NamedTensors name_outputs(std::vector<Tensor> outputs) const;

 private:
  /// What the model's forward() takes, where the file says it.
  std::span<const Argument> arguments() const;

  ZipReader archive_;  // of this module
  std::shared_ptr<const Program> program_;
  Instance instance_;
};

/// Recorded inputs (or outputs) of the samples in an .ait.
std::vector<NamedTensors> recorded(const ZipReader& zip, const Manifest& manifest, bool outputs);

/// The name of a program's entry in its file: "data/aitune/plans/net-fp32.plan".
std::string plan_entry(const Program& program);

/// {"shape": [...], "dtype": "f32", ...} of a tensor.
nlohmann::ordered_json tensor_json(const std::string& name, const Tensor& tensor);

}  // namespace aitune::tools

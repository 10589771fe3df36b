// aitune run: inputs from files through a tuned model, outputs to files.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "tools/commands.h"
#include "tools/model.h"

namespace aitune::tools {
namespace {

struct RunOptions {
  std::string model, output;
  std::vector<std::string> inputs;
  int threads = 0;
};

/// OUT.npz for one sample; OUT.0.npz, OUT.1.npz, ... for several.
std::string output_path(const std::string& path, std::size_t sample, std::size_t count) {
  if (count == 1) return path;
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? fmt::format("{}.{}", path, sample)
                                  : fmt::format("{}.{}{}", path.substr(0, dot), sample, path.substr(dot));
}

void run(const RunOptions& options, const Common& common) {
  LoadOptions load;
  load.num_threads = options.threads;
  Model model(options.model, load);
  const auto samples = model.samples(options.inputs);
  auto json = nlohmann::ordered_json::array();
  std::vector<NamedTensors> results;
  for (const auto& sample : samples) results.push_back(model.name_outputs(model.instance().run(sample)));
  for (std::size_t s = 0; s < results.size(); ++s) {
    auto outputs = nlohmann::ordered_json::array();
    for (const auto& [name, tensor] : results[s]) {
      outputs.push_back(tensor_json(name, tensor));
      if (!common.json)
        fmt::print("{}{}: {}\n", samples.size() > 1 ? fmt::format("sample {} ", s) : "", name,
                   describe(tensor.dtype(), tensor.shape()));
    }
    nlohmann::ordered_json entry = {{"outputs", outputs}};
    if (!options.output.empty()) {
      const std::string path = output_path(options.output, s, results.size());
      write_tensors(path, results[s]);
      entry["file"] = path;
      if (!common.json) fmt::print("written to {}\n", path);
    }
    json.push_back(entry);
  }
  if (common.json) fmt::print("{}\n", nlohmann::ordered_json{{"samples", json}}.dump(2));
}

}  // namespace

void add_run_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("run", "Run a tuned model on inputs from files");
  const auto options = std::make_shared<RunOptions>();
  command->add_option("model", options->model, "the .ait file")->required();
  command->add_option("-i,--input", options->inputs,
                      "inputs: .npz, .safetensors, .npy or NAME=FILE.npy; the recorded samples if left out");
  command->add_option("-o,--output", options->output, "where outputs go: .npz, .safetensors or .npy");
  command->add_option("--threads", options->threads, "threads, 0 as tuned")->check(CLI::Range(0, 1024));
  command->add_flag("--json", common.json, "print JSON");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace aitune::tools

// aitune run: inputs from files through a tuned model, outputs to files.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "tools/commands.h"
#include "tools/model.h"
#include "tools/numbers.h"
#include "tools/samples.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct RunOptions {
  std::string model, module, output;
  std::vector<std::string> inputs;
  int threads = 0;
  std::uint64_t weight_budget = 0;
};

/// OUT.npz for one sample; OUT.0.npz, OUT.1.npz, ... for several.
std::string output_path(const std::string& path, std::size_t sample, std::size_t count) {
  if (count == 1) return path;
  const std::filesystem::path whole(path);
  return whole.parent_path() / fmt::format("{}.{}{}", whole.stem().string(), sample, whole.extension().string());
}

void run(const RunOptions& options, const Common& common) {
  if (!options.output.empty()) refuse_loss(options.output, options.inputs);
  LoadOptions load;
  load.module = options.module;
  load.num_threads = options.threads;
  load.weight_budget = options.weight_budget;
  Model model(options.model, load);
  const auto samples = model.samples(options.inputs);
  std::vector<TensorFile> results;
  std::vector<std::string> plans;
  plans.reserve(samples.size());
  results.reserve(samples.size());
  for (std::size_t s = 0; s < samples.size(); ++s) {
    plans.push_back(plan_entry(model.program_for(samples[s])));
    results.push_back({options.output.empty() ? "" : output_path(options.output, s, samples.size()),
                       model.name_outputs(model.instance().run(samples[s]))});
  }
  if (!options.output.empty()) write_tensor_files(results);
  auto json = nlohmann::ordered_json::array();
  for (std::size_t s = 0; s < results.size(); ++s) {
    auto outputs = nlohmann::ordered_json::array();
    for (const auto& [name, tensor] : results[s].tensors) {
      outputs.push_back(tensor_json(name, tensor));
      if (!common.json)
        fmt::print("{}{}: {}\n", samples.size() > 1 ? fmt::format("sample {} ", s) : "", name,
                   describe(tensor.dtype(), tensor.shape()));
    }
    nlohmann::ordered_json entry = {{"plan", plans[s]}, {"outputs", outputs}};
    if (!options.output.empty()) {
      entry["file"] = results[s].path.string();
      if (!common.json) fmt::print("written to {}\n", results[s].path.string());
    }
    json.push_back(entry);
  }
  if (common.json) print_json({{"samples", json}});
}

}  // namespace

void add_run_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("run", "Run a tuned model on inputs from files");
  const auto options = std::make_shared<RunOptions>();
  command->add_option("model", options->model, "the .ait file")->required();
  command->add_option("-i,--input", options->inputs,
                      "inputs: .npz, .safetensors, .npy or NAME=FILE.npy; the recorded samples if left out");
  command->add_option("-o,--output", options->output, "where outputs go: .npz, .safetensors or .npy");
  command->add_option("--threads", options->threads, "threads, 0 as tuned")->check(integer_from(0, 1024));
  add_module_option(*command, options->module);
  add_weight_budget_option(*command, options->weight_budget);
  add_common_options(*command, common);
  add_custom_ops_option(*command);
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace aitune::tools

// aitune verify: proves on this machine that a file is whole and that its plan still gives the recorded outputs.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "format/manifest.h"
#include "format/safetensors.h"
#include "format/zip_reader.h"
#include "tools/commands.h"
#include "tools/model.h"

namespace aitune::tools {
namespace {

/// Every entry against its SHA-256 in the manifest.
void check_entries(const ZipReader& zip, const Manifest& manifest) {
  for (const auto& row : manifest.entries) {
    const auto bytes = zip.bytes(zip.at(row.name));
    if (bytes.size() != row.size || sha256(bytes) != row.sha256)
      throw Corrupt(fmt::format("entry {} is not what was saved: its SHA-256 differs", row.name), zip.where(),
                    "Copy the file again, or tune again");
  }
}

/// Names the first block whose recorded outputs (of sample 0) differ, where the file has them.
std::string first_wrong_block(Model& model, const ZipReader& zip, const std::vector<Tensor>& inputs, double bound) {
  const std::string entry = std::string(kSampleFolder) + "0.blocks.safetensors";
  if (!zip.find_in_top(entry)) return "";
  const auto expected = read_safetensors(zip.bytes(zip.at(entry)), zip.owner(), entry);
  std::string found;
  model.instance().run_blocks(inputs, [&](std::size_t block, const std::vector<Tensor>& outputs) {
    for (std::size_t i = 0; i < outputs.size() && found.empty(); ++i)
      for (const auto& [name, tensor] : expected)
        if (name == fmt::format("block{}.{}", block, i) && !(relative_error(outputs[i], tensor) <= bound))
          found = fmt::format("; the first block that is off is {} ({})", block,
                              model.program().plan().blocks[block].engine);
  });
  return found;
}

void verify_file(const std::string& path, const Common& common) {
  const ZipReader zip = ZipReader::open(path);
  Model model(path, {});
  const Manifest& manifest = *model.program().manifest();
  check_entries(zip, manifest);
  const auto inputs = recorded(path, manifest, false), expected = recorded(path, manifest, true);
  const auto bound_row = manifest.bounds.find(model.program().plan().precision);
  const double bound = bound_row == manifest.bounds.end() ? 1e-4 : bound_row->second;
  double worst = 0;
  for (std::size_t s = 0; s < inputs.size(); ++s) {
    const auto ordered = model.in_order(inputs[s], fmt::format("sample {}", s));
    const auto outputs = model.name_outputs(model.instance().run(ordered));
    for (const auto& [name, tensor] : outputs)
      for (const auto& [expected_name, reference] : expected[s]) {
        if (expected_name != name) continue;
        const double error = relative_error(tensor, reference);
        worst = std::max(worst, error);
        if (!(error <= bound))
          throw ValidationError(
              fmt::format("output {} of sample {} is off: relative error {:.2e}, allowed {:.0e}{}", name, s, error,
                          bound, s == 0 ? first_wrong_block(model, zip, ordered, bound) : ""),
              path, "Tune the model again on this machine");
      }
  }
  if (common.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"ok", true},
                                              {"entries", manifest.entries.size()},
                                              {"samples", inputs.size()},
                                              {"relative_error", worst},
                                              {"bound", bound}}
                           .dump(2));
  else
    fmt::print("{}: whole ({} entries), and right: {} samples, relative error at most {:.1e} (allowed {:.0e})\n", path,
               manifest.entries.size(), inputs.size(), worst, bound);
}

}  // namespace

void add_verify_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("verify", "Check a file's checksums, and its outputs on the recorded samples");
  const auto model = std::make_shared<std::string>();
  command->add_option("model", *model, "the .ait file")->required();
  command->add_flag("--json", common.json, "print JSON");
  command->callback([model, &common] { verify_file(*model, common); });
}

}  // namespace aitune::tools

#include "compiler/import/import.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/import/dynamo/import.h"
#include "compiler/import/dynamo/mutation.h"
#include "compiler/import/fx/import.h"
#include "compiler/import/portable/portable.h"
#include "compiler/import/torchscript/import.h"
#include "format/manifest.h"
#include "format/zip_reader.h"

namespace aitune {
namespace {

struct IrRow {
  IRType ir;
  std::string_view name;
};
constexpr IrRow kIrs[] = {{IRType::dynamo, "dynamo"}, {IRType::ts, "ts"}, {IRType::fx, "fx"}};

/// Lines of source inside of the saved model are not called by where that lies: the same model gives the same file
/// wherever it is.
void forget_path(Graph& graph, const std::string& path) {
  for (const auto& node : graph.nodes()) {
    if (std::string& code = node->source.code; code.starts_with(path)) code.replace(0, path.size(), "model");
    for (const auto& region : node->regions) forget_path(*region, path);
  }
}

// A graph that torch.export has no form for goes without.
void add_portable_program(ImportedModel& model, const NamedTensors& sample) {
  try {
    model.portable = portable_program(model.graph, sample);
  } catch (const Unsupported&) {
    model.portable.clear();
  }
}

std::vector<NamedTensors> calls_of(const ImportedModel& model, std::span<const NamedTensors> samples) {
  std::vector<NamedTensors> calls;
  for (std::size_t i = 0; i < samples.size(); ++i)
    dynamo::add_buffers(
        model, calls.emplace_back(as_program_inputs(samples[i], model.arguments, fmt::format("sample {}", i))));
  return calls;
}

}  // namespace

std::string_view ir_name(IRType ir) {
  for (const auto& row : kIrs)
    if (row.ir == ir) return row.name;
  return "unknown";
}

IRType parse_ir(std::string_view name) {
  for (const auto& row : kIrs)
    if (row.name == name) return row.ir;
  throw InvalidArgument(fmt::format("there is no ir '{}'", name), "ir", "It is one of: dynamo, ts, fx");
}

IRType detect_ir(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  const auto has = [&](std::string_view name) { return zip.find_in_top(name) != nullptr; };
  if (has("archive_format") || has("serialized_exported_program.json")) return IRType::dynamo;
  if (has(std::string(kBundleFolder) + "0.ait") && !has(kManifestEntry))
    throw InvalidArgument("the file holds several modules", path.string(),
                          "Take one out: aitune extract FILE.ait --module NAME -o OUT.ait");
  if (has("constants.pkl")) return IRType::ts;
  if (has("data.pkl") && is_fx_file(path)) return IRType::fx;
  return IRType::dynamo;  // whose importer says what else the file is
}

std::vector<ModelInput> model_inputs(const std::filesystem::path& path, IRType ir) {
  std::vector<ModelInput> inputs;
  if (ir == IRType::ts) {
    for (auto& name : torchscript_inputs(path)) inputs.push_back({std::move(name), std::nullopt});
    return inputs;
  }
  if (ir == IRType::fx) {
    for (auto& name : fx_inputs(path)) inputs.push_back({std::move(name), std::nullopt});
    return inputs;
  }
  for (auto& [name, type] : pt2_inputs(path)) inputs.push_back({std::move(name), type.shape.size()});
  return inputs;
}

ImportedCall import_model(const std::filesystem::path& path, IRType ir, std::span<const NamedTensors> samples,
                          std::span<const Input> shapes, const ConstantEvaluator& constants,
                          std::int64_t largest_size) {
  if (ir == IRType::ts) {
    auto [model, calls] = import_torchscript(path, samples, shapes, constants, largest_size);
    forget_path(model.graph, path.string());
    add_portable_program(model, calls.front());
    return {std::move(model), std::move(calls)};
  }
  if (ir == IRType::fx) {
    ImportedModel model = import_fx(path, samples, shapes);
    forget_path(model.graph, path.string());
    auto calls = calls_of(model, samples);
    add_portable_program(model, calls.front());
    return {std::move(model), std::move(calls)};
  }
  ImportedModel model = import_pt2(path);
  narrow_inputs(model.graph, shapes);
  auto calls = calls_of(model, samples);
  return {std::move(model), std::move(calls)};
}

}  // namespace aitune

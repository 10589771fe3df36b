#include "compiler/import/import.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/import/dynamo/import.h"
#include "format/zip_reader.h"

namespace aitune {
namespace {

struct IrRow {
  IRType ir;
  std::string_view name;
};
constexpr IrRow kIrs[] = {{IRType::dynamo, "dynamo"}, {IRType::ts, "ts"}, {IRType::fx, "fx"}};

[[noreturn]] void refuse(IRType ir, const std::filesystem::path& path) {
  throw Unsupported(fmt::format("ir={} is not read by this version", ir_name(ir)), path.string(),
                    "Export the model with torch.export.export and torch.export.save, and use ir=dynamo");
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
  return IRType::dynamo;
}

std::vector<ModelInput> model_inputs(const std::filesystem::path& path, IRType ir) {
  if (ir != IRType::dynamo) refuse(ir, path);
  std::vector<ModelInput> inputs;
  const ImportedModel model = import_pt2(path);
  for (const Value* input : model.graph.inputs) inputs.push_back({input->name, input->type.shape.size()});
  return inputs;
}

ImportedCall import_model(const std::filesystem::path& path, IRType ir, std::span<const NamedTensors> samples) {
  if (ir != IRType::dynamo) refuse(ir, path);
  return {import_pt2(path), {samples.begin(), samples.end()}};
}

}  // namespace aitune

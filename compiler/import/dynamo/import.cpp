#include "compiler/import/dynamo/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "base/error.h"
#include "compiler/import/dynamo/archive.h"
#include "compiler/import/dynamo/call_arguments.h"
#include "compiler/import/dynamo/mutation.h"
#include "compiler/import/dynamo/payloads.h"
#include "compiler/import/dynamo/portable.h"
#include "compiler/import/dynamo/program.h"

namespace aitune {
namespace {

/// "cuda:1"; empty where nothing is said.
std::string device_of(const dynamo::JsonView& tensor) {
  const auto device = tensor.find("device");
  if (!device) return {};
  const auto index = device->find("index");
  const std::string type = dynamo::printable(device->at("type").string(), 40);
  return index ? fmt::format("{}:{}", type, index->integer()) : type;
}

/// Tensors on several devices are of no matter here, but their owner may have meant something by it.
std::optional<std::string> mixed_devices(const dynamo::JsonView& root) {
  std::map<std::string, std::string> first;  // tensor of each device
  for (const auto& [name, tensor] : root.at("graph_module").at("graph").at("tensor_values").members())
    if (std::string device = device_of(tensor); !device.empty() && device != "meta")
      first.try_emplace(std::move(device), dynamo::printable(name, 80));
  if (first.size() < 2) return std::nullopt;
  std::vector<std::string> places;
  for (const auto& [device, name] : first) places.push_back(fmt::format("{} ({})", device, name));
  return fmt::format("the model has tensors on several devices: {}; all of it runs on one", fmt::join(places, ", "));
}

ImportedModel import_archive(const dynamo::Pt2Archive& archive) {
  const std::string entry = archive.program_entry();
  const auto document = dynamo::parse_json(archive.text(entry), archive.place(entry));
  const dynamo::JsonView root(*document, archive.place(entry));
  const dynamo::TensorMap tensors = dynamo::read_payloads(archive);
  const auto lookup = [&](std::string_view name, const TensorType&) {
    const auto it = tensors.find(name);
    return it == tensors.end() ? Tensor() : it->second;
  };
  ImportedModel model;
  model.graph = dynamo::import_program(root, lookup);
  model.arguments = dynamo::call_arguments(root.at("graph_module").at("signature"), model.graph.in_spec);
  model.name = archive.model;
  if (const auto version = root.find("torch_version")) model.torch_version = dynamo::printable(version->string(), 40);
  dynamo::lift_writes(model, archive.place(entry));
  model.portable = dynamo::portable_entries(archive, *document);
  if (auto warning = mixed_devices(root)) model.warnings.push_back(*std::move(warning));
  return model;
}

}  // namespace

ImportedModel import_pt2(const std::filesystem::path& path) {
  ImportedModel model = import_archive(dynamo::open_archive(std::make_shared<const ZipReader>(MappedFile::open(path))));
  model.name = path.stem().string();
  return model;
}

std::vector<std::pair<std::string, TensorType>> pt2_inputs(const std::filesystem::path& path) {
  const auto archive = dynamo::open_archive(std::make_shared<const ZipReader>(MappedFile::open(path)));
  const std::string entry = archive.program_entry();
  const auto document = dynamo::parse_json(archive.text(entry), archive.place(entry));
  return dynamo::program_inputs(dynamo::JsonView(*document, archive.place(entry)));
}

ImportedModel import_pt2(std::span<const std::byte> bytes, const std::string& where) {
  return import_archive(dynamo::open_archive(std::make_shared<const ZipReader>(bytes, where)));
}

}  // namespace aitune

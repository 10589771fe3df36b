#include "compiler/import/dynamo/import.h"

#include "base/error.h"
#include "compiler/import/dynamo/archive.h"
#include "compiler/import/dynamo/payloads.h"
#include "compiler/import/dynamo/portable.h"
#include "compiler/import/dynamo/program.h"

namespace aitune {
namespace {

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
  model.name = archive.model;
  if (const auto version = root.find("torch_version")) model.torch_version = dynamo::printable(version->string(), 40);
  model.portable = dynamo::portable_entries(archive, *document);
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

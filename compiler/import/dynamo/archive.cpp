#include "compiler/import/dynamo/archive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {
namespace {

constexpr std::string_view kModels = "models/";
constexpr std::string_view kJson = ".json";
constexpr std::string_view kOldProgram = "serialized_exported_program.json";

constexpr std::string_view kExportFix =
    "save the model with torch.export.save(torch.export.export(model, inputs), path)";

[[noreturn]] void refuse_other(const ZipReader& zip) {
  std::string what = "no program of torch.export is in this file";
  for (const ZipEntry& entry : zip.entries()) {
    const std::string_view name = entry.name;
    if (name.ends_with("constants.pkl"))
      what = "this is a TorchScript file";
    else if (name.ends_with(".npy"))
      what = "this is an .npz file of arrays";
    else if (name.ends_with("/data.pkl"))
      what = "this is a torch.save file, which holds no program";
    else
      continue;
    break;
  }
  throw Unsupported(what, zip.where(), std::string(kExportFix));
}

std::string find_model(const ZipReader& zip) {
  std::vector<std::string> models;
  for (const ZipEntry& entry : zip.entries()) {
    std::string_view name = entry.name;
    name.remove_prefix(zip.top().size());
    if (!name.starts_with(kModels) || !name.ends_with(kJson)) continue;
    name.remove_prefix(kModels.size());
    name.remove_suffix(kJson.size());
    models.push_back(printable(name));
  }
  if (models.empty())
    throw Unsupported("this PT2 archive holds no exported program", zip.where(), std::string(kExportFix));
  if (models.size() > 1)
    throw Unsupported(
        fmt::format("this PT2 archive holds {} programs ({}); one is taken", models.size(), fmt::join(models, ", ")),
        zip.where(), "save each program to a file of its own");
  return models.front();
}

void check_versions(const Pt2Archive& archive) {
  if (const auto format = archive.text("archive_format"); format != "pt2")
    throw Corrupt(fmt::format("the archive calls itself \"{}\", not \"pt2\"", printable(format, 40)),
                  archive.place("archive_format"));
  if (!archive.has("archive_version")) return;
  if (const auto version = archive.text("archive_version"); version != "0")
    throw Incompatible(
        fmt::format("the archive has version \"{}\", this aitune reads version 0", printable(version, 40)),
        archive.place("archive_version"), "use a newer aitune, or save with an older PyTorch");
  if (archive.has("byteorder") && archive.text("byteorder") != "little")
    throw Unsupported("the archive was written on a big-endian machine", archive.place("byteorder"),
                      "save it again on a little-endian machine");
}

}  // namespace

std::string Pt2Archive::program_entry() const {
  return layout == Layout::zip ? std::string(kOldProgram) : fmt::format("models/{}.json", model);
}
std::string Pt2Archive::weights_pickle() const {
  return layout == Layout::zip ? "serialized_state_dict.pt" : fmt::format("data/weights/{}.pt", model);
}
std::string Pt2Archive::constants_pickle() const {
  return layout == Layout::zip ? "serialized_constants.pt" : fmt::format("data/constants/{}.pt", model);
}
std::string Pt2Archive::weights_config() const { return fmt::format("data/weights/{}_weights_config.json", model); }
std::string Pt2Archive::constants_config() const {
  return fmt::format("data/constants/{}_constants_config.json", model);
}
std::string Pt2Archive::sample_inputs() const {
  return layout == Layout::zip ? "serialized_example_inputs.pt" : fmt::format("data/sample_inputs/{}.pt", model);
}
std::string Pt2Archive::place(std::string_view entry) const {
  return fmt::format("{}/{}", zip->where(), printable(entry));
}

std::span<const std::byte> Pt2Archive::bytes(std::string_view entry) const {
  const ZipEntry& found = zip->at(entry);
  const auto content = zip->bytes(found);
  zip->verify_crc(found);
  return content;
}

std::string_view Pt2Archive::text(std::string_view entry) const {
  const auto content = bytes(entry);
  return {reinterpret_cast<const char*>(content.data()), content.size()};
}

Pt2Archive open_archive(std::shared_ptr<const ZipReader> zip) {
  Pt2Archive archive{.zip = std::move(zip), .layout = Layout::archive, .model = "model"};
  if (archive.has("archive_format")) {
    check_versions(archive);
    archive.model = find_model(*archive.zip);
  } else if (archive.has(kOldProgram)) {
    archive.layout = Layout::zip;
  } else {
    refuse_other(*archive.zip);
  }
  return archive;
}

}  // namespace aitune::dynamo

#include "tools/model.h"

#include <fmt/format.h>

#include "base/error.h"
#include "format/manifest.h"
#include "format/program_names.h"
#include "format/safetensors.h"
#include "format/zip_reader.h"
#include "runtime/bundle.h"
#include "tools/samples.h"

namespace aitune::tools {

ZipReader open_ait(const std::string& path, const std::string& module) {
  if (!module.empty()) return open_module(path, module);
  ZipReader zip = ZipReader::open(path);
  if (is_bundle(zip))
    throw InvalidArgument(fmt::format("the file holds several modules: {}", module_list(bundled_modules(zip))), path,
                          "Name one of them, or give its number: --module NAME");
  return zip;
}

Model::Model(const std::string& path, const LoadOptions& options)
    : archive_(open_ait(path, options.module)), program_(Program::open(path, options)), instance_(program_) {}

std::span<const Argument> Model::arguments() const {
  const Manifest* manifest = program_->manifest();
  if (manifest == nullptr || manifest->modules.size() != 1) return {};
  return manifest->modules.front().arguments;
}

std::vector<Tensor> Model::in_order(const NamedTensors& named, const std::string& where) const {
  const auto& inputs = program_->plan().inputs;
  std::string expected;
  for (const auto& input : inputs) expected += (expected.empty() ? "" : ", ") + input.name;
  std::vector<std::optional<Tensor>> slots(inputs.size());
  for (const auto& [name, tensor] : as_program_inputs(named, arguments(), where)) {
    auto at = program_->find_input(name);
    if (!at) at = program_->find_input(in_program(name));
    for (std::size_t i = 0; !at && i < slots.size(); ++i)
      if (std::to_string(i) == name) at = i;
    if (!at)
      throw InvalidArgument(fmt::format("the model has no input '{}'", name), where, "Its inputs are: " + expected);
    if (slots[*at]) throw InvalidArgument(fmt::format("input '{}' is given twice", inputs[*at].name), where);
    slots[*at] = tensor;
  }
  std::vector<Tensor> ordered;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (const Program::State* state = program_->state(i); !slots[i] && state != nullptr && !state->buffer.empty())
      slots[i] = state->first_value;
    if (!slots[i])
      throw InvalidArgument(fmt::format("input '{}' is missing", inputs[i].name), where,
                            "The model's inputs are: " + expected);
    ordered.push_back(*slots[i]);
  }
  return ordered;
}

std::vector<std::vector<Tensor>> Model::samples(const std::vector<std::string>& files) const {
  std::vector<NamedTensors> named;
  if (files.empty()) {
    named = recorded(archive_, *program_->manifest(), false);
    if (named.empty())
      throw InvalidArgument("the file holds no samples", archive_.where(), "Give inputs with --input FILE");
  } else {
    std::vector<ExpectedInput> expected;
    for (const auto& input : program_->plan().inputs) expected.push_back({input.name, input.shape.size()});
    named = read_samples(files, expected);
  }
  std::vector<std::vector<Tensor>> ordered;
  for (std::size_t i = 0; i < named.size(); ++i) ordered.push_back(in_order(named[i], fmt::format("sample {}", i)));
  return ordered;
}

NamedTensors Model::name_outputs(std::vector<Tensor> outputs) const {
  NamedTensors named;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    named.emplace_back(program_->plan().outputs[i].name, std::move(outputs[i]));
  return named;
}

std::vector<NamedTensors> recorded(const ZipReader& zip, const Manifest& manifest, bool outputs) {
  std::vector<NamedTensors> samples;
  for (const auto& sample : manifest.samples) {
    const auto& name = outputs ? sample.outputs : sample.inputs;
    const ZipEntry& entry = zip.at(name);
    zip.verify_crc(entry);
    samples.push_back(read_safetensors(zip.bytes(entry), zip.owner(), fmt::format("{}/{}", zip.where(), name)));
  }
  return samples;
}

std::string plan_entry(const Program& program) {
  const std::string& where = program.where();
  const auto at = where.rfind(kPlanFolder);
  return at == std::string::npos ? where : where.substr(at);
}

nlohmann::ordered_json tensor_json(const std::string& name, const Tensor& tensor) {
  return {
      {"name", name}, {"dtype", dtype_name(tensor.dtype())}, {"shape", tensor.shape()}, {"finite", all_finite(tensor)}};
}

}  // namespace aitune::tools

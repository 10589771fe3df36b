#include "tools/samples.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/error.h"

namespace aitune::tools {
namespace {

const ExpectedInput* find_input(const std::vector<ExpectedInput>& inputs, const std::string& name) {
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].name == name || std::to_string(i) == name) return &inputs[i];
  return nullptr;
}

/// The number of samples if every tensor of the file has a leading dimension too many, and the same one.
std::int64_t leading_list(const NamedTensors& tensors, const std::vector<ExpectedInput>& inputs) {
  std::int64_t count = -1;
  for (const auto& [name, tensor] : tensors) {
    const ExpectedInput* input = find_input(inputs, name);
    if (!input || !input->rank || tensor.shape().size() != *input->rank + 1) return -1;
    if (count >= 0 && tensor.shape()[0] != count) return -1;
    count = tensor.shape()[0];
  }
  return count;
}

Tensor row(const Tensor& list, std::int64_t index) {
  Shape shape(list.shape().begin() + 1, list.shape().end()), strides(list.strides().begin() + 1, list.strides().end());
  const auto skip = index * list.strides()[0] * static_cast<std::int64_t>(dtype_size(list.dtype()));
  return Tensor(list.dtype(), std::move(shape), std::move(strides), list.owner(), list.data() + skip);
}

struct NamedFile {
  std::string name, path;
};

/// "x=FILE" is a name and a file, unless a file of that whole name is meant ("a=b.npz" without a program input "a").
NamedFile split_name(const std::string& text, const std::vector<ExpectedInput>& inputs) {
  const auto equals = text.find('=');
  if (equals != std::string::npos && find_input(inputs, text.substr(0, equals)))
    return {text.substr(0, equals), text.substr(equals + 1)};
  return {"", text};
}

/// numpy.savez names what it is given without a name arr_0, arr_1, …: those are positions, unless the program says
/// otherwise.
void use_positions(NamedTensors& tensors, const std::vector<ExpectedInput>& inputs) {
  constexpr std::string_view unnamed = "arr_";
  for (auto& [name, tensor] : tensors)
    if (name.starts_with(unnamed) && !find_input(inputs, name)) name.erase(0, unnamed.size());
}

}  // namespace

std::vector<NamedTensors> read_samples(const std::vector<std::string>& files,
                                       const std::vector<ExpectedInput>& inputs) {
  std::vector<NamedTensors> samples;
  NamedTensors together;  // named .npy files make one sample
  for (const auto& text : files) {
    const auto [name, path] = split_name(text, inputs);
    NamedTensors tensors = read_tensors(path);
    if (path.ends_with(".npy") && tensors.size() == 1)
      tensors[0].first = name.empty() ? "0" : name;
    else if (!name.empty())
      throw InvalidArgument("a name is given for a file that names its tensors itself", path, "Leave the name out");
    if (!name.empty()) {
      const bool again = std::ranges::any_of(together, [&](const auto& t) { return t.first == name; });
      if (again) samples.push_back(std::exchange(together, {}));
      together.push_back(std::move(tensors[0]));
      continue;
    }
    if (path.ends_with(".npz")) use_positions(tensors, inputs);
    if (tensors.empty()) throw InvalidArgument("it holds no tensors", path, "Give a file with the model's inputs");
    const std::int64_t count = leading_list(tensors, inputs);
    if (count < 0) {
      samples.push_back(std::move(tensors));
      continue;
    }
    if (count == 0) throw InvalidArgument("its list of samples is empty", path);
    for (std::int64_t i = 0; i < count; ++i) {
      NamedTensors sample;
      for (const auto& [tensor_name, tensor] : tensors) sample.emplace_back(tensor_name, row(tensor, i));
      samples.push_back(std::move(sample));
    }
  }
  if (!together.empty()) samples.push_back(std::move(together));
  return samples;
}

void refuse_loss(const std::string& output, std::span<const std::string> read) {
  std::error_code ignored;
  for (const std::string& text : read)
    for (const std::string& file : {text, text.substr(text.find('=') + 1)})
      if (std::filesystem::equivalent(file, output, ignored))
        throw InvalidArgument(fmt::format("the output would replace '{}', which is read", file), output,
                              "Give the output a name of its own");
}

}  // namespace aitune::tools

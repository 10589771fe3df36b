#pragma once
// What the importer's tests and fuzz target share: GraphModules with any source and body, as torch.save writes them.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/import/fx/import.h"

namespace aitune::fx {

/// The bytes of a file whose data.pkl is this pickle, with one storage of 64 floats, data/0.
std::vector<std::byte> torch_file(std::string_view pickle);

/// The pickle of a GraphModule with this forward, these imports, and the entries of "_modules", "_buffers" and so on as
/// opcodes that add to its dict.
std::string graph_module(std::string_view code, std::string_view imports = "import torch", std::string_view body = {});

/// Opcodes: a text, an integer, a dict entry, a tensor of these sizes over data/0, an object of torch.nn.
std::string pickled_text(std::string_view text);
std::string pickled_integer(std::int32_t value);
std::string pickled_tensor(const std::vector<std::int32_t>& sizes);
std::string pickled_dict(std::string_view entries);
std::string pickled_module(std::string_view module, std::string_view name, std::string_view state);

/// One sample: an input called x of zeros.
std::vector<NamedTensors> one_sample(Shape shape, DType dtype = DType::f32);

/// Imports the source alone: a forward without modules, with the input x of this shape.
ImportedModel import_code(std::string_view code, Shape shape = {2, 3}, std::string_view imports = "import torch");

}  // namespace aitune::fx

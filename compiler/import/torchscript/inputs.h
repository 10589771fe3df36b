#pragma once
// What goes into a TorchScript model: shapes and scalars come from samples, since the file has none.

#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/input_shapes.h"
#include "compiler/import/torchscript/archive.h"
#include "format/arguments.h"
#include "format/tensor_files.h"

namespace aitune::torchscript {

/// The names that samples may use: forward()'s parameters in order, then the attributes of the model that hold tensors
/// or numbers.
std::vector<std::string> input_names(const Archive& archive);

struct BoundInputs {
  Vals args;                          ///< of forward(), without self
  std::vector<NamedTensors> samples;  ///< one for each sample given, named by the graph's inputs
  std::vector<Argument> arguments;    ///< what the samples name, and what became of it
  std::vector<std::string> state;     ///< the attributes that samples give
};

/// Adds the graph's inputs and symbols. A tensor parameter takes the tensor of its name, or of its position; a list, a
/// tuple or a dict takes "name.0", "name.1", "name.key"; a number takes a tensor of one element, and becomes a constant
/// where it is the same in all samples; what has a default may be missing. A name that is an attribute of the model
/// ("_state", "encoder.cache") takes its place: state comes in like that. Sizes that differ between samples, or have a
/// range in `shapes`, become symbols (SampleTypes). Throws InvalidArgument for samples that do not fit.
BoundInputs bind_inputs(const Archive& archive, std::span<const NamedTensors> samples, std::span<const Input> shapes,
                        Graph& graph);

}  // namespace aitune::torchscript

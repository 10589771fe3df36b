#include "compiler/import/fx/import.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/import/complex_scalar.h"
#include "compiler/import/dynamo/filled_constants.h"
#include "compiler/import/dynamo/mutation.h"
#include "compiler/import/fx/interpreter.h"
#include "compiler/import/sample_types.h"

namespace aitune {
namespace {

using fx::PyKind;
using fx::PyValue;

constexpr std::string_view kTrace = "save torch.fx.symbolic_trace(model.eval()) with torch.save, and use ir=fx";

// Says what the file holds instead of a GraphModule.
void check_root(const TorchFile& file) {
  const PickleValue& root = file.root();
  if (root.is_call(fx::kGraphModule)) return;
  std::string found = "something else";
  if (root.is(PickleKind::call)) found = fmt::format("a {}", root.text.substr(0, 100));
  if (root.is(PickleKind::dict)) found = "a dict, perhaps a model's weights without the model";
  if (TorchFile::is_tensor(root)) found = "a tensor";
  throw Unsupported(fmt::format("the file holds {}, not a torch.fx GraphModule", found), file.where(),
                    std::string(kTrace));
}

TorchFile open_model(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  if (zip.find_in_top("constants.pkl") != nullptr)
    throw Unsupported("this is a TorchScript file, which holds no torch.fx GraphModule", path.string(),
                      "use ir=ts, which reads it");
  if (zip.find_in_top("data.pkl") == nullptr) {
    throw Unsupported("torch.save did not write this file, so it holds no torch.fx GraphModule", path.string(),
                      std::string(kTrace));
  }
  return TorchFile::open(path, fx::pickle_options());
}

/// The forward's parameters but for self.
std::vector<fx::Parameter> parameters(fx::Interpreter& interpreter, const PyValue& model) {
  const auto& forward = interpreter.program(model).functions.find("forward")->second;
  if (forward.parameters.empty()) throw Corrupt("the forward has no parameter self", interpreter.records().where());
  return {forward.parameters.begin() + 1, forward.parameters.end()};
}

void refuse_unknown(std::span<const fx::Parameter> parameters, std::span<const NamedTensors> samples,
                    const std::string& where) {
  std::string known;
  for (const fx::Parameter& parameter : parameters) known += (known.empty() ? "" : ", ") + parameter.name;
  for (const NamedTensors& sample : samples) {
    for (const auto& [name, tensor] : sample) {
      bool found = std::ranges::any_of(parameters, [&](const fx::Parameter& p) { return p.name == name; });
      for (std::size_t i = 0; i < parameters.size(); ++i) found = found || name == std::to_string(i);
      if (!found) {
        throw InvalidArgument(fmt::format("the model has no input '{}'", name), where,
                              fmt::format("its inputs are: {}", known));
      }
    }
  }
}

/// Makes the graph's inputs of the samples, and the arguments of the forward.
fx::PyArgs add_inputs(std::span<const fx::Parameter> parameters, std::span<const NamedTensors> samples,
                      std::span<const Input> shapes, const std::string& where, ImportedModel& model) {
  Graph& graph = model.graph;
  if (samples.empty()) throw InvalidArgument("a GraphModule tells no shapes: give at least one sample", where);
  refuse_unknown(parameters, samples, where);
  fx::PyArgs args;
  SampleTypes types(shapes, graph.symbols);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string& name = parameters[i].name;
    const auto found = find_samples(name, i, samples);
    if (!found && !parameters[i].default_value)
      throw InvalidArgument(fmt::format("the samples lack the input '{}'", name), where);
    if (!found) continue;
    Value* input = graph.add_input(name, types.type_of(name, i, *found));
    model.arguments.push_back({name, std::to_string(i), input->name});
    args.keyword.emplace_back(name, PyValue::of(input));
  }
  types.check_given();
  return args;
}

class Outputs {
 public:
  Outputs(Graph& graph, fx::Writer& writer) : graph_(graph), writer_(writer) {}

  void add(const PyValue& value, const std::string& name) {
    if (value.is_tensor()) {
      graph_.add_output(value.tensor, name.empty() ? value.tensor->name : name);
    } else if (value.is_none()) {
      writer_.warn("an output that is None is none of the file's outputs; aitune.torch.Module returns it");
    } else if (value.is_sequence() || value.is(PyKind::dict)) {
      for (std::size_t i = 0; i < value.items().size(); ++i)
        add(value.items()[i], value.is(PyKind::dict) ? value.keys[i] : name);
    } else if (value.is(PyKind::complex_number)) {
      add(writer_.call("clone", {PyValue::of(writer_.constant(complex_scalar(value.complex, true), "number"))}), name);
    } else if (value.is_number() && (!value.is(PyKind::unknown) || value.tensor != nullptr)) {
      add(as_tensor(value), name);
    } else {
      throw Unsupported(fmt::format("the output {}", value.describe()), "", "let the model return tensors");
    }
    if (graph_.outputs.size() > 10000) throw Unsupported("more outputs than aitune takes");
  }

 private:
  /// A number as a 0-dim tensor, of its own dtype.
  PyValue as_tensor(const PyValue& value) {
    if (value.is(PyKind::unknown)) return PyValue::of(value.tensor);
    const DType dtype = value.is(PyKind::real) ? DType::f64 : value.is(PyKind::boolean) ? DType::b8 : DType::i64;
    return writer_.call_exactly("aten.full.default", {{PyValue::tuple({}), value}, {{"dtype", PyValue::of(dtype)}}});
  }

  Graph& graph_;
  fx::Writer& writer_;
};

/// What torch.fx calls them: "_tensor_constant0", in a submodule with its path before it.
bool is_constant_of_tracing(std::string_view weight) {
  return weight.substr(weight.rfind('.') + 1).starts_with("_tensor_constant");
}

ImportedModel import_file(const TorchFile& file, std::span<const NamedTensors> samples, std::span<const Input> shapes) {
  check_root(file);
  ImportedModel model;
  fx::Writer writer(model.graph);
  fx::Records records(file, model.graph);
  fx::Interpreter interpreter(writer, records);
  const PyValue root = PyValue::module(file.root(), "");
  fx::PyArgs args = add_inputs(parameters(interpreter, root), samples, shapes, file.where(), model);
  const PyValue result = interpreter.forward(root, std::move(args));
  Outputs(model.graph, writer).add(result, "");
  if (model.graph.outputs.empty()) throw Unsupported("the model returns no tensor", file.where());
  for (const std::string& name : dynamo::copy_filled_constants(model.graph, is_constant_of_tracing, file.where()))
    writer.warn(dynamo::filled_constant_warning(name));
  model.warnings = writer.warnings();
  dynamo::lift_writes(model, file.where());
  return model;
}

}  // namespace

bool is_fx_file(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  if (zip.find_in_top("data.pkl") == nullptr || zip.find_in_top("constants.pkl") != nullptr) return false;
  return TorchFile::open(path, fx::pickle_options()).root().is_call(fx::kGraphModule);
}

std::vector<std::string> fx_inputs(const std::filesystem::path& path) {
  const TorchFile file = open_model(path);
  check_root(file);
  Graph graph;
  fx::Writer writer(graph);
  fx::Records records(file, graph);
  fx::Interpreter interpreter(writer, records);
  std::vector<std::string> names;
  for (const fx::Parameter& parameter : parameters(interpreter, PyValue::module(file.root(), "")))
    names.push_back(parameter.name);
  return names;
}

ImportedModel import_fx(const std::filesystem::path& path, std::span<const NamedTensors> samples,
                        std::span<const Input> shapes) {
  ImportedModel model = import_file(open_model(path), samples, shapes);
  model.name = path.stem().string();
  return model;
}

ImportedModel import_fx(std::span<const std::byte> bytes, const std::string& where,
                        std::span<const NamedTensors> samples, std::span<const Input> shapes) {
  return import_file(TorchFile(bytes, where, nullptr, fx::pickle_options()), samples, shapes);
}

}  // namespace aitune

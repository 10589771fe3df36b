#include "compiler/import/dynamo/signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "compiler/import/dynamo/numbers.h"
#include "compiler/import/dynamo/operators.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

constexpr std::string_view kTensorsOnly = "let the model take and return tensors";

/// A number that calls differ in: a tensor without dimensions.
struct NumberInput {
  JsonView name;
  TensorType type;
};

/// Nothing where the argument is of another kind, or a constant.
std::optional<NumberInput> number_input(const JsonView& argument) {
  static const std::map<std::string_view, DType> kinds = {
      {"as_sym_int", DType::i64}, {"as_sym_float", DType::f64}, {"as_sym_bool", DType::b8}};
  const auto [kind, value] = argument.tagged();
  const auto known = kinds.find(kind);
  if (known == kinds.end()) return std::nullopt;
  const auto [inner, name] = value.tagged();
  if (inner != "as_name") return std::nullopt;
  return NumberInput{name, {known->second, {}}};
}

void add_number_input(const NumberInput& input, Scope& scope, Graph& graph) {
  const std::string name = input.name.string();
  Value* number = graph.add_input(name, input.type);
  if (input.type.dtype != DType::i64) return scope.define_number(input.name, number);
  scope.define_number(input.name, number, number_as_size(graph, number, declared_symbol(scope.declared_size(name))));
}

void add_user_input(const JsonView& spec, Scope& scope, Graph& graph) {
  const auto [kind, value] = spec.at("arg").tagged();
  if (const auto number = number_input(spec.at("arg"))) return add_number_input(*number, scope, graph);
  if (kind == "as_none" || kind == "as_int" || kind == "as_float" || kind == "as_bool" || kind == "as_string") return;
  if (kind != "as_tensor")
    spec.unsupported(fmt::format("an input of the kind {}", printable(kind)), std::string(kTensorsOnly));
  const JsonView name = value.at("name");
  scope.define_tensor(name, graph.add_input(name.string(), scope.declared_type(name)));
}

void add_weight(const JsonView& spec, std::string_view name_key, const TensorLookup& tensors, Scope& scope,
                Graph& graph) {
  const JsonView name = spec.at("arg").at("name");
  const JsonView weight_name = spec.at(name_key);
  const TensorType declared = scope.declared_type(name);
  Tensor tensor = tensors(weight_name.string(), declared);
  if (!tensor.defined())
    weight_name.corrupt(fmt::format("the file holds no tensor \"{}\"", printable(weight_name.string())));
  const TensorType stored{.dtype = tensor.dtype(), .shape = SymShape(tensor.shape().begin(), tensor.shape().end())};
  if (stored != declared)
    weight_name.corrupt(fmt::format("\"{}\" is stored as {} and used as {}", printable(weight_name.string()),
                                    to_string(stored), to_string(declared)));
  scope.define_tensor(name, graph.add_weight(name.string(), weight_name.string(), std::move(tensor)));
}

/// Numbers come out as 0-dim tensors, Nones not at all.
void add_output(const JsonView& argument, const Scope& scope, Graph& graph) {
  const auto [kind, value] = argument.tagged();
  if (kind == "as_none") return;
  Value* output = nullptr;
  std::string name = "number";
  if (kind == "as_tensor") {
    name = value.at("name").string();
    output = scope.tensor(value.at("name"));
  } else {
    output = number_argument(argument, scope, graph);
    if (kind.starts_with("as_sym_") && value.tagged().first == "as_name") name = value.tagged().second.string();
  }
  if (output == nullptr)
    argument.unsupported(fmt::format("an output of the kind {}", printable(kind)), std::string(kTensorsOnly));
  graph.add_output(output, printable(name));
}

Value* find_weight(const JsonView& name, const Graph& graph) {
  const auto found = std::ranges::find(graph.weights, name.string(), &Value::weight_name);
  if (found == graph.weights.end()) name.corrupt(fmt::format("there is no buffer \"{}\"", printable(name.string())));
  return *found;
}

/// What a functional program says of a write: the value that the tensor has afterwards.
void add_write(Value* written, const JsonView& spec, const Scope& scope, Graph& graph) {
  const OpInfo& copy = *find_op("aten.copy_.default");
  Value* now = scope.tensor(spec.at("arg").at("name"));
  if (now->type != written->type)
    spec.corrupt(fmt::format("{} is written to {}", to_string(now->type), to_string(written->type)));
  graph.add_node_inferred(copy, {written, now, false});
}

}  // namespace

std::vector<std::pair<std::string, TensorType>> user_inputs(const JsonView& signature, const Scope& scope) {
  std::vector<std::pair<std::string, TensorType>> inputs;
  for (const JsonView& item : signature.at("input_specs").items()) {
    const auto [kind, spec] = item.tagged();
    if (kind != "user_input") continue;
    const auto [argument, value] = spec.at("arg").tagged();
    if (argument == "as_tensor") inputs.emplace_back(value.at("name").string(), scope.declared_type(value.at("name")));
    if (const auto number = number_input(spec.at("arg"))) inputs.emplace_back(number->name.string(), number->type);
  }
  return inputs;
}

void import_inputs(const JsonView& signature, const TensorLookup& tensors, Scope& scope, Graph& graph) {
  for (const JsonView& item : signature.at("input_specs").items()) {
    const auto [kind, spec] = item.tagged();
    if (kind == "user_input")
      add_user_input(spec, scope, graph);
    else if (kind == "parameter")
      add_weight(spec, "parameter_name", tensors, scope, graph);
    else if (kind == "buffer")
      add_weight(spec, "buffer_name", tensors, scope, graph);
    else if (kind == "tensor_constant")
      add_weight(spec, "tensor_constant_name", tensors, scope, graph);
    else if (kind == "token")  // an order of effects: what has effects is read in the order that the file has
      scope.define_opaque(spec.at("arg").at("name"));
    else if (kind == "custom_obj")
      item.unsupported(fmt::format("an input of the kind {}", kind), std::string(kTensorsOnly));
    else if (kind != "constant_input")
      item.corrupt(fmt::format("\"{}\" is no kind of input", printable(kind)));
  }
}

void import_outputs(const JsonView& signature, const Scope& scope, Graph& graph) {
  for (const JsonView& item : signature.at("output_specs").items()) {
    const auto [kind, spec] = item.tagged();
    if (kind == "user_output")
      add_output(spec.at("arg"), scope, graph);
    else if (kind == "user_input_mutation")
      add_write(scope.tensor(spec.at("user_input_name")), spec, scope, graph);
    else if (kind == "buffer_mutation" || kind == "parameter_mutation")
      add_write(find_weight(spec.at(kind == "buffer_mutation" ? "buffer_name" : "parameter_name"), graph), spec, scope,
                graph);
    else if (kind != "token")
      item.unsupported(fmt::format("an output of the kind {}", printable(kind)), std::string(kTensorsOnly));
  }
  if (graph.outputs.empty()) signature.unsupported("a program without outputs", std::string(kTensorsOnly));
}

}  // namespace aitune::dynamo

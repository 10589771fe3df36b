#include "compiler/import/portable/portable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/pickle/torch_pickle.h"
#include "compiler/import/portable/sizes.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

using portable::Json;

constexpr int kSamplesProtocol = 4;

PortableEntry entry_of(std::string name, std::vector<std::byte> bytes) {
  const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {std::move(name), *owner, owner};
}
PortableEntry entry_of(std::string name, const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return entry_of(std::move(name), std::vector<std::byte>(bytes.begin(), bytes.end()));
}

// torch.export's ScalarType numbers.
int scalar_type(DType dtype) {
  static const std::map<DType, int> numbers = {{DType::u8, 1},   {DType::i8, 2},    {DType::i16, 3}, {DType::i32, 4},
                                               {DType::i64, 5},  {DType::f16, 6},   {DType::f32, 7}, {DType::f64, 8},
                                               {DType::c64, 10}, {DType::c128, 11}, {DType::b8, 12}, {DType::bf16, 13}};
  return numbers.at(dtype);
}

Json cpu() { return {{"type", "cpu"}, {"index", nullptr}}; }

Json number_json(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

Json tensor_meta(const TensorType& type, const SymRanges& symbols) {
  Json sizes = Json::array(), strides = Json::array();
  for (const SymInt& size : type.shape) sizes.push_back(portable::size_json(size, symbols));
  for (const SymInt& stride : contiguous_strides(type.shape)) strides.push_back(portable::size_json(stride, symbols));
  return {{"dtype", scalar_type(type.dtype)},
          {"sizes", sizes},
          {"requires_grad", false},
          {"device", cpu()},
          {"strides", strides},
          {"storage_offset", {{"as_int", 0}}},
          {"layout", 7}};
}

// Which weights are one: torch.export has all of them in the program, and regions get them as operands.
using WeightKey = std::tuple<const std::byte*, DType, Shape, Shape, std::string>;
WeightKey key_of(const Value& weight) {
  const Tensor& data = weight.data;
  return {data.data(), data.dtype(), data.shape(), data.strides(), data.numel() == 0 ? weight.weight_name : ""};
}

// The weights of the graph, then those that only regions have.
void collect_weights(const Graph& graph, std::set<WeightKey>& known, std::vector<const Value*>& weights) {
  for (const auto& node : graph.nodes())
    for (const auto& region : node->regions) {
      for (const Value* weight : region->weights)
        if (known.insert(key_of(*weight)).second) weights.push_back(weight);
      collect_weights(*region, known, weights);
    }
}
std::vector<const Value*> all_weights(const Graph& graph) {
  std::set<WeightKey> known;
  std::vector<const Value*> weights(graph.weights.begin(), graph.weights.end());
  for (const Value* weight : weights) known.insert(key_of(*weight));
  collect_weights(graph, known, weights);
  return weights;
}

// Whether the weights' names can all stand in one module: identifiers joined by dots, none a way through another.
bool names_are_paths(const std::vector<const Value*>& weights) {
  std::set<std::string> names;
  for (const Value* weight : weights) {
    const std::string& name = weight->weight_name;
    const auto fine = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.'; };
    if (name.empty() || name.front() == '.' || name.back() == '.' || name.find("..") != std::string::npos ||
        !std::ranges::all_of(name, fine) || !names.insert(name).second)
      return false;
  }
  return std::ranges::none_of(names, [&](const std::string& name) {
    const auto after = names.lower_bound(name + ".");
    return after != names.end() && after->starts_with(name + ".");
  });
}

class ProgramWriter {
 public:
  explicit ProgramWriter(const Graph& graph)
      : graph_(graph), weights_(all_weights(graph)), own_names_(names_are_paths(weights_)), part_(&whole_) {}

  Json program() {
    Json inputs = Json::array(), input_specs = Json::array();
    const auto add = [&](const Value* value) {
      const std::string name = define(value);
      if (value->kind == ValueKind::weight) part_->weights[key_of(*value)] = name;
      inputs.push_back({{"as_tensor", {{"name", name}}}});
      return name;
    };
    // Names of inputs come first, so that they stay as they are; the program lists weights first.
    Json user_inputs = Json::array(), user_specs = Json::array();
    for (const Value* input : graph_.inputs) {
      const std::string name = add(input);
      user_specs.push_back({{"user_input", {{"arg", {{"as_tensor", {{"name", name}}}}}}}});
    }
    std::swap(inputs, user_inputs);
    for (const Value* weight : weights_) {
      const std::string name = add(weight);
      state_names_[weight] = own_names_ ? weight->weight_name : "weight_" + name;
      input_specs.push_back(
          {{"buffer", {{"arg", {{"name", name}}}, {"buffer_name", weight_name(weight)}, {"persistent", true}}}});
    }
    for (auto& input : user_inputs) inputs.push_back(input);
    for (auto& spec : user_specs) input_specs.push_back(spec);
    for (const auto& node : graph_.nodes()) add_node(*node);
    Json outputs = Json::array(), output_specs = Json::array();
    for (const Value* output : graph_.outputs) {
      const Json tensor = {{"as_tensor", {{"name", names_.at(output)}}}};
      outputs.push_back(tensor);
      output_specs.push_back({{"user_output", {{"arg", tensor}}}});
    }
    return {{"graph_module",
             {{"graph", graph_json(inputs, outputs, false)},
              {"signature", {{"input_specs", input_specs}, {"output_specs", output_specs}}},
              {"module_call_graph", Json::array({call_signature()})},
              {"metadata", Json::object()}}},
            {"opset_version", {{"aten", 10}}},
            {"range_constraints", ranges()},
            {"schema_version", {{"major", 8}, {"minor", 1}}},
            {"verifiers", Json::array({"TRAINING"})},
            {"torch_version", ""}};
  }

  /// Of the graph and of its regions, in the order of the program.
  const std::vector<const Value*>& weights() const { return weights_; }
  /// The name in the state dict.
  std::string weight_name(const Value* weight) const { return state_names_.at(weight); }

 private:
  /// A graph being written: the program's, or a region's.
  struct Part {
    Part(const Graph& graph, const std::map<const Value*, std::string>& names, portable::Names& unique)
        : sizes(graph, names, unique, nodes) {}
    Json nodes = Json::array(), tensors = Json::object();
    std::map<WeightKey, std::string> weights;  // their names in here
    portable::SizeNodes sizes;
  };

  std::string define(const Value* value) {
    const std::string name = unique_.make(value->kind == ValueKind::weight ? "b_" + value->name : value->name);
    names_[value] = name;
    part_->tensors[name] = tensor_meta(value->type, graph_.symbols);
    return name;
  }

  Json graph_json(const Json& inputs, const Json& outputs, bool single) const {
    return {{"inputs", inputs},
            {"outputs", outputs},
            {"nodes", part_->nodes},
            {"tensor_values", part_->tensors},
            {"sym_int_values", part_->sizes.values()},
            {"sym_bool_values", Json::object()},
            {"is_single_tensor_return", single},
            {"custom_obj_values", Json::object()},
            {"sym_float_values", Json::object()}};
  }

  static Json leaf() { return {{"type", nullptr}, {"context", nullptr}, {"children_spec", Json::array()}}; }
  static Json tuple_of(std::size_t count) {
    Json children = Json::array();
    for (std::size_t i = 0; i < count; ++i) children.push_back(leaf());
    return {{"type", "builtins.tuple"}, {"context", "null"}, {"children_spec", children}};
  }

  Json call_signature() const {
    const Json keywords = {{"type", "builtins.dict"}, {"context", "[]"}, {"children_spec", Json::array()}};
    const Json in = {{"type", "builtins.tuple"},
                     {"context", "null"},
                     {"children_spec", Json::array({tuple_of(graph_.inputs.size()), keywords})}};
    const Json out = graph_.outputs.size() == 1 ? leaf() : tuple_of(graph_.outputs.size());
    const auto spec = [](const Json& tree) { return Json::array({1, tree}).dump(); };
    return {{"fqn", ""},
            {"signature",
             {{"inputs", Json::array()}, {"outputs", Json::array()}, {"in_spec", spec(in)}, {"out_spec", spec(out)}}}};
  }

  Json ranges() const {
    Json made = Json::object();
    for (const auto& [name, range] : graph_.symbols) {
      const Json max = range.max == SymRange::kNoMax ? Json(nullptr) : Json(range.max);
      made[name] = {{"min_val", range.min}, {"max_val", max}};
    }
    return made;
  }

  void add_node(const Node& node) {
    if (node.op->has_regions()) return add_control(node);
    Json inputs = Json::array();
    for (std::size_t i = 0; i < node.args.size(); ++i) {
      const SchemaArg& expected = node.op->args[i];
      if (expected.keyword_only && node.args[i].is_none()) continue;
      inputs.push_back({{"name", expected.name},
                        {"arg", argument(expected, node.args[i])},
                        {"kind", expected.keyword_only ? 2 : 1}});
    }
    const bool is_number =
        node.op->id == OpId::aten_item_default || node.op->id == OpId::aten__local_scalar_dense_default;
    if (is_number) {
      const std::string name = unique_.make(node.output()->name);
      part_->sizes.define(name, SymInt::symbol(data_symbol(node)->name));
      part_->nodes.push_back({{"target", "torch.ops." + std::string(node.op_name())},
                              {"inputs", inputs},
                              {"outputs", Json::array({{{"as_sym_int", {{"as_name", name}}}}})},
                              {"metadata", metadata(node.source)}});
      return;
    }
    const Json outputs = define_outputs(node);
    Json results = Json::array();
    // A list of results comes last.
    const std::size_t single = node.op->variadic_results ? node.op->result_count - 1 : outputs.size();
    for (std::size_t i = 0; i < single; ++i) results.push_back({{"as_tensor", outputs[i]}});
    if (node.op->variadic_results)
      results.push_back({{"as_tensors", Json(outputs.begin() + static_cast<std::ptrdiff_t>(single), outputs.end())}});
    part_->nodes.push_back({{"target", "torch.ops." + std::string(node.op_name())},
                            {"inputs", inputs},
                            {"outputs", results},
                            {"metadata", metadata(node.source)}});
  }

  Json define_outputs(const Node& node) {
    Json outputs = Json::array();
    for (const Value* output : node.outputs) outputs.push_back({{"name", define(output)}});
    return outputs;
  }

  void add_control(const Node& node) {
    const bool loop = is_loop(node);
    std::set<WeightKey> known;
    std::vector<const Value*> weights;
    for (const auto& region : node.regions) {
      for (const Value* weight : region->weights)
        if (known.insert(key_of(*weight)).second) weights.push_back(weight);
      collect_weights(*region, known, weights);
    }
    Json operands = Json::array(), carried = Json::array();
    for (const Value* operand : region_operands(node))
      (carried.size() < carried_count(node) ? carried : operands).push_back({{"name", names_.at(operand)}});
    for (const Value* weight : weights) operands.push_back({{"name", part_->weights.at(key_of(*weight))}});
    Json inputs = Json::array();
    const auto add = [&](Json argument) {
      inputs.push_back({{"name", ""}, {"arg", std::move(argument)}, {"kind", 1}});
    };
    if (!loop) add({{"as_tensor", tensor(node.args[0])}});
    // Modules of the program get these names: "graph" alone is one of torch.fx's.
    static constexpr std::string_view kGraphNames[2][2] = {{"true_graph", "false_graph"}, {"cond_graph", "body_graph"}};
    for (std::size_t i = 0; i < node.regions.size(); ++i)
      add({{"as_graph",
            {{"name", unique_.make(kGraphNames[loop][i])},
             {"graph", region(*node.regions[i], weights, loop && i == 0)}}}});
    if (loop) add({{"as_tensors", carried}});
    add({{"as_tensors", operands}});
    Json results = Json::array();
    for (const Json& output : define_outputs(node)) results.push_back({{"as_tensor", output}});
    part_->nodes.push_back({{"target", loop ? "torch.ops.higher_order.while_loop" : "torch.ops.higher_order.cond"},
                            {"inputs", inputs},
                            {"outputs", results},
                            {"metadata", metadata(node.source)},
                            {"is_hop_single_tensor_return", false},
                            {"name", unique_.make(loop ? "while_loop" : "cond")}});
  }

  Json region(const Graph& graph, const std::vector<const Value*>& weights, bool single) {
    Part own(graph, names_, unique_);
    Part* const outer = std::exchange(part_, &own);
    Json inputs = Json::array(), outputs = Json::array();
    for (const Value* input : graph.inputs) inputs.push_back({{"as_tensor", {{"name", define(input)}}}});
    for (const Value* weight : weights) {
      const std::string name = define(weight);
      own.weights[key_of(*weight)] = name;
      inputs.push_back({{"as_tensor", {{"name", name}}}});
    }
    for (const Value* weight : graph.weights) names_[weight] = own.weights.at(key_of(*weight));
    for (const auto& node : graph.nodes()) add_node(*node);
    std::set<const Value*> seen;
    for (const Value* output : graph.outputs) {
      // PyTorch wants results that share memory neither with operands nor with each other.
      const bool fresh = output->kind == ValueKind::node && seen.insert(output).second;
      outputs.push_back({{"as_tensor", {{"name", fresh ? names_.at(output) : add_clone(output)}}}});
    }
    Json made = graph_json(inputs, outputs, single);
    part_ = outer;
    return made;
  }

  std::string add_clone(const Value* value) {
    const std::string name = unique_.make(value->name + "_copy");
    part_->tensors[name] = tensor_meta(value->type, graph_.symbols);
    part_->nodes.push_back(
        {{"target", "torch.ops.aten.clone.default"},
         {"inputs",
          Json::array({{{"name", "self"}, {"arg", {{"as_tensor", {{"name", names_.at(value)}}}}}, {"kind", 1}}})},
         {"outputs", Json::array({{{"as_tensor", {{"name", name}}}}})},
         {"metadata", Json::object()}});
    return name;
  }

  static Json metadata(const SourceLocation& source) {
    Json made = Json::object();
    if (!source.module.empty())
      made["nn_module_stack"] = fmt::format("L__self__,,Model;L__self__,{},Module", source.module);
    return made;
  }

  Json tensor(const Arg& arg) const { return {{"name", names_.at(arg.value())}}; }

  Json argument(const SchemaArg& expected, const Arg& arg) {
    if (arg.is_none()) return {{"as_none", true}};
    if (arg.is_list()) return list_argument(expected, arg.list());
    if (arg.is_value()) return {{"as_tensor", tensor(arg)}};
    if (const bool* flag = std::get_if<bool>(&arg)) return {{"as_bool", *flag}};
    if (const double* real = std::get_if<double>(&arg)) return {{"as_float", number_json(*real)}};
    if (const DType* dtype = std::get_if<DType>(&arg)) return {{"as_scalar_type", scalar_type(*dtype)}};
    if (const MemoryFormat* format = std::get_if<MemoryFormat>(&arg)) return {{"as_memory_format", format_of(*format)}};
    if (expected.type == ArgType::device) return {{"as_device", cpu()}};
    if (std::holds_alternative<std::string>(arg)) return {{"as_string", arg.string()}};
    const Json size = part_->sizes.argument(arg.sym());
    return size.contains("as_int") ? size : Json{{"as_sym_int", size}};
  }

  static int format_of(MemoryFormat format) {
    switch (format) {
      case MemoryFormat::contiguous:
        return 1;
      case MemoryFormat::channels_last:
        return 2;
      case MemoryFormat::channels_last_3d:
        return 3;
      case MemoryFormat::preserve:
        break;
    }
    return 4;
  }

  Json list_argument(const SchemaArg& expected, const ArgList& list) {
    Json items = Json::array();
    switch (expected.type) {
      case ArgType::tensor_list:
        for (const Arg& item : list) items.push_back(tensor(item));
        return {{"as_tensors", items}};
      case ArgType::optional_tensor_list:
        for (const Arg& item : list)
          items.push_back(item.is_none() ? Json{{"as_none", true}} : Json{{"as_tensor", tensor(item)}});
        return {{"as_optional_tensors", items}};
      case ArgType::boolean_list:
        for (const Arg& item : list) items.push_back(item.boolean());
        return {{"as_bools", items}};
      case ArgType::number_list:
        for (const Arg& item : list) items.push_back(number_json(item.number()));
        return {{"as_floats", items}};
      default:
        break;
    }
    bool constant = true;
    for (const Arg& item : list) constant = constant && item.sym().is_constant();
    for (const Arg& item : list)
      items.push_back(constant ? Json(item.sym().constant()) : part_->sizes.argument(item.sym()));
    return {{constant ? "as_ints" : "as_sym_ints", items}};
  }

  const Graph& graph_;
  const std::vector<const Value*> weights_;
  portable::Names unique_;
  bool own_names_;  // the model's weights keep their names
  std::map<const Value*, std::string> names_;
  std::map<const Value*, std::string> state_names_;
  Part whole_{graph_, names_, unique_};
  Part* part_;  // the graph that is being written
};

PortableEntry weight_entry(std::string name, const Tensor& data) {
  const Tensor dense = data.contiguous();
  // A lone view keeps its owner and its bytes.
  const auto owner = std::make_shared<const Tensor>(dense);
  return {std::move(name), {dense.data(), dense.byte_size()}, owner};
}

PortableEntry sample_entry(const Graph& graph, const NamedTensors& sample) {
  std::vector<Tensor> args;
  for (const Value* input : graph.inputs)
    for (const auto& [name, tensor] : sample)
      if (name == input->name) args.push_back(tensor);
  MemorySink sink;
  write_torch_file(sink, sample_inputs_value(args, {}), kSamplesProtocol);
  return entry_of("data/sample_inputs/model.pt", sink.take());
}

}  // namespace

std::vector<PortableEntry> portable_program(const Graph& graph, const NamedTensors& sample) {
  ProgramWriter writer(graph);
  const std::string program = writer.program().dump();
  std::vector<PortableEntry> entries;
  Json weights = Json::object();
  for (std::size_t i = 0; i < writer.weights().size(); ++i) {
    const Value* weight = writer.weights()[i];
    const std::string path = fmt::format("weight_{}", i);
    entries.push_back(weight_entry("data/weights/" + path, weight->data));
    weights[writer.weight_name(weight)] = {{"path_name", path},
                                           {"is_param", false},
                                           {"use_pickle", false},
                                           {"tensor_meta", tensor_meta(weight->type, graph.symbols)}};
  }
  entries.push_back(entry_of("data/weights/model_weights_config.json", Json{{"config", weights}}.dump()));
  entries.push_back(entry_of("data/constants/model_constants_config.json", Json{{"config", Json::object()}}.dump()));
  entries.push_back(entry_of("models/model.json", program));
  entries.push_back(sample_entry(graph, sample));
  entries.push_back(entry_of("archive_format", std::string("pt2")));
  entries.push_back(entry_of("archive_version", std::string("0")));
  entries.push_back(entry_of(".data/version", std::string("6\n")));
  entries.push_back(entry_of("byteorder", std::string("little")));
  return entries;
}

}  // namespace aitune

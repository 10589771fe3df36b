#include "compiler/import/dynamo/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "compiler/graph/text.h"
#include "compiler/import/complex_scalar.h"
#include "compiler/import/dynamo/alternatives.h"
#include "compiler/import/dynamo/arguments.h"
#include "compiler/import/dynamo/control_flow.h"
#include "compiler/import/dynamo/memory_order.h"
#include "compiler/import/dynamo/numbers.h"
#include "compiler/import/dynamo/out_arguments.h"
#include "compiler/import/dynamo/regions.h"
#include "compiler/import/dynamo/sliced.h"
#include "compiler/import/dynamo/source_location.h"
#include "compiler/import/dynamo/symbolic.h"
#include "compiler/import/dynamo/targets.h"
#include "compiler/import/known_sizes.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/index_masks.h"
#include "compiler/ops/schema.h"
#include "compiler/ops/slice_bounds.h"

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxValueName = 120;
constexpr std::string_view kReport = "if PyTorch loads this file, please report it";

bool is_number(const Arg& arg) {
  return std::holds_alternative<SymInt>(arg) || std::holds_alternative<double>(arg) ||
         std::holds_alternative<bool>(arg);
}

const SchemaArg* find_arg(const OpInfo& op, std::string_view name) {
  const auto it = std::ranges::find(op.args, name, &SchemaArg::name);
  return it == op.args.end() ? nullptr : &*it;
}

// A number in the place of a tensor: "x + 1" is exported as add.Tensor(x, 1).
bool has_number_for_tensor(const OpInfo& op, const NamedArgs& args) {
  return std::ranges::any_of(args, [&](const auto& named) {
    const SchemaArg* expected = find_arg(op, named.first);
    return expected != nullptr && expected->type == ArgType::tensor && is_number(named.second);
  });
}

// The overload that takes the number: add.Tensor has add.Scalar beside it. Null if there is none.
const OpInfo* scalar_overload(const OpInfo& op, const NamedArgs& args) {
  static const std::map<std::string_view, std::string_view> overloads = {{".Tensor", ".Scalar"},
                                                                         {".Tensor_mode", ".Scalar_mode"},
                                                                         {".Tensor_Tensor", ".Tensor_Scalar"},
                                                                         {".default", ".Scalar"}};
  const auto dot = op.name.rfind('.');
  const auto it = overloads.find(std::string_view(op.name).substr(dot));
  if (it == overloads.end()) return nullptr;
  const OpInfo* other = find_op(op.name.substr(0, dot) + std::string(it->second));
  if (other == nullptr || has_number_for_tensor(*other, args)) return nullptr;
  const bool fits =
      std::ranges::all_of(args, [&](const auto& named) { return find_arg(*other, named.first) != nullptr; });
  return fits ? other : nullptr;
}

// A 0-dim tensor promotes like a number does.
Value* number_as_tensor(const Arg& number, Graph& graph) {
  const std::string name = fmt::format("scalar_{}", graph.weights.size());
  const auto add = [&](Tensor data) { return graph.add_weight(name, name, std::move(data)); };
  if (const bool* flag = std::get_if<bool>(&number)) return add(Tensor::scalar(DType::b8, *flag));
  if (const double* real = std::get_if<double>(&number)) return add(Tensor::scalar(DType::f32, *real));
  const auto value = number.sym().as_constant();
  if (!value) return size_tensor(graph, number.sym());
  return add(Tensor::scalar(DType::i64, *value));
}

/// A number that data decide, where the operator takes one, or a tensor, and no size. `op` is nullptr where it is not
/// known.
std::optional<std::pair<NumberArg, Value*>> number_argument(const JsonView& input, const OpInfo* op,
                                                            const Scope& scope) {
  const auto [kind, value] = input.at("arg").tagged();
  if (kind != "as_sym_int" && kind != "as_sym_float" && kind != "as_sym_bool") return std::nullopt;
  const auto [inner, name] = value.tagged();
  const SchemaArg* expected = op == nullptr ? nullptr : find_arg(*op, input.at("name").string());
  const bool wanted = expected != nullptr && (expected->type == ArgType::tensor || expected->type == ArgType::number);
  Value* number = wanted && inner == "as_name" ? scope.number(name.string()) : nullptr;
  if (number == nullptr) return std::nullopt;
  NumberArg found{input.at("name").string(), std::nullopt};
  if (scope.is_size(name.string())) found.size = scope.size(name);
  return std::pair(std::move(found), number);
}

/// A complex number, which no argument of a node is, as a constant.
std::optional<std::pair<NumberArg, Value*>> complex_argument(const JsonView& input, Graph& graph) {
  const auto [kind, value] = input.at("arg").tagged();
  if (kind != "as_complex") return std::nullopt;
  const std::complex<double> number(value.at("real").number(), value.at("imag").number());
  const std::string name = fmt::format("scalar_{}", graph.weights.size());
  return std::pair(NumberArg{input.at("name").string(), std::nullopt},
                   graph.add_weight(name, name, complex_scalar(number, true)));
}

/// The arguments, and which of them are numbers that data decide, or complex.
NamedArgs read_arguments(const JsonView& node, const OpInfo* op, const Scope& scope, Graph& graph,
                         std::vector<NumberArg>& numbers) {
  NamedArgs args;
  for (const JsonView& input : node.at("inputs").items()) {
    auto number = number_argument(input, op, scope);
    if (!number) number = complex_argument(input, graph);
    args.emplace_back(input.at("name").string(), number ? Arg(number->second) : read_argument(input.at("arg"), scope));
    if (number) numbers.push_back(std::move(number->first));
  }
  return args;
}

// The names of results beyond the first are known and of no use.
void define_unused_results(const JsonView& node, Scope& scope) {
  bool first = true;
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (!std::exchange(first, false) && kind != "as_none")
      scope.define_opaque(value.at(kind == "as_tensor" ? "name" : "as_name"));
  }
}

/// The name of each result of a node; none where it is not used.
using ResultNames = std::vector<std::optional<JsonView>>;

ResultNames first_output_name(const JsonView& node) {
  const auto outputs = node.at("outputs").items();
  if (outputs.empty()) return {};
  const auto [kind, value] = outputs.front().tagged();
  if (kind != "as_tensor") return {std::nullopt};
  return {value.at("name")};
}

// A result of several: {"as_tensor": ...} each, {"as_tensors": [...]} for lists, {"as_none": true} for unused ones.
ResultNames output_names(const JsonView& node) {
  ResultNames names;
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (kind == "as_none")
      names.emplace_back();
    else if (kind == "as_tensor")
      names.emplace_back(value.at("name"));
    else if (kind == "as_tensors")
      for (const JsonView& item : value.items()) names.emplace_back(item.at("name"));
    else
      output.unsupported(fmt::format("an operator with a result of the kind {}", printable(kind)));
  }
  return names;
}

void check_declared(const JsonView& name, const TensorType& inferred, const Scope& scope) {
  const TensorType declared = scope.declared_type(name);
  if (declared.dtype != inferred.dtype || !known_sizes_agree(declared.shape, inferred.shape))
    throw Corrupt(fmt::format("tensor_values says that \"{}\" is {}, but the operator gives {}",
                              printable(name.string()), to_string(declared), to_string(inferred)),
                  name.place(), std::string(kReport));
}

void define_result(const std::optional<JsonView>& name, Value* value, Scope& scope) {
  if (!name) return;
  if (scope.trusts_declared_types() && scope.graph().at("tensor_values").find(name->string()))
    check_declared(*name, value->type, scope);
  scope.define_tensor(*name, value);
}

/// A result that some versions of PyTorch declare wrongly: what it is told by.
struct Misdeclared {
  OpId op;
  bool (*told_by)(const TensorType& declared, const TensorType& made);
};
/// PyTorch 2.8 to 2.11: last states have a dimension more than they have, [1, 1, batch, size].
bool has_one_dimension_more(const TensorType& declared, const TensorType& made) {
  return declared.shape.size() == made.shape.size() + 1;
}
/// PyTorch 2.11: places and counts of unique elements have the dtype of the elements; 2.6: quotients that of integers.
bool has_another_dtype(const TensorType& declared, const TensorType& made) { return declared.dtype != made.dtype; }
constexpr auto kMisdeclared =
    std::to_array<Misdeclared>({{OpId::aten_lstm_input, has_one_dimension_more},
                                {OpId::aten__unique_default, has_another_dtype},
                                {OpId::aten__unique2_default, has_another_dtype},
                                {OpId::aten_unique_dim_default, has_another_dtype},
                                {OpId::aten_unique_consecutive_default, has_another_dtype},
                                {OpId::aten_unique_dim_consecutive_default, has_another_dtype},
                                {OpId::aten_div_Tensor, has_another_dtype},
                                {OpId::aten_div_Scalar, has_another_dtype},
                                {OpId::aten_true_divide_Scalar, has_another_dtype},
                                {OpId::aten_true_divide_Tensor, has_another_dtype}});

bool is_declared_wrongly(const OpInfo& op, const ResultNames& names, const std::vector<TensorType>& made,
                         const Scope& scope) {
  const auto* const row = std::ranges::find(kMisdeclared, op.id, &Misdeclared::op);
  if (row == kMisdeclared.end()) return false;
  const JsonView declared = scope.graph().at("tensor_values");
  for (std::size_t i = 0; i < made.size(); ++i)
    if (names[i] && declared.find(names[i]->string()) && row->told_by(scope.declared_type(*names[i]), made[i]))
      return true;
  return false;
}

void name_result_size(const ResultNames& names, const Scope& scope, const OpInfo& op, const ArgList& args,
                      std::vector<TensorType>& types, Graph& graph) {
  const auto place = data_size_place(types);
  if (!place) return;
  std::optional<SymInt> declared;
  if (place->output < names.size() && names[place->output]) {
    const SymShape shape = scope.declared_type(*names[place->output]).shape;
    if (place->dim < shape.size()) declared = shape[place->dim];
  }
  name_data_size(graph, op, args, types, declared_symbol(declared));
}

// The program's name for a size of the result that no input has.
std::string declared_data_size(const JsonView& node, const Scope& scope, const Graph& graph) {
  for (const auto& name : output_names(node)) {
    if (!name) continue;
    for (const SymInt& size : scope.declared_type(*name).shape) {
      const std::string symbol = declared_symbol(size);
      if (symbol != "data" && !graph.symbols.contains(symbol)) return symbol;
    }
  }
  return {};
}

// x.item(): a size of the program from then on.
void add_number(const JsonView& node, const OpInfo& op, Scope& scope, Graph& graph) {
  std::vector<NumberArg> numbers;
  ArgList args = bind_arguments(op, {}, read_arguments(node, &op, scope, graph, numbers));
  const auto outputs = node.at("outputs").items();
  if (outputs.size() != 1) node.corrupt(fmt::format("{} has {} results here and gives 1", op.name, outputs.size()));
  const auto [kind, value] = outputs[0].tagged();
  Value* tensor = args.at(0).value();
  if (!(product(tensor->type.shape) == SymInt(1)))
    throw Unsupported(fmt::format("the value of {}, which may not be one", to_string(tensor->type)), op.name);
  if (kind == "as_sym_bool" || kind == "as_sym_float") {
    if (is_complex(tensor->type.dtype)) throw Unsupported("a complex number becomes part of the program", op.name);
    const DType dtype = kind == "as_sym_bool" ? DType::b8 : DType::f64;
    scope.define_number(value.at("as_name"), number_of(graph, tensor, dtype));
    return;
  }
  if (kind != "as_sym_int") outputs[0].corrupt(fmt::format("\"{}\" as the value of a tensor", printable(kind)));
  const JsonView name = value.at("as_name");
  std::vector<TensorType> types = infer_types(op, args);
  name_data_size(graph, op, args, types, declared_symbol(scope.declared_size(name.string())));
  Node* added = graph.add_node(op, std::move(args), std::move(types), name.string().substr(0, kMaxValueName));
  added->source = read_source(node);
  scope.define_number(name, number_of(graph, tensor, DType::i64), SymInt::symbol(data_symbol(*added)->name));
}

void add_operator(const JsonView& node, std::string_view exported, Scope& scope, Graph& graph) {
  const OpInfo* op = find_op(exported);
  std::vector<NumberArg> numbers;
  NamedArgs args = read_arguments(node, op, scope, graph, numbers);
  std::vector<Value*> outs;
  if (op == nullptr && has_out_arguments(exported)) {
    CallWithoutOut call = without_out_arguments(exported, args);
    op = call.op;
    args = std::move(call.args);
    outs = std::move(call.outs);
  }
  const bool replaced = op == nullptr;
  if (replaced) {
    Alternative call = alternative_of(exported, std::move(args), graph);
    op = find_op(call.op);
    args = std::move(call.args);
  }
  if (!numbers.empty()) op = with_numbers(*op, args, numbers, graph);
  if (has_number_for_tensor(*op, args)) {
    if (const OpInfo* scalar = scalar_overload(*op, args)) op = scalar;
    for (auto& [name, arg] : args)
      if (const SchemaArg* expected = find_arg(*op, name);
          expected != nullptr && expected->type == ArgType::tensor && is_number(arg))
        arg = number_as_tensor(arg, graph);
  }
  ArgList bound = bind_arguments(*op, {}, std::move(args));
  if (has_mask_beside_indices(*op, bound)) expand_masks(graph, *op, bound, declared_data_size(node, scope, graph));
  clamp_slice(graph, *op, bound);
  resolve_memory_order(node, op, bound, scope, graph);
  std::vector<TensorType> types = infer_types(*op, bound);
  // Another operator may lack what nothing in inference needs (the lengths of _weight_norm_interface).
  const bool first_only = replaced && types.size() == 1;
  const auto names = first_only ? first_output_name(node) : output_names(node);
  if (first_only) define_unused_results(node, scope);
  if (names.size() != types.size())
    node.corrupt(fmt::format("{} has {} results here and gives {}", op->name, names.size(), types.size()));
  if (may_have_data_size(*op)) name_result_size(names, scope, *op, bound, types, graph);
  if (is_declared_wrongly(*op, names, types, scope)) scope.distrust_declared_types();
  const std::string hint = names.empty() || !names[0] ? "unused" : names[0]->string().substr(0, kMaxValueName);
  Node* added = graph.add_node(*op, std::move(bound), std::move(types), hint);
  added->source = read_source(node);
  for (std::size_t i = 0; i < names.size(); ++i) {
    Value* result = added->outputs[i];
    define_result(names[i], outs.empty() ? result : copy_into(graph, outs[i], result, added->source), scope);
  }
}

// The same operator on each tensor of a list.
void add_each(const JsonView& node, const OpInfo& op, Scope& scope, Graph& graph) {
  std::vector<NumberArg> numbers;
  const Arg tensors = take(read_arguments(node, nullptr, scope, graph, numbers), "tensors");
  const auto names = output_names(node);
  if (!tensors.is_list() || tensors.list().size() != names.size())
    node.corrupt(fmt::format("{} results of another number of tensors", names.size()));
  for (std::size_t i = 0; i < names.size(); ++i) {
    ArgList bound = bind_arguments(op, {tensors.list()[i]}, {});
    std::vector<TensorType> types = infer_types(op, bound);
    const std::string hint = names[i] ? names[i]->string().substr(0, kMaxValueName) : "unused";
    Node* added = graph.add_node(op, std::move(bound), std::move(types), hint);
    added->source = read_source(node);
    define_result(names[i], added->output(), scope);
  }
}

// Results as the file declares them, in the place of those that cannot be computed.
void define_declared(const JsonView& node, Scope& scope, Graph& graph) {
  const auto tensor = [&](const JsonView& name) {
    scope.define_tensor(name, graph.add_input(name.string().substr(0, kMaxValueName), scope.declared_type(name)));
  };
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (kind == "as_tensor")
      tensor(value.at("name"));
    else if (kind == "as_tensors")
      for (const JsonView& item : value.items()) tensor(item.at("name"));
    else if (kind == "as_sym_int")
      scope.define_size(value.at("as_name"), SymInt::symbol(value.at("as_name").string()));
    else if (kind != "as_none")
      scope.define_opaque(value.at("as_name"));
  }
}

// Errors of binding and shape rules know the operator; where in the file it is, and in the model, is known here.
void import_operator(const JsonView& node, Scope& scope, Graph& graph, Problems& problems) {
  const std::string name(op_name_of(node.at("target").string()));
  const auto message = [&](const Error& error) {
    const std::string code = read_source(node).code;
    return fmt::format("{}: {}{}", name, error.problem(), code.empty() ? "" : " (" + code + ")");
  };
  try {
    const OpInfo* op = find_op(name);
    if (op != nullptr && (op->id == OpId::aten_item_default || op->id == OpId::aten__local_scalar_dense_default))
      add_number(node, *op, scope, graph);
    else if (const std::string_view each = form_of_each(name); !each.empty())
      add_each(node, *find_op(each), scope, graph);
    else
      add_operator(node, name, scope, graph);
  } catch (const InvalidArgument& error) {
    throw Corrupt(message(error), node.place(), std::string(kReport));
  } catch (const Unsupported& error) {
    problems.add_call(node, name, error.problem(), error.fix());
    define_declared(node, scope, graph);
  }
}

// An assertion that a size which data decide is no larger than sizes of the inputs bounds its memory. Others are
// dropped: what they say of ranges stands in the program's constraints, and what operators need of sizes their rules
// check.
void note_assertion(const JsonView& node, const Scope& scope, Graph& graph) {
  if (node.at("target").string() != "torch.ops.aten._assert_scalar.default") return;
  const auto inputs = node.at("inputs").items();
  if (inputs.empty()) return;
  const auto [kind, value] = inputs[0].at("arg").tagged();
  if (kind != "as_sym_bool") return;
  const auto name = value.find("as_name");
  const SizeFact* fact = name ? scope.fact(name->string()) : nullptr;
  if (fact == nullptr) return;
  std::vector<std::string> smaller, larger;
  fact->rhs.collect_symbols(smaller);
  fact->lhs.collect_symbols(larger);
  if (smaller.size() != 1 || larger.empty() || !(fact->rhs == SymInt::symbol(smaller[0]))) return;
  std::set<std::string> given;
  for (const Value* input : graph.inputs)
    for (const SymInt& size : input->type.shape) {
      std::vector<std::string> names;
      size.collect_symbols(names);
      given.insert(names.begin(), names.end());
    }
  const auto is_given = [&](const std::string& symbol) { return given.contains(symbol); };
  if (graph.symbols.contains(smaller[0]) && !is_given(smaller[0]) && std::ranges::all_of(larger, is_given))
    graph.bounds.try_emplace(smaller[0], fact->lhs);
}

void drop_node(const JsonView& node, Scope& scope, Graph& graph) {
  note_assertion(node, scope, graph);
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (kind != "as_none") scope.define_opaque(value.at(kind == "as_tensor" ? "name" : "as_name"));
  }
}

// run_decompositions() makes linalg_inv a linalg_inv_ex and a check of what that reports, which must not be left out or
// moved: tokens hold it in its place. The operators check themselves where they are asked to.
void import_effect(const JsonView& node, Scope& scope, Graph& graph, Problems& problems) {
  const auto inputs = node.at("inputs").items();
  std::string name(op_name_of(node.at("target").string()));
  std::size_t info = 0;
  if (name == "higher_order.with_effects") {
    if (inputs.size() < 2) node.corrupt("with_effects without an operator");
    const auto [kind, value] = inputs[1].at("arg").tagged();
    if (kind != "as_operator") inputs[1].corrupt("with_effects of what is no operator");
    name = op_name_of(value.string());
    info = 2;
  }
  if (name != "aten._linalg_check_errors.default") {
    problems.add_call(node, printable(name), "it has effects, which must not be left out", {});
    return define_declared(node, scope, graph);
  }
  if (inputs.size() <= info) node.corrupt("a check of nothing");
  Node* checked = scope.tensor(inputs[info].at("arg").tagged().second.at("name"))->producer;
  const auto flag = checked == nullptr ? nullptr : find_arg(*checked->op, "check_errors");
  if (flag != nullptr) checked->args.at(checked->op->arg_index(flag->name)) = true;
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (kind == "as_tensor") scope.define_opaque(value.at("name"));
  }
}

}  // namespace

std::string declared_symbol(const std::optional<SymInt>& size) {
  std::vector<std::string> names;
  if (size) size->collect_symbols(names);
  const bool symbol = names.size() == 1 && *size == SymInt::symbol(names[0]);
  return symbol && is_name(names[0]) && !is_reserved_word(names[0]) ? names[0] : "data";
}

void import_nodes(Scope& scope, Graph& graph, Problems& problems) {
  for (const JsonView& node : scope.graph().at("nodes").items()) {
    switch (target_kind(node.at("target").string())) {
      case TargetKind::op:
        import_operator(node, scope, graph, problems);
        break;
      case TargetKind::symbolic:
        fold_symbolic_node(node, scope, graph);
        break;
      case TargetKind::dropped:
        drop_node(node, scope, graph);
        break;
      case TargetKind::region:
        inline_region(node, scope, graph, problems);
        break;
      case TargetKind::control:
        import_control_flow(node, scope, graph, problems);
        break;
      case TargetKind::sliced:
        import_sliced(node, scope, graph, problems);
        break;
      case TargetKind::effect:
        import_effect(node, scope, graph, problems);
        break;
      case TargetKind::unknown:
        define_declared(node, scope, graph);
        break;
    }
  }
}

}  // namespace aitune::dynamo

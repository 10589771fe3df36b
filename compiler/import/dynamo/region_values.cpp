#include "compiler/import/dynamo/region_values.h"

#include <fmt/format.h>

#include "compiler/import/dynamo/numbers.h"
#include "compiler/import/dynamo/operators.h"

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxName = 120;

/// "as_sym_int": {"as_name": ...} and its like: the name; nothing for a constant.
std::optional<JsonView> number_name(const JsonView& value) {
  const auto [kind, inner] = value.tagged();
  return kind == "as_name" ? std::optional(inner) : std::nullopt;
}

bool is_symbolic(std::string_view kind) {
  return kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool";
}
bool is_constant(std::string_view kind) { return kind == "as_int" || kind == "as_float" || kind == "as_bool"; }

/// Lists that hold tensors and numbers are saved as lists of tensors.
RegionOperand named_operand_of(const JsonView& name, const Scope& scope, Graph& graph) {
  const std::string& text = name.string();
  const std::optional<SymInt> size = scope.is_size(text) ? std::optional(scope.size(name)) : std::nullopt;
  if (Value* number = scope.number(text)) return {number, size, true};
  if (size) return {nullptr, size, true};
  if (const SizeFact* fact = scope.fact(text)) return {fact_tensor(graph, *fact), std::nullopt, true};
  return {scope.tensor(name), std::nullopt, false};
}

}  // namespace

std::vector<RegionOperand> read_operands(const JsonView& list, const Scope& scope, Graph& graph) {
  const auto [kind, value] = list.tagged();
  std::vector<RegionOperand> operands;
  if (kind == "as_tensors") {
    for (const JsonView& item : value.items()) operands.push_back(named_operand_of(item.at("name"), scope, graph));
  } else if (kind == "as_sym_ints" || kind == "as_sym_floats" || kind == "as_sym_bools") {
    for (const JsonView& item : value.items()) {
      const auto [inner, content] = item.tagged();
      if (inner == "as_name")
        operands.push_back(named_operand_of(content, scope, graph));
      else if (inner == "as_int")
        operands.push_back({nullptr, SymInt(content.integer()), true});
      else
        item.unsupported("a constant that is no integer, as an operand of control flow", "write it inside");
    }
  } else if (kind == "as_ints") {
    for (const JsonView& item : value.items()) operands.push_back({nullptr, SymInt(item.integer()), true});
  } else {
    list.unsupported(fmt::format("operands of control flow of the kind {}", printable(kind)),
                     "let loops and branches take and give tensors and whole numbers");
  }
  return operands;
}

RegionOperand as_carried(const RegionOperand& operand, Graph& graph) {
  if (operand.value == nullptr) return {size_tensor(graph, operand.size.value()), std::nullopt, true};
  return {operand.value, std::nullopt, operand.is_number};
}

RegionOperand entered(const RegionOperand& operand, const JsonView& argument, Graph& region) {
  if (operand.value == nullptr) return operand;
  std::string name = operand.value->name;
  const auto [kind, value] = argument.tagged();
  if (kind == "as_tensor") name = value.at("name").string();
  RegionOperand inner = operand;
  inner.value = region.add_input(name.substr(0, kMaxName), operand.value->type);
  return inner;
}

void define_operand(const JsonView& argument, const RegionOperand& operand, Scope& inner, Graph& graph) {
  const auto [kind, value] = argument.tagged();
  if (is_constant(kind)) return;  // it stands where it is used
  if (kind == "as_tensor") {
    if (operand.value == nullptr || operand.is_number) argument.corrupt("a graph takes a tensor and is given a number");
    return inner.define_tensor(value.at("name"), operand.value);
  }
  if (!is_symbolic(kind))
    argument.unsupported(fmt::format("a branch or a loop with a value of the kind {}", printable(kind)),
                         "let loops and branches take and give tensors and numbers");
  if (!operand.is_number) argument.corrupt("a graph takes a number and is given a tensor");
  const auto name = number_name(value);
  if (!name) return;
  if (operand.value == nullptr) return inner.define_size(*name, *operand.size);
  std::optional<SymInt> size = operand.size;
  if (!size && kind == "as_sym_int")
    size = number_as_size(graph, operand.value, declared_symbol(inner.declared_size(name->string())));
  inner.define_number(*name, operand.value, std::move(size));
}

Value* region_output(const JsonView& argument, const Scope& inner, Graph& region) {
  const auto [kind, value] = argument.tagged();
  if (kind == "as_none") return nullptr;
  if (kind == "as_tensor") return inner.tensor(value.at("name"));
  Value* number = is_symbolic(kind) || is_constant(kind) ? number_argument(argument, inner, region) : nullptr;
  if (number == nullptr)
    argument.unsupported(fmt::format("a branch or a loop that gives a value of the kind {}", printable(kind)),
                         "let loops and branches take and give tensors and numbers");
  return number;
}

std::vector<RegionResult> region_results(const JsonView& node) {
  std::vector<RegionResult> results;
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (kind == "as_none") continue;
    if (kind == "as_tensors") {
      for (const JsonView& item : value.items()) results.push_back({item.at("name"), "as_tensor"});
    } else if (kind == "as_tensor") {
      results.push_back({value.at("name"), kind});
    } else if (const auto name = is_symbolic(kind) ? number_name(value) : std::nullopt) {
      results.push_back({*name, kind});
    } else {
      output.unsupported(fmt::format("a branch or a loop with a result of the kind {}", printable(kind)),
                         "let loops and branches take and give tensors and numbers");
    }
  }
  return results;
}

void define_result(const RegionResult& result, Value* value, Scope& scope, Graph& graph) {
  if (result.kind == "as_tensor") return scope.define_tensor(result.name, value);
  std::optional<SymInt> size;
  if (result.kind == "as_sym_int") {
    if (!value->type.shape.empty() || value->type.dtype != DType::i64)
      result.name.corrupt(fmt::format("a whole number that is {}", to_string(value->type)));
    size = number_as_size(graph, value, declared_symbol(scope.declared_size(result.name.string())));
  }
  scope.define_number(result.name, value, std::move(size));
}

}  // namespace aitune::dynamo

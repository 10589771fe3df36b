#include "compiler/import/dynamo/symbolic.h"

#include <fmt/format.h>

#include <functional>
#include <map>

#include "compiler/import/dynamo/arguments.h"
#include "compiler/import/dynamo/numbers.h"
#include "compiler/import/dynamo/targets.h"

namespace aitune::dynamo {
namespace {

SymInt size_of_dim(const JsonView& node, const Value& tensor, std::int64_t dim) {
  const auto rank = static_cast<std::int64_t>(tensor.type.shape.size());
  if (dim < -rank || dim >= rank) node.corrupt(fmt::format("dimension {} of a tensor with {}", dim, rank));
  return tensor.type.shape[static_cast<std::size_t>(dim < 0 ? dim + rank : dim)];
}

// Operands that are whole numbers; none if any is something else (then the file's own word for the result stands).
std::optional<std::vector<SymInt>> size_operands(const JsonView& node, const Scope& scope) {
  std::vector<SymInt> operands;
  for (const JsonView& input : node.at("inputs").items()) {
    const auto [kind, value] = input.at("arg").tagged();
    if (kind == "as_int") {
      operands.emplace_back(value.integer());
      continue;
    }
    if (kind != "as_sym_int") return std::nullopt;
    const auto [inner_kind, inner] = value.tagged();
    if (inner_kind == "as_name" && !scope.is_size(inner.string())) return std::nullopt;
    operands.push_back(read_size_argument(value, scope));
  }
  return operands;
}

// torch.sym_sum of a list; none if any of it is something else.
std::optional<SymInt> sum_of(const JsonView& list, const Scope& scope) {
  const auto [kind, value] = list.tagged();
  if (kind != "as_sym_ints" && kind != "as_ints") return std::nullopt;
  SymInt total = 0;
  for (const JsonView& item : value.items()) {
    if (kind == "as_ints") {
      total += item.integer();
      continue;
    }
    const auto [inner_kind, inner] = item.tagged();
    if (inner_kind == "as_name" && !scope.is_size(inner.string())) return std::nullopt;
    total += read_size_argument(item, scope);
  }
  return total;
}

// The result of a node where it is computed here; none leaves it to the file.
std::optional<SymInt> compute(const JsonView& node, const Scope& scope) {
  using Binary = std::function<SymInt(const SymInt&, const SymInt&)>;
  static const std::map<std::string_view, Binary> binary = {
      {"_operator.add", [](const SymInt& a, const SymInt& b) { return a + b; }},
      {"_operator.sub", [](const SymInt& a, const SymInt& b) { return a - b; }},
      {"_operator.mul", [](const SymInt& a, const SymInt& b) { return a * b; }},
      {"_operator.floordiv", [](const SymInt& a, const SymInt& b) { return floordiv(a, b); }},
      {"_operator.mod", [](const SymInt& a, const SymInt& b) { return mod(a, b); }},
      {"torch.sym_max", [](const SymInt& a, const SymInt& b) { return max(a, b); }},
      {"torch.sym_min", [](const SymInt& a, const SymInt& b) { return min(a, b); }}};
  const std::string& target = node.at("target").string();
  const auto inputs = node.at("inputs").items();
  if (target.starts_with("torch.ops.aten.sym_size") && inputs.size() == 2) {
    const Arg tensor = read_argument(inputs[0].at("arg"), scope), dim = read_argument(inputs[1].at("arg"), scope);
    if (!tensor.is_value() || !std::holds_alternative<SymInt>(dim) || !dim.sym().is_constant())
      node.corrupt("sym_size of something that is no tensor and dimension");
    return size_of_dim(node, *tensor.value(), dim.integer());
  }
  if (target == "torch.sym_sum" && inputs.size() == 1) return sum_of(inputs[0].at("arg"), scope);
  const auto it = binary.find(target);
  if (it == binary.end() || inputs.size() != 2) return std::nullopt;
  const auto operands = size_operands(node, scope);
  if (!operands) return std::nullopt;
  const bool divides = target == "_operator.floordiv" || target == "_operator.mod";
  if (divides && (*operands)[1].is(0)) node.corrupt("a size divided by zero");
  return it->second((*operands)[0], (*operands)[1]);
}

// What a comparison of two sizes says.
std::optional<SizeFact> comparison(const JsonView& node, const Scope& scope) {
  using Maker = SizeFact (*)(const SymInt&, const SymInt&);
  static const std::map<std::string_view, Maker> makers = {
      {"_operator.ge", [](const SymInt& a, const SymInt& b) { return SizeFact{a, b, false}; }},
      {"_operator.le", [](const SymInt& a, const SymInt& b) { return SizeFact{b, a, false}; }},
      {"_operator.gt", [](const SymInt& a, const SymInt& b) { return SizeFact{a, b + 1, false}; }},
      {"_operator.lt", [](const SymInt& a, const SymInt& b) { return SizeFact{b, a + 1, false}; }},
      {"_operator.eq", [](const SymInt& a, const SymInt& b) { return SizeFact{a, b, true}; }}};
  const auto maker = makers.find(node.at("target").string());
  if (maker == makers.end() || node.at("inputs").items().size() != 2) return std::nullopt;
  const auto operands = size_operands(node, scope);
  return operands ? std::optional(maker->second((*operands)[0], (*operands)[1])) : std::nullopt;
}

// What is computed here counts: it follows from the shapes. The file's own word is taken where nothing is computed.
SymInt result_of(const JsonView& node, const JsonView& name, const Scope& scope) {
  const auto declared = scope.declared_size(name.string());
  auto computed = compute(node, scope);
  if (!computed && !declared)
    node.corrupt(fmt::format("sym_int_values says nothing of \"{}\"", printable(name.string())));
  if (!computed) return *declared;
  if (declared && declared->is_constant() && computed->is_constant() && !(*declared == *computed))
    node.corrupt(fmt::format("a size of {} that sym_int_values says is {}", computed->str(), declared->str()));
  return *std::move(computed);
}

}  // namespace

void fold_symbolic_node(const JsonView& node, Scope& scope, Graph& graph) {
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    const bool number = kind == "as_sym_bool" || kind == "as_sym_float" || kind == "as_sym_int";
    const auto named = number ? value.find("as_name") : std::nullopt;
    auto fact = kind == "as_sym_bool" ? comparison(node, scope) : std::nullopt;
    const bool logic = kind == "as_sym_bool" && !fact;  // of what several sizes are
    if (Value* result = named ? number_result(node, scope, graph, logic) : nullptr) {
      scope.define_number(*named, result, kind == "as_sym_int" ? compute(node, scope) : std::nullopt, std::move(fact));
      continue;
    }
    if (kind == "as_sym_bool" || kind == "as_sym_float") {
      const auto name = value.find("as_name");
      if (!name) continue;
      if (fact)
        scope.define_fact(*name, *std::move(fact));
      else
        scope.define_opaque(*name);
      continue;
    }
    if (kind != "as_sym_int")
      output.corrupt(fmt::format("\"{}\" as the result of arithmetic on sizes", printable(kind)));
    const JsonView name = value.at("as_name");
    scope.define_size(name, result_of(node, name, scope));
  }
}

}  // namespace aitune::dynamo

#include "compiler/import/dynamo/out_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "compiler/import/out_argument.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

/// "aten.add" of "aten.add.out".
std::string_view base_of(std::string_view name) { return name.substr(0, name.rfind('.')); }

bool is_overload_of(const OpInfo& op, std::string_view base) { return base_of(op.name) == base; }

bool may_be(const Arg& arg, ArgType type) {
  const bool list = type == ArgType::tensor_list || type == ArgType::optional_tensor_list ||
                    type == ArgType::integer_list || type == ArgType::number_list || type == ArgType::boolean_list;
  if (arg.is_none()) return true;
  return arg.is_value() == (type == ArgType::tensor) && arg.is_list() == list;
}

/// The call of this overload, with tensors that it does not take as places of its results.
std::optional<CallWithoutOut> call_of(const OpInfo& op, const NamedArgs& args) {
  CallWithoutOut call{&op, {}, {}};
  for (const auto& [name, arg] : args) {
    const auto it = std::ranges::find(op.args, name, &SchemaArg::name);
    if (it == op.args.end() && arg.is_value()) {
      call.outs.push_back(arg.value());
    } else if (it != op.args.end() && may_be(arg, it->type)) {
      call.args.emplace_back(name, arg);
    } else {
      return std::nullopt;
    }
  }
  const auto is_missing = [&](const SchemaArg& expected) {
    return !expected.default_value && !expected.optional &&
           std::ranges::none_of(call.args, [&](const auto& named) { return named.first == expected.name; });
  };
  if (call.outs.size() != op.result_count || op.variadic_results || std::ranges::any_of(op.args, is_missing))
    return std::nullopt;
  return call;
}

}  // namespace

bool has_out_arguments(std::string_view name) {
  // Overloads that are called after their results.
  static constexpr auto kAfterResults =
      std::to_array<std::string_view>({"values", "values_stable", "dim_values", "dim_max", "dim_min", "U", "Q", "X"});
  if (!name.starts_with("aten.") || find_op(name) != nullptr) return false;
  const std::string_view overload = name.substr(name.rfind('.') + 1);
  const bool named_so = overload == "out" || overload.ends_with("_out") ||
                        std::ranges::find(kAfterResults, overload) != kAfterResults.end();
  return named_so &&
         std::ranges::any_of(all_ops(), [&](const OpInfo& op) { return is_overload_of(op, base_of(name)); });
}

CallWithoutOut without_out_arguments(std::string_view name, const NamedArgs& args) {
  for (const OpInfo& op : all_ops())
    if (is_overload_of(op, base_of(name)))
      if (auto call = call_of(op, args)) return *std::move(call);
  throw Unsupported("no overload of it without out= takes these arguments", "", "call it without out=");
}

Value* copy_into(Graph& graph, Value* out, Value* result, const SourceLocation& source) {
  check_out_argument(out->type, result->type);
  Node* copy = graph.add_node_inferred(op_info(OpId::aten_copy__default), {out, result, false});
  copy->source = source;
  return copy->output();
}

}  // namespace aitune::dynamo

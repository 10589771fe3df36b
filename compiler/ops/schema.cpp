#include "compiler/ops/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/custom_ops.h"
#include "base/error.h"
#include "compiler/ops/schema_parse.h"

namespace aitune {
namespace {

std::vector<OpInfo> parse_all() {
  std::vector<OpInfo> table;
  for (std::size_t i = 0; i < static_cast<std::size_t>(OpId::count); ++i) {
    OpInfo& info = table.emplace_back();
    info.id = static_cast<OpId>(i);
    info.name = op_name(info.id);
    info.schema = op_schema(info.id);
    parse_schema(info);
  }
  return table;
}

const std::vector<OpInfo>& table() {
  static const std::vector<OpInfo> rows = parse_all();
  return rows;
}

/// Custom operators are parsed when they are first asked for. A schema that cannot be read is its library's fault.
const OpInfo& custom_info(OpId id) {
  static std::mutex mutex;
  static std::map<OpId, OpInfo> parsed;
  const CustomOp* op = find_custom_op(id);
  if (op == nullptr) throw InternalError("no operator has this number", std::to_string(static_cast<int>(id)));
  const std::scoped_lock lock(mutex);
  const auto [it, fresh] = parsed.try_emplace(id);
  if (!fresh) return it->second;
  it->second.id = id;
  it->second.name = op->name;
  it->second.schema = op->schema;
  try {
    parse_schema(it->second);
    if (it->second.is_inplace()) throw InvalidArgument("the operator writes into an argument");
  } catch (const Error& error) {
    const std::string& problem = error.problem();
    parsed.erase(it);
    throw InvalidArgument(fmt::format("the schema of {} cannot be used: {}", op->name, problem), op->library,
                          "Write it as PyTorch prints it: \"myop(Tensor x, float alpha=1.0) -> Tensor\"");
  }
  return it->second;
}

bool is_number(const Arg& arg) {
  return std::holds_alternative<SymInt>(arg) || std::holds_alternative<double>(arg) ||
         std::holds_alternative<bool>(arg);
}

bool is_list_type(ArgType type) {
  switch (type) {
    case ArgType::tensor_list:
    case ArgType::optional_tensor_list:
    case ArgType::integer_list:
    case ArgType::number_list:
    case ArgType::boolean_list:
      return true;
    default:
      return false;
  }
}

// Whether `arg` is one element of a list of this type, or a plain argument of it.
bool matches(ArgType type, const Arg& arg) {
  switch (type) {
    case ArgType::tensor:
    case ArgType::tensor_list:
      return arg.is_value() && std::get<Value*>(arg) != nullptr;
    case ArgType::optional_tensor_list:
      return arg.is_none() || (arg.is_value() && std::get<Value*>(arg) != nullptr);
    case ArgType::integer:
    case ArgType::integer_list:
      return std::holds_alternative<SymInt>(arg);
    case ArgType::number:
    case ArgType::number_list:
      return is_number(arg);
    case ArgType::boolean:
    case ArgType::boolean_list:
      return std::holds_alternative<bool>(arg);
    case ArgType::string:
    case ArgType::device:
      return std::holds_alternative<std::string>(arg);
    case ArgType::dtype:
      return std::holds_alternative<DType>(arg);
    case ArgType::memory_format:
      return std::holds_alternative<MemoryFormat>(arg);
    case ArgType::layout:
      return arg.is_none() || std::holds_alternative<std::string>(arg);
  }
  return false;
}

std::string_view type_name(ArgType type) {
  switch (type) {
    case ArgType::tensor:
      return "a tensor";
    case ArgType::tensor_list:
      return "a list of tensors";
    case ArgType::optional_tensor_list:
      return "a list of tensors or Nones";
    case ArgType::integer:
      return "an integer";
    case ArgType::integer_list:
      return "a list of integers";
    case ArgType::number:
      return "a number";
    case ArgType::number_list:
      return "a list of numbers";
    case ArgType::boolean:
      return "a bool";
    case ArgType::boolean_list:
      return "a list of bools";
    case ArgType::string:
      return "a string";
    case ArgType::dtype:
      return "a dtype";
    case ArgType::memory_format:
      return "a memory format";
    case ArgType::device:
      return "a device";
    case ArgType::layout:
      return "a layout";
  }
  return "an argument";
}

// Exporters write 1 for True, and one number for a list of two equal ones.
Arg adapt(const SchemaArg& expected, Arg arg) {
  if (expected.type == ArgType::integer && std::holds_alternative<bool>(arg)) return SymInt(arg.integer());
  if (expected.type == ArgType::boolean && std::holds_alternative<SymInt>(arg)) {
    const auto value = arg.sym().as_constant();
    if (value && (*value == 0 || *value == 1)) return *value == 1;
  }
  if (!is_list_type(expected.type)) return arg;
  if (arg.is_list()) {
    const auto& list = arg.list();
    if (expected.list_size && *expected.list_size > 1 && list.size() == 1)
      return ArgList(static_cast<std::size_t>(*expected.list_size), list[0]);
    return arg;
  }
  if (expected.list_size && matches(expected.type, arg))
    return ArgList(static_cast<std::size_t>(*expected.list_size), arg);
  return arg;
}

}  // namespace

std::size_t OpInfo::arg_index(std::string_view argument) const {
  for (std::size_t i = 0; i < args.size(); ++i)
    if (args[i].name == argument) return i;
  throw InternalError(fmt::format("no argument {} in {}", argument, schema), name);
}

bool OpInfo::is_inplace() const {
  return std::any_of(args.begin(), args.end(), [](const SchemaArg& arg) { return arg.written; });
}

bool OpInfo::has_regions() const {
  return id == OpId::higher_order_cond_default || id == OpId::higher_order_while_loop_default;
}

const OpInfo* find_op(std::string_view name) {
  const auto id = find_op_id(name);
  return id ? &op_info(*id) : nullptr;
}

const OpInfo& op_info(OpId id) { return is_listed(id) ? table()[static_cast<std::size_t>(id)] : custom_info(id); }

std::span<const OpInfo> all_ops() { return table(); }

std::optional<std::string> argument_problem(const SchemaArg& expected, const Arg& arg) {
  if (arg.is_none() && (expected.optional || expected.type == ArgType::layout)) return std::nullopt;
  const auto wrong = [&](const Arg& found, std::string_view place) {
    return fmt::format("argument {} is {}{}, expected {}", expected.name, found.kind_name(), place,
                       type_name(expected.type));
  };
  if (!is_list_type(expected.type)) return matches(expected.type, arg) ? std::nullopt : std::optional(wrong(arg, ""));
  if (!arg.is_list()) return wrong(arg, "");
  for (const Arg& element : arg.list())
    if (!matches(expected.type, element)) return wrong(element, " inside a list");
  return std::nullopt;
}

ArgList bind_arguments(const OpInfo& op, ArgList positional, std::vector<std::pair<std::string, Arg>> keyword) {
  const std::size_t count = op.args.size();
  if (positional.size() > count)
    throw InvalidArgument(fmt::format("{} arguments are given, {} takes {}", positional.size(), op.schema, count),
                          op.name);
  std::vector<std::optional<Arg>> given(count);
  for (std::size_t i = 0; i < positional.size(); ++i) given[i] = std::move(positional[i]);
  for (auto& [name, value] : keyword) {
    const auto it = std::find_if(op.args.begin(), op.args.end(), [&](const SchemaArg& a) { return a.name == name; });
    if (it == op.args.end())
      throw InvalidArgument(fmt::format("no argument is called {} in {}", name, op.schema), op.name);
    auto& slot = given[static_cast<std::size_t>(it - op.args.begin())];
    if (slot) throw InvalidArgument(fmt::format("argument {} is given twice", name), op.name);
    slot = std::move(value);
  }
  ArgList bound;
  bound.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const SchemaArg& expected = op.args[i];
    if (!given[i]) given[i] = expected.default_value;
    if (!given[i] && expected.optional) given[i] = None{};
    if (!given[i])
      throw InvalidArgument(fmt::format("argument {} of {} is missing", expected.name, op.schema), op.name);
    bound.push_back(adapt(expected, *std::move(given[i])));
    if (auto problem = argument_problem(expected, bound.back())) throw InvalidArgument(*std::move(problem), op.name);
  }
  return bound;
}

}  // namespace aitune

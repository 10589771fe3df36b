// Checked access to arguments, and what is asked of a type or a node.

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

[[noreturn]] void mismatch(const Arg& arg, std::string_view expected) {
  throw InternalError(fmt::format("an argument is {}, expected {}", arg.kind_name(), expected), "Arg");
}

template <typename T>
const T& get(const Arg& arg, std::string_view expected) {
  if (const T* value = std::get_if<T>(&arg)) return *value;
  mismatch(arg, expected);
}

}  // namespace

std::string_view Arg::kind_name() const {
  static constexpr std::array<std::string_view, 9> names = {
      "None", "a bool", "an integer", "a float", "a string", "a dtype", "a memory format", "a tensor", "a list"};
  static_assert(std::variant_size_v<Base> == names.size());
  return names[index()];
}

Value* Arg::value() const { return get<Value*>(*this, "a tensor"); }
Value* Arg::value_or_null() const { return is_none() ? nullptr : get<Value*>(*this, "a tensor or None"); }
const ArgList& Arg::list() const { return get<ArgList>(*this, "a list"); }
const SymInt& Arg::sym() const { return get<SymInt>(*this, "an integer"); }
bool Arg::boolean() const { return get<bool>(*this, "a bool"); }
const std::string& Arg::string() const { return get<std::string>(*this, "a string"); }

std::int64_t Arg::integer() const {
  if (const bool* flag = std::get_if<bool>(this)) return *flag ? 1 : 0;
  if (const auto value = get<SymInt>(*this, "an integer").as_constant()) return *value;
  throw InternalError(fmt::format("an argument is the symbolic size {}, expected a constant", sym().str()), "Arg");
}

double Arg::number() const {
  if (const double* value = std::get_if<double>(this)) return *value;
  if (!std::holds_alternative<bool>(*this) && !std::holds_alternative<SymInt>(*this)) mismatch(*this, "a number");
  return static_cast<double>(integer());
}

SymShape Arg::sym_list() const {
  SymShape result;
  for (const Arg& element : list()) result.push_back(element.sym());
  return result;
}

std::vector<std::int64_t> Arg::int_list() const {
  std::vector<std::int64_t> result;
  for (const Arg& element : list()) result.push_back(element.integer());
  return result;
}

std::string_view Node::op_name() const { return op == nullptr ? std::string_view("no operator") : op->name; }

std::vector<Value*> Node::operands() const {
  std::vector<Value*> result;
  for_each_value(args, [&](Value* value) { result.push_back(value); });
  return result;
}

std::string to_string(const TensorType& type) { return std::string(dtype_name(type.dtype)) + to_string(type.shape); }

}  // namespace aitune

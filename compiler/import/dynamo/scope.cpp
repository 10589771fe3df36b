#include "compiler/import/dynamo/scope.h"

#include <fmt/format.h>

#include "compiler/import/dynamo/tensor_meta.h"

namespace aitune::dynamo {

void Scope::claim(const JsonView& name) {
  if (!names_.insert(name.string()).second)
    name.corrupt(fmt::format("the name \"{}\" is defined a second time", printable(name.string())));
}

void Scope::define_tensor(const JsonView& name, Value* value) {
  claim(name);
  tensors_.emplace(name.string(), value);
}

void Scope::define_size(const JsonView& name, SymInt size) {
  claim(name);
  sizes_.emplace(name.string(), std::move(size));
}

void Scope::define_number(const JsonView& name, Value* number, std::optional<SymInt> size,
                          std::optional<SizeFact> fact) {
  claim(name);
  numbers_.emplace(name.string(), number);
  if (size) sizes_.emplace(name.string(), *std::move(size));
  if (fact) facts_.emplace(name.string(), *std::move(fact));
}

Value* Scope::number(const std::string& name) const {
  const auto it = numbers_.find(name);
  return it == numbers_.end() ? nullptr : it->second;
}

void Scope::define_opaque(const JsonView& name) { claim(name); }

void Scope::define_fact(const JsonView& name, SizeFact fact) {
  claim(name);
  facts_.emplace(name.string(), std::move(fact));
}

const SizeFact* Scope::fact(const std::string& name) const {
  const auto it = facts_.find(name);
  return it == facts_.end() ? nullptr : &it->second;
}

Value* Scope::tensor(const JsonView& name) const {
  const auto it = tensors_.find(name.string());
  if (it != tensors_.end()) return it->second;
  name.corrupt(
      fmt::format("\"{}\" is used here but no tensor of that name is defined before", printable(name.string())));
}

const SymInt& Scope::size(const JsonView& name) const {
  const auto it = sizes_.find(name.string());
  if (it != sizes_.end()) return it->second;
  if (names_.contains(name.string()) && !tensors_.contains(name.string()))
    name.unsupported(fmt::format("\"{}\" is a symbolic float or bool, computed from sizes", printable(name.string())),
                     "export with static shapes, or compute it with tensors");
  name.corrupt(fmt::format("\"{}\" is used here but no size of that name is defined before", printable(name.string())));
}

TensorType Scope::declared_type(const JsonView& name) const {
  const auto meta = graph_.at("tensor_values").find(name.string());
  if (!meta) name.corrupt(fmt::format("tensor_values says nothing of \"{}\"", printable(name.string())));
  return read_tensor_type(*meta);
}

std::optional<SymInt> Scope::declared_size(const std::string& name) const {
  const auto values = graph_.find("sym_int_values");
  const auto size = values ? values->find(name) : std::nullopt;
  return size ? std::optional(read_size(*size)) : std::nullopt;
}

}  // namespace aitune::dynamo

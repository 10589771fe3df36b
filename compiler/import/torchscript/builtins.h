#pragma once
// Functions of PyTorch's that are computed at import, not by nodes: arithmetic on sizes, lists, strings, questions
// about tensors.

#include <optional>
#include <span>
#include <string_view>

#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// One call. Nothing where the function has another meaning for these arguments, as an operator.
struct Call {
  Evaluator& evaluator;
  std::string_view name;  ///< "add" of "torch.add", "dtype" of "ops.prim.dtype"
  Vals& args;
  Keywords& keywords;

  std::size_t size() const { return args.size(); }
  const Val& operator[](std::size_t i) const {
    if (i >= args.size()) evaluator.unsupported("a call that lacks arguments: " + std::string(name));
    return args[i];
  }
  /// A keyword's value; null if it is not given.
  const Val* keyword(std::string_view key) const {
    for (const auto& [name_, value] : keywords)
      if (name_ == key) return &value;
    return nullptr;
  }
};
using BuiltinFunction = std::optional<Val> (*)(Call& call);

/// All of this name: what the first gives that gives anything counts.
std::span<const BuiltinFunction> find_builtins(std::string_view name);

/// An integer that is known. Unsupported for a size that moves, and for a number that data decide.
std::int64_t known_integer(Call& call, const Val& value);
/// The place in a list, counted from its end if negative.
std::size_t place_in_list(Call& call, const Val& value, std::size_t size);
/// The item of a dict with this key; null if there is none. Unsupported where only data tell.
const std::pair<Val, Val>* find_in_dict(Evaluator& evaluator, const DictItems& items, const Val& key);

/// What to do where a list has as many items as data decide.
inline constexpr std::string_view kGrownListFix =
    "let it become longer by append() alone, and give it to torch.stack() or torch.cat()";

/// An operator over a list of numbers that has as many as data decide, the only argument; nothing for other lists.
std::optional<Val> over_grown(Call& call, std::string_view op);

/// list.extend(more): gives the list, which `call` has first; nothing where the second argument holds no items.
std::optional<Val> extend_list(Call& call);

class BuiltinTable;
// One function a family (builtins_FAMILY.cpp).
void add_arithmetic(BuiltinTable& table);
void add_lists(BuiltinTable& table);
void add_dicts(BuiltinTable& table);
void add_containers(BuiltinTable& table);
void add_strings(BuiltinTable& table);
void add_modes(BuiltinTable& table);
void add_tensor_questions(BuiltinTable& table);
void add_tensor_makers(BuiltinTable& table);

class BuiltinTable {
 public:
  void add(std::initializer_list<std::string_view> names, BuiltinFunction function) {
    for (const auto name : names) functions_[name].push_back(function);
  }
  std::span<const BuiltinFunction> find(std::string_view name) const {
    const auto found = functions_.find(name);
    return found == functions_.end() ? std::span<const BuiltinFunction>() : found->second;
  }

 private:
  std::unordered_map<std::string_view, std::vector<BuiltinFunction>> functions_;
};

}  // namespace aitune::torchscript

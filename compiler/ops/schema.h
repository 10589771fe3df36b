#pragma once
// The operators: parsed schemas of base/ops.def, and the shape and dtype rule of each.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ops.h"
#include "compiler/graph/graph.h"

namespace aitune {

enum class ArgType : std::uint8_t {
  tensor,
  tensor_list,
  optional_tensor_list,
  integer,
  integer_list,
  number /* Scalar or float */,
  number_list,
  boolean,
  boolean_list,
  string,
  dtype,
  memory_format,
  device,
  layout,
};

struct SchemaArg {
  std::string name;
  ArgType type = ArgType::tensor;
  bool optional = false;         ///< None is allowed
  std::optional<int> list_size;  ///< int[2]: a single integer broadcasts to that length
  std::optional<Arg> default_value;
  bool keyword_only = false;
  bool written = false;  ///< Tensor(a!): the operator writes into it
};

struct OpInfo {
  OpId id;
  std::string name;    ///< "aten.add.Tensor"
  std::string schema;  ///< text as in PyTorch's native_functions.yaml, without the namespace
  std::vector<SchemaArg> args;
  std::size_t result_count = 1;
  bool variadic_results = false;  ///< Tensor[] results: split, chunk, unbind
  /// Index of the argument called `name`; InternalError if there is none.
  std::size_t arg_index(std::string_view name) const;
  bool is_inplace() const;   ///< writes into an argument and returns it
  bool has_regions() const;  ///< `if` or `loop`: its nodes have regions, which say what it gives
};

/// The row for "aten.add.Tensor" (".default" may be left out), or nullptr.
const OpInfo* find_op(std::string_view name);
const OpInfo& op_info(OpId id);
std::span<const OpInfo> all_ops();

/// What a call takes for granted of sizes that it cannot compare: lhs == rhs, or lhs >= rhs.
struct SizeFact {
  SymInt lhs, rhs;
  bool equal = true;
};

/// Result types of a call from the types of its arguments. Throws InvalidArgument with what contradicts what, or
/// Unsupported. Sizes may be symbolic; what then has to hold, but is not known to, is appended to `facts`.
std::vector<TensorType> infer_types(const OpInfo& op, const ArgList& args, std::vector<SizeFact>* facts = nullptr);

/// What is wrong with `arg` as this argument ("argument dim is a tensor, expected an integer"); empty if it fits.
std::optional<std::string> argument_problem(const SchemaArg& expected, const Arg& arg);

/// Puts positional and keyword arguments into schema order, fills in defaults, broadcasts int[k], and checks kinds.
/// Throws InvalidArgument naming the argument.
ArgList bind_arguments(const OpInfo& op, ArgList positional, std::vector<std::pair<std::string, Arg>> keyword);

}  // namespace aitune

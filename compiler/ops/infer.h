#pragma once
// What shape rules are written with. A rule computes result types from the types of a call's arguments.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"

namespace aitune::infer {

/// The arguments of one call, by name. A view: it must not outlive what it was made from.
class Call {
 public:
  /// `facts` (or nullptr) takes what the rule relies on without knowing it.
  Call(const OpInfo& op, const ArgList& args, std::vector<SizeFact>* facts = nullptr)
      : op_(op), args_(args), facts_(facts) {}

  const OpInfo& op() const { return op_; }
  /// Whether the schema has an argument of this name.
  bool has(std::string_view name) const;
  const Arg& operator[](std::string_view name) const;
  /// Whether the argument exists and is not None.
  bool given(std::string_view name) const { return has(name) && !(*this)[name].is_none(); }
  const TensorType& tensor(std::string_view name) const { return (*this)[name].value()->type; }
  std::vector<TensorType> tensors(std::string_view name) const;
  const SymShape& shape(std::string_view name) const { return tensor(name).shape; }
  SymInt sym(std::string_view name) const { return (*this)[name].sym(); }
  std::int64_t integer(std::string_view name) const { return (*this)[name].integer(); }
  bool boolean(std::string_view name) const { return (*this)[name].boolean(); }
  SymShape sym_list(std::string_view name) const { return (*this)[name].sym_list(); }
  std::vector<std::int64_t> int_list(std::string_view name) const { return (*this)[name].int_list(); }
  /// The dtype argument, or `otherwise` if it is None.
  DType dtype_or(std::string_view name, DType otherwise) const;
  /// The integer argument made a dimension of a tensor of this rank (negative counts from the end).
  std::size_t dim(std::string_view name, std::size_t rank) const;
  /// The same for a number; `rank` 0 takes 0 and -1 as PyTorch does.
  std::size_t dim(std::int64_t value, std::size_t rank) const;
  /// A list of dimensions; None and the empty list give all. Repeats are refused.
  std::vector<std::size_t> dims(std::string_view name, std::size_t rank) const;
  /// Throws InvalidArgument with the operator's name.
  [[noreturn]] void fail(std::string message) const;
  void require(bool condition, std::string_view message) const {
    if (!condition) fail(std::string(message));
  }
  /// The rule relies on a == b, which it has not found to be wrong.
  void assume_equal(const SymInt& a, const SymInt& b) const;
  /// The rule relies on a >= b; fails if that is certainly wrong.
  void require_at_least(const SymInt& a, const SymInt& b, std::string_view message) const;

 private:
  const OpInfo& op_;
  const ArgList& args_;
  std::vector<SizeFact>* facts_;
};

using Types = std::vector<TensorType>;
/// The rule of operators whose result is like `self`.
inline Types like_self(const Call& call) { return {call.tensor("self")}; }
using Rule = Types (*)(const Call&);

/// The rule of each operator, by OpId; nullptr where there is none.
class RuleTable {
 public:
  RuleTable() : rules_(static_cast<std::size_t>(OpId::count), nullptr) {}
  void add(std::initializer_list<OpId> ids, Rule rule) {
    for (const OpId id : ids) rules_[static_cast<std::size_t>(id)] = rule;
  }
  /// nullptr where there is none, and for custom operators.
  Rule find(OpId id) const { return is_listed(id) ? rules_[static_cast<std::size_t>(id)] : nullptr; }

 private:
  std::vector<Rule> rules_;
};

// One function a family (infer_FAMILY.cpp).
void add_unary_rules(RuleTable& table);
void add_binary_rules(RuleTable& table);
void add_reduction_rules(RuleTable& table);
void add_norm_rules(RuleTable& table);
void add_linear_rules(RuleTable& table);
void add_conv_rules(RuleTable& table);
void add_resample_rules(RuleTable& table);
void add_view_rules(RuleTable& table);
void add_assembly_rules(RuleTable& table);
void add_index_rules(RuleTable& table);
void add_creation_rules(RuleTable& table);
void add_recurrent_rules(RuleTable& table);
void add_distance_rules(RuleTable& table);
void add_loss_rules(RuleTable& table);
void add_data_rules(RuleTable& table);
void add_order_rules(RuleTable& table);
void add_spectral_rules(RuleTable& table);
void add_quantised_rules(RuleTable& table);
void add_linear_algebra_rules(RuleTable& table);
void add_calculus_rules(RuleTable& table);
void add_histogram_rules(RuleTable& table);

/// Refuses a product of integers whose operands are none: u8 input, i8 weight, f32 scale and offset.
void require_quantised(const Call& call);

/// The types that a custom operator's own shape function gives (infer_custom.cpp).
Types infer_custom(const Call& call);

// --- dtypes (infer_types.cpp) ---

/// PyTorch's promotion of two element types.
DType promote(DType a, DType b);
/// PyTorch's result_type over operands in three ranks: dimensioned tensors, 0-dim tensors, plain numbers.
class Promotion {
 public:
  void add(const TensorType& tensor);
  void add(const Arg& tensor_or_number);
  DType result() const;

 private:
  std::optional<DType> dimensioned_, zero_dim_, number_;
};
/// Whether a tensor of this type, as an index, says which positions to keep.
inline bool is_mask(DType t) { return t == DType::b8 || t == DType::u8; }
/// f32 for integers and bool, the type itself otherwise.
DType floating(DType t);
/// c128 for f64 and c128, c64 otherwise; and back.
DType complex_of(DType t);
DType real_of(DType t);

// --- sizes (infer_sizes.cpp) ---

/// Whether two sizes certainly differ.
bool differ(const SymInt& a, const SymInt& b);
/// One size out of two that must be equal (the constant one, if any); fails if they certainly differ.
SymInt unify(const Call& call, const SymInt& a, const SymInt& b);
/// `from` must broadcast to `target`, and to no more.
void broadcast_to(const Call& call, const SymShape& from, const SymShape& target);
/// NumPy broadcasting. A symbolic size is taken to be other than 1, as torch.export does.
SymShape broadcast(const Call& call, const SymShape& a, const SymShape& b);
/// Output size of a sliding window: floor((size + pad_total - dilation * (kernel - 1) - 1) / stride) + 1.
SymInt window_size(const SymInt& size, const SymInt& pad_total, const SymInt& dilation, const SymInt& kernel,
                   const SymInt& stride);
SymInt ceil_div(const SymInt& a, const SymInt& b);
/// Replaces one -1 in `wanted` so that the element count becomes `count`.
SymShape fill_in_size(const Call& call, SymShape wanted, const SymInt& count);
/// Length and bounds of [start, end) by step over `size`, with PyTorch's wrapping and clamping.
SymInt slice_length(const Call& call, const SymInt& size, const Arg& start, const Arg& end, const SymInt& step);

}  // namespace aitune::infer

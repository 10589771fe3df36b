#pragma once
// Elementwise rules by table: an operator is a formula over the elements of its operands.

#include "engines/cpu/compile/op_rules.h"
#include "engines/cpu/compile/scalar.h"

namespace aitune::cpu {

/// The operands of an elementwise node: tensors and numbers alike, all over the result's shape and in one type.
class Operands {
 public:
  Operands(Lowering& lowering, const Node& node);

  /// Argument i as an expression of this type: a tensor's element, a constant, or a size known at run time.
  Scalar get(std::size_t i, ExprType type);
  Scalar tensor(const Value* value) { return lowering_.expression(value, shape_, root_); }
  bool has(std::size_t i) const { return i < node_.args.size() && !node_.args[i].is_none(); }
  double number(std::size_t i) const { return node_.args[i].number(); }

  /// The type in which comparisons are made: that of the widest operand.
  DType common_dtype() const;
  ExprType common_type() const { return arithmetic_type(common_dtype()); }
  ExprType result_type() const { return arithmetic_type(result_dtype()); }
  DType result_dtype() const { return node_.output()->type.dtype; }
  /// Whether nodes of the block read the result (and do not only find it in memory, as readers outside of it do).
  bool result_is_read() const { return lowering_.is_read(node_.output()); }
  const Node& node() const { return node_; }

  /// The node's result.
  void define(const Scalar& formula, bool non_negative = false);

 private:
  Lowering& lowering_;
  const Node& node_;
  SymShape shape_;
  RootPtr root_;  // one pending root may stay pending: of the first operand that has the result's shape
};

/// The formula of an operator; `type` is the arithmetic type of its result.
using Form = Scalar (*)(Operands&, ExprType type);

/// Adds the operator with this formula. `non_negative`: so are its results, whatever the operands are.
void add_form(RuleTable& table, const std::string& name, Form form, Check check = {}, bool non_negative = false);

void add_function_rules(RuleTable& table);  ///< rules_functions.cpp
void add_special_rules(RuleTable& table);   ///< rules_special.cpp

}  // namespace aitune::cpu

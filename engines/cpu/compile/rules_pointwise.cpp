// Elementwise operators: by rule from a table of scalar forms.

#include <cmath>
#include <limits>

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"

namespace aitune::cpu {
namespace {

/// The operands of an elementwise node: tensors and numbers alike, all over the result's shape and in one type.
class Operands {
 public:
  Operands(Lowering& lowering, const Node& node) : lowering_(lowering), node_(node) {
    shape_ = node.output()->type.shape;
    // One pending root may stay pending: the first operand that has the result's shape.
    for (const Value* value : node.operands()) {
      const auto& state = lowering.state(value);
      if (!state.view && state.root && state.shape == shape_ && !root_) root_ = state.root;
    }
  }

  LazyPtr get(std::size_t i, ExprType type) {
    const Arg& arg = node_.args[i];
    if (!arg.is_value()) return make_constant(arg.number(), type);
    return make_cast(tensor(arg.value()), type);
  }
  LazyPtr tensor(const Value* value) { return lowering_.expression(value, shape_, root_); }
  bool has(std::size_t i) const { return !node_.args[i].is_none(); }

  /// The type in which comparisons are made: that of the widest operand.
  ExprType common_type() const {
    ExprType type = ExprType::i64;
    for (const Arg& arg : node_.args) {
      ExprType own = ExprType::i64;
      if (arg.is_value())
        own = arithmetic_type(arg.value()->type.dtype);
      else if (std::holds_alternative<double>(arg))
        own = ExprType::f32;
      if (own == ExprType::f64 || (own == ExprType::f32 && type == ExprType::i64)) type = own;
    }
    return type;
  }

  void define(LazyPtr expr, bool non_negative = false) {
    std::vector<const Node*> sources;
    for (const Value* value : node_.operands()) {
      const auto& state = lowering_.state(value);
      if (!state.view) sources.insert(sources.end(), state.sources.begin(), state.sources.end());
    }
    sources.push_back(&node_);
    lowering_.state(node_.output()).non_negative = non_negative;
    lowering_.define_expression(node_.output(), std::move(expr), root_, std::move(sources));
  }

  ExprType result_type() const { return arithmetic_type(node_.output()->type.dtype); }
  const Node& node() const { return node_; }

 private:
  Lowering& lowering_;
  const Node& node_;
  SymShape shape_;
  RootPtr root_;
};

LazyPtr number(double v, ExprType t = ExprType::f32) { return make_constant(v, t); }
LazyPtr binary(ExprOp op, LazyPtr a, LazyPtr b) {
  const ExprType t = a->type;
  return make_binary(op, std::move(a), std::move(b), t);
}
LazyPtr unary(ExprOp op, LazyPtr a) {
  const ExprType t = a->type;
  return make_unary(op, std::move(a), t);
}
LazyPtr clamp(LazyPtr x, double low, double high) {
  const ExprType t = x->type;
  return binary(ExprOp::min, binary(ExprOp::max, std::move(x), number(low, t)), number(high, t));
}

using Form = LazyPtr (*)(Operands&, ExprType);

void add_rule(RuleTable& table, const char* name, Form form, bool non_negative = false) {
  table[name] = {[form, non_negative](Lowering& lowering, const Node& node) {
                   Operands operands(lowering, node);
                   operands.define(form(operands, operands.result_type()), non_negative);
                 },
                 {}};
}

template <ExprOp op>
LazyPtr unary_form(Operands& o, ExprType t) {
  return make_unary(op, o.get(0, t), t);
}
template <ExprOp op>
LazyPtr binary_form(Operands& o, ExprType t) {
  return make_binary(op, o.get(0, t), o.get(1, t), t);
}
template <ExprOp op>
LazyPtr compare_form(Operands& o, ExprType) {
  const ExprType common = o.common_type();
  return make_binary(op, o.get(0, common), o.get(1, common), ExprType::i64);
}
/// add and sub: the second operand times alpha (argument 2).
template <ExprOp op>
LazyPtr alpha_form(Operands& o, ExprType t) {
  LazyPtr other = o.get(1, t);
  const double alpha = o.node().args[2].number();
  if (alpha != 1) other = binary(ExprOp::mul, other, number(alpha, t));
  return make_binary(op, o.get(0, t), other, t);
}
template <ExprOp op>
LazyPtr logical_form(Operands& o, ExprType) {
  const ExprType common = o.common_type();
  const auto truth = [&](std::size_t i) {
    return make_binary(ExprOp::ne, o.get(i, common), number(0, common), ExprType::i64);
  };
  return make_binary(op, truth(0), truth(1), ExprType::i64);
}

LazyPtr gelu_form(Operands& o, ExprType t) {
  const LazyPtr x = o.get(0, t);
  if (o.node().args[1].string() == "tanh") {
    const LazyPtr cube = binary(ExprOp::mul, binary(ExprOp::mul, x, x), x);
    const LazyPtr inner = binary(ExprOp::mul, number(std::sqrt(2 / M_PI), t),
                                 make_binary(ExprOp::add, x, binary(ExprOp::mul, cube, number(0.044715, t)), t));
    return binary(ExprOp::mul, binary(ExprOp::mul, x, number(0.5, t)),
                  binary(ExprOp::add, unary(ExprOp::tanh, inner), number(1, t)));
  }
  const LazyPtr erf = unary(ExprOp::erf, binary(ExprOp::mul, x, number(M_SQRT1_2, t)));
  return binary(ExprOp::mul, binary(ExprOp::mul, x, number(0.5, t)), binary(ExprOp::add, erf, number(1, t)));
}

LazyPtr hardsigmoid(LazyPtr x) {
  const ExprType t = x->type;
  return binary(ExprOp::mul, clamp(binary(ExprOp::add, std::move(x), number(3, t)), 0, 6), number(1.0 / 6, t));
}

LazyPtr clamp_form(Operands& o, ExprType t) {
  LazyPtr x = o.get(0, t);
  if (o.node().args.size() > 1 && o.has(1)) x = binary(ExprOp::max, x, o.get(1, t));
  if (o.node().args.size() > 2 && o.has(2)) x = binary(ExprOp::min, x, o.get(2, t));
  return x;
}

LazyPtr pow_scalar_form(Operands& o, ExprType t) {
  const LazyPtr x = o.get(0, t);
  const double e = o.node().args[1].number();
  if (e == 2) return binary(ExprOp::mul, x, x);
  if (e == 3) return binary(ExprOp::mul, binary(ExprOp::mul, x, x), x);
  if (e == 1) return x;
  if (e == 0.5 && t != ExprType::i64) return unary(ExprOp::sqrt, x);
  if (e == -0.5 && t != ExprType::i64) return unary(ExprOp::rsqrt, x);
  if (e == -1 && t != ExprType::i64) return unary(ExprOp::reciprocal, x);
  return binary(ExprOp::pow, x, number(e, t));
}

LazyPtr where_form(Operands& o, ExprType t) { return make_select(o.get(0, ExprType::i64), o.get(1, t), o.get(2, t)); }

void add_unary_rules(RuleTable& table) {
  add_rule(
      table, "aten.relu.default",
      [](Operands& o, ExprType t) { return binary(ExprOp::max, o.get(0, t), number(0, t)); }, true);
  add_rule(table, "aten.neg.default", unary_form<ExprOp::neg>);
  add_rule(table, "aten.abs.default", unary_form<ExprOp::abs>);
  add_rule(table, "aten.sqrt.default", unary_form<ExprOp::sqrt>);
  add_rule(table, "aten.rsqrt.default", unary_form<ExprOp::rsqrt>);
  add_rule(table, "aten.reciprocal.default", unary_form<ExprOp::reciprocal>);
  add_rule(table, "aten.exp.default", unary_form<ExprOp::exp>);
  add_rule(table, "aten.log.default", unary_form<ExprOp::log>);
  add_rule(table, "aten.tanh.default", unary_form<ExprOp::tanh>);
  add_rule(table, "aten.erf.default", unary_form<ExprOp::erf>);
  add_rule(table, "aten.sigmoid.default", unary_form<ExprOp::sigmoid>);
  add_rule(table, "aten.sin.default", unary_form<ExprOp::sin>);
  add_rule(table, "aten.cos.default", unary_form<ExprOp::cos>);
  add_rule(table, "aten.floor.default", unary_form<ExprOp::floor>);
  add_rule(table, "aten.ceil.default", unary_form<ExprOp::ceil>);
  add_rule(table, "aten.round.default", unary_form<ExprOp::round>);
  add_rule(table, "aten.trunc.default", unary_form<ExprOp::trunc>);
  add_rule(table, "aten.gelu.default", gelu_form);
  add_rule(table, "aten.silu.default", [](Operands& o, ExprType t) {
    const LazyPtr x = o.get(0, t);
    return binary(ExprOp::mul, x, unary(ExprOp::sigmoid, x));
  });
  add_rule(table, "aten.hardsigmoid.default", [](Operands& o, ExprType t) { return hardsigmoid(o.get(0, t)); }, true);
  add_rule(table, "aten.hardswish.default", [](Operands& o, ExprType t) {
    const LazyPtr x = o.get(0, t);
    return binary(ExprOp::mul, x, hardsigmoid(x));
  });
  add_rule(table, "aten.leaky_relu.default", [](Operands& o, ExprType t) {
    const LazyPtr x = o.get(0, t);
    return make_select(make_binary(ExprOp::gt, x, number(0, t), ExprType::i64), x, binary(ExprOp::mul, x, o.get(1, t)));
  });
  add_rule(table, "aten.logical_not.default", [](Operands& o, ExprType) {
    const ExprType c = o.common_type();
    return make_binary(ExprOp::eq, o.get(0, c), number(0, c), ExprType::i64);
  });
  add_rule(table, "aten.bitwise_not.default", [](Operands& o, ExprType t) {
    if (o.node().output()->type.dtype == DType::b8) return make_binary(ExprOp::eq, o.get(0, t), number(0, t), t);
    return make_unary(ExprOp::bitwise_not, o.get(0, t), t);
  });
  add_rule(table, "aten.clamp.default", clamp_form);
  add_rule(table, "aten.clamp_min.default", clamp_form);
  add_rule(table, "aten.clamp_max.default",
           [](Operands& o, ExprType t) { return binary(ExprOp::min, o.get(0, t), o.get(1, t)); });
  for (const char* name : {"aten._to_copy.default", "aten.to.dtype", "aten.clone.default", "aten.alias.default"})
    add_rule(table, name, [](Operands& o, ExprType t) {
      const LazyPtr x = o.tensor(o.node().args[0].value());
      if (o.node().output()->type.dtype == DType::b8 && x->type != ExprType::i64)
        return make_binary(ExprOp::ne, x, number(0, x->type), ExprType::i64);
      if (o.node().output()->type.dtype == DType::b8 && o.node().args[0].value()->type.dtype != DType::b8)
        return make_binary(ExprOp::ne, x, number(0, x->type), ExprType::i64);
      return make_cast(x, t);
    });
}

void add_binary_rules(RuleTable& table) {
  for (const char* name : {"aten.add.Tensor", "aten.add.Scalar"}) add_rule(table, name, alpha_form<ExprOp::add>);
  for (const char* name : {"aten.sub.Tensor", "aten.sub.Scalar"}) add_rule(table, name, alpha_form<ExprOp::sub>);
  for (const char* name : {"aten.mul.Tensor", "aten.mul.Scalar"}) add_rule(table, name, binary_form<ExprOp::mul>);
  for (const char* name : {"aten.div.Tensor", "aten.div.Scalar"}) add_rule(table, name, binary_form<ExprOp::div>);
  add_rule(table, "aten.maximum.default", binary_form<ExprOp::max>);
  add_rule(table, "aten.minimum.default", binary_form<ExprOp::min>);
  add_rule(table, "aten.pow.Tensor_Tensor", binary_form<ExprOp::pow>);
  add_rule(table, "aten.pow.Tensor_Scalar", pow_scalar_form);
  const auto compare = [&](const std::string& base, Form form) {
    for (const char* overload : {".Tensor", ".Scalar"}) add_rule(table, ("aten." + base + overload).c_str(), form);
  };
  compare("eq", compare_form<ExprOp::eq>);
  compare("ne", compare_form<ExprOp::ne>);
  compare("lt", compare_form<ExprOp::lt>);
  compare("le", compare_form<ExprOp::le>);
  compare("gt", compare_form<ExprOp::gt>);
  compare("ge", compare_form<ExprOp::ge>);
  add_rule(table, "aten.logical_and.default", logical_form<ExprOp::logical_and>);
  add_rule(table, "aten.logical_or.default", logical_form<ExprOp::logical_or>);
  for (const char* overload : {".Tensor", ".Scalar"}) {
    add_rule(table, (std::string("aten.bitwise_and") + overload).c_str(), binary_form<ExprOp::bitwise_and>);
    add_rule(table, (std::string("aten.bitwise_or") + overload).c_str(), binary_form<ExprOp::bitwise_or>);
    add_rule(table, (std::string("aten.bitwise_xor") + overload).c_str(), binary_form<ExprOp::bitwise_xor>);
  }
  for (const char* name : {"aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar"})
    add_rule(table, name, where_form);
  for (const char* name : {"aten.masked_fill.Scalar", "aten.masked_fill.Tensor"})
    add_rule(table, name,
             [](Operands& o, ExprType t) { return make_select(o.get(1, ExprType::i64), o.get(2, t), o.get(0, t)); });
}

/// Tensors without memory: arange, full and their kin.
void add_creation_rules(RuleTable& table) {
  const auto fill = [](std::size_t value_arg) {
    return [value_arg](Lowering& lowering, const Node& node) {
      const double value = value_arg < node.args.size() ? node.args[value_arg].number() : 0;
      lowering.define_expression(node.output(), make_constant(value, arithmetic_type(node.output()->type.dtype)),
                                 nullptr, {&node});
    };
  };
  table["aten.full.default"] = {fill(1), {}};
  table["aten.full_like.default"] = {fill(1), {}};
  table["aten.scalar_tensor.default"] = {fill(0), {}};
  const auto constant = [](double value) {
    return [value](Lowering& lowering, const Node& node) {
      lowering.define_expression(node.output(), make_constant(value, arithmetic_type(node.output()->type.dtype)),
                                 nullptr, {&node});
    };
  };
  for (const char* name : {"aten.ones.default", "aten.ones_like.default", "aten.new_ones.default"})
    table[name] = {constant(1), {}};
  for (const char* name : {"aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default"})
    table[name] = {constant(0), {}};
  const auto arange = [](std::size_t start, std::size_t step) {
    return [start, step](Lowering& lowering, const Node& node) {
      const auto at = [&](std::size_t i, std::int64_t fallback) { return i < 9 ? node.args[i].integer() : fallback; };
      Affine map{at(start, 0), {SymInt(at(step, 1))}};
      lowering.define_expression(node.output(),
                                 make_cast(make_index(std::move(map)), arithmetic_type(node.output()->type.dtype)),
                                 nullptr, {&node});
    };
  };
  const auto integers = [](std::vector<std::size_t> args) {
    return [args](const Node& node) {
      for (const auto i : args)
        if (!std::holds_alternative<SymInt>(node.args[i]) || !node.args[i].sym().is_constant())
          return Support::no("its range is not made of constant integers");
      return Support::yes();
    };
  };
  table["aten.arange.default"] = {arange(9, 9), integers({})};
  table["aten.arange.start"] = {arange(0, 9), integers({0})};
  table["aten.arange.start_step"] = {arange(0, 2), integers({0, 2})};
}

}  // namespace

void add_pointwise_rules(RuleTable& table) {
  add_unary_rules(table);
  add_binary_rules(table);
  add_creation_rules(table);
}

}  // namespace aitune::cpu

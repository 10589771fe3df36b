#include "compiler/passes/split_complex.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <functional>
#include <limits>
#include <unordered_map>

#include "compiler/passes/complex_parts.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

using Parts = ComplexParts;

DType part_type(DType dtype) { return dtype == DType::c128 ? DType::f64 : dtype == DType::c64 ? DType::f32 : dtype; }

template <typename T>
std::pair<Tensor, Tensor> parts_as(const Tensor& dense) {
  const auto* numbers = dense.as<const std::complex<T>>();
  const DType dtype = part_type(dense.dtype());
  Tensor re(dtype, dense.shape()), im(dtype, dense.shape());
  for (std::int64_t i = 0; i < dense.numel(); ++i) {
    re.as<T>()[i] = numbers[i].real();
    im.as<T>()[i] = numbers[i].imag();
  }
  return {re, im};
}

/// The parts of a complex constant.
std::pair<Tensor, Tensor> parts_of(const Tensor& tensor) {
  const Tensor dense = tensor.contiguous();
  return dense.dtype() == DType::c128 ? parts_as<double>(dense) : parts_as<float>(dense);
}

/// What rules see of a node: its operands in parts.
class SplitCall {
 public:
  SplitCall(Inserter& inserter, const Node& call, std::function<Parts(Value*)> parts)
      : insert(inserter), node(call), parts_(std::move(parts)) {}

  Inserter& insert;
  const Node& node;

  Parts operand(std::size_t i) { return parts_(node.args.at(i).value()); }
  Parts parts(Value* value) { return parts_(value); }
  /// The operand in the type of the result's parts.
  Parts promoted(std::size_t i) {
    const Parts x = operand(i);
    const DType dtype = part_type(node.output()->type.dtype);
    return {insert.cast(x.re, dtype), x.im == nullptr ? nullptr : insert.cast(x.im, dtype)};
  }
  /// The imaginary part, spelled out.
  Value* imaginary(const Parts& x) { return x.im != nullptr ? x.im : zeros_like(x.re); }
  Value* zeros_like(Value* x) { return insert.expand(insert.scalar(x->type.dtype, 0), x->type.shape); }
  Value* call(std::string_view op, ArgList args) { return insert.call(op, std::move(args)); }
  Value* times(Value* a, Value* b) { return call("aten.mul.Tensor", {a, b}); }
  Value* plus(Value* a, Value* b) { return call("aten.add.Tensor", {a, b}); }
  Value* minus(Value* a, Value* b) { return call("aten.sub.Tensor", {a, b}); }

 private:
  std::function<Parts(Value*)> parts_;
};

/// A real result has no imaginary part; nothing: no rule for this call.
using SplitRule = std::optional<Parts> (*)(SplitCall&);

/// The operator on each part, with the other arguments as they are.
std::optional<Parts> on_each_part(SplitCall& c) {
  const auto apply = [&](bool imaginary) {
    ArgList args = c.node.args;
    for (Arg& arg : args)
      if (DType* dtype = std::get_if<DType>(&arg)) *dtype = part_type(*dtype);
    map_operands(args, [&](Value* value) {
      if (!is_complex(value->type.dtype)) return value;
      const Parts p = c.parts(value);
      return imaginary ? c.imaginary(p) : p.re;
    });
    return c.call(c.node.op_name(), std::move(args));
  };
  return Parts{apply(false), apply(true)};
}

/// Joined values may be real among complex ones.
std::optional<Parts> joined_parts(SplitCall& c) {
  ArgList re, im;
  const DType dtype = part_type(c.node.output()->type.dtype);
  for (const Arg& arg : c.node.args.at(0).list()) {
    const Parts p = c.parts(arg.value());
    re.emplace_back(c.insert.cast(p.re, dtype));
    im.emplace_back(c.insert.cast(c.imaginary(p), dtype));
  }
  return Parts{c.call("aten.cat.default", {re, c.node.args[1]}), c.call("aten.cat.default", {im, c.node.args[1]})};
}

/// Padding is with a real number.
std::optional<Parts> padded_parts(SplitCall& c) {
  if (!constant_number(c.node.args.at(2))) return std::nullopt;
  const Parts x = c.operand(0);
  return Parts{c.call(c.node.op_name(), {x.re, c.node.args[1], c.node.args[2]}),
               c.call(c.node.op_name(), {c.imaginary(x), c.node.args[1], 0.0})};
}

std::optional<Parts> chosen_parts(SplitCall& c) {
  const Parts yes = c.promoted(1), no = c.promoted(2);
  const auto choose = [&](Value* a, Value* b) { return c.call("aten.where.self", {c.node.args[0], a, b}); };
  return Parts{choose(yes.re, no.re), choose(c.imaginary(yes), c.imaginary(no))};
}

std::optional<Parts> cast_parts(SplitCall& c) {
  const Parts x = c.operand(0);
  const DType to = c.node.output()->type.dtype, part = part_type(to);
  if (to == DType::b8 && x.im != nullptr) {  // true where either part is
    Value *re = c.insert.cast(x.re, to), *im = c.insert.cast(x.im, to);
    return Parts{c.call("aten.logical_or.default", {re, im}), nullptr};
  }
  if (!is_complex(to)) return Parts{c.insert.cast(x.re, to), nullptr};
  return Parts{c.insert.cast(x.re, part), x.im == nullptr ? nullptr : c.insert.cast(x.im, part)};
}

std::optional<Parts> same_parts(SplitCall& c) { return c.operand(0); }

/// a + alpha b, or a - alpha b.
std::optional<Parts> sum_parts(SplitCall& c) {
  const Arg& alpha = argument(c.node, "alpha");
  if (!constant_number(alpha)) return std::nullopt;
  const Parts a = c.promoted(0), b = c.promoted(1);
  const SymShape& shape = c.node.output()->type.shape;
  const auto combine = [&](Value* x, Value* y) { return c.call(c.node.op_name(), {x, y, alpha}); };
  Value* re = combine(a.re, b.re);
  if (b.im == nullptr) return Parts{re, a.im == nullptr ? nullptr : c.insert.expand(a.im, shape)};
  return Parts{re, combine(c.imaginary(a), b.im)};
}

Parts multiplied(SplitCall& c, const Parts& a, const Parts& b) {
  if (b.im == nullptr) return {c.times(a.re, b.re), a.im == nullptr ? nullptr : c.times(a.im, b.re)};
  if (a.im == nullptr) return multiplied(c, b, a);
  return {c.minus(c.times(a.re, b.re), c.times(a.im, b.im)), c.plus(c.times(a.re, b.im), c.times(a.im, b.re))};
}

std::optional<Parts> product_parts(SplitCall& c) { return multiplied(c, c.promoted(0), c.promoted(1)); }

std::optional<Parts> quotient_parts(SplitCall& c) {
  const Parts a = c.promoted(0), b = c.promoted(1);
  const auto over = [&](Value* x, Value* y) { return c.call("aten.div.Tensor", {x, y}); };
  if (b.im == nullptr) return Parts{over(a.re, b.re), a.im == nullptr ? nullptr : over(a.im, b.re)};
  // The larger part of the divisor is taken out of it (Smith, 1962), as PyTorch does.
  const auto choose =
      [&, large = c.call("aten.ge.Tensor", {c.call("aten.abs.default", {b.re}), c.call("aten.abs.default", {b.im})})](
          Value* x, Value* y) { return c.call("aten.where.self", {large, x, y}); };
  Value *larger = choose(b.re, b.im), *smaller = choose(b.im, b.re), *ratio = over(smaller, larger);
  Value* below = c.plus(larger, c.times(smaller, ratio));
  Value *re = a.re, *im = c.imaginary(a);
  Value *re_times = c.times(re, ratio), *im_times = c.times(im, ratio);
  return Parts{over(choose(c.plus(re, im_times), c.plus(re_times, im)), below),
               over(choose(c.minus(im, re_times), c.minus(im_times, re)), below)};
}

/// A real number times both parts, or divided into both.
std::optional<Parts> scaled_parts(SplitCall& c) {
  if (!constant_number(c.node.args.at(1))) return std::nullopt;
  const Parts x = c.operand(0);
  const auto scaled = [&](Value* part) { return c.call(c.node.op_name(), {part, c.node.args[1]}); };
  return Parts{scaled(x.re), x.im == nullptr ? nullptr : scaled(x.im)};
}

/// A real number added to the real part, or subtracted from it.
std::optional<Parts> offset_parts(SplitCall& c) {
  if (!constant_number(c.node.args.at(1))) return std::nullopt;
  const Parts x = c.operand(0);
  ArgList args = c.node.args;
  args[0] = x.re;
  return Parts{c.call(c.node.op_name(), std::move(args)), x.im};
}

std::optional<Parts> negative_parts(SplitCall& c) {
  const Parts x = c.operand(0);
  const auto negated = [&](Value* part) { return c.call("aten.neg.default", {part}); };
  return Parts{negated(x.re), x.im == nullptr ? nullptr : negated(x.im)};
}

std::optional<Parts> conjugate_parts(SplitCall& c) {
  const Parts x = c.operand(0);
  return Parts{x.re, x.im == nullptr ? nullptr : c.call("aten.neg.default", {x.im})};
}

std::optional<Parts> real_part(SplitCall& c) { return Parts{c.operand(0).re, nullptr}; }
std::optional<Parts> imaginary_part(SplitCall& c) { return Parts{c.imaginary(c.operand(0)), nullptr}; }

std::optional<Parts> parts_as_pairs(SplitCall& c) {
  const Parts x = c.operand(0);
  SymShape column = x.re->type.shape;
  column.emplace_back(1);
  const auto last = static_cast<std::int64_t>(column.size()) - 1;
  const ArgList both = {c.insert.view(x.re, column), c.insert.view(c.imaginary(x), column)};
  return Parts{c.call("aten.cat.default", {both, SymInt(last)}), nullptr};
}

std::optional<Parts> pairs_as_parts(SplitCall& c) {
  Value* pairs = c.node.args.at(0).value();
  const auto last = SymInt(static_cast<std::int64_t>(rank(pairs)) - 1);
  return Parts{c.call("aten.select.int", {pairs, last, SymInt(0)}),
               c.call("aten.select.int", {pairs, last, SymInt(1)})};
}

std::optional<Parts> given_parts(SplitCall& c) {
  const SymShape& shape = c.node.output()->type.shape;
  return Parts{c.insert.expand(c.node.args.at(0).value(), shape), c.insert.expand(c.node.args.at(1).value(), shape)};
}

std::optional<Parts> polar_parts(SplitCall& c) {
  Value *length = c.node.args.at(0).value(), *angle = c.node.args.at(1).value();
  return Parts{c.times(length, c.call("aten.cos.default", {angle})),
               c.times(length, c.call("aten.sin.default", {angle}))};
}

std::optional<Parts> absolute(SplitCall& c) {
  const Parts x = c.operand(0);
  if (x.im == nullptr) return Parts{c.call("aten.abs.default", {x.re}), nullptr};
  // The larger part is taken out, so that its square cannot be too large, or nothing.
  Value *a = c.call("aten.abs.default", {x.re}), *b = c.call("aten.abs.default", {x.im});
  Value *large = c.call("aten.maximum.default", {a, b}), *small = c.call("aten.minimum.default", {a, b});
  Value* zero = c.call("aten.eq.Scalar", {large, SymInt(0)});
  Value* ratio = c.call("aten.div.Tensor", {small, large});
  ratio = c.call("aten.where.self", {zero, large, ratio});
  Value* root = c.call("aten.sqrt.default", {c.call("aten.add.Scalar", {c.times(ratio, ratio), SymInt(1)})});
  Value* infinite = c.call("aten.eq.Scalar", {large, std::numeric_limits<double>::infinity()});
  return Parts{c.call("aten.where.self", {infinite, large, c.times(large, root)}), nullptr};
}

std::optional<Parts> angle_of(SplitCall& c) {
  const Parts x = c.operand(0);
  return Parts{c.call("aten.atan2.default", {c.imaginary(x), x.re}), nullptr};
}

std::optional<Parts> exponential(SplitCall& c) {
  const Parts x = c.operand(0);
  Value* length = c.call("aten.exp.default", {x.re});
  if (x.im == nullptr) return Parts{length, nullptr};
  return Parts{c.times(length, c.call("aten.cos.default", {x.im})),
               c.times(length, c.call("aten.sin.default", {x.im}))};
}

/// [A, B] times [[C, D], [-D, C]]: one product of twice the depth for each part.
std::optional<Parts> matrix_product_parts(SplitCall& c) {
  const Parts a = c.operand(0), b = c.operand(1);
  const std::string_view op = c.node.op_name();
  const auto depth = static_cast<std::int64_t>(rank(b.re)) - 2;
  const auto times = [&](Value* x, Value* y) { return c.call(op, {x, y}); };
  if (b.im == nullptr) return Parts{times(a.re, b.re), a.im == nullptr ? nullptr : times(a.im, b.re)};
  if (a.im == nullptr) return Parts{times(a.re, b.re), times(a.re, b.im)};
  Value* left = c.call("aten.cat.default", {ArgList{a.re, a.im}, SymInt(depth + 1)});
  const auto stacked = [&](Value* above, Value* below) {
    return c.call("aten.cat.default", {ArgList{above, below}, SymInt(depth)});
  };
  return Parts{times(left, stacked(b.re, c.call("aten.neg.default", {b.im}))), times(left, stacked(b.im, b.re))};
}

std::optional<Parts> equal_parts(SplitCall& c) {
  const Parts a = c.operand(0), b = c.operand(1);
  const bool equal = c.node.op_name() == "aten.eq.Tensor";
  Value* re = c.call(c.node.op_name(), {a.re, b.re});
  Value* im = c.call(c.node.op_name(), {c.imaginary(a), c.imaginary(b)});
  return Parts{c.call(equal ? "aten.bitwise_and.Tensor" : "aten.bitwise_or.Tensor", {re, im}), nullptr};
}

/// 1, 1 / sqrt(n) or 1 / n, where n is the number of elements along `dims`.
std::optional<double> transform_scale(const Node& node, const SymShape& shape, const std::vector<std::int64_t>& dims) {
  double n = 1;
  for (const std::int64_t dim : dims) {
    const auto size = shape.at(static_cast<std::size_t>(dim)).as_constant();
    if (!size || *size <= 0) return std::nullopt;
    n *= static_cast<double>(*size);
  }
  const std::int64_t normalization = argument(node, "normalization").integer();
  return normalization == 0 ? 1 : normalization == 1 ? 1 / std::sqrt(n) : 1 / n;
}

std::vector<std::int64_t> transform_dims(const Node& node) {
  std::vector<std::int64_t> dims = argument(node, "dim").int_list();
  for (std::int64_t& dim : dims) dim = wrap_dim(dim, rank(operand(node)));
  return dims;
}

std::optional<Parts> transform_parts(SplitCall& c, Parts x, bool forward) {
  const auto dims = transform_dims(c.node);
  const auto scale = transform_scale(c.node, x.re->type.shape, dims);
  if (!scale) return std::nullopt;
  const Parts result = fourier_transform(c.insert, x, dims, forward, *scale);
  return result.re == nullptr ? std::nullopt : std::optional(result);
}

std::optional<Parts> complex_to_complex(SplitCall& c) {
  return transform_parts(c, c.operand(0), argument(c.node, "forward").boolean());
}

std::optional<Parts> real_to_complex(SplitCall& c) {
  const auto whole = transform_parts(c, {operand(c.node), nullptr}, true);
  if (!whole || !argument(c.node, "onesided").boolean()) return whole;
  const std::int64_t dim = transform_dims(c.node).back();
  const SymInt& half = c.node.output()->type.shape.at(static_cast<std::size_t>(dim));
  return Parts{c.insert.slice(whole->re, dim, 0, half), c.insert.slice(whole->im, dim, 0, half)};
}

/// Backwards over all dims but the last, of which half is there.
std::optional<Parts> complex_to_real(SplitCall& c) {
  Parts x = c.operand(0);
  auto dims = transform_dims(c.node);
  const auto size = argument(c.node, "last_dim_size").sym().as_constant();
  const auto scale = transform_scale(c.node, c.node.output()->type.shape, dims);
  if (!size || !scale || x.re->type.dtype != DType::f32) return std::nullopt;
  const std::int64_t last = dims.back();
  dims.pop_back();
  if (!dims.empty()) x = fourier_transform(c.insert, x, dims, false, 1);
  Value* signal = x.re == nullptr ? nullptr : real_signal(c.insert, x, last, *size, *scale);
  return signal == nullptr ? std::nullopt : std::optional(Parts{signal, nullptr});
}

using SplitRules = std::unordered_map<std::string_view, SplitRule>;

const SplitRules& split_rules() {
  static const SplitRules rules = [] {
    SplitRules all;
    for (const auto* name :
         {"aten.view.default", "aten.permute.default", "aten.expand.default", "aten.slice.Tensor", "aten.select.int",
          "aten.index_select.default", "aten.index.Tensor", "aten.gather.default", "aten.flip.default",
          "aten.diagonal.default", "aten.unfold.default", "aten.clone.default", "aten.alias.default",
          "aten.sum.dim_IntList", "aten.sum.default", "aten.mean.dim", "aten.embedding.default", "aten.roll.default"})
      all[name] = on_each_part;
    all["aten.cat.default"] = joined_parts;
    all["aten.constant_pad_nd.default"] = padded_parts;
    all["aten.where.self"] = chosen_parts;
    all["aten._to_copy.default"] = cast_parts;
    for (const auto* name : {"aten.resolve_conj.default", "aten.resolve_neg.default"}) all[name] = same_parts;
    all["aten.add.Tensor"] = all["aten.sub.Tensor"] = sum_parts;
    all["aten.mul.Tensor"] = product_parts;
    all["aten.div.Tensor"] = quotient_parts;
    all["aten.mul.Scalar"] = all["aten.div.Scalar"] = scaled_parts;
    all["aten.add.Scalar"] = all["aten.sub.Scalar"] = offset_parts;
    all["aten.neg.default"] = negative_parts;
    for (const auto* name : {"aten.conj.default", "aten._conj.default", "aten.conj_physical.default"})
      all[name] = conjugate_parts;
    all["aten.real.default"] = real_part;
    all["aten.imag.default"] = imaginary_part;
    all["aten.view_as_real.default"] = parts_as_pairs;
    all["aten.view_as_complex.default"] = pairs_as_parts;
    all["aten.complex.default"] = given_parts;
    all["aten.polar.default"] = polar_parts;
    all["aten.abs.default"] = absolute;
    all["aten.angle.default"] = angle_of;
    all["aten.exp.default"] = exponential;
    all["aten.mm.default"] = all["aten.bmm.default"] = matrix_product_parts;
    all["aten.eq.Tensor"] = all["aten.ne.Tensor"] = equal_parts;
    all["aten._fft_c2c.default"] = complex_to_complex;
    all["aten._fft_r2c.default"] = real_to_complex;
    all["aten._fft_c2r.default"] = complex_to_real;
    return all;
  }();
  return rules;
}

class Splitting {
 public:
  explicit Splitting(Graph& graph) : graph_(graph) {}

  void run() {
    rewrite(graph_, [this](Inserter& insert, Node& node) { return split(insert, node); });
  }

 private:
  static bool touches_complex(const Node& node) {
    bool touches = std::ranges::any_of(node.outputs, [](const Value* v) { return is_complex(v->type.dtype); });
    for_each_value(node.args, [&](const Value* v) { touches = touches || is_complex(v->type.dtype); });
    return touches;
  }

  Replacement split(Inserter& insert, Node& node) {
    const auto rule = split_rules().find(node.op_name());
    if (rule == split_rules().end() || node.outputs.size() != 1 || !touches_complex(node)) return std::nullopt;
    SplitCall call(insert, node, [&](Value* value) { return parts(insert, value); });
    const auto result = rule->second(call);
    if (!result) return std::nullopt;
    const TensorType& type = node.output()->type;
    if (!is_complex(type.dtype)) return {{insert.cast(result->re, type.dtype)}};
    Value* whole = insert.call("aten.complex.default", {result->re, call.imaginary(*result)});
    known_[whole] = *result;
    return {{whole}};
  }

  /// The parts of a value: what it was made of, or taken from where it comes from.
  Parts parts(Inserter& insert, Value* value) {
    if (!is_complex(value->type.dtype)) return {value, nullptr};
    const auto known = known_.find(value);
    if (known != known_.end()) return known->second;
    Parts result;
    if (is_weight(value)) {
      const auto [re, im] = parts_of(value->data);
      result = {insert.constant(re, value->name + "_re"), insert.constant(im, value->name + "_im")};
    } else {
      Value* pairs = insert.call("aten.view_as_real.default", {value});
      const auto last = SymInt(static_cast<std::int64_t>(rank(pairs)) - 1);
      result = {insert.call("aten.select.int", {pairs, last, SymInt(0)}),
                insert.call("aten.select.int", {pairs, last, SymInt(1)})};
    }
    return known_[value] = result;
  }

  Graph& graph_;
  std::unordered_map<const Value*, Parts> known_;
};

}  // namespace

void split_complex(Graph& graph, const PassContext&) { Splitting(graph).run(); }

}  // namespace aitune

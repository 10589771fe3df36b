// Integrals and derivatives of sampled functions, and samples between two tensors, step by step as PyTorch computes
// them.

#include <algorithm>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

using Index = std::int64_t;

constexpr Index kMostSpaced = Index{1} << 20;

SymInt size_along(const Value* x, Index dim) { return x->type.shape.at(static_cast<std::size_t>(dim)); }

Value* sum_of(Inserter& insert, Value* a, Value* b) { return insert.call("aten.add.Tensor", {a, b}); }
Value* difference_of(Inserter& insert, Value* a, Value* b) { return insert.call("aten.sub.Tensor", {a, b}); }
Value* product_of(Inserter& insert, Value* a, Value* b) { return insert.call("aten.mul.Tensor", {a, b}); }
Value* quotient_of(Inserter& insert, Value* a, Value* b) { return insert.call("aten.div.Tensor", {a, b}); }
Value* scaled_by(Inserter& insert, Value* a, const Arg& factor) { return insert.call("aten.mul.Scalar", {a, factor}); }

/// From `first` to `last`, which count from the end where they are negative; a last of 0 is the end.
Value* part_of(Inserter& insert, Value* x, Index dim, Index first, Index last) {
  const SymInt size = size_along(x, dim);
  return insert.slice(x, dim, first < 0 ? size + first : SymInt(first), last <= 0 ? size + last : SymInt(last));
}

/// The samples' places with dimensions like the samples: a vector lies along `dim`.
Value* places_along(Inserter& insert, Value* x, const Value* y, Index dim) {
  SymShape shape(rank(y), SymInt(1));
  if (rank(x) == 1)
    shape[static_cast<std::size_t>(dim)] = x->type.shape[0];
  else if (rank(x) < rank(y))
    std::ranges::copy(x->type.shape, shape.end() - static_cast<std::ptrdiff_t>(rank(x)));
  else
    return x;
  return insert.view(x, shape);
}

/// Whether there is a sample at all, or may be.
bool has_samples(const Value* y, Index dim) { return !size_along(y, dim).is(0); }

template <bool Running>
Replacement integral(Inserter& insert, Node& node) {
  Value* y = operand(node);
  const Index dim = wrap_dim(argument(node, "dim").integer(), rank(y));
  const DType dtype = node.output()->type.dtype;
  if (!has_samples(y, dim) || (Running && is_complex(dtype))) return std::nullopt;
  const ArgList dims = to_args(std::vector<Index>{dim});
  const auto reduced = [&](Value* x) {
    return Running ? insert.call("aten.cumsum.default", {x, SymInt(dim)})
                   : insert.call("aten.sum.dim_IntList", {x, dims, false});
  };
  Value *left = part_of(insert, y, dim, 0, -1), *right = part_of(insert, y, dim, 1, 0);
  if (node.op->args.at(1).name == "x") {
    // Products of integers are those of their own width, whatever is done with them next.
    if (is_integral(y->type.dtype) && is_integral(operand(node, 1)->type.dtype)) return std::nullopt;
    Value* x = places_along(insert, operand(node, 1), y, dim);
    Value* apart = difference_of(insert, part_of(insert, x, dim, 1, 0), part_of(insert, x, dim, 0, -1));
    Value* areas = product_of(insert, sum_of(insert, left, right), apart);
    return {{insert.cast(insert.call("aten.div.Scalar", {reduced(areas), 2.0}), dtype)}};
  }
  const auto dx = constant_number(argument(node, "dx"));
  if (!dx) return std::nullopt;
  if (Running) return {{insert.cast(reduced(scaled_by(insert, sum_of(insert, left, right), *dx / 2)), dtype)}};
  const auto end = [&](Index at) {
    return insert.call("aten.select.int", {y, SymInt(dim), at < 0 ? size_along(y, dim) - 1 : SymInt(at)});
  };
  Value* ends = scaled_by(insert, sum_of(insert, end(0), end(-1)), 0.5);
  return {{insert.cast(scaled_by(insert, difference_of(insert, reduced(y), ends), *dx), dtype)}};
}

// --- gradient ---

/// The derivative along `dim`: its first element, those in the middle, its last.
struct Slopes {
  Value *first = nullptr, *middle = nullptr, *last = nullptr;
};

/// a * x + b * y + c * z
Value* blend(Inserter& insert, const std::vector<Value*>& factors, const std::vector<Value*>& terms) {
  Value* sum = nullptr;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    Value* term = product_of(insert, factors[i], terms[i]);
    sum = sum == nullptr ? term : sum_of(insert, sum, term);
  }
  return sum;
}

Slopes even_slopes(Inserter& insert, Value* y, Index dim, double step, bool second_order) {
  const auto part = [&](Index first, Index last) { return part_of(insert, y, dim, first, last); };
  const auto by_step = [&](Value* x) { return insert.call("aten.div.Scalar", {x, step}); };
  Slopes s;
  s.middle = insert.call("aten.div.Scalar", {by_step(difference_of(insert, part(2, 0), part(0, -2))), 2.0});
  if (second_order) {
    const auto of_three = [&](Value* x, double a, Value* z, double b, Value* w, double c) {
      return by_step(
          sum_of(insert, sum_of(insert, scaled_by(insert, x, a), scaled_by(insert, z, b)), scaled_by(insert, w, c)));
    };
    s.first = of_three(part(0, 1), -1.5, part(1, 2), 2.0, part(2, 3), -0.5);
    s.last = of_three(part(-3, -2), 0.5, part(-2, -1), -2.0, part(-1, 0), 1.5);
  } else {
    s.first = by_step(difference_of(insert, part(1, 2), part(0, 1)));
    s.last = by_step(difference_of(insert, part(-1, 0), part(-2, -1)));
  }
  return s;
}

/// The same where the samples' places are given as a vector.
Slopes placed_slopes(Inserter& insert, Value* y, Index dim, Value* x, bool second_order) {
  const auto part = [&](Index first, Index last) { return part_of(insert, y, dim, first, last); };
  Value* apart = difference_of(insert, part_of(insert, x, 0, 1, 0), part_of(insert, x, 0, 0, -1));
  SymShape shape(rank(y), SymInt(1));
  const auto along = [&](Value* v) {
    shape[static_cast<std::size_t>(dim)] = size_along(v, 0);
    return insert.view(v, shape);
  };
  const auto times = [&](Value* a, Value* b) { return product_of(insert, a, b); };
  const auto plus = [&](Value* a, Value* b) { return sum_of(insert, a, b); };
  const auto by = [&](Value* a, Value* b) { return quotient_of(insert, a, b); };
  const auto minus = [&](Value* a) { return insert.call("aten.neg.default", {a}); };
  Value *a = along(part_of(insert, apart, 0, 0, -1)), *b = along(part_of(insert, apart, 0, 1, 0));
  Slopes s;
  s.middle = blend(
      insert,
      {by(minus(b), times(a, plus(a, b))), by(difference_of(insert, b, a), times(a, b)), by(a, times(b, plus(a, b)))},
      {part(0, -2), part(1, -1), part(2, 0)});
  // Without dimensions, so that they do not change the dtype of what they meet.
  const auto step = [&](Index at) {
    return insert.call("aten.select.int", {apart, SymInt(0), at < 0 ? size_along(apart, 0) + at : SymInt(at)});
  };
  if (!second_order) {
    s.first = by(difference_of(insert, part(1, 2), part(0, 1)), step(0));
    s.last = by(difference_of(insert, part(-1, 0), part(-2, -1)), step(-1));
    return s;
  }
  const auto twice = [&](Value* v) { return scaled_by(insert, v, 2.0); };
  Value *first = step(0), *next = step(1), *last = step(-1), *before = step(-2);
  s.first = blend(insert,
                  {by(minus(plus(twice(first), next)), times(first, plus(first, next))),
                   by(plus(first, next), times(first, next)), by(minus(first), times(next, plus(first, next)))},
                  {part(0, 1), part(1, 2), part(2, 3)});
  s.last = blend(insert,
                 {by(last, times(before, plus(last, before))), by(minus(plus(last, before)), times(last, before)),
                  by(plus(twice(last), before), times(last, plus(last, before)))},
                 {part(-3, -2), part(-2, -1), part(-1, 0)});
  return s;
}

Replacement gradient(Inserter& insert, Node& node) {
  Value* y = operand(node);
  std::vector<Index> dims;
  const bool has_dims = std::ranges::any_of(node.op->args, [](const SchemaArg& a) { return a.name == "dim"; });
  if (has_dims && !argument(node, "dim").is_none()) {
    const Arg& dim = argument(node, "dim");
    dims = dim.is_list() ? dim.int_list() : std::vector<Index>{dim.integer()};
  } else {
    for (std::size_t d = 0; d < rank(y); ++d) dims.push_back(static_cast<Index>(d));
  }
  if (dims.size() != node.outputs.size()) return std::nullopt;
  const bool has_spacing = std::ranges::any_of(node.op->args, [](const SchemaArg& a) { return a.name == "spacing"; });
  const Arg none = None{};
  const Arg& spacing = has_spacing ? argument(node, "spacing") : none;
  const bool second_order = argument(node, "edge_order").integer() == 2;
  std::vector<Value*> results;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const Index dim = wrap_dim(dims[i], rank(y));
    const DType dtype = node.outputs[i]->type.dtype;
    const Arg& step = spacing.is_list() ? spacing.list().at(i) : spacing;
    const auto number = step.is_none() ? std::optional(1.0) : step.is_value() ? std::nullopt : constant_number(step);
    if (!step.is_value() && !number) return std::nullopt;
    const Slopes s = step.is_value() ? placed_slopes(insert, y, dim, step.value(), second_order)
                                     : even_slopes(insert, y, dim, *number, second_order);
    ArgList parts = {insert.cast(s.first, dtype)};
    if (!size_along(y, dim).is(2)) parts.emplace_back(insert.cast(s.middle, dtype));
    parts.emplace_back(insert.cast(s.last, dtype));
    results.push_back(insert.call("aten.cat.default", {parts, SymInt(dim)}));
  }
  return results;
}

// --- samples between two tensors ---

Value* end_value(Inserter& insert, const Node& node, std::string_view name, DType dtype) {
  const Arg& arg = argument(node, name);
  if (arg.is_value()) return insert.cast(arg.value(), dtype);
  const auto number = constant_number(arg);
  return number ? insert.scalar(dtype, *number) : nullptr;
}

/// From both ends towards the middle. Powers are taken in f64, as PyTorch takes them.
template <bool Powers>
Replacement spaced(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  const auto steps = type.shape.at(0).as_constant();
  if (!steps || *steps < 2 || *steps > kMostSpaced || !is_floating(type.dtype)) return std::nullopt;
  for (const std::string_view name : {"start", "end"})
    if (argument(node, name).is_value() && is_complex(argument(node, name).value()->type.dtype)) return std::nullopt;
  Value *start = end_value(insert, node, "start", type.dtype), *end = end_value(insert, node, "end", type.dtype);
  if (start == nullptr || end == nullptr) return std::nullopt;
  const DType wide = Powers ? DType::f64 : type.dtype == DType::f64 ? DType::f64 : DType::f32;
  start = insert.cast(start, wide);
  end = insert.cast(end, wide);
  std::vector<double> up, down, in_first_half;
  for (Index i = 0; i < *steps; ++i) {
    up.push_back(static_cast<double>(i));
    down.push_back(static_cast<double>(*steps - 1 - i));
    in_first_half.push_back(i < *steps / 2 ? 1 : 0);
  }
  const auto along = [&](DType dtype, const std::vector<double>& values) {
    return insert.constant(from_doubles(dtype, {*steps}, values), "steps");
  };
  Value* step = insert.call("aten.div.Scalar", {difference_of(insert, end, start), static_cast<double>(*steps - 1)});
  Value* from_start = sum_of(insert, start, product_of(insert, along(wide, up), step));
  Value* from_end = difference_of(insert, end, product_of(insert, along(wide, down), step));
  Value* result = insert.call("aten.where.self", {along(DType::b8, in_first_half), from_start, from_end});
  if (Powers) result = insert.call("aten.pow.Scalar", {argument(node, "base").number(), result});
  return {{insert.cast(result, type.dtype)}};
}

}  // namespace

void add_calculus_decompositions(DecomposeRules& rules) {
  for (const auto* name : {"aten.trapezoid.x", "aten.trapezoid.dx", "aten.trapz.x", "aten.trapz.dx"})
    rules[name] = integral<false>;
  for (const auto* name : {"aten.cumulative_trapezoid.x", "aten.cumulative_trapezoid.dx"}) rules[name] = integral<true>;
  for (const auto* name :
       {"aten.gradient.scalarint", "aten.gradient.scalararray", "aten.gradient.array", "aten.gradient.scalarrayint",
        "aten.gradient.scalarrayarray", "aten.gradient.tensorarrayint", "aten.gradient.tensorarray"})
    rules[name] = gradient;
  for (const auto* name : {"aten.linspace.Tensor_Tensor", "aten.linspace.Tensor_Scalar", "aten.linspace.Scalar_Tensor"})
    rules[name] = spaced<false>;
  for (const auto* name : {"aten.logspace.Tensor_Tensor", "aten.logspace.Tensor_Scalar", "aten.logspace.Scalar_Tensor"})
    rules[name] = spaced<true>;
}

}  // namespace aitune

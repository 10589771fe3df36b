// Reductions and what is made of them: means, variances, softmax, normalisation.

#include <algorithm>
#include <numeric>

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"

namespace aitune::cpu {
namespace {

using kernels::ReduceOp;

LazyPtr f32(double v) { return make_constant(v, ExprType::f32); }
LazyPtr op2(ExprOp op, LazyPtr a, LazyPtr b) { return make_binary(op, std::move(a), std::move(b), ExprType::f32); }

/// The operand of a nest: in memory, or an expression that is cheap enough to be read several times.
LazyPtr nest_operand(Lowering& lowering, const Value* value, int passes) {
  auto& state = lowering.state(value);
  if (!state.view && (state.root || (passes > 1 && state.expr->cost > 3))) lowering.in_memory(value);
  return lowering.expression(value);
}

/// Splits the dims of `shape` into loops: those in `reduced` innermost. Maps over the shape become maps over (outer,
/// inner).
struct NestShape {
  RootPtr root = std::make_shared<Root>();
  std::vector<int> order;  // loop -> dim of the operand

  NestShape(const SymShape& shape, const std::vector<bool>& reduced, bool inner_in_result) {
    root->kind = Root::Kind::nest;
    root->inner_in_result = inner_in_result;
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (!reduced[d]) order.push_back(static_cast<int>(d)), root->outer.push_back(shape[d]);
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (reduced[d]) order.push_back(static_cast<int>(d)), root->inner.push_back(shape[d]);
  }
  LazyPtr in_loops(const LazyPtr& expr) const {
    return remap(expr, [&](const Affine& map) {
      Affine out{map.offset, {}};
      for (const int d : order) out.strides.push_back(map.strides[static_cast<std::size_t>(d)]);
      return std::optional(out);
    });
  }
};

std::vector<bool> dims_of(const Arg& arg, std::size_t rank) {
  std::vector<bool> reduced(rank, false);
  const auto mark = [&](std::int64_t d) {
    reduced[static_cast<std::size_t>(d < 0 ? d + static_cast<std::int64_t>(rank) : d)] = true;
  };
  if (arg.is_list())
    for (const auto d : arg.int_list()) mark(d);
  else if (!arg.is_none())
    mark(arg.integer());
  if (std::ranges::none_of(reduced, [](bool b) { return b; })) reduced.assign(rank, true);
  return reduced;
}

/// A plain reduction; `finish` turns the temps into the result. Whether the reduced dims stay is read off the ranks.
void reduce(Lowering& lowering, const Node& node, const std::vector<bool>& reduced,
            const std::function<LazyPtr(const RootPtr&, LazyPtr x, const SymInt& count)>& build, int passes = 1) {
  const Value* x = node.args[0].value();
  const SymShape& shape = x->type.shape;
  const LazyPtr operand = nest_operand(lowering, x, passes);
  NestShape nest(shape, reduced, false);
  nest.root->shape = node.output()->type.shape;
  const bool kept = nest.root->shape.size() == shape.size();
  int next = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (!reduced[d]) nest.root->dims.push_back(kept ? static_cast<int>(d) : next++);
  }
  const LazyPtr result = build(nest.root, nest.in_loops(operand), product(nest.root->inner));
  std::vector<const Node*> sources;
  if (!lowering.state(x).view) sources = lowering.state(x).sources;
  sources.push_back(&node);
  lowering.define_expression(node.output(), result, nest.root, std::move(sources));
}

double constant_count(const SymInt& count) { return static_cast<double>(count.constant()); }

OpRule plain_reduction(ReduceOp op, bool mean = false) {
  return {[op, mean](Lowering& lowering, const Node& node) {
            const std::size_t rank = node.args[0].value()->type.shape.size();
            const auto reduced = node.args.size() > 1 && !std::holds_alternative<DType>(node.args[1])
                                     ? dims_of(node.args[1], rank)
                                     : std::vector<bool>(rank, true);
            reduce(lowering, node, reduced, [&](const RootPtr& root, LazyPtr x, const SymInt& count) {
              root->reductions.push_back({op, make_cast(std::move(x), ExprType::f32)});
              return mean ? op2(ExprOp::mul, make_temp(0), f32(1 / constant_count(count))) : make_temp(0);
            });
          },
          [](const Node& node) {
            const Value* x = node.args[0].value();
            if (x->type.dtype != DType::f32 || node.output()->type.dtype != DType::f32)
              return Support::no("only float32 reductions are compiled");
            const auto reduced = node.args.size() > 1 && !std::holds_alternative<DType>(node.args[1])
                                     ? dims_of(node.args[1], x->type.shape.size())
                                     : std::vector<bool>(x->type.shape.size(), true);
            for (std::size_t d = 0; d < reduced.size(); ++d) {
              const auto size = x->type.shape[d].as_constant();
              if (reduced[d] && (!size || *size == 0)) return Support::no("a symbolic or empty reduced dimension");
            }
            return Support::yes();
          }};
}

/// The Euclidean norm; other orders go to the reference.
OpRule vector_norm() {
  return {[](Lowering& lowering, const Node& node) {
            const Value* x = node.args[0].value();
            reduce(lowering, node, dims_of(node.args[2], x->type.shape.size()),
                   [&](const RootPtr& root, LazyPtr value, const SymInt&) {
                     root->reductions.push_back({ReduceOp::sum, op2(ExprOp::mul, value, value)});
                     return make_unary(ExprOp::sqrt, make_temp(0), ExprType::f32);
                   });
          },
          [](const Node& node) {
            const Value* x = node.args[0].value();
            if (x->type.dtype != DType::f32 || node.output()->type.dtype != DType::f32)
              return Support::no("only float32 norms are compiled");
            if (std::holds_alternative<SymInt>(node.args[1]) ? node.args[1].integer() != 2 : node.args[1].number() != 2)
              return Support::no("only the Euclidean norm is compiled");
            for (const auto& size : x->type.shape)
              if (!size.is_constant() && node.args[2].is_none()) return Support::no("a symbolic reduced dimension");
            return Support::yes();
          }};
}

void lower_softmax(Lowering& lowering, const Node& node, bool logarithm) {
  const Value* x = node.args[0].value();
  const SymShape& shape = x->type.shape;
  const LazyPtr operand = nest_operand(lowering, x, 3);
  NestShape nest(shape, dims_of(node.args[1], shape.size()), true);
  nest.root->shape = shape;
  nest.root->dims = nest.order;
  const LazyPtr in_loops = nest.in_loops(operand);
  nest.root->reductions.push_back({ReduceOp::max, in_loops});
  nest.root->reductions.push_back(
      {ReduceOp::sum, make_unary(ExprOp::exp, op2(ExprOp::sub, in_loops, make_temp(0)), ExprType::f32)});
  const LazyPtr shifted = op2(ExprOp::sub, operand, make_temp(0));
  const LazyPtr result = logarithm ? op2(ExprOp::sub, shifted, make_unary(ExprOp::log, make_temp(1), ExprType::f32))
                                   : op2(ExprOp::mul, make_unary(ExprOp::exp, shifted, ExprType::f32),
                                         make_unary(ExprOp::reciprocal, make_temp(1), ExprType::f32));
  lowering.define_expression(node.output(), result, nest.root, {&node});
}

/// (x - mean) * rsqrt(variance + eps) over the inner dims, then an affine map with tensors that broadcast to the value.
void normalise(Lowering& lowering, const Node& node, const std::vector<bool>& reduced, double eps,
               const std::function<LazyPtr(LazyPtr)>& affine) {
  const Value* x = node.args[0].value();
  LazyPtr operand = nest_operand(lowering, x, 3);
  std::vector<const Node*> sources;
  if (!lowering.state(x).view) sources = lowering.state(x).sources;
  sources.push_back(&node);
  NestShape nest(x->type.shape, reduced, true);
  nest.root->shape = x->type.shape;
  nest.root->dims = nest.order;
  const double scale = 1 / constant_count(product(nest.root->inner));
  const LazyPtr in_loops = nest.in_loops(operand);
  const LazyPtr mean = op2(ExprOp::mul, make_temp(0), f32(scale));
  const LazyPtr centred = op2(ExprOp::sub, in_loops, mean);
  nest.root->reductions.push_back({ReduceOp::sum, in_loops});
  nest.root->reductions.push_back({ReduceOp::sum, op2(ExprOp::mul, centred, centred)});
  const LazyPtr deviation =
      make_unary(ExprOp::rsqrt, op2(ExprOp::add, op2(ExprOp::mul, make_temp(1), f32(scale)), f32(eps)), ExprType::f32);
  const LazyPtr result = op2(ExprOp::mul, op2(ExprOp::sub, operand, mean), deviation);
  lowering.define_expression(node.output(), affine(result), nest.root, std::move(sources));
}

void lower_layer_norm(Lowering& lowering, const Node& node) {
  const SymShape& shape = node.output()->type.shape;
  const std::size_t inner = node.args[1].list().size();
  std::vector<bool> reduced(shape.size(), false);
  std::fill(reduced.end() - static_cast<std::ptrdiff_t>(inner), reduced.end(), true);
  normalise(lowering, node, reduced, node.args[4].number(), [&](LazyPtr x) {
    const auto load = [&](std::size_t i) { return lowering.expression(node.args[i].value(), shape, nullptr); };
    if (!node.args[2].is_none()) x = op2(ExprOp::mul, x, load(2));
    if (!node.args[3].is_none()) x = op2(ExprOp::add, x, load(3));
    return x;
  });
}

Support check_norm(const Node& node) {
  const Value* x = node.args[0].value();
  if (x->type.dtype != DType::f32) return Support::no("normalisation is compiled for float32");
  const std::size_t inner = node.args[1].list().size(), rank = x->type.shape.size();
  for (std::size_t d = rank - inner; d < rank; ++d) {
    const auto size = x->type.shape[d].as_constant();
    if (!size || *size == 0) return Support::no("a symbolic or empty normalised dimension");
  }
  return Support::yes();
}

Support check_softmax(const Node& node) {
  const Value* x = node.args[0].value();
  if (x->type.dtype != DType::f32 || node.output()->type.dtype != DType::f32)
    return Support::no("softmax is compiled for float32");
  return x->type.shape.empty() ? Support::no("a 0-dim softmax") : Support::yes();
}

}  // namespace

void add_reduction_rules(RuleTable& table) {
  table["aten.mean.dim"] = plain_reduction(ReduceOp::sum, true);
  table["aten.mean.default"] = plain_reduction(ReduceOp::sum, true);
  table["aten.sum.dim_IntList"] = plain_reduction(ReduceOp::sum);
  table["aten.sum.default"] = plain_reduction(ReduceOp::sum);
  table["aten.linalg_vector_norm.default"] = vector_norm();
  table["aten.amax.default"] = plain_reduction(ReduceOp::max);
  table["aten.amin.default"] = plain_reduction(ReduceOp::min);
  table["aten._softmax.default"] = {[](Lowering& l, const Node& n) { lower_softmax(l, n, false); }, check_softmax};
  table["aten._log_softmax.default"] = {[](Lowering& l, const Node& n) { lower_softmax(l, n, true); }, check_softmax};
  table["aten.layer_norm.default"] = {lower_layer_norm, check_norm};
}

}  // namespace aitune::cpu

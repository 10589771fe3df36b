// Reductions and what is made of them: means, variances, softmax, normalisation.

#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"
#include "engines/cpu/compile/scalar.h"

namespace aitune::cpu {
namespace {

using kernels::ReduceOp;

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
  if (rank == 0) return reduced;
  const auto mark = [&](std::int64_t d) { reduced[wrap(d, rank)] = true; };
  if (arg.is_list())
    for (const auto d : arg.int_list()) mark(d);
  else if (!arg.is_none())
    mark(arg.integer());
  if (std::ranges::none_of(reduced, [](bool b) { return b; })) reduced.assign(rank, true);
  return reduced;
}

/// A number of elements as an expression over a domain of `rank` dims, in this type.
Scalar count_of(const SymInt& count, std::size_t rank, ExprType type) {
  if (const auto known = count.as_constant()) return make_constant(static_cast<double>(*known), type);
  return make_cast(make_index({count, std::vector<SymInt>(rank, SymInt(0))}), type);
}

/// What the formula of a reduction is written with.
class Reducing {
 public:
  Reducing(const Node& node, LazyPtr element, Root& root) : node_(node), element_(std::move(element)), root_(root) {}

  const Node& node() const { return node_; }
  /// The operand's element, in its own arithmetic type or another one.
  Scalar x() const { return element_; }
  Scalar x(ExprType type) const { return make_cast(element_, type); }
  /// The arithmetic type of a result.
  ExprType type(std::size_t output = 0) const { return arithmetic_type(node_.output(output)->type.dtype); }
  /// Another reduction of the nest; `value` may use the results of earlier ones.
  Scalar over(kernels::ReduceOp op, const Scalar& value) {
    root_.reductions.push_back({op, value});
    const bool whole = op == ReduceOp::argmax || op == ReduceOp::argmin || op == ReduceOp::any || op == ReduceOp::all;
    return make_temp(static_cast<int>(root_.reductions.size()) - 1, whole ? ExprType::i64 : value.type());
  }
  Scalar sum(const Scalar& value) { return over(ReduceOp::sum, value); }
  /// Number of reduced elements, among the results or inside the nest.
  Scalar count(ExprType type) const { return count_of(product(root_.inner), root_.shape.size(), type); }
  Scalar count_inside(ExprType type) const {
    return count_of(product(root_.inner), root_.outer.size() + root_.inner.size(), type);
  }
  /// A number argument, or this one where it is None or absent.
  double number(std::size_t i, double otherwise) const {
    return i < node_.args.size() && !node_.args[i].is_none() ? node_.args[i].number() : otherwise;
  }

 private:
  const Node& node_;
  LazyPtr element_;
  Root& root_;
};

using Reduction = std::vector<Scalar> (*)(Reducing&);  ///< the results, in order

struct ReductionRow {
  const char* name;
  int dims;  ///< argument with the reduced dims; -1: all
  Reduction build;
  int passes = 1;       ///< times that the operand is read
  bool floats = false;  ///< whether the operand must be floating
};

std::vector<bool> reduced_dims(const Node& node, int argument) {
  const std::size_t rank = node.args[0].value()->type.shape.size();
  if (argument < 0) return std::vector<bool>(rank, true);
  // Unlike sums, any and all take an empty list at its word.
  const Arg& dims = node.args[static_cast<std::size_t>(argument)];
  if (node.op_name().ends_with(".dims") && dims.is_list() && dims.list().empty()) return std::vector<bool>(rank, false);
  return dims_of(node.args[static_cast<std::size_t>(argument)], rank);
}

/// Whether the reduced dims stay is read off the ranks.
void reduce(Lowering& lowering, const Node& node, const ReductionRow& row) {
  const Value* x = node.args[0].value();
  const SymShape& shape = x->type.shape;
  const auto reduced = reduced_dims(node, row.dims);
  const LazyPtr operand = nest_operand(lowering, x, row.passes);
  NestShape nest(shape, reduced, false);
  nest.root->shape = node.output()->type.shape;
  const bool kept = nest.root->shape.size() == shape.size();
  int next = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (!reduced[d]) nest.root->dims.push_back(kept ? static_cast<int>(d) : next++);
  }
  Reducing reducing(node, nest.in_loops(operand), *nest.root);
  const auto results = row.build(reducing);
  std::vector<const Node*> sources;
  if (!lowering.state(x).view) sources = lowering.state(x).sources;
  sources.push_back(&node);
  for (std::size_t i = 0; i < results.size(); ++i)
    lowering.define_expression(node.output(i), results[i], nest.root, sources);
}

Support check_reduction(const Node& node, const ReductionRow& row) {
  const Value* x = node.args[0].value();
  if (row.floats && !is_floating(x->type.dtype)) return Support::no("integers are not compiled");
  const auto reduced = reduced_dims(node, row.dims);
  for (std::size_t d = 0; d < reduced.size(); ++d)
    if (reduced[d] && x->type.shape[d].is(0)) return Support::no("an empty reduced dimension");
  return Support::yes();
}

template <ReduceOp op>
std::vector<Scalar> total(Reducing& r) {
  return {r.over(op, r.x(r.type()))};
}
template <ReduceOp op>
std::vector<Scalar> extremum(Reducing& r) {
  return {r.over(op, r.x())};
}
template <ReduceOp op, ReduceOp position>
std::vector<Scalar> extremum_and_position(Reducing& r) {
  return {r.over(op, r.x()), r.over(position, r.x())};
}
template <ReduceOp op>
std::vector<Scalar> truth(Reducing& r) {
  return {r.over(op, r.x())};
}

std::vector<Scalar> mean(Reducing& r) { return {r.sum(r.x(r.type())) * (1.0 / r.count(r.type()))}; }
std::vector<Scalar> minimum_and_maximum(Reducing& r) {
  return {r.over(ReduceOp::min, r.x()), r.over(ReduceOp::max, r.x())};
}
std::vector<Scalar> sum_of_numbers(Reducing& r) {
  const Scalar x = r.x(r.type());
  return {r.sum(select(x != x, x.number(0), x))};
}
std::vector<Scalar> count_nonzero(Reducing& r) { return {r.sum(r.x() != 0)}; }

std::vector<Scalar> logsumexp(Reducing& r) {
  const Scalar x = r.x(r.type()), largest = r.over(ReduceOp::max, x);
  const Scalar shift = select(abs(largest) == std::numeric_limits<double>::infinity(), largest.number(0), largest);
  return {log(r.sum(exp(x - shift))) + shift};
}

/// In two passes: the mean, then the squares of what differs from it. Argument `unbiased` is a bool, `correction` a
/// number; which one stands where is the overload's.
std::vector<Scalar> variance(Reducing& r, int unbiased, int correction) {
  const ExprType t = r.type();
  const Scalar x = r.x(t), sum = r.sum(x);
  const Scalar apart = x - sum * (1.0 / r.count_inside(t));
  double freedom = 1;
  if (unbiased >= 0) freedom = r.node().args[static_cast<std::size_t>(unbiased)].boolean() ? 1 : 0;
  if (correction >= 0) freedom = r.number(static_cast<std::size_t>(correction), 1);
  const Scalar count = r.count(t), left = count - freedom, squares = r.sum(apart * apart);
  return {squares / max(left, left.number(0)), sum * (1.0 / count)};
}
template <int unbiased, int correction, bool root, bool with_mean>
std::vector<Scalar> variance_form(Reducing& r) {
  auto results = variance(r, unbiased, correction);
  if (root) results[0] = sqrt(results[0]);
  if (!with_mean) results.pop_back();
  return results;
}

/// (sum of |x|^p)^(1/p), with its limits; p is argument 1.
std::vector<Scalar> norm(Reducing& r) {
  const double p = r.number(1, 2);
  const Scalar x = r.x(r.type());
  if (p == 2) return {sqrt(r.sum(x * x))};
  if (p == 1) return {r.sum(abs(x))};
  if (p == 0) return {r.sum(cast(x != 0, r.type()))};
  if (std::isinf(p)) return {r.over(p > 0 ? ReduceOp::max : ReduceOp::min, abs(x))};
  return {binary(ExprOp::pow, r.sum(binary(ExprOp::pow, abs(x), x.number(p))), x.number(1 / p))};
}

constexpr ReduceOp kSum = ReduceOp::sum, kProduct = ReduceOp::product, kMax = ReduceOp::max, kMin = ReduceOp::min,
                   kAny = ReduceOp::any, kAll = ReduceOp::all, kArgmax = ReduceOp::argmax, kArgmin = ReduceOp::argmin;

constexpr ReductionRow kReductions[] = {
    {"sum.default", -1, total<kSum>},
    {"sum.dim_IntList", 1, total<kSum>},
    {"mean.default", -1, mean},
    {"mean.dim", 1, mean},
    {"prod.default", -1, total<kProduct>},
    {"prod.dim_int", 1, total<kProduct>},
    {"nansum.default", 1, sum_of_numbers},
    {"amax.default", 1, extremum<kMax>},
    {"amin.default", 1, extremum<kMin>},
    {"max.default", -1, extremum<kMax>},
    {"min.default", -1, extremum<kMin>},
    {"max.dim", 1, extremum_and_position<kMax, kArgmax>},
    {"min.dim", 1, extremum_and_position<kMin, kArgmin>},
    {"aminmax.default", 1, minimum_and_maximum},
    {"argmax.default", 1, truth<kArgmax>},
    {"argmin.default", 1, truth<kArgmin>},
    {"any.default", -1, truth<kAny>},
    {"any.dim", 1, truth<kAny>},
    {"any.dims", 1, truth<kAny>},
    {"all.default", -1, truth<kAll>},
    {"all.dim", 1, truth<kAll>},
    {"all.dims", 1, truth<kAll>},
    {"count_nonzero.default", 1, count_nonzero},
    {"count_nonzero.dim_IntList", 1, count_nonzero},
    {"logsumexp.default", 1, logsumexp, 2},
    {"var.default", -1, variance_form<1, -1, false, false>, 2},
    {"var.dim", 1, variance_form<2, -1, false, false>, 2},
    {"var.correction", 1, variance_form<-1, 2, false, false>, 2},
    {"std.default", -1, variance_form<1, -1, true, false>, 2},
    {"std.dim", 1, variance_form<2, -1, true, false>, 2},
    {"std.correction", 1, variance_form<-1, 2, true, false>, 2},
    {"var_mean.correction", 1, variance_form<-1, 2, false, true>, 2},
    {"std_mean.correction", 1, variance_form<-1, 2, true, true>, 2},
    {"linalg_vector_norm.default", 2, norm, 1, true},
    {"norm.Scalar", -1, norm, 1, true},
    {"norm.ScalarOpt_dim", 2, norm, 1, true},
};

/// Longer scans go block by block.
constexpr std::int64_t kMaxScan = 512, kScanBlock = 64;

/// A scan by blocks: their totals, what precedes each of them, and within one every element from those up to it.
class BlockedScan {
 public:
  BlockedScan(Lowering& lowering, const Node& node, ReduceOp op)
      : lowering_(lowering),
        node_(node),
        op_(op),
        x_(lowering.in_memory(node.args[0].value())),
        shape_(x_.shape),
        rank_(shape_.size()),
        dim_(wrap(node.args[1].integer(), rank_)),
        size_(shape_[dim_]),
        type_(arithmetic_type(node.output()->type.dtype)) {}

  void lower() {
    SymShape blocks = shape_;
    blocks[dim_] = floordiv(size_ + SymInt(kScanBlock - 1), SymInt(kScanBlock));
    const Scalar first = index(dim_) * static_cast<double>(kScanBlock), step = index(rank_);
    const View totals = stored(blocks, kScanBlock, [&] {
      const Scalar at = first + step;
      return counted(at < size(size_), element(x_, at, size_));
    });
    const View before =
        stored(blocks, blocks[dim_], [&] { return counted(step < index(dim_), element(totals, step, blocks[dim_])); });
    const Scalar own = index(dim_), begin = own - binary(ExprOp::remainder, own, own.number(kScanBlock));
    auto root = nest(shape_, kScanBlock);
    root->reductions.push_back({op_, counted(begin + step <= own, element(x_, begin + step, size_))});
    // Among the results there is no inner loop any more.
    Affine place{0, std::vector<SymInt>(rank_, SymInt(0))};
    place.strides[dim_] = 1;
    const Scalar block = binary(ExprOp::floor_div, make_index(place), Scalar(make_index(place)).number(kScanBlock));
    const Scalar preceding = gathered(before, block, blocks[dim_], rank_);
    const Scalar within = make_temp(0, type_);
    lowering_.define_expression(
        node_.output(), binary(op_ == ReduceOp::sum ? ExprOp::add : ExprOp::mul, preceding, within), root, {&node_});
  }

 private:
  RootPtr nest(const SymShape& outer, SymInt inner) const {
    auto root = std::make_shared<Root>();
    root->kind = Root::Kind::nest;
    root->shape = root->outer = outer;
    root->inner = {std::move(inner)};
    for (std::size_t d = 0; d < rank_; ++d) root->dims.push_back(static_cast<int>(d));
    return root;
  }
  template <typename F>
  View stored(const SymShape& outer, const SymInt& inner, F&& value) {
    const RootPtr root = nest(outer, inner);
    root->reductions.push_back({op_, value()});
    std::vector<int> order(rank_);
    for (std::size_t d = 0; d < rank_; ++d) order[d] = static_cast<int>(d);
    const DType dtype = type_ == ExprType::f32 ? DType::f32 : type_ == ExprType::f64 ? DType::f64 : DType::i64;
    const View target = lowering_.fresh(outer, dtype, order);
    lowering_.store(make_temp(0, type_), root, target, outer, {&node_});
    return target;
  }

  Scalar index(std::size_t loop) const {
    Affine map{0, std::vector<SymInt>(rank_ + 1, SymInt(0))};
    map.strides[loop] = 1;
    return make_index(std::move(map));
  }
  Scalar size(const SymInt& value) const { return make_index({value, std::vector<SymInt>(rank_ + 1, SymInt(0))}); }
  Scalar gathered(const View& memory, const Scalar& at, const SymInt& extent, std::size_t loops) const {
    Affine map{memory.map.offset, memory.map.strides};
    map.strides[dim_] = 0;
    map.strides.resize(loops, SymInt(0));
    const View view{memory.buffer, memory.dtype, memory.shape, std::move(map)};
    return make_cast(make_gather(view, at, memory.map.strides[dim_], extent), type_);
  }
  Scalar element(const View& memory, const Scalar& at, const SymInt& extent) const {
    return gathered(memory, at, extent, rank_ + 1);
  }
  Scalar counted(const Scalar& condition, const Scalar& value) const {
    return select(condition, value, value.number(op_ == ReduceOp::sum ? 0 : 1));
  }

  Lowering& lowering_;
  const Node& node_;
  const ReduceOp op_;
  const View x_;
  const SymShape shape_;
  const std::size_t rank_, dim_;
  const SymInt size_;
  const ExprType type_;
};

/// Every element is a reduction of those up to it: quadratic work, but independent.
void lower_scan(Lowering& lowering, const Node& node, ReduceOp op) {
  const Value* x = node.args[0].value();
  const SymShape& shape = x->type.shape;
  const std::size_t rank = shape.size(), dim = wrap(node.args[1].integer(), rank);
  if (shape[dim].as_constant().value_or(kMaxScan + 1) > kMaxScan) return BlockedScan(lowering, node, op).lower();
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::nest;
  root->shape = root->outer = shape;
  root->inner = {shape[dim]};
  for (std::size_t d = 0; d < rank; ++d) root->dims.push_back(static_cast<int>(d));
  const Scalar element = remap(nest_operand(lowering, x, 1), [&](const Affine& map) {
    Affine out = map;
    out.strides.push_back(map.strides[dim]);
    out.strides[dim] = 0;
    return std::optional(out);
  });
  Affine behind{0, std::vector<SymInt>(rank + 1, SymInt(0))};  // how far the element is behind the result
  behind.strides[dim] = 1;
  behind.strides[rank] = -1;
  const ExprType type = arithmetic_type(node.output()->type.dtype);
  const Scalar own = cast(element, type);
  const Scalar counted = select(Scalar(make_index(behind)) >= 0, own, own.number(op == ReduceOp::sum ? 0 : 1));
  root->reductions.push_back({op, counted});
  lowering.define_expression(node.output(), make_temp(0, type), root, {&node});
}

Support check_scan(const Node& node) {
  return node.args[0].value()->type.shape.empty() ? Support::no("a 0-dim scan") : Support::yes();
}

/// exp(x - largest) over its sum, or the logarithm of that. `safe`: rows of -inf alone become 0.
void lower_softmax(Lowering& lowering, const Node& node, bool logarithm, bool safe) {
  const Value* x = node.args[0].value();
  const SymShape& shape = x->type.shape;
  const ExprType type = arithmetic_type(node.output()->type.dtype);
  const LazyPtr operand = nest_operand(lowering, x, 3);
  NestShape nest(shape, dims_of(node.args[1], shape.size()), true);
  nest.root->shape = shape;
  nest.root->dims = nest.order;
  Reducing r(node, nest.in_loops(operand), *nest.root);
  const Scalar largest = r.over(ReduceOp::max, r.x(type));
  const Scalar sum = r.sum(exp(r.x(type) - largest));
  const Scalar shifted = Scalar(make_cast(operand, type)) - largest;
  Scalar result = logarithm ? shifted - log(sum) : exp(shifted) * unary(ExprOp::reciprocal, sum);
  if (safe) result = select(largest == -std::numeric_limits<double>::infinity(), result.number(0), result);
  lowering.define_expression(node.output(), result, nest.root, {&node});
}

/// (x - mean) * rsqrt(variance + eps) over the inner dims, then an affine map with tensors that broadcast to the value.
void normalise(Lowering& lowering, const Node& node, const std::vector<bool>& reduced, double eps,
               const std::function<Scalar(Scalar)>& affine) {
  const Value* x = node.args[0].value();
  const ExprType type = arithmetic_type(x->type.dtype);
  const LazyPtr operand = nest_operand(lowering, x, 3);
  std::vector<const Node*> sources;
  if (!lowering.state(x).view) sources = lowering.state(x).sources;
  sources.push_back(&node);
  NestShape nest(x->type.shape, reduced, true);
  nest.root->shape = x->type.shape;
  nest.root->dims = nest.order;
  Reducing r(node, nest.in_loops(operand), *nest.root);
  const Scalar share = 1.0 / r.count_inside(type);  // as many dims inside as in the result
  const Scalar mean = r.sum(r.x()) * share;
  const Scalar centred = r.x() - mean;
  const Scalar deviation = unary(ExprOp::rsqrt, r.sum(centred * centred) * share + eps);
  lowering.define_expression(node.output(), affine((Scalar(operand) - mean) * deviation), nest.root,
                             std::move(sources));
}

void lower_layer_norm(Lowering& lowering, const Node& node) {
  const SymShape& shape = node.output()->type.shape;
  const std::size_t inner = node.args[1].list().size();
  std::vector<bool> reduced(shape.size(), false);
  std::fill(reduced.end() - static_cast<std::ptrdiff_t>(inner), reduced.end(), true);
  normalise(lowering, node, reduced, node.args[4].number(), [&](Scalar x) {
    const auto load = [&](std::size_t i) {
      return cast(lowering.expression(node.args[i].value(), shape, nullptr), x.type());
    };
    if (!node.args[2].is_none()) x = x * load(2);
    if (!node.args[3].is_none()) x = x + load(3);
    return x;
  });
}

Support check_norm(const Node& node) {
  const Value* x = node.args[0].value();
  if (!is_floating(x->type.dtype)) return Support::no("normalisation is compiled for floating types");
  const std::size_t inner = node.args[1].list().size(), rank = x->type.shape.size();
  for (std::size_t d = rank - inner; d < rank; ++d)
    if (x->type.shape[d].is(0)) return Support::no("an empty normalised dimension");
  return Support::yes();
}

Support check_softmax(const Node& node) {
  const Value* x = node.args[0].value();
  if (!is_floating(x->type.dtype)) return Support::no("softmax is compiled for floating types");
  return x->type.shape.empty() ? Support::no("a 0-dim softmax") : Support::yes();
}

}  // namespace

void add_reduction_rules(RuleTable& table) {
  for (const ReductionRow& row : kReductions) {
    table[std::string("aten.") + row.name] = {
        [&row](Lowering& lowering, const Node& node) { reduce(lowering, node, row); },
        [&row](const Node& node) { return check_reduction(node, row); }};
  }
  table["aten.cumsum.default"] = {[](Lowering& l, const Node& n) { lower_scan(l, n, kSum); }, check_scan};
  table["aten.cumprod.default"] = {[](Lowering& l, const Node& n) { lower_scan(l, n, kProduct); }, check_scan};
  const auto softmax = [&](const char* name, bool logarithm, bool safe) {
    table[name] = {[=](Lowering& l, const Node& n) { lower_softmax(l, n, logarithm, safe); }, check_softmax};
  };
  softmax("aten._softmax.default", false, false);
  softmax("aten._safe_softmax.default", false, true);
  softmax("aten._log_softmax.default", true, false);
  table["aten.layer_norm.default"] = {lower_layer_norm, check_norm};
}

}  // namespace aitune::cpu

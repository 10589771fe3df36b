// Elements at positions, and positions of elements: several tensors of positions are one, into dimensions that are made
// one; short lists are compared with everything.

#include <algorithm>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// The dimensions that have a tensor of positions; nothing if there are masks among them.
std::optional<std::vector<std::size_t>> indexed_dims(const ArgList& indices) {
  std::vector<std::size_t> dims;
  for (std::size_t d = 0; d < indices.size(); ++d) {
    if (!indices[d].is_value()) continue;
    const DType dtype = indices[d].value()->type.dtype;
    if (dtype != DType::i64 && dtype != DType::i32) return std::nullopt;
    dims.push_back(d);
  }
  return dims;
}

bool lie_together(const std::vector<std::size_t>& dims) { return dims.back() - dims.front() + 1 == dims.size(); }

/// The dimension of each position in a joint one of all: negative positions count from the end of their own dimension.
/// A position that its dimension has not is one beyond the joint one, which refuses it.
Value* joint_positions(Inserter& insert, const ArgList& indices, const std::vector<std::size_t>& dims,
                       const SymShape& shape) {
  std::int64_t total = 1;
  for (const std::size_t d : dims) total *= shape[d].constant();
  Value *joint = nullptr, *inside = nullptr;
  for (const std::size_t d : dims) {
    const std::int64_t size = shape[d].constant();
    Value* index = insert.cast(indices[d].value(), DType::i64);
    Value* negative = insert.call("aten.lt.Scalar", {index, SymInt(0)});
    Value* own =
        insert.call("aten.where.self", {negative, insert.call("aten.add.Scalar", {index, SymInt(size)}), index});
    Value* fits = insert.call("aten.bitwise_and.Tensor", {insert.call("aten.ge.Scalar", {own, SymInt(0)}),
                                                          insert.call("aten.lt.Scalar", {own, SymInt(size)})});
    inside = inside == nullptr ? fits : insert.call("aten.bitwise_and.Tensor", {inside, fits});
    joint = joint == nullptr
                ? own
                : insert.call("aten.add.Tensor", {insert.call("aten.mul.Scalar", {joint, SymInt(size)}), own});
  }
  Value* beyond = insert.constant(from_doubles(DType::i64, {}, {static_cast<double>(total)}), "beyond");
  return insert.call("aten.where.self", {inside, joint, beyond});
}

/// Positions in the elements as they lie.
Replacement take(Inserter& insert, Node& node) {
  Value* x = operand(node);
  Value* flat = insert.view(x, {product(x->type.shape)});
  return {{insert.call("aten.index.Tensor", {flat, ArgList{operand(node, 1)}})}};
}

/// Comparisons of everything with everything are this many at most.
constexpr std::int64_t kMostComparisons = std::int64_t{1} << 22;
/// Lists of numbers that are compared with everything are this long at most; longer ones are searched better.
constexpr std::int64_t kLongList = 256;

std::optional<std::int64_t> list_length(const Value* list) {
  if (rank(list) > 1) return std::nullopt;
  const auto length = product(list->type.shape).as_constant();
  return length && *length > 0 ? length : std::nullopt;
}

/// Whether `x` is in a short list, or is not.
Replacement is_in_list(Inserter& insert, Node& node) {
  if (!node.args[1].is_value()) return std::nullopt;
  Value *x = operand(node), *list = operand(node, 1);
  const auto length = list_length(list);
  if (!length || *length > kLongList || x->type.dtype != list->type.dtype) return std::nullopt;
  SymShape each = x->type.shape;
  each.emplace_back(1);
  Value* equal = insert.call("aten.eq.Tensor", {insert.view(x, each), insert.view(list, {SymInt(*length)})});
  Value* found = insert.call("aten.any.dim", {equal, SymInt(static_cast<std::int64_t>(rank(x))), false});
  if (!argument(node, "invert").boolean()) return {{found}};
  return {{insert.call("aten.logical_not.default", {found})}};
}

/// How many boundaries lie below (at or below, from the right) is the position of a number among them. A number that is
/// none lies above all.
Replacement position_in_list(Inserter& insert, Value* x, Value* boundaries, bool right, DType dtype) {
  const auto length = list_length(boundaries);
  if (!length || *length > kLongList || rank(boundaries) != 1 || x->type.dtype != boundaries->type.dtype)
    return std::nullopt;
  SymShape each = x->type.shape;
  each.emplace_back(1);
  Value* beyond = insert.call(right ? "aten.gt.Tensor" : "aten.ge.Tensor",
                              {insert.view(boundaries, {SymInt(*length)}), insert.view(x, each)});
  Value* below = insert.cast(insert.call("aten.logical_not.default", {beyond}), DType::i64);
  const ArgList last = to_args(std::vector<std::int64_t>{static_cast<std::int64_t>(rank(x))});
  return {{insert.cast(insert.call("aten.sum.dim_IntList", {below, last, false}), dtype)}};
}

Replacement bucket(Inserter& insert, Node& node) {
  return position_in_list(insert, operand(node), operand(node, 1), argument(node, "right").boolean(),
                          node.output()->type.dtype);
}

/// Of one sorted list for all, which is not to be sorted by others.
Replacement searched(Inserter& insert, Node& node) {
  Value* list = operand(node);
  if (const Arg& sorter = argument(node, "sorter"); !sorter.is_none())
    list = insert.call("aten.gather.default", {list, SymInt(-1), sorter});
  const Arg& side = argument(node, "side");
  const bool right = argument(node, "right").boolean() || (!side.is_none() && side.string() == "right");
  return position_in_list(insert, operand(node, 1), list, right, node.output()->type.dtype);
}

/// For every position of a dimension of size n (one row each), which elements of `index` name it: bool[n, k].
Value* named_positions(Inserter& insert, Value* index, std::int64_t n, std::int64_t k) {
  Tensor all(DType::i64, {n, 1});
  for (std::int64_t i = 0; i < n; ++i) all.as<std::int64_t>()[i] = i;
  Value* positions = insert.view(insert.cast(index, DType::i64), {SymInt(1), SymInt(k)});
  Value* negative = insert.call("aten.lt.Scalar", {positions, SymInt(0)});
  positions =
      insert.call("aten.where.self", {negative, insert.call("aten.add.Scalar", {positions, SymInt(n)}), positions});
  return insert.call("aten.eq.Tensor", {insert.constant(all, "positions"), positions});
}

struct Written {
  std::int64_t dim = 0, size = 0, count = 0;  // of the dimension, and of the positions
  SymShape along;                             // a shape with the size at the dimension and 1 elsewhere
};

/// Whether the dimension has all of these positions, for certain, counted from its start or (index_fill) its end: a
/// write beyond it is an error of the caller's.
bool fit_in(const Value* index, std::int64_t size, bool from_end) {
  if (!is_weight(index)) return false;
  return std::ranges::all_of(to_doubles(index->data), [=](double at) {
    return at >= (from_end ? -static_cast<double>(size) : 0.0) && at < static_cast<double>(size);
  });
}

/// What index_fill and index_copy write: nothing where sizes move, or positions are not known, or there are too many.
std::optional<Written> written_positions(const Node& node) {
  const SymShape& shape = node.output()->type.shape;
  const auto count = list_length(argument(node, "index").value());
  if (shape.empty() || !count) return std::nullopt;
  Written result;
  result.dim = wrap_dim(argument(node, "dim").integer(), shape.size());
  const auto size = shape[static_cast<std::size_t>(result.dim)].as_constant();
  if (!size || *size <= 0 || *size > kMostComparisons / *count) return std::nullopt;
  const bool from_end = !is_op(node, "aten.index_copy.default");
  if (!fit_in(argument(node, "index").value(), *size, from_end)) return std::nullopt;
  result.size = *size;
  result.count = *count;
  result.along.assign(shape.size(), SymInt(1));
  result.along[static_cast<std::size_t>(result.dim)] = *size;
  return result;
}

Replacement fill_positions(Inserter& insert, Node& node) {
  const auto written = written_positions(node);
  const Arg& value = argument(node, "value");
  const DType dtype = node.output()->type.dtype;
  if (!written || is_complex(dtype) || (!value.is_value() && !constant_number(value))) return std::nullopt;
  Value* named = named_positions(insert, argument(node, "index").value(), written->size, written->count);
  Value* mask = insert.view(insert.call("aten.any.dim", {named, SymInt(1), false}), written->along);
  Value* filling = value.is_value() ? insert.cast(value.value(), dtype) : insert.scalar(dtype, value.number());
  return {{insert.call("aten.where.self", {mask, filling, operand(node)})}};
}

/// Each position takes the last of the parts that are written there.
Replacement copy_to_positions(Inserter& insert, Node& node) {
  const auto written = written_positions(node);
  Value* source = argument(node, "source").value();
  if (!written || rank(source) != rank(operand(node))) return std::nullopt;
  Value* named = named_positions(insert, argument(node, "index").value(), written->size, written->count);
  Tensor order(DType::i64, {1, written->count});
  for (std::int64_t i = 0; i < written->count; ++i) order.as<std::int64_t>()[i] = i;
  Value* none = insert.constant(from_doubles(DType::i64, {}, {-1}), "none");
  Value* last = insert.call("aten.where.self", {named, insert.constant(order, "order"), none});
  last = insert.call("aten.amax.default", {last, to_args(std::vector<std::int64_t>{1}), false});
  Value* mask = insert.view(insert.call("aten.ge.Scalar", {last, SymInt(0)}), written->along);
  Value* from = insert.call("aten.clamp.default", {last, SymInt(0), None{}});
  Value* parts = insert.call("aten.index_select.default", {source, SymInt(written->dim), from});
  return {{insert.call("aten.where.self", {mask, parts, operand(node)})}};
}

/// The n-th place that the mask keeps takes the n-th element.
Replacement scatter_by_mask(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  Value *mask = operand(node, 1), *source = operand(node, 2);
  const SymInt count = product(type.shape), elements = product(source->type.shape);
  if (operand(node)->type.shape != type.shape || mask->type.dtype != DType::b8 || elements.is(0) || type.shape.empty())
    return std::nullopt;
  mask = insert.expand(mask, type.shape);
  Value* ones = insert.cast(insert.view(mask, {count}), DType::i64);
  Value* at = insert.call("aten.cumsum.default", {ones, SymInt(0)});
  // Before the first kept place there is none: what is read there is not taken.
  at = insert.call("aten.clamp.default", {insert.call("aten.sub.Scalar", {at, SymInt(1)}), SymInt(0), None{}});
  Value* flat = insert.view(source, {elements});
  Value* taken = insert.view(insert.call("aten.index.Tensor", {flat, ArgList{at}}), type.shape);
  return {{insert.call("aten.where.self", {mask, taken, operand(node)})}};
}

}  // namespace

Replacement decompose_joint_index(Inserter& insert, Node& node) {
  constexpr std::int64_t kMostJoint = std::int64_t{1} << 31;
  const ArgList& indices = node.args.at(1).list();
  const auto dims = indexed_dims(indices);
  if (!dims || dims->size() < 2) return std::nullopt;
  Value* x = operand(node);
  std::int64_t total = 1;
  for (const std::size_t d : *dims) {
    const auto size = x->type.shape[d].as_constant();
    if (!size || *size <= 0 || *size > kMostJoint) return std::nullopt;
    total *= *size;
    if (total > kMostJoint) return std::nullopt;
  }
  // Apart, they come first in the result, so they come first here.
  std::vector<std::int64_t> order;
  const std::size_t at = lie_together(*dims) ? dims->front() : 0;
  for (std::size_t d = 0; d < rank(x); ++d) {
    if (order.size() == at) order.insert(order.end(), dims->begin(), dims->end());
    if (std::ranges::find(*dims, d) == dims->end()) order.push_back(static_cast<std::int64_t>(d));
  }
  if (order.size() < rank(x)) order.insert(order.end(), dims->begin(), dims->end());
  Value* positions = joint_positions(insert, indices, *dims, x->type.shape);
  Value* arranged = insert.permute(x, order);
  SymShape merged(arranged->type.shape.begin(), arranged->type.shape.begin() + static_cast<std::ptrdiff_t>(at));
  merged.emplace_back(total);
  merged.insert(merged.end(), arranged->type.shape.begin() + static_cast<std::ptrdiff_t>(at + dims->size()),
                arranged->type.shape.end());
  ArgList only(at, Arg(None{}));
  only.emplace_back(positions);
  return {{insert.call("aten.index.Tensor", {insert.view(arranged, merged), std::move(only)})}};
}

void add_gather_rules(DecomposeRules& rules) {
  rules["aten.take.default"] = take;
  rules["aten.isin.Tensor_Tensor"] = is_in_list;
  rules["aten.bucketize.Tensor"] = bucket;
  rules["aten.searchsorted.Tensor"] = searched;
  rules["aten.index_fill.int_Scalar"] = fill_positions;
  rules["aten.index_fill.int_Tensor"] = fill_positions;
  rules["aten.index_copy.default"] = copy_to_positions;
  rules["aten.masked_scatter.default"] = scatter_by_mask;
}

}  // namespace aitune

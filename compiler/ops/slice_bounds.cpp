#include "compiler/ops/slice_bounds.h"

#include <algorithm>

#include "compiler/ops/schema.h"

namespace aitune {
namespace {

SymInt not_negative(const SymInt& bound, const SymRanges& ranges) {
  return bound.range(ranges).min >= 0 ? bound : max(bound, SymInt(0));
}

/// A bound that counts from the end, and lies before the beginning for some sizes.
SymInt from_the_end(const SymInt& size, std::int64_t bound, const SymRanges& ranges) {
  const SymInt from = size + SymInt(bound);
  const SymRange range = from.range(ranges);
  // Sizes that may be 0 are mostly those that data decide: x[-1:] of them is one element, and a run without any ends in
  // an error.
  if (range.min >= 0 || (range.max > 0 && size.range(ranges).min == 0)) return SymInt(bound);
  return range.max <= 0 ? SymInt(0) : max(from, SymInt(0));
}

/// One that counts from the beginning, and lies behind the end for some sizes.
SymInt from_the_beginning(const SymInt& size, std::int64_t bound, const SymRanges& ranges) {
  const SymRange range = size.range(ranges);
  if (range.min >= bound || (range.max > bound && range.min == 0)) return SymInt(bound);
  return range.max <= bound ? size : min(size, SymInt(bound));
}

/// A bound as a position.
SymInt position(const Arg& bound, const SymInt& size, const SymInt& otherwise) {
  if (bound.is_none() || bound.sym().is(INT64_MAX)) return otherwise;
  const auto value = bound.sym().as_constant();
  return value && *value < 0 ? size + bound.sym() : bound.sym();
}

}  // namespace

void clamp_slice(const Graph& graph, const OpInfo& op, ArgList& args) {
  if (op.id != OpId::aten_slice_Tensor && op.id != OpId::aten_slice_copy_Tensor &&
      op.id != OpId::aten_slice_scatter_default)
    return;
  const TensorType& type = args.at(0).value()->type;
  std::int64_t dim = args.at(op.arg_index("dim")).integer();
  if (dim < 0) dim += static_cast<std::int64_t>(type.shape.size());
  if (dim < 0 || dim >= static_cast<std::int64_t>(type.shape.size())) return;  // the shape rule refuses it
  const SymInt& size = type.shape[static_cast<std::size_t>(dim)];
  for (const std::string_view name : {"start", "end"}) {
    Arg& bound = args.at(op.arg_index(name));
    if (bound.is_none()) continue;
    if (!bound.sym().is_constant()) {
      // One that is negative for all sizes counts from the end.
      if (bound.sym().range(graph.symbols).max < 0) bound = not_negative(size + bound.sym(), graph.symbols);
      continue;
    }
    const std::int64_t value = bound.integer();
    if (size.is_constant()) continue;
    if (value < 0)
      bound = from_the_end(size, value, graph.symbols);
    else if (value > 0 && value != INT64_MAX && name == "start")  // the shape rule clamps the end
      bound = from_the_beginning(size, value, graph.symbols);
  }
  // What ends before it begins is empty.
  Arg &start = args.at(op.arg_index("start")), &end = args.at(op.arg_index("end"));
  const SymInt begin = position(start, size, 0), length = position(end, size, size) - begin;
  if (!length.is_constant() && length.range(graph.symbols).max <= 0) end = begin;
}

}  // namespace aitune

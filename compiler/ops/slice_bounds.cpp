#include "compiler/ops/slice_bounds.h"

#include <algorithm>

#include "compiler/ops/schema.h"

namespace aitune {
namespace {

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
  if (size.is_constant()) return;
  for (const std::string_view name : {"start", "end"}) {
    Arg& bound = args.at(op.arg_index(name));
    if (bound.is_none() || !bound.sym().is_constant()) continue;
    const std::int64_t value = bound.integer();
    if (value < 0)
      bound = from_the_end(size, value, graph.symbols);
    else if (value > 0 && value != INT64_MAX && name == "start")  // the shape rule clamps the end
      bound = from_the_beginning(size, value, graph.symbols);
  }
}

}  // namespace aitune

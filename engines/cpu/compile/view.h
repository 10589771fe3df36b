#pragma once
// Strided views with symbolic strides, and what PyTorch's movement operators do to them.

#include <optional>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/symint.h"

namespace aitune::cpu {

/// offset + strides . index, in elements. The strides belong to the dims of a shape that is kept beside it.
struct Affine {
  SymInt offset = 0;
  std::vector<SymInt> strides;
  bool operator==(const Affine&) const = default;
};

/// A tensor inside a buffer of the lowering (not owned).
struct View {
  int buffer = -1;
  DType dtype = DType::f32;
  SymShape shape;
  Affine map;
};

// Each returns the map of the result of a movement operator from that of its operand. `shape` is the operand's.
Affine permute(const Affine& map, std::span<const std::int64_t> order);
/// To `target` by broadcasting: size-1 dims (and new leading ones) get stride 0. Any other size is that of the target,
/// also where it is written otherwise: a guard of the plan holds it to that (compiler/ops/size_facts.h).
Affine expand(const Affine& map, const SymShape& shape, const SymShape& target);
Affine slice(const Affine& map, std::int64_t dim, const SymInt& start, const SymInt& step);
/// Another shape over the same elements in row-major order, if strides allow it without a copy (as torch's
/// computeStride, with symbolic sizes); nothing otherwise.
std::optional<Affine> reshape(const Affine& map, const SymShape& shape, const SymShape& target);

bool is_row_major(const Affine& map, const SymShape& shape);

}  // namespace aitune::cpu

#include "engines/cpu/compile/view.h"

#include "compiler/ops/broadcast.h"

namespace aitune::cpu {

Affine permute(const Affine& map, std::span<const std::int64_t> order) {
  Affine out{map.offset, {}};
  for (const std::int64_t d : order) out.strides.push_back(map.strides[static_cast<std::size_t>(d)]);
  return out;
}

Affine expand(const Affine& map, const SymShape& shape, const SymShape& target) {
  const std::size_t added = target.size() - shape.size();
  Affine out{map.offset, std::vector<SymInt>(target.size(), SymInt(0))};
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (!is_repeated(shape[d], target[added + d])) out.strides[added + d] = map.strides[d];
  return out;
}

Affine slice(const Affine& map, std::int64_t dim, const SymInt& start, const SymInt& step) {
  Affine out = map;
  const auto d = static_cast<std::size_t>(dim);
  out.offset += map.strides[d] * start;
  out.strides[d] *= step;
  return out;
}

std::optional<Affine> reshape(const Affine& map, const SymShape& shape, const SymShape& target) {
  // Runs of dims that lie one within the other are merged first; target dims are then cut off each run from its inner
  // end.
  struct Run {
    SymInt size, stride;
  };
  std::vector<Run> runs;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d].is(1)) continue;
    if (!runs.empty() && runs.back().stride == map.strides[d] * shape[d])
      runs.back() = {runs.back().size * shape[d], map.strides[d]};
    else
      runs.push_back({shape[d], map.strides[d]});
  }
  Affine out{map.offset, std::vector<SymInt>(target.size(), SymInt(0))};
  std::size_t run = runs.size();
  SymInt left = 1, stride = 1;  // what of the current run is not yet covered
  for (std::size_t d = target.size(); d-- > 0;) {
    if (target[d].is(1)) continue;
    if (left.is(1)) {
      if (run == 0) return std::nullopt;
      --run;
      left = runs[run].size;
      stride = runs[run].stride;
    }
    const auto rest = divide_exact(left, target[d]);
    if (!rest) return std::nullopt;
    out.strides[d] = stride;
    stride *= target[d];
    left = *rest;
  }
  if (run != 0 || !left.is(1)) return std::nullopt;
  return out;
}

bool is_row_major(const Affine& map, const SymShape& shape) {
  SymInt expected = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (shape[d].is(1)) continue;
    if (map.strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

}  // namespace aitune::cpu

#pragma once
// Offsets for buffers whose lifetimes are known.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/symint.h"

namespace aitune {

/// A buffer that lives from step `first` to step `last`, both included.
struct ArenaRequest {
  std::int64_t bytes = 0;
  std::int64_t first = 0, last = 0;
};

/// Places the requests so that buffers alive at the same time do not overlap: greedy by size, best fit (Pisarchyk and
/// Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020). Offsets are multiples of `alignment`.
/// Returns the total size; `offsets` has one entry for each request.
std::int64_t place_by_liveness(std::span<const ArenaRequest> requests, std::int64_t alignment,
                               std::vector<std::int64_t>& offsets);

/// Where buffers lie whose sizes are multiples of one polynomial.
struct ArenaLayout {
  SymInt quantum;                     ///< bytes; a multiple of the alignment, or of what makes the offsets one
  std::vector<std::int64_t> offsets;  ///< of each request, in quanta
  std::int64_t size = 0;              ///< of all, in quanta
};

/// Places requests whose `bytes` are multiples of `unit`, for all values of its symbols at once. Either the multiples
/// are rounded up to the alignment (which makes 4 * s * s sixteen times as large), or a common divisor of them times
/// the unit is (which wastes up to `alignment` for each of those): whichever takes less at the largest sizes.
ArenaLayout lay_out(const SymInt& unit, std::span<const ArenaRequest> requests, std::int64_t alignment,
                    const SymRanges& symbols);

}  // namespace aitune

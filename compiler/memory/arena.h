#pragma once
// Offsets for buffers whose lifetimes are known.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

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

}  // namespace aitune

#include "compiler/memory/arena.h"

#include <algorithm>
#include <numeric>

namespace aitune {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }

/// Share of the memory below which another layout is taken.
constexpr double kWorthwhile = 0.9;
/// What a size without a limit, or with a very large one, is taken for.
constexpr std::int64_t kLargeSize = 1024;

SymValues largest_values(const SymInt& size, const SymRanges& symbols) {
  std::vector<std::string> names;
  size.collect_symbols(names);
  SymValues values;
  for (const std::string& name : names) {
    const auto range = symbols.find(name);
    values[name] = range == symbols.end()
                       ? kLargeSize
                       : std::clamp(range->second.max, range->second.min, std::max(range->second.min, kLargeSize));
  }
  return values;
}

struct Placed {
  std::int64_t begin, end;
};

/// The lowest of the smallest gaps between `placed` (sorted by begin) that holds `bytes`; the end if none does.
std::int64_t best_gap(const std::vector<Placed>& placed, std::int64_t bytes) {
  std::int64_t best = -1, best_size = 0, end = 0;
  for (const auto& p : placed) {
    const std::int64_t gap = p.begin - end;
    if (gap >= bytes && (best < 0 || gap < best_size)) {
      best = end;
      best_size = gap;
    }
    end = std::max(end, p.end);
  }
  return best >= 0 ? best : end;
}

}  // namespace

std::int64_t place_by_liveness(std::span<const ArenaRequest> requests, std::int64_t alignment,
                               std::vector<std::int64_t>& offsets) {
  offsets.assign(requests.size(), 0);
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return requests[a].bytes > requests[b].bytes; });

  std::vector<std::size_t> done;
  std::int64_t total = 0;
  for (const std::size_t i : order) {
    std::vector<Placed> conflicts;
    for (const std::size_t j : done)
      if (requests[j].first <= requests[i].last && requests[i].first <= requests[j].last)
        conflicts.push_back({offsets[j], offsets[j] + round_up(requests[j].bytes, alignment)});
    std::ranges::sort(conflicts, {}, &Placed::begin);
    offsets[i] = best_gap(conflicts, round_up(requests[i].bytes, alignment));
    total = std::max(total, offsets[i] + round_up(requests[i].bytes, alignment));
    done.push_back(i);
  }
  return total;
}

ArenaLayout lay_out(const SymInt& unit, std::span<const ArenaRequest> requests, std::int64_t alignment,
                    const SymRanges& symbols) {
  ArenaLayout plain{unit, {}, 0};
  plain.size = place_by_liveness(requests, alignment, plain.offsets);
  std::int64_t divisor = 0;
  for (const ArenaRequest& request : requests) divisor = std::gcd(divisor, request.bytes);
  if (unit.is_constant() || divisor == 0 || divisor % alignment == 0) return plain;

  const SymInt quantum =
      floordiv(unit * SymInt(divisor) + SymInt(alignment - 1), SymInt(alignment)) * SymInt(alignment);
  std::vector<ArenaRequest> quanta(requests.begin(), requests.end());
  for (ArenaRequest& request : quanta) request.bytes /= divisor;
  ArenaLayout rounded{quantum, {}, 0};
  rounded.size = place_by_liveness(quanta, 1, rounded.offsets);
  const SymValues largest = largest_values(unit, symbols);
  const auto bytes = [&](const ArenaLayout& layout) {
    return static_cast<double>(layout.quantum.evaluate(largest)) * static_cast<double>(layout.size);
  };
  return bytes(rounded) < kWorthwhile * bytes(plain) ? rounded : plain;
}

}  // namespace aitune

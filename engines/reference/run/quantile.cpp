// Quantiles and histograms.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// The value at `rank` of sorted numbers, between two of them as `how` says.
template <typename C>
C value_at(const std::vector<C>& sorted, C rank, const std::string& how) {
  const auto last = static_cast<C>(sorted.size() - 1);
  if (how == "lower") rank = std::floor(rank);
  if (how == "higher") rank = std::ceil(rank);
  if (how == "nearest") rank = std::nearbyint(rank);
  const C below = std::clamp(std::floor(rank), C(0), last), above = std::min(std::ceil(rank), last);
  const C a = sorted[static_cast<std::size_t>(below)], b = sorted[static_cast<std::size_t>(std::max(above, C(0)))];
  const C weight = how == "midpoint" && above > below ? C(0.5) : rank - below;
  // As torch.lerp: from the nearer end.
  return weight < C(0.5) ? a + weight * (b - a) : b - (b - a) * (1 - weight);
}

/// Sorts the line, and gives its quantile. NaN is the answer where there is one, or where all are left out as such.
template <typename C, bool IgnoresNaN>
C quantile_of(std::vector<C> line, C q, const std::string& how) {
  const auto numbers = std::partition(line.begin(), line.end(), [](C v) { return v == v; });
  if ((!IgnoresNaN && numbers != line.end()) || numbers == line.begin() || q != q)
    return std::numeric_limits<C>::quiet_NaN();
  line.erase(numbers, line.end());
  std::ranges::sort(line);
  return value_at(line, q * static_cast<C>(line.size() - 1), how);
}

template <bool IgnoresNaN>
void quantile(const Call& call) {
  Tensor self = call.self().contiguous();
  std::size_t d = 0;
  if (call.given("dim") && !self.shape().empty())
    d = call.dim("dim", self.shape().size());
  else
    self = view(self, {self.numel()}, {1});
  const Shape& shape = self.shape();
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < d; ++i) outer *= shape[i];
  for (std::size_t i = d + 1; i < shape.size(); ++i) inner *= shape[i];
  const std::string& how = call["interpolation"].string();
  visit_floating(self.dtype(), [&]<typename C>(C) {
    std::vector<C> wanted;
    if (const auto* list = std::get_if<Tensor>(&call["q"])) {
      const Contiguous<C> values(*list);
      wanted.assign(values.data(), values.data() + list->numel());
    } else {
      wanted = {static_cast<C>(call.number("q"))};
    }
    for (const C q : wanted) call.require(!(q < 0 || q > 1), "q is from 0 to 1");
    call.require(call.out().numel() == static_cast<std::int64_t>(wanted.size()) * outer * inner && shape[d] > 0,
                 "the result has another size, or there are no numbers");
    const Contiguous<C> values(self);
    Result<C> out(call.out());
    std::vector<C> line(static_cast<std::size_t>(shape[d]));
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < inner; ++k) {
        for (std::int64_t i = 0; i < shape[d]; ++i)
          line[static_cast<std::size_t>(i)] = values[(o * shape[d] + i) * inner + k];
        for (std::size_t w = 0; w < wanted.size(); ++w)
          out.data()[(static_cast<std::int64_t>(w) * outer + o) * inner + k] =
              quantile_of<C, IgnoresNaN>(line, wanted[w], how);
      }
    out.commit();
  });
}

/// How many elements fall into each of the bins between min and max; without these, between the least and the greatest.
void histc(const Call& call) {
  const std::int64_t bins = call.integer("bins");
  call.require(bins > 0 && call.out().numel() == bins, "there are no bins, or the result has another size");
  visit_floating(call.self().dtype(), [&]<typename C>(C) {
    const Contiguous<C> values(call.self());
    const std::int64_t n = call.self().numel();
    C low = static_cast<C>(call.number("min")), high = static_cast<C>(call.number("max"));
    if (low == high && n > 0) {
      const auto [least, greatest] = std::minmax_element(values.data(), values.data() + n);
      low = *least, high = *greatest;
    }
    if (low == high) low -= 1, high += 1;
    call.require(std::isfinite(low) && std::isfinite(high) && low < high, "its range is not finite");
    const C step = (high - low) / static_cast<C>(bins);
    // The edges of torch.linspace decide: rounding may put an element beside the bin that a division gives.
    const auto edge = [&](std::int64_t i) {
      return i < (bins + 1) / 2 ? low + step * static_cast<C>(i) : high - step * static_cast<C>(bins - i);
    };
    std::vector<C> counts(static_cast<std::size_t>(bins), C(0));
    for (std::int64_t i = 0; i < n; ++i) {
      const C v = values[i];
      if (!(v >= low && v <= high)) continue;
      auto bin = std::min(static_cast<std::int64_t>((v - low) / (high - low) * static_cast<C>(bins)), bins - 1);
      while (bin > 0 && v < edge(bin)) --bin;
      while (bin + 1 < bins && v >= edge(bin + 1)) ++bin;
      counts[static_cast<std::size_t>(bin)] += 1;
    }
    store<C>(call.out().dtype(), call.out().data(), 1, bins, counts.data());
  });
}

}  // namespace

void add_quantile_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_quantile_default, aten_quantile_scalar}, quantile<false>);
  table.add({aten_nanquantile_default, aten_nanquantile_scalar}, quantile<true>);
  table.add({aten_histc_default}, histc);
}

}  // namespace aitune::reference

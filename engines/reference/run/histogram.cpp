// Histograms, of one dimension and of several. Edges and places are computed in the samples' own type, step by step as
// aten/src/ATen/native/cpu/HistogramKernel.cpp does, so that each sample falls into the same bin.

#include <algorithm>
#include <cmath>
#include <optional>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

template <typename C>
using AllEdges = std::vector<std::vector<C>>;

/// torch.linspace: PyTorch's own loop multiplies and adds in one step.
template <typename C>
std::vector<C> even_edges(C first, C last, std::int64_t bins) {
  const C step = (last - first) / static_cast<C>(bins);
  std::vector<C> edges(static_cast<std::size_t>(bins) + 1);
  const std::int64_t n = bins + 1;
  for (std::int64_t i = 0; i < n; ++i)
    edges[static_cast<std::size_t>(i)] =
        i < n / 2 ? std::fma(step, static_cast<C>(i), first) : std::fma(-step, static_cast<C>(n - 1 - i), last);
  return edges;
}

/// The bins along a dimension that the results have room for: there are no others to make.
std::int64_t room_for(const Call& call, std::size_t d, std::size_t dims) {
  if (call.op() == OpId::aten__histogramdd_bin_edges_default) return call.out(d).numel() - 1;
  call.require(call.out().shape().size() == dims, "the counts have another rank");
  return call.out().size(d);
}

/// Edges between the least and the greatest sample, or as the range says, along each dimension.
template <typename C>
AllEdges<C> edges_for(const Call& call, const Contiguous<C>& samples, std::int64_t rows,
                      const std::vector<std::int64_t>& bins) {
  const auto dims = static_cast<std::int64_t>(bins.size());
  std::vector<double> range;
  if (call.given("range"))
    for (const OpArg& end : call["range"].list()) range.push_back(end.number());
  call.require(range.empty() || range.size() == 2 * bins.size(), "the range has not two numbers for each dimension");
  AllEdges<C> edges;
  for (std::int64_t d = 0; d < dims; ++d) {
    C low = 0, high = 1;
    if (!range.empty()) {
      low = static_cast<C>(range[static_cast<std::size_t>(2 * d)]);
      high = static_cast<C>(range[static_cast<std::size_t>(2 * d + 1)]);
    } else if (rows > 0) {
      low = high = samples[d];
      for (std::int64_t i = 1; i < rows; ++i) {
        const C v = samples[i * dims + d];
        if (!(v >= low)) low = v;  // NaN stays
        if (!(v <= high)) high = v;
      }
    }
    call.require(std::isfinite(low) && std::isfinite(high), "the range is not finite");
    call.require(low <= high, "the range ends before it begins");
    if (low == high) {
      low = static_cast<C>(low - C(0.5));
      high = static_cast<C>(high + C(0.5));
    }
    const std::int64_t count = bins[static_cast<std::size_t>(d)];
    call.require(count > 0 && count == room_for(call, static_cast<std::size_t>(d), bins.size()),
                 "the result has another number of bins");
    edges.push_back(even_edges(low, high, count));
  }
  return edges;
}

/// The bin of a value among edges, or nothing outside of them. Only the last bin holds its right edge.
template <typename C>
std::optional<std::int64_t> bin_of(const std::vector<C>& edges, C value, bool even) {
  const auto n = static_cast<std::int64_t>(edges.size());
  if (n < 2 || !(value >= edges.front() && value <= edges.back())) return std::nullopt;
  std::int64_t first = 0, last = n;
  if (even) {  // PyTorch looks only beside the place that a division gives
    const C guess = (value - edges.front()) * static_cast<C>(n - 1) / (edges.back() - edges.front());
    const std::int64_t at = guess >= 0 && guess < static_cast<C>(n) ? static_cast<std::int64_t>(guess) : n - 1;
    first = std::max<std::int64_t>(0, at - 1);
    last = std::min(at + 2, n);
  }
  const auto place = std::upper_bound(edges.begin() + first, edges.begin() + last, value) - edges.begin() - 1;
  return std::clamp<std::int64_t>(place, 0, n - 2);
}

/// Samples as [rows, dims].
std::int64_t row_count(const Call& call, std::int64_t dims) {
  const Tensor& self = call.self();
  const bool of_one = call.op() == OpId::aten_histogram_bins_tensor || call.op() == OpId::aten_histogram_bin_ct;
  if (of_one) return self.numel();
  call.require(self.dim() >= 2 && self.shape().back() == dims, "there are not bins for each dimension of the samples");
  std::int64_t rows = 1;
  for (std::size_t d = 0; d + 1 < self.shape().size(); ++d) rows *= self.shape()[d];
  return rows;
}

template <typename C>
void count(const Call& call, const AllEdges<C>& edges, bool even, const Contiguous<C>& samples, std::int64_t rows) {
  const auto dims = static_cast<std::int64_t>(edges.size());
  Shape bins;
  for (const auto& e : edges) bins.push_back(static_cast<std::int64_t>(e.size()) - 1);
  call.require(call.out().shape() == bins, "the counts have another shape");
  const Tensor* given = call.tensor_or_null("weight");
  call.require(given == nullptr || given->numel() == rows, "there is not one weight for each sample");
  const Contiguous<C> weights(given);
  std::vector<C> counts(static_cast<std::size_t>(call.out().numel()), C(0));
  for (std::int64_t i = 0; i < rows; ++i) {
    std::int64_t at = 0;
    bool inside = true;
    for (std::int64_t d = 0; inside && d < dims; ++d) {
      const auto bin = bin_of(edges[static_cast<std::size_t>(d)], samples[i * dims + d], even);
      inside = bin.has_value();
      if (inside) at = at * bins[static_cast<std::size_t>(d)] + *bin;
    }
    if (inside) counts[static_cast<std::size_t>(at)] += weights ? weights[i] : C(1);
  }
  if (call.boolean("density")) {  // by the sum, then by the bins' lengths
    C sum = 0;
    for (const C c : counts) sum += c;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i] /= sum;
      auto rest = static_cast<std::int64_t>(i);
      for (std::int64_t d = dims; d-- > 0;) {
        const auto& e = edges[static_cast<std::size_t>(d)];
        const auto bin = static_cast<std::size_t>(rest % bins[static_cast<std::size_t>(d)]);
        rest /= bins[static_cast<std::size_t>(d)];
        counts[i] /= e[bin + 1] - e[bin];
      }
    }
  }
  store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), counts.data());
}

template <typename C>
std::vector<C> edges_in(const Call& call, const Tensor& t) {
  call.require(t.dim() == 1 && t.numel() > 0 && t.dtype() == call.self().dtype(),
               "the edges are no vector of the samples' dtype");
  const Contiguous<C> values(t);
  return {values.data(), values.data() + t.numel()};
}

/// Counts, edges, or both, by which results there are.
template <bool Counts, bool Edges>
void histogram(const Call& call) {
  const Tensor& self = call.self();
  call.require(self.dtype() == DType::f32 || self.dtype() == DType::f64, "the samples are neither f32 nor f64");
  visit_floating(self.dtype(), [&]<typename C>(C) {
    const Contiguous<C> samples(self);
    AllEdges<C> edges;
    bool even = true;
    std::int64_t rows = 0;
    const OpArg& bins = call["bins"];
    const auto* list = std::get_if<OpArgList>(&bins);
    if (const auto* one = std::get_if<Tensor>(&bins)) {
      edges.push_back(edges_in<C>(call, *one));
      even = false;
      rows = row_count(call, 1);
    } else if (list != nullptr && !list->empty() && std::holds_alternative<Tensor>(list->front())) {
      for (const Tensor& t : call.tensors("bins")) edges.push_back(edges_in<C>(call, t));
      even = false;
      rows = row_count(call, static_cast<std::int64_t>(edges.size()));
    } else {
      std::vector<std::int64_t> counts;
      if (list != nullptr)
        counts = call.int_list("bins");
      else if (call.op() == OpId::aten_histogram_bin_ct)
        counts.assign(1, bins.integer());
      else if (self.dim() > 0 && self.shape().back() <= 64)
        counts.assign(static_cast<std::size_t>(self.shape().back()), bins.integer());
      call.require(!counts.empty() && counts.size() <= 64, "the number of dimensions is out of range");
      rows = row_count(call, static_cast<std::int64_t>(counts.size()));
      edges = edges_for<C>(call, samples, rows, counts);
    }
    if (Counts) count(call, edges, even, samples, rows);
    if (!Edges) return;
    call.require(call.out_count() == edges.size() + (Counts ? 1 : 0), "there are not edges for each dimension");
    for (std::size_t d = 0; d < edges.size(); ++d) {
      Tensor& out = call.out(d + (Counts ? 1 : 0));
      call.require(out.numel() == static_cast<std::int64_t>(edges[d].size()), "the edges have another length");
      store<C>(out.dtype(), out.data(), 1, out.numel(), edges[d].data());
    }
  });
}

}  // namespace

void add_histogram_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_histogram_bins_tensor, aten_histogram_bin_ct, aten_histogramdd_default, aten_histogramdd_int_bins,
             aten_histogramdd_TensorList_bins},
            histogram<true, true>);
  table.add({aten__histogramdd_from_bin_cts_default, aten__histogramdd_from_bin_tensors_default},
            histogram<true, false>);
  table.add({aten__histogramdd_bin_edges_default}, histogram<false, true>);
}

}  // namespace aitune::reference

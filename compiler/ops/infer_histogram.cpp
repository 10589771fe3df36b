// Histograms, of one dimension and of several.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

constexpr std::int64_t kMaxBins = std::int64_t{1} << 31;
constexpr std::int64_t kMaxDims = 64;

/// Samples and weights have one floating point type; there is a weight for each sample.
DType counted(const Call& call, const SymInt& samples) {
  const DType type = call.tensor("self").dtype;
  call.require(type == DType::f32 || type == DType::f64, "the samples are neither f32 nor f64");
  if (call.given("weight")) {
    call.require(call.tensor("weight").dtype == type, "samples and weights have different dtypes");
    unify(call, product(call.shape("weight")), samples);
  }
  return type;
}

SymInt bins_of(const Call& call, const TensorType& edges, DType type) {
  call.require(edges.shape.size() == 1 && edges.dtype == type, "the edges are no vector of the samples' dtype");
  call.require_at_least(edges.shape[0], 2, "there are no bins");
  return edges.shape[0] - 1;
}

void require_range(const Call& call, std::size_t dims) {
  call.require(!call.has("range") || !call.given("range") || call["range"].list().size() == 2 * dims,
               "the range has not two numbers for each dimension");
}

Types of_one(const Call& call) {
  const DType type = counted(call, product(call.shape("self")));
  if (call["bins"].is_value()) {
    const SymInt bins = bins_of(call, call.tensor("bins"), type);
    return {{type, {bins}}, {type, {bins + 1}}};
  }
  require_range(call, 1);
  const std::int64_t bins = call.integer("bins");
  call.require(bins > 0 && bins <= kMaxBins, "the number of bins is out of range");
  return {{type, {bins}}, {type, {bins + 1}}};
}

/// The number of bins in each dimension of the samples [..., dimensions].
SymShape bins_of_each(const Call& call, DType* type) {
  SymShape samples = call.shape("self");
  call.require(samples.size() >= 2, "the samples have two dimensions or more");
  const SymInt dims = samples.back();
  samples.pop_back();
  *type = counted(call, product(samples));
  SymShape bins;
  const Arg& given = call["bins"];
  if (given.is_list()) {
    unify(call, dims, static_cast<std::int64_t>(given.list().size()));
    call.require(static_cast<std::int64_t>(given.list().size()) <= kMaxDims, "there are too many dimensions");
    for (const Arg& each : given.list())
      bins.push_back(each.is_value() ? bins_of(call, each.value()->type, *type) : each.sym());
  } else {
    const auto count = dims.as_constant();
    call.require(count && *count >= 0 && *count <= kMaxDims, "the number of dimensions is symbolic, or out of range");
    bins.assign(static_cast<std::size_t>(*count), call.sym("bins"));
  }
  call.require(!bins.empty(), "there are no bins");
  for (const SymInt& n : bins)
    if (const auto known = n.as_constant(); known && (!given.is_list() || !given.list()[0].is_value()))
      call.require(*known > 0 && *known <= kMaxBins, "the number of bins is out of range");
  require_range(call, bins.size());
  return bins;
}

/// The counts, then the edges along each dimension; or one of both.
template <bool Counts, bool Edges>
Types of_several(const Call& call) {
  DType type = DType::f32;
  const SymShape bins = bins_of_each(call, &type);
  Types types;
  if (Counts) types.push_back({type, bins});
  for (const SymInt& n : bins)
    if (Edges) types.push_back({type, {n + 1}});
  return types;
}

}  // namespace

void add_histogram_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_histogram_bins_tensor, aten_histogram_bin_ct}, of_one);
  table.add({aten_histogramdd_default, aten_histogramdd_int_bins, aten_histogramdd_TensorList_bins},
            of_several<true, true>);
  table.add({aten__histogramdd_from_bin_cts_default, aten__histogramdd_from_bin_tensors_default},
            of_several<true, false>);
  table.add({aten__histogramdd_bin_edges_default}, of_several<false, true>);
}

}  // namespace aitune::infer

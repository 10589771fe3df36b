// Reductions, scans, softmax and sorting.

#include <algorithm>
#include <array>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

SymShape without(const SymShape& shape, const std::vector<std::size_t>& dims, bool keep) {
  SymShape result;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (std::ranges::find(dims, i) == dims.end())
      result.push_back(shape[i]);
    else if (keep)
      result.push_back(1);
  }
  return result;
}

bool keeps(const Call& call) { return call.has("keepdim") && call.boolean("keepdim"); }

SymShape reduced(const Call& call) {
  const SymShape& shape = call.shape("self");
  if (call.has("dim")) return without(shape, call.dims("dim", shape.size()), keeps(call));
  return keeps(call) ? SymShape(shape.size(), SymInt(1)) : SymShape{};
}

DType accumulated(DType t) { return is_integral(t) || t == DType::b8 ? DType::i64 : t; }

Types sum(const Call& call) {
  return {{call.dtype_or("dtype", accumulated(call.tensor("self").dtype)), reduced(call)}};
}

Types mean(const Call& call) {
  const DType type = call.dtype_or("dtype", call.tensor("self").dtype);
  call.require(is_floating(type) || is_complex(type), "mean needs a floating point dtype");
  return {{type, reduced(call)}};
}

Types extremum(const Call& call) { return {{call.tensor("self").dtype, reduced(call)}}; }

Types extremum_and_index(const Call& call) {
  const SymShape shape = reduced(call);
  return {{call.tensor("self").dtype, shape}, {DType::i64, shape}};
}

Types two_extrema(const Call& call) {
  const TensorType t{call.tensor("self").dtype, reduced(call)};
  return {t, t};
}

Types index_of_extremum(const Call& call) { return {{DType::i64, reduced(call)}}; }

Types truth(const Call& call) {
  const TensorType& self = call.tensor("self");
  const DType type = self.dtype == DType::u8 ? DType::u8 : DType::b8;
  // Unlike sum and mean, the overloads with a list reduce nothing where it is empty.
  const bool lists = call.op().id == OpId::aten_any_dims || call.op().id == OpId::aten_all_dims;
  if (lists && call.given("dim") && call["dim"].list().empty()) return {{type, self.shape}};
  return {{type, reduced(call)}};
}

Types nonzero_count(const Call& call) { return {{DType::i64, reduced(call)}}; }

/// How far complex numbers lie from their mean is real; the mean is not.
Types moments(const Call& call) {
  const DType dtype = call.tensor("self").dtype;
  const TensorType mean{dtype, reduced(call)}, spread{real_of(dtype), mean.shape};
  return call.op().result_count == 2 ? Types{spread, mean} : Types{spread};
}

Types log_sum(const Call& call) { return {{floating(call.tensor("self").dtype), reduced(call)}}; }

Types norm(const Call& call) {
  const DType type = real_of(floating(call.tensor("self").dtype));
  return {{call.has("dtype") ? call.dtype_or("dtype", type) : type, reduced(call)}};
}

Types scan(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.dim("dim", self.shape.size());
  if (call.op().is_inplace()) return {self};
  return {{call.dtype_or("dtype", accumulated(self.dtype)), self.shape}};
}

Types diff(const Call& call) {
  TensorType t = call.tensor("self");
  const std::size_t d = call.dim("dim", t.shape.size());
  call.require(!t.shape.empty(), "diff needs at least one dimension");
  const std::int64_t n = call.integer("n");
  call.require(n >= 0, "n must not be negative");
  if (n == 0) return {t};  // without what is to stand around it
  for (const std::string_view name : {"prepend", "append"})
    if (call.given(name)) t.shape[d] += call.shape(name).at(d);
  const auto size = t.shape[d].as_constant();
  t.shape[d] = size ? SymInt(std::max<std::int64_t>(*size - n, 0)) : t.shape[d] - n;
  return {t};
}

Types softmax(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.dim("dim", self.shape.size());
  DType type = self.dtype;
  if (call.has("dtype")) type = call.dtype_or("dtype", type);
  if (call.has("half_to_float") && call.boolean("half_to_float")) type = DType::f32;
  return {{type, self.shape}};
}

Types sort(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.dim("dim", self.shape.size());
  return {self, {DType::i64, self.shape}};
}

Types argsort(const Call& call) { return {sort(call)[1]}; }

Types topk(const Call& call) {
  TensorType t = call.tensor("self");
  const std::size_t d = call.dim("dim", t.shape.size());
  call.require_at_least(t.shape.empty() ? SymInt(1) : t.shape[d], call.sym("k"), "k is larger than the dimension");
  if (!t.shape.empty()) t.shape[d] = call.sym("k");
  return {t, {DType::i64, t.shape}};
}

Types cosine_similarity(const Call& call) {
  Promotion type;
  type.add(call.tensor("x1"));
  type.add(call.tensor("x2"));
  SymShape shape = broadcast(call, call.shape("x1"), call.shape("x2"));
  const std::size_t d = call.dim("dim", shape.size());
  if (!shape.empty()) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(d));
  return {{floating(type.result()), shape}};
}

/// Summed where it is larger than the size it is brought to.
Types sum_to_size(const Call& call) {
  const TensorType& self = call.tensor("self");
  const SymShape size = call.sym_list("size");
  call.require(size.size() <= self.shape.size(), "the size has more dimensions than the tensor");
  const std::size_t leading = self.shape.size() - size.size();
  SymShape shape = size;
  bool sums = leading > 0 || size.empty();
  for (std::size_t i = 0; i < size.size(); ++i) {
    const SymInt& own = self.shape[leading + i];
    if (!size[i].is(1)) {
      shape[i] = unify(call, own, size[i]);
    } else {
      sums |= !own.is(1);
    }
  }
  return {{sums ? accumulated(self.dtype) : self.dtype, shape}};
}

/// A result for each of the segments that lengths or offsets give along their last dimension.
Types segment_reduce(const Call& call) {
  TensorType data = call.tensor("data");
  call.require(is_floating(data.dtype), "the data are not floating point");
  call.require(!call.given("indices"), "segments by indices: PyTorch has none, either");
  const bool offsets = call.given("offsets");
  call.require(offsets || call.given("lengths"), "neither lengths nor offsets are given");
  const TensorType& segments = call.tensor(offsets ? "offsets" : "lengths");
  call.require(segments.dtype == DType::i64 || segments.dtype == DType::i32, "lengths and offsets are i64 or i32");
  call.require(!segments.shape.empty() && segments.shape.size() <= data.shape.size(),
               "lengths or offsets have the wrong rank");
  const std::size_t d = call.dim("axis", data.shape.size());
  call.require(d + 1 == segments.shape.size(), "the axis is not the last dimension of lengths or offsets");
  for (std::size_t i = 0; i < d; ++i) unify(call, data.shape[i], segments.shape[i]);
  if (offsets) call.require_at_least(segments.shape[d], 1, "there are no offsets");
  data.shape[d] = offsets ? segments.shape[d] - 1 : segments.shape[d];
  static constexpr std::array kReductions = {"sum", "mean", "max", "min", "prod"};
  call.require(std::ranges::find(kReductions, call["reduce"].string()) != kReductions.end(), "an unknown reduction");
  return {data};
}

}  // namespace

void add_reduction_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_sum_default, aten_sum_dim_IntList, aten_prod_default, aten_prod_dim_int, aten_nansum_default}, sum);
  table.add({aten_mean_default, aten_mean_dim}, mean);
  table.add({aten_amax_default, aten_amin_default, aten_max_default, aten_min_default}, extremum);
  table.add({aten_max_dim, aten_min_dim}, extremum_and_index);
  table.add({aten_aminmax_default}, two_extrema);
  table.add({aten_argmax_default, aten_argmin_default}, index_of_extremum);
  table.add({aten_any_default, aten_any_dim, aten_any_dims, aten_all_default, aten_all_dim, aten_all_dims}, truth);
  table.add({aten_count_nonzero_default, aten_count_nonzero_dim_IntList}, nonzero_count);
  table.add({aten_var_default, aten_var_dim, aten_var_correction, aten_std_default, aten_std_dim, aten_std_correction,
             aten_var_mean_default, aten_var_mean_dim, aten_var_mean_correction, aten_std_mean_default,
             aten_std_mean_dim, aten_std_mean_correction},
            moments);
  table.add({aten_logsumexp_default}, log_sum);
  table.add({aten_linalg_vector_norm_default, aten_norm_Scalar, aten_norm_ScalarOpt_dim, aten_norm_ScalarOpt_dtype,
             aten_norm_ScalarOpt_dim_dtype},
            norm);
  table.add({aten_cumsum_default, aten_cumsum__default, aten_cumprod_default}, scan);
  table.add({aten_diff_default}, diff);
  table.add({aten_softmax_int, aten__softmax_default, aten__safe_softmax_default, aten_log_softmax_int,
             aten__log_softmax_default},
            softmax);
  table.add({aten_sort_default, aten_sort_stable}, sort);
  table.add({aten_argsort_default, aten_argsort_stable}, argsort);
  table.add({aten_topk_default}, topk);
  table.add({aten_cosine_similarity_default}, cosine_similarity);
  table.add({aten_sum_to_size_default}, sum_to_size);
  table.add({aten_segment_reduce_default}, segment_reduce);
}

}  // namespace aitune::infer

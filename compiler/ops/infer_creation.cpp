// Operators that make a tensor out of numbers.

#include <algorithm>
#include <cmath>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

/// The dtype PyTorch gives to a number on its own.
DType dtype_of_number(const Arg& number) {
  if (std::holds_alternative<bool>(number)) return DType::b8;
  return std::holds_alternative<double>(number) ? DType::f32 : DType::i64;
}

Types filled(const Call& call) {
  const DType type = call.has("fill_value") ? dtype_of_number(call["fill_value"]) : DType::f32;
  return {{call.dtype_or("dtype", type), call.sym_list("size")}};
}

Types like(const Call& call) {
  const TensorType& self = call.tensor("self");
  return {{call.dtype_or("dtype", self.dtype), call.has("size") ? call.sym_list("size") : self.shape}};
}

Types scalar_tensor(const Call& call) { return {{call.dtype_or("dtype", DType::f32), {}}}; }

Types arange(const Call& call) {
  const Arg start = call.has("start") ? call["start"] : Arg(SymInt(0));
  const Arg step = call.has("step") ? call["step"] : Arg(SymInt(1));
  const Arg& end = call["end"];
  const auto is_float = [](const Arg& a) { return std::holds_alternative<double>(a); };
  if (is_float(start) || is_float(end) || is_float(step)) {
    const double n = std::ceil((end.number() - start.number()) / step.number());
    call.require(n >= 0 && n < 9e18, "the bounds do not fit the step");
    return {{call.dtype_or("dtype", DType::f32), {static_cast<std::int64_t>(n)}}};
  }
  const auto whole = [](const Arg& a) { return std::holds_alternative<bool>(a) ? SymInt(a.integer()) : a.sym(); };
  const SymInt by = whole(step);
  call.require(!by.is(0), "the step must not be 0");
  SymInt span = whole(end) - whole(start);
  const bool down = by.is_constant() && by.constant() < 0;
  if (const auto s = span.as_constant()) call.require(*s == 0 || (*s < 0) == down, "the bounds do not fit the step");
  span = down ? SymInt(0) - span : span;
  return {{call.dtype_or("dtype", DType::i64), {ceil_div(span, down ? SymInt(0) - by : by)}}};
}

Types linspace(const Call& call) { return {{call.dtype_or("dtype", DType::f32), {call.sym("steps")}}}; }

Types eye(const Call& call) {
  const SymInt n = call.sym("n");
  return {{call.dtype_or("dtype", DType::f32), {n, call.has("m") ? call.sym("m") : n}}};
}

Types logspace(const Call& call) { return {{call.dtype_or("dtype", DType::f32), {call.sym("steps")}}}; }

Types window(const Call& call) { return {{call.dtype_or("dtype", DType::f32), {call.sym("window_length")}}}; }

/// Elements of a triangle of fixed size.
Types triangle_indices(const Call& call) {
  const std::int64_t rows = call.integer("row"), columns = call.integer("col"), offset = call.integer("offset");
  call.require(rows >= 0 && columns >= 0 && rows <= 1 << 20 && columns <= 1 << 20, "the sizes are out of range");
  const bool lower = call.op().id == OpId::aten_tril_indices_default;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t below = std::clamp<std::int64_t>(i + offset + (lower ? 1 : 0), 0, columns);
    count += lower ? below : columns - below;
  }
  return {{call.dtype_or("dtype", DType::i64), {2, count}}};
}

Types permutation(const Call& call) { return {{call.dtype_or("dtype", DType::i64), {call.sym("n")}}}; }

/// One draw for each element of the tensors that say how.
Types drawn_around(const Call& call, std::string_view first, std::string_view second) {
  Promotion type;
  SymShape shape;
  for (const std::string_view name : {first, second}) {
    if (!call[name].is_value()) continue;
    type.add(call.tensor(name));
    shape = broadcast(call, shape, call.shape(name));
  }
  return {{type.result(), std::move(shape)}};
}
Types normals(const Call& call) { return drawn_around(call, "mean", "std"); }
Types binomials(const Call& call) { return drawn_around(call, "count", "prob"); }

Types drawn(const Call& call) {
  SymShape shape = call.tensor("self").shape;
  call.require(shape.size() == 1 || shape.size() == 2, "the probabilities are a vector or a matrix");
  shape.back() = call.sym("num_samples");
  return {{DType::i64, std::move(shape)}};
}

}  // namespace

void add_creation_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_full_default, aten_ones_default, aten_zeros_default, aten_empty_memory_format,
             aten_empty_strided_default, aten_empty_permuted_default, aten_rand_default, aten_randn_default,
             aten_randint_default, aten_randint_low, aten_normal_float_float},
            filled);
  table.add({aten_full_like_default, aten_ones_like_default, aten_zeros_like_default, aten_empty_like_default,
             aten_new_empty_default, aten_new_full_default, aten_new_ones_default, aten_new_zeros_default,
             aten_new_empty_strided_default, aten_rand_like_default, aten_randn_like_default, aten_randint_like_default,
             aten_randint_like_low_dtype, aten_randint_like_Tensor},
            like);
  table.add({aten_randperm_default}, permutation);
  table.add({aten_bernoulli_default, aten_bernoulli_p, aten_bernoulli_Tensor, aten_bernoulli__float,
             aten_uniform_default, aten_normal_functional_default, aten_normal__default, aten_random_default,
             aten_random_from, aten_random_to, aten_exponential_default, aten_geometric_default, aten_cauchy_default,
             aten_log_normal_default, aten_poisson_default},
            like_self);
  table.add({aten_normal_Tensor_float, aten_normal_float_Tensor, aten_normal_Tensor_Tensor}, normals);
  table.add({aten_binomial_default}, binomials);
  table.add({aten_multinomial_default}, drawn);
  table.add({aten_logspace_default}, logspace);
  table.add({aten_hann_window_default, aten_hann_window_periodic, aten_hamming_window_default,
             aten_hamming_window_periodic, aten_hamming_window_periodic_alpha, aten_hamming_window_periodic_alpha_beta},
            window);
  table.add({aten_tril_indices_default, aten_triu_indices_default}, triangle_indices);
  table.add({aten_scalar_tensor_default}, scalar_tensor);
  table.add({aten_arange_default, aten_arange_start, aten_arange_start_step}, arange);
  table.add({aten_linspace_default}, linspace);
  table.add({aten_eye_default, aten_eye_m}, eye);
}

}  // namespace aitune::infer

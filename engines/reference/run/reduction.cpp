// Reductions: one driver, one state and step for each operator.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

template <typename C>
constexpr C kLowest = std::is_floating_point_v<C> ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::min();
template <typename C>
constexpr C kHighest = std::is_floating_point_v<C> ? std::numeric_limits<C>::infinity() : std::numeric_limits<C>::max();

/// For each position of the dimensions not in `dims`: a copy of `init` is stepped over every element, in row-major
/// order, and handed to finish(position, state). `Step` is step(state, value, index in the reduced part).
template <typename C, typename State, typename Step, typename Finish>
void reduce(const Tensor& in, const std::vector<std::size_t>& dims, const State& init, Step step, Finish finish) {
  require_real(in);
  Walk kept, reduced;
  kept.strides.resize(1);
  reduced.strides.resize(1);
  for (std::size_t d = 0; d < in.shape().size(); ++d) {
    Walk& walk = std::ranges::find(dims, d) != dims.end() ? reduced : kept;
    walk.shape.push_back(in.shape()[d]);
    walk.strides[0].push_back(in.strides()[d]);
  }
  kept.shape.push_back(1);  // so that rows of `kept` are single positions
  kept.strides[0].push_back(0);
  reduced.merge();
  const auto size = static_cast<std::int64_t>(dtype_size(in.dtype()));
  const std::int64_t inner = reduced.inner(), stride = reduced.inner_stride(0);
  std::vector<C> buffer(static_cast<std::size_t>(std::min(kChunk, std::max<std::int64_t>(inner, 1))));
  std::int64_t position = 0;
  for_each_row(kept, [&](std::span<const std::int64_t> base) {
    State state = init;
    std::int64_t index = 0;
    for_each_row(reduced, [&](std::span<const std::int64_t> offset) {
      for (std::int64_t begin = 0; begin < inner; begin += kChunk) {
        const std::int64_t n = std::min(kChunk, inner - begin);
        load<C>(in.dtype(), in.data() + (base[0] + offset[0] + begin * stride) * size, stride, n, buffer.data());
        for (std::int64_t i = 0; i < n; ++i) step(state, buffer[static_cast<std::size_t>(i)], index++);
      }
    });
    finish(position++, state);
  });
}

std::vector<std::size_t> dims_of(const Call& call) { return call.dims("dim", call.self().shape().size()); }

std::int64_t reduced_count(const Call& call) {
  std::int64_t n = 1;
  for (const std::size_t d : dims_of(call))
    if (!call.self().shape().empty()) n *= call.self().shape()[d];
  return n;
}

/// Sums and products accumulate in double, or in int64 for integers.
template <typename F>
void visit_accumulator(const Call& call, F f) {
  if (is_floating(call.out().dtype()))
    f(double{});
  else
    f(std::int64_t{});
}

/// The sum of complex elements, times `factor`.
void complex_sum(const Call& call, double factor) {
  std::vector<Complex> sums(static_cast<std::size_t>(call.out().numel()));
  const auto add = [&](const Tensor& part, Complex unit) {
    reduce<double>(
        part, dims_of(call), 0.0, [](double& s, double v, std::int64_t) { s += v; },
        [&](std::int64_t i, double s) { sums[static_cast<std::size_t>(i)] += factor * s * unit; });
  };
  const Parts parts = parts_of(call.self());
  add(parts.real, 1);
  if (parts.imaginary) add(*parts.imaginary, {0, 1});
  store_complex(call.out(), sums);
}

void sum(const Call& call) {
  if (is_complex(call.out().dtype())) return complex_sum(call, 1);
  visit_accumulator(call, [&]<typename C>(C) {
    Result<C> out(call.out());
    reduce<C>(
        call.self(), dims_of(call), C(0), [](C& s, C v, std::int64_t) { s = wrap_add(s, v); },
        [&](std::int64_t i, C s) { out.data()[i] = s; });
    out.commit();
  });
}

void nansum(const Call& call) {
  visit_accumulator(call, [&]<typename C>(C) {
    Result<C> out(call.out());
    reduce<C>(
        call.self(), dims_of(call), C(0), [](C& s, C v, std::int64_t) { s = v != v ? s : wrap_add(s, v); },
        [&](std::int64_t i, C s) { out.data()[i] = s; });
    out.commit();
  });
}

void mean(const Call& call) {
  const auto n = static_cast<double>(reduced_count(call));
  if (is_complex(call.out().dtype())) return complex_sum(call, 1 / n);
  Result<double> out(call.out());
  reduce<double>(
      call.self(), dims_of(call), 0.0, [](double& s, double v, std::int64_t) { s += v; },
      [&](std::int64_t i, double s) { out.data()[i] = s / n; });
  out.commit();
}

/// The product of complex elements.
void complex_prod(const Call& call) {
  const std::vector<Complex> values = complex_values(call.self());
  std::vector<Complex> products(static_cast<std::size_t>(call.out().numel()));
  // The place of each element, row-major, as one more operand to walk.
  Tensor places(DType::i64, call.self().shape());
  std::iota(places.as<std::int64_t>(), places.as<std::int64_t>() + places.numel(), std::int64_t{0});
  reduce<std::int64_t>(
      places, dims_of(call), Complex(1),
      [&](Complex& p, std::int64_t place, std::int64_t) { p *= values[static_cast<std::size_t>(place)]; },
      [&](std::int64_t i, Complex p) { products[static_cast<std::size_t>(i)] = p; });
  store_complex(call.out(), products);
}

void prod(const Call& call) {
  if (is_complex(call.out().dtype())) return complex_prod(call);
  visit_accumulator(call, [&]<typename C>(C) {
    Result<C> out(call.out());
    reduce<C>(
        call.self(), dims_of(call), C(1), [](C& s, C v, std::int64_t) { s = wrap_mul(s, v); },
        [&](std::int64_t i, C s) { out.data()[i] = s; });
    out.commit();
  });
}

template <typename C>
struct Best {
  C value;
  std::int64_t index = 0;
};

template <bool Max, typename C>
void better(Best<C>& best, C v, std::int64_t i) {
  const bool is_nan = v != v, was_nan = best.value != best.value;
  if (i == 0 || (!was_nan && (is_nan || (Max ? v > best.value : v < best.value)))) best = {v, i};
}

/// Values to the first output and positions to the second, where there is one.
template <bool Max>
void extremum(const Call& call) {
  call.require(reduced_count(call) > 0 || call.out().numel() == 0, "the reduction of no elements has no extremum");
  const Tensor& self = call.self();
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) {
    Result<C> out(call.out());
    std::int64_t* indices = call.out_count() > 1 ? call.out(1).as<std::int64_t>() : nullptr;
    reduce<C>(self, dims_of(call), Best<C>{Max ? kLowest<C> : kHighest<C>}, better<Max, C>,
              [&](std::int64_t i, const Best<C>& best) {
                out.data()[i] = best.value;
                if (indices != nullptr) indices[i] = best.index;
              });
    out.commit();
  });
}

template <bool Max>
void index_of_extremum(const Call& call) {
  call.require(reduced_count(call) > 0 || call.out().numel() == 0, "the reduction of no elements has no extremum");
  visit_compute(compute_of(call.self().dtype()), [&]<typename C>(C) {
    auto* out = call.out().as<std::int64_t>();
    reduce<C>(call.self(), dims_of(call), Best<C>{Max ? kLowest<C> : kHighest<C>}, better<Max, C>,
              [&](std::int64_t i, const Best<C>& best) { out[i] = best.index; });
  });
}

void aminmax(const Call& call) {
  visit_compute(compute_of(call.self().dtype()), [&]<typename C>(C) {
    Result<C> low(call.out(0)), high(call.out(1));
    struct Range {
      Best<C> low, high;
    };
    reduce<C>(
        call.self(), dims_of(call), Range{{kHighest<C>}, {kLowest<C>}},
        [](Range& r, C v, std::int64_t i) {
          better<false>(r.low, v, i);
          better<true>(r.high, v, i);
        },
        [&](std::int64_t i, const Range& r) {
          low.data()[i] = r.low.value;
          high.data()[i] = r.high.value;
        });
    low.commit();
    high.commit();
  });
}

void truth(const Call& call) {
  const bool all =
      call.op() == OpId::aten_all_default || call.op() == OpId::aten_all_dim || call.op() == OpId::aten_all_dims;
  std::vector<std::size_t> dims = dims_of(call);
  // Unlike sum and mean, the overloads with a list reduce nothing where it is empty.
  const bool lists = call.op() == OpId::aten_any_dims || call.op() == OpId::aten_all_dims;
  if (lists && call.given("dim") && call["dim"].list().empty()) dims.clear();
  const Tensor self = magnitudes(call.self());
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) {
    auto* out = call.out().as<std::uint8_t>();  // bool, or u8 for u8
    reduce<C>(
        self, dims, all, [&](bool& s, C v, std::int64_t) { s = all ? s && v != C(0) : s || v != C(0); },
        [&](std::int64_t i, bool s) { out[i] = s ? 1 : 0; });
  });
}

void count_nonzero(const Call& call) {
  const Tensor self = magnitudes(call.self());
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) {
    auto* out = call.out().as<std::int64_t>();
    reduce<C>(
        self, dims_of(call), std::int64_t{0}, [](std::int64_t& s, C v, std::int64_t) { s += v != C(0); },
        [&](std::int64_t i, std::int64_t s) { out[i] = s; });
  });
}

struct Moments {
  double mean = 0, squares = 0;
};

double correction(const Call& call) {
  if (call.has("unbiased")) return call.boolean("unbiased") ? 1 : 0;
  return call.given("correction") ? call.number("correction") : 1;
}

void add_moment(Moments& m, double v, std::int64_t i) {
  const double delta = v - m.mean;
  m.mean += delta / static_cast<double>(i + 1);
  m.squares += delta * (v - m.mean);
}

/// Of complex numbers: the sum of the variances of their parts, which is real, and a complex mean.
template <bool Root>
void complex_variance(const Call& call) {
  const Parts parts = parts_of(call.self());
  const auto count = static_cast<std::size_t>(call.out().numel());
  std::vector<double> squares(count);
  std::vector<Complex> means(count);
  const auto add = [&](const Tensor& part, Complex unit) {
    reduce<double>(part, dims_of(call), Moments{}, add_moment, [&](std::int64_t i, const Moments& m) {
      squares[static_cast<std::size_t>(i)] += m.squares;
      means[static_cast<std::size_t>(i)] += m.mean * unit;
    });
  };
  add(parts.real, 1.0);
  add(*parts.imaginary, {0.0, 1.0});
  const double divisor = std::max(static_cast<double>(reduced_count(call)) - correction(call), 0.0);
  for (double& v : squares) v = Root ? std::sqrt(v / divisor) : v / divisor;
  store<double>(call.out().dtype(), call.out().data(), 1, call.out().numel(), squares.data());
  if (reduced_count(call) == 0) std::ranges::fill(means, Complex(std::nan(""), std::nan("")));
  if (call.out_count() > 1) store_complex(call.out(1), means);
}

/// Welford's running mean and sum of squared deviations.
template <bool Root>
void variance(const Call& call) {
  if (is_complex(call.self().dtype())) return complex_variance<Root>(call);
  const double divisor = static_cast<double>(reduced_count(call)) - correction(call);
  Result<double> out(call.out());
  const bool wants_mean = call.out_count() > 1;
  Tensor unused(DType::f64, wants_mean ? Shape{0} : call.out().shape());  // keeps the loop free of a condition
  Result<double> mean_out(wants_mean ? call.out(1) : unused);
  reduce<double>(call.self(), dims_of(call), Moments{}, add_moment, [&](std::int64_t i, const Moments& m) {
    const double v = m.squares / std::max(divisor, 0.0);
    out.data()[i] = Root ? std::sqrt(v) : v;
    mean_out.data()[i] = reduced_count(call) == 0 ? std::nan("") : m.mean;
  });
  out.commit();
  if (wants_mean) mean_out.commit();
}

/// sum(exp(v)) relative to the greatest v so far, so that nothing overflows.
struct LogSum {
  double greatest = -std::numeric_limits<double>::infinity(), sum = 0;
};

void logsumexp(const Call& call) {
  Result<double> out(call.out());
  reduce<double>(
      call.self(), dims_of(call), LogSum{},
      [](LogSum& s, double v, std::int64_t) {
        if (v > s.greatest)
          s = {v, s.sum * std::exp(s.greatest - v) + 1};
        else
          s.sum += v == s.greatest ? 1 : std::exp(v - s.greatest);
      },
      [&](std::int64_t i, const LogSum& s) { out.data()[i] = s.greatest + std::log(s.sum); });
  out.commit();
}

void vector_norm(const Call& call) {
  const std::string_view name = call.has("ord") ? "ord" : "p";
  const double p = call.given(name) ? call.number(name) : 2;
  const Tensor self = magnitudes(call.self());
  Result<double> out(call.out());
  const auto run = [&](double init, auto step, auto finish) {
    reduce<double>(
        self, dims_of(call), init, [&](double& s, double v, std::int64_t) { s = step(s, std::abs(v)); },
        [&](std::int64_t i, double s) { out.data()[i] = finish(s); });
  };
  const auto same = [](double s) { return s; };
  if (p == 2)
    run(0, [](double s, double v) { return s + v * v; }, [](double s) { return std::sqrt(s); });
  else if (p == 1)
    run(0, [](double s, double v) { return s + v; }, same);
  else if (p == 0)
    run(0, [](double s, double v) { return s + (v != 0 ? 1 : 0); }, same);
  else if (p == std::numeric_limits<double>::infinity())
    run(0, [](double s, double v) { return v > s || v != v ? v : s; }, same);
  else if (p == -std::numeric_limits<double>::infinity())
    run(p * -1, [](double s, double v) { return v < s || v != v ? v : s; }, same);
  else
    run(0, [p](double s, double v) { return s + std::pow(v, p); }, [p](double s) { return std::pow(s, 1 / p); });
  out.commit();
}

}  // namespace

void add_reduction_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_sum_default, aten_sum_dim_IntList}, sum);
  table.add({aten_nansum_default}, nansum);
  table.add({aten_mean_default, aten_mean_dim}, mean);
  table.add({aten_prod_default, aten_prod_dim_int}, prod);
  table.add({aten_amax_default, aten_max_default, aten_max_dim}, extremum<true>);
  table.add({aten_amin_default, aten_min_default, aten_min_dim}, extremum<false>);
  table.add({aten_argmax_default}, index_of_extremum<true>);
  table.add({aten_argmin_default}, index_of_extremum<false>);
  table.add({aten_aminmax_default}, aminmax);
  table.add({aten_any_default, aten_any_dim, aten_any_dims, aten_all_default, aten_all_dim, aten_all_dims}, truth);
  table.add({aten_count_nonzero_default, aten_count_nonzero_dim_IntList}, count_nonzero);
  table.add({aten_var_default, aten_var_dim, aten_var_correction, aten_var_mean_default, aten_var_mean_dim,
             aten_var_mean_correction},
            variance<false>);
  table.add({aten_std_default, aten_std_dim, aten_std_correction, aten_std_mean_default, aten_std_mean_dim,
             aten_std_mean_correction},
            variance<true>);
  table.add({aten_logsumexp_default}, logsumexp);
  table.add({aten_linalg_vector_norm_default, aten_norm_Scalar, aten_norm_ScalarOpt_dim, aten_norm_ScalarOpt_dtype,
             aten_norm_ScalarOpt_dim_dtype},
            vector_norm);
}

}  // namespace aitune::reference

// Integrals and derivatives of sampled functions, and samples between two ends. What they compute:
// aten/src/ATen/native/Integration.cpp, ReduceOps.cpp (gradient) and RangeFactories.cpp.

#include <cmath>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/wide.h"

namespace aitune::reference {
namespace {

/// All but the first, or all but the last, along `d`.
Tensor without_end(const Tensor& t, std::size_t d, bool first) {
  const std::int64_t n = t.shape().at(d);
  return slice(t, d, first && n > 0 ? 1 : 0, std::max<std::int64_t>(n - 1, 0));
}

/// The samples' places with dimensions like the samples: a vector lies along `d`.
Tensor placed(const Call& call, const Tensor& y, std::size_t d) {
  Tensor x = call.tensor("x");
  if (x.dim() == 1) {
    call.require(x.size(0) == y.size(d), "there is not one place for each sample");
    Shape shape(y.shape().size(), 1), strides(y.shape().size(), 0);
    shape[d] = x.size(0);
    strides[d] = x.strides()[0];
    return view(x, shape, strides);
  }
  while (x.dim() < y.dim()) x = unsqueeze(x, 0);
  return x;
}

/// What products of both are held in where both are integers; f64, which holds what it is given, else.
DType joint_integer(DType a, DType b) {
  if (!is_integral(a) || !is_integral(b)) return DType::f64;
  if (a == b) return a;
  const DType wider = dtype_size(a) > dtype_size(b) ? a : b;
  return dtype_size(wider) == 1 ? DType::i16 : wider;  // u8 and i8
}

/// Twice the area between each two neighbours.
template <typename T>
std::vector<T> areas(const Call& call, const Tensor& y, std::size_t d, Shape& shape) {
  const Tensor left = without_end(y, d, false), right = without_end(y, d, true);
  shape = left.shape();
  if (!call.has("x")) {
    std::vector<T> sums = wide_values<T>(left);
    const std::vector<T> others = wide_values<T>(right);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = (sums[i] + others[i]) * call.number("dx");
    return sums;
  }
  const Tensor x = placed(call, y, d), from = without_end(x, d, false), to = without_end(x, d, true);
  shape = joint_shape(left.shape(), from.shape());
  std::vector<T> sums = wide_values<T>(left, shape);
  const std::vector<T> others = wide_values<T>(right, shape), begin = wide_values<T>(from, shape),
                       end = wide_values<T>(to, shape);
  const DType whole = joint_integer(y.dtype(), x.dtype());
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i] = held(whole, held(y.dtype(), sums[i] + others[i]) * held(x.dtype(), end[i] - begin[i]));
  return sums;
}

/// With one distance it is the sum of all samples less half of the first and the last.
template <typename T>
std::vector<T> evenly_spaced(const Tensor& y, std::size_t d, double dx) {
  const Around around(y.shape(), d);
  const std::vector<T> values = wide_values<T>(y);
  std::vector<T> result;
  for (std::int64_t o = 0; o < around.outer; ++o)
    for (std::int64_t k = 0; k < around.inner; ++k) {
      const auto value = [&](std::int64_t i) { return values[static_cast<std::size_t>(around.at(o, i, k))]; };
      T sum = 0;
      for (std::int64_t i = 0; i < around.length; ++i) sum += value(i);
      result.push_back((sum - (value(0) + value(around.length - 1)) * 0.5) * dx);
    }
  return result;
}

bool has_complex(const Call& call) { return is_complex(call.out().dtype()); }

void trapezoid(const Call& call) {
  const Tensor& y = call.tensor("y");
  call.require(y.dim() > 0, "a 0-dim tensor has no samples");
  const std::size_t d = call.dim("dim", y.shape().size());
  visit_wide(has_complex(call), [&]<typename T>(T) {
    if (y.size(d) == 0) return store_wide(call.out(), std::vector<T>(static_cast<std::size_t>(call.out().numel())));
    if (!call.has("x")) return store_wide(call.out(), evenly_spaced<T>(y, d, call.number("dx")));
    Shape shape;
    const std::vector<T> parts = areas<T>(call, y, d, shape);
    const Around around(shape, d);
    std::vector<T> sums;
    for (std::int64_t o = 0; o < around.outer; ++o)
      for (std::int64_t k = 0; k < around.inner; ++k) {
        T sum = 0;
        for (std::int64_t i = 0; i < around.length; ++i) sum += parts[static_cast<std::size_t>(around.at(o, i, k))];
        sums.push_back(sum / 2.0);
      }
    store_wide(call.out(), sums);
  });
}

void cumulative_trapezoid(const Call& call) {
  const Tensor& y = call.tensor("y");
  call.require(y.dim() > 0, "a 0-dim tensor has no samples");
  const std::size_t d = call.dim("dim", y.shape().size());
  visit_wide(has_complex(call), [&]<typename T>(T) {
    Shape shape;
    std::vector<T> parts = areas<T>(call, y, d, shape);
    const Around around(shape, d);
    for (std::int64_t o = 0; o < around.outer; ++o)
      for (std::int64_t k = 0; k < around.inner; ++k) {
        T sum = 0;
        for (std::int64_t i = 0; i < around.length; ++i) {
          T& part = parts[static_cast<std::size_t>(around.at(o, i, k))];
          sum += part / 2.0;
          part = sum;
        }
      }
    store_wide(call.out(), parts);
  });
}

// --- gradient ---

/// The derivative of a line of samples that lie `step` apart.
template <typename T>
std::vector<T> derivative(const std::vector<T>& y, double step, bool second_order) {
  const std::size_t n = y.size();
  std::vector<T> result(n);
  for (std::size_t i = 1; i + 1 < n; ++i) result[i] = (y[i + 1] - y[i - 1]) / step / 2.0;
  if (second_order) {
    result[0] = (-1.5 * y[0] + 2.0 * y[1] - 0.5 * y[2]) / step;
    result[n - 1] = (0.5 * y[n - 3] - 2.0 * y[n - 2] + 1.5 * y[n - 1]) / step;
  } else {
    result[0] = (y[1] - y[0]) / step;
    result[n - 1] = (y[n - 1] - y[n - 2]) / step;
  }
  return result;
}

/// The same where each has a place of its own. What is made of places alone is rounded to their dtype.
template <typename T>
std::vector<T> derivative(const std::vector<T>& y, const std::vector<T>& x, DType dtype, bool second_order) {
  const std::size_t n = y.size();
  const DType real = is_floating(dtype) || is_complex(dtype) ? dtype : DType::f32;
  const auto r = [real](T v) { return held(real, v); };
  std::vector<T> result(n), h;
  for (std::size_t i = 0; i + 1 < n; ++i) h.push_back(r(x[i + 1] - x[i]));
  const auto sum = [&](T a, T b) { return r(a + b); };
  const auto product = [&](T a, T b) { return r(a * b); };
  for (std::size_t i = 1; i + 1 < n; ++i) {
    const T a = h[i - 1], b = h[i];
    result[i] = r(-b / product(a, sum(a, b))) * y[i - 1] + r(sum(b, -a) / product(a, b)) * y[i] +
                r(a / product(b, sum(a, b))) * y[i + 1];
  }
  const T first = h[0], last = h[n - 2];
  if (second_order) {
    const T next = h[1], before = h[n - 3];
    result[0] = r(-sum(2.0 * first, next) / product(first, sum(first, next))) * y[0] +
                r(sum(first, next) / product(first, next)) * y[1] + r(-first / product(next, sum(first, next))) * y[2];
    result[n - 1] = r(last / product(before, sum(last, before))) * y[n - 3] +
                    r(-sum(last, before) / product(last, before)) * y[n - 2] +
                    r(sum(2.0 * last, before) / product(last, sum(last, before))) * y[n - 1];
  } else {
    result[0] = (y[1] - y[0]) / first;
    result[n - 1] = (y[n - 1] - y[n - 2]) / last;
  }
  return result;
}

void gradient(const Call& call) {
  const Tensor& self = call.self();
  const std::vector<std::size_t> dims = call.dims("dim", self.shape().size());
  const std::int64_t edge_order = call.integer("edge_order");
  call.require(edge_order == 1 || edge_order == 2, "edge_order is neither 1 nor 2");
  call.require(dims.size() == call.out_count(), "there is not one result for each dimension");
  const bool lists = call.given("spacing") && std::holds_alternative<OpArgList>(call["spacing"]);
  call.require(!lists || call["spacing"].list().size() == dims.size(), "there is not one spacing for each dimension");
  for (std::size_t r = 0; r < dims.size(); ++r) {
    const Around around(self.shape(), dims[r]);
    call.require(around.length > edge_order, "a dimension has not more elements than edge_order");
    const OpArg* spacing = !call.given("spacing") ? nullptr : lists ? &call["spacing"].list()[r] : &call["spacing"];
    const Tensor* places = spacing == nullptr ? nullptr : std::get_if<Tensor>(spacing);
    call.require(places == nullptr || (places->dim() == 1 && places->size(0) == around.length),
                 "the places are no vector of the dimension's length");
    visit_wide(is_complex(call.out(r).dtype()), [&]<typename T>(T) {
      const std::vector<T> values = wide_values<T>(self);
      const std::vector<T> x = places == nullptr ? std::vector<T>() : wide_values<T>(*places);
      std::vector<T> result(values.size()), line(static_cast<std::size_t>(around.length));
      for (std::int64_t o = 0; o < around.outer; ++o)
        for (std::int64_t k = 0; k < around.inner; ++k) {
          const auto place = [&](std::size_t i) {
            return static_cast<std::size_t>(around.at(o, static_cast<std::int64_t>(i), k));
          };
          for (std::size_t i = 0; i < line.size(); ++i) line[i] = values[place(i)];
          const std::vector<T> made =
              places != nullptr ? derivative(line, x, places->dtype(), edge_order == 2)
                                : derivative(line, spacing == nullptr ? 1 : spacing->number(), edge_order == 2);
          for (std::size_t i = 0; i < line.size(); ++i) result[place(i)] = made[i];
        }
      store_wide(call.out(r), result);
    });
  }
}

// --- samples between two ends ---

/// A number, or a tensor without dimensions that holds one.
template <typename T>
T end_of(const Call& call, std::string_view name) {
  const Tensor value = operand(call, name);
  call.require(value.dim() == 0, "start and end have no dimensions");
  return wide_values<T>(value)[0];
}

/// From both ends towards the middle, so that the last element is exact.
template <typename T>
std::vector<T> spaced(const Call& call) {
  const DType dtype = call.out().dtype();
  const T start = held(dtype, end_of<T>(call, "start")), end = held(dtype, end_of<T>(call, "end"));
  const std::int64_t n = call.out().numel();
  std::vector<T> values;
  const T step = n > 1 ? (end - start) / static_cast<double>(n - 1) : T(0);
  for (std::int64_t i = 0; i < n; ++i)
    values.push_back(i < n / 2 || n == 1 ? start + step * static_cast<double>(i)
                                         : end - step * static_cast<double>(n - 1 - i));
  return values;
}

bool spans_complex(const Call& call) {
  return has_complex(call) || is_complex(operand(call, "start").dtype()) || is_complex(operand(call, "end").dtype());
}

void linspace(const Call& call) {
  visit_wide(spans_complex(call), [&]<typename T>(T) { store_wide(call.out(), spaced<T>(call)); });
}

void logspace(const Call& call) {
  const double base = call.number("base");
  visit_wide(spans_complex(call), [&]<typename T>(T) {
    std::vector<T> values = spaced<T>(call);
    if (values.size() == 1) values[0] = end_of<T>(call, "start");  // not rounded before
    for (T& v : values) v = std::pow(T(base), v);
    store_wide(call.out(), values);
  });
}

}  // namespace

void add_calculus_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_trapezoid_x, aten_trapezoid_dx, aten_trapz_x, aten_trapz_dx}, trapezoid);
  table.add({aten_cumulative_trapezoid_x, aten_cumulative_trapezoid_dx}, cumulative_trapezoid);
  table.add({aten_gradient_scalarint, aten_gradient_scalararray, aten_gradient_array, aten_gradient_scalarrayint,
             aten_gradient_scalarrayarray, aten_gradient_tensorarrayint, aten_gradient_tensorarray},
            gradient);
  table.add(
      {aten_linspace_default, aten_linspace_Tensor_Tensor, aten_linspace_Tensor_Scalar, aten_linspace_Scalar_Tensor},
      linspace);
  table.add(
      {aten_logspace_default, aten_logspace_Tensor_Tensor, aten_logspace_Tensor_Scalar, aten_logspace_Scalar_Tensor},
      logspace);
}

}  // namespace aitune::reference

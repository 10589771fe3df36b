#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>

#include "compiler/passes/complex_parts.h"

namespace aitune {
namespace {

/// A transform of this size is one product; larger ones are two, where they can.
constexpr std::int64_t kOneProduct = 128;
/// A size without fitting factors is one product all the same, up to here.
constexpr std::int64_t kLargestProduct = 2048;

/// A root of unity. Quarter turns are exact: the first and the middle frequency of a real signal are real then, and
/// have the angle 0 or pi, not -pi.
struct Root {
  double cos = 1, sin = 0;
};
Root root_of_unity(std::int64_t exponent, std::int64_t n, bool forward) {
  constexpr Root kQuarters[] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  exponent %= n;
  Root root;
  if (4 * exponent % n == 0) {
    root = kQuarters[4 * exponent / n];
  } else {
    const double turn = 2 * std::numbers::pi * static_cast<double>(exponent) / static_cast<double>(n);
    root = {std::cos(turn), std::sin(turn)};
  }
  if (forward && root.sin != 0) root.sin = -root.sin;
  return root;
}

/// The factor next to the square root, if both it and the other are small enough for one product; 0 otherwise. Of an
/// even number, the other one is even: the second product gives the middle frequency from the first one's sums then.
std::int64_t near_root_factor(std::int64_t n) {
  for (auto a = static_cast<std::int64_t>(std::sqrt(static_cast<double>(n))); a > 1; --a) {
    if (n % a != 0) continue;
    const std::int64_t b = n / a;
    if (b > kOneProduct) return 0;
    return n % 2 == 0 && b % 2 != 0 ? b : a;
  }
  return 0;
}

Value* times_matrix(Inserter& insert, Value* x, const std::function<double(std::int64_t, std::int64_t)>& element,
                    std::int64_t rows, std::int64_t columns) {
  std::vector<double> numbers;
  numbers.reserve(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) numbers.push_back(element(r, c));
  Value* matrix = insert.constant(from_doubles(DType::f32, {rows, columns}, numbers), "fourier");
  return insert.call("aten.linear.default", {x, matrix, None{}});
}

Value* joined_last(Inserter& insert, Value* a, Value* b) {
  return insert.call("aten.cat.default", {ArgList{a, b}, SymInt(static_cast<std::int64_t>(rank(a)) - 1)});
}

Value* last_slice(Inserter& insert, Value* x, std::int64_t start, std::int64_t end) {
  return insert.slice(x, static_cast<std::int64_t>(rank(x)) - 1, start, end);
}

/// Over the last dimension, by one product: [re, im] times a matrix that gives [re, im].
ComplexParts direct_transform(Inserter& insert, ComplexParts x, bool forward, double scale) {
  const std::int64_t n = x.re->type.shape.back().constant();
  Value* both = x.im == nullptr ? x.re : joined_last(insert, x.re, x.im);
  const auto element = [&](std::int64_t out, std::int64_t in) {
    const Root root = root_of_unity((out % n) * (in % n), n, forward);
    const bool imaginary_out = out >= n, imaginary_in = in >= n;
    if (imaginary_out == imaginary_in) return scale * root.cos;
    return imaginary_out ? scale * root.sin : -scale * root.sin;
  };
  Value* result = times_matrix(insert, both, element, 2 * n, x.im == nullptr ? n : 2 * n);
  return {last_slice(insert, result, 0, n), last_slice(insert, result, n, 2 * n)};
}

ComplexParts each_part(const ComplexParts& x, const std::function<Value*(Value*)>& change) {
  return {change(x.re), x.im == nullptr ? nullptr : change(x.im)};
}

/// The order of dimensions with `a` and `b` in each other's place.
std::vector<std::int64_t> exchanged(std::size_t count, std::size_t a, std::size_t b) {
  std::vector<std::int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[a], order[b]);
  return order;
}

ComplexParts product(Inserter& insert, const ComplexParts& x, const ComplexParts& y) {
  const auto times = [&](Value* a, Value* b) { return insert.call("aten.mul.Tensor", {a, b}); };
  return {insert.call("aten.sub.Tensor", {times(x.re, y.re), times(x.im, y.im)}),
          insert.call("aten.add.Tensor", {times(x.re, y.im), times(x.im, y.re)})};
}

/// exp(-+2 pi i j k / n) for k < a and j < n / a, as [a, n / a].
ComplexParts twiddle_factors(Inserter& insert, std::int64_t a, std::int64_t n, bool forward) {
  std::vector<double> re, im;
  for (std::int64_t k = 0; k < a; ++k)
    for (std::int64_t j = 0; j < n / a; ++j) {
      const Root root = root_of_unity(j * k, n, forward);
      re.push_back(root.cos);
      im.push_back(root.sin);
    }
  return {insert.constant(from_doubles(DType::f32, {a, n / a}, re), "twiddle"),
          insert.constant(from_doubles(DType::f32, {a, n / a}, im), "twiddle")};
}

/// n = a b: with j = j1 b + j2 and k = k1 + a k2, transforms of size a over j1, factors, and of size b over j2.
ComplexParts split_transform(Inserter& insert, ComplexParts x, std::int64_t a, bool forward, double scale) {
  const SymShape whole = x.re->type.shape;
  const std::int64_t n = whole.back().constant(), b = n / a;
  SymShape split(whole.begin(), whole.end() - 1);
  split.insert(split.end(), {SymInt(a), SymInt(b)});
  const std::size_t last = split.size() - 1;
  const auto turned = [&](Value* part) { return insert.permute(part, exchanged(split.size(), last - 1, last)); };
  x = each_part(x, [&](Value* part) { return turned(insert.view(part, split)); });    // [..., j2, j1]
  x = direct_transform(insert, x, forward, scale);                                    // [..., j2, k1]
  x = product(insert, each_part(x, turned), twiddle_factors(insert, a, n, forward));  // [..., k1, j2]
  x = direct_transform(insert, x, forward, 1);                                        // [..., k1, k2]
  return each_part(x, [&](Value* part) { return insert.view(turned(part), whole); });
}

/// Over the last dimension.
ComplexParts transform_last(Inserter& insert, ComplexParts x, bool forward, double scale) {
  const std::int64_t n = x.re->type.shape.back().constant();
  if (n > kOneProduct) {
    if (const std::int64_t a = near_root_factor(n)) return split_transform(insert, x, a, forward, scale);
  }
  return direct_transform(insert, x, forward, scale);
}

bool size_fits(const SymInt& size) {
  const auto n = size.as_constant();
  return n && *n > 0 && (*n <= kLargestProduct || near_root_factor(*n) != 0);
}

}  // namespace

ComplexParts fourier_transform(Inserter& insert, ComplexParts x, const std::vector<std::int64_t>& dims, bool forward,
                               double scale) {
  if (x.re->type.dtype != DType::f32) return {};
  for (const std::int64_t dim : dims)
    if (!size_fits(x.re->type.shape.at(static_cast<std::size_t>(dim)))) return {};
  const std::size_t last = rank(x.re) - 1;
  for (const std::int64_t dim : dims) {
    const auto order = exchanged(last + 1, static_cast<std::size_t>(dim), last);
    const auto turned = [&](Value* part) { return insert.permute(part, order); };
    x = each_part(transform_last(insert, each_part(x, turned), forward, scale), turned);
    scale = 1;
  }
  return x;
}

Value* real_signal(Inserter& insert, ComplexParts x, std::int64_t dim, std::int64_t size, double scale) {
  if (x.re->type.dtype != DType::f32 || !size_fits(SymInt(size))) return nullptr;
  const auto own = x.re->type.shape.at(static_cast<std::size_t>(dim)).as_constant();
  const std::int64_t half = size / 2 + 1;
  if (!own || *own < half) return nullptr;
  const auto order = exchanged(rank(x.re), static_cast<std::size_t>(dim), rank(x.re) - 1);
  const auto prepared = [&](Value* part) { return last_slice(insert, insert.permute(part, order), 0, half); };
  x = each_part(x, prepared);
  const std::int64_t inputs = x.im == nullptr ? half : 2 * half;
  // Frequencies between the first and the middle one stand for their conjugates, too.
  const auto element = [&](std::int64_t out, std::int64_t in) {
    const std::int64_t k = in % half;
    const double weight = scale * (k == 0 || 2 * k == size ? 1 : 2);
    const Root root = root_of_unity(out * k, size, false);
    return in < half ? weight * root.cos : -weight * root.sin;
  };
  if (size <= kOneProduct || near_root_factor(size) == 0) {
    Value* both = x.im == nullptr ? x.re : joined_last(insert, x.re, x.im);
    return insert.permute(times_matrix(insert, both, element, size, inputs), order);
  }
  // The whole spectrum: the imaginary parts of the first and the middle frequency do not count.
  const auto rest = [&](Value* part) {
    Value* inner = last_slice(insert, part, 1, (size + 1) / 2);
    return insert.call("aten.flip.default", {inner, to_args(std::vector<std::int64_t>{-1})});
  };
  Value* re = joined_last(insert, x.re, rest(x.re));
  Value* im = nullptr;
  if (x.im != nullptr) im = joined_last(insert, x.im, insert.call("aten.neg.default", {rest(x.im)}));
  return insert.permute(transform_last(insert, {re, im}, false, scale).re, order);
}

}  // namespace aitune

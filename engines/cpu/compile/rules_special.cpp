// Special functions as formulas: in double, from asymptotic series, and from Chebyshev series that are fitted to the
// reference's functions when the rules are made.

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "base/special_math.h"
#include "engines/cpu/compile/pointwise.h"

namespace aitune::cpu {
namespace {

using std::numbers::pi;
constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

/// A function on [-1, 1] by its first Chebyshev polynomials.
class ChebyshevSeries {
 public:
  template <typename F>
  ChebyshevSeries(int terms, F function) : coefficients_(static_cast<std::size_t>(terms)) {
    for (int k = 0; k < terms; ++k) {
      double sum = 0;
      for (int j = 0; j < terms; ++j) {
        const double angle = pi * (j + 0.5) / terms;
        sum += function(std::cos(angle)) * std::cos(k * angle);
      }
      coefficients_[static_cast<std::size_t>(k)] = sum * (k == 0 ? 1.0 : 2.0) / terms;
    }
  }

  /// Clenshaw's recurrence.
  Scalar operator()(const Scalar& x) const {
    Scalar value = x.number(0), before = x.number(0);
    const Scalar twice = x * 2.0;
    for (std::size_t k = coefficients_.size(); k-- > 1;) {
      const Scalar next = twice * value - before + coefficients_[k];
      before = value;
      value = next;
    }
    return x * value - before + coefficients_[0];
  }

 private:
  std::vector<double> coefficients_;
};

/// sin(pi x), cos(pi x) by the distance to the nearest whole number; of the sine the size, of both the quotient.
Scalar from_nearest(const Scalar& x) { return (x - unary(ExprOp::round, x)) * pi; }

/// log gamma(x) for x > 0: Stirling's series from 8 on, below by gamma(x + 8) = x (x + 1) ... (x + 7) gamma(x).
Scalar log_gamma_of_positive(const Scalar& x) {
  constexpr int kSteps = 8;
  const Scalar low = x < kSteps, z = select(low, x + kSteps, x);
  Scalar product = x;
  for (int k = 1; k < kSteps; ++k) product = product * (x + k);
  const Scalar y = 1.0 / (z * z);
  constexpr double kStirling[] = {-691.0 / 360360, 1.0 / 1188, -1.0 / 1680, 1.0 / 1260, -1.0 / 360, 1.0 / 12};
  Scalar series = y.number(1.0 / 156);
  for (const double term : kStirling) series = series * y + term;
  const Scalar far = (z - 0.5) * log(z) - z + 0.5 * std::log(2 * pi) + series / z;
  return far - select(low, log(product), x.number(0));
}

Scalar log_gamma(const Scalar& x) {
  const Scalar reflected = x < 0.5;
  const Scalar value = log_gamma_of_positive(select(reflected, 1.0 - x, x));
  const Scalar sine = abs(unary(ExprOp::sin, from_nearest(x)));
  const Scalar result = select(reflected, std::log(pi) - log(sine) - value, value);
  return select(abs(x) == kInfinite, x.number(kInfinite), result);
}

Scalar digamma_of_positive(const Scalar& x) {
  constexpr int kSteps = 10;
  const Scalar low = x < kSteps, z = select(low, x + kSteps, x);
  Scalar sum = x.number(0);
  for (int k = 0; k < kSteps; ++k) sum = sum + 1.0 / (x + k);
  const Scalar y = 1.0 / (z * z);
  constexpr double kTerms[] = {691.0 / 32760, -1.0 / 132, 1.0 / 240, -1.0 / 252, 1.0 / 120, -1.0 / 12};
  Scalar series = y.number(-1.0 / 12);
  for (const double term : kTerms) series = series * y + term;
  return log(z) - 0.5 / z + series * y - select(low, sum, x.number(0));
}

Scalar digamma(const Scalar& x) {
  const Scalar negative = x < 0, angle = from_nearest(x);
  const Scalar value = digamma_of_positive(select(negative, 1.0 - x, x));
  const Scalar reflection = unary(ExprOp::cos, angle) / unary(ExprOp::sin, angle) * pi;
  const Scalar left = select(x == floor(x), x.number(kNoNumber), value - reflection);
  return select(x == 0, -(1.0 / x), select(negative, left, value));
}

/// exp(x^2) erfc(x): a series in (x - 4) / (x + 4) for x >= 0.
Scalar scaled_erfc(const Scalar& x) {
  static const ChebyshevSeries series(32, [](double u) {
    return u == 1 ? 1 / std::sqrt(pi) : special::scaled_erfc(4 * (1 + u) / (1 - u)) * (1 + 4 * (1 + u) / (1 - u));
  });
  const Scalar size = abs(x);
  const Scalar fraction = select(size == kInfinite, x.number(1), (size - 4) / (size + 4));
  const Scalar value = series(fraction) / (size + 1);
  return select(x < 0, 2.0 * exp(x * x) - value, value);
}

Scalar log_normal_cdf(const Scalar& x) {
  const Scalar scaled = x * (-1 / std::numbers::sqrt2), square = scaled * scaled;
  const Scalar far = scaled_erfc(scaled);
  const Scalar above = 0.5 * exp(-square) * scaled_erfc(abs(scaled));
  const Scalar u = 1.0 - above;  // log(1 - above), as log1p does it
  const Scalar near = select(u == 1, -above, log(u) * (above / (1.0 - u)));
  return select(x < -1, log(far * 0.5) - square, select(x < 0, log(above), near));
}

/// exp(-|x|) times the modified Bessel function of order 0 or 1.
template <int Order>
Scalar scaled_bessel_i(const Scalar& x) {
  static const ChebyshevSeries near(36, [](double u) {
    const double size = 4 * (u + 1), value = special::scaled_bessel_i(Order, size);
    return Order == 0 ? value : size == 0 ? 0.5 : value / size;
  });
  static const ChebyshevSeries far(28, [](double u) {
    const double size = 16 / (u + 1);
    return size > 1e6 ? 1 / std::sqrt(2 * pi) : special::scaled_bessel_i(Order, size) * std::sqrt(size);
  });
  const Scalar size = abs(x);
  const Scalar small = near(size * 0.25 - 1) * (Order == 0 ? x.number(1) : x);
  const Scalar large = far(16.0 / size - 1) / sqrt(size);
  return select(size <= 8, small, Order == 0 ? large : select(x < 0, -large, large));
}
template <int Order>
Scalar bessel_i(const Scalar& x) {
  return select(abs(x) == kInfinite, x.number(kNoNumber), scaled_bessel_i<Order>(x) * exp(abs(x)));
}

/// Giles' polynomials, "Approximating the erfinv function" (2012), and a step of Newton's on erf.
Scalar inverse_erf(const Scalar& y) {
  constexpr double kCentral[] = {3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                                 -0.00125372503, -0.00417768164, 0.246640727,     1.50140941};
  constexpr double kTail[] = {0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                              -0.0076224613,  0.00943887047, 1.00167406,     2.83297682};
  const Scalar w = -log((1.0 - y) * (y + 1));
  const Scalar v = w - 2.5, u = sqrt(w) - 3;
  Scalar central = y.number(2.81022636e-08), tail = y.number(-0.000200214257);
  for (const double term : kCentral) central = central * v + term;
  for (const double term : kTail) tail = tail * u + term;
  const Scalar value = select(w < 5, central, tail) * y;
  return select(abs(y) == 1, y * kInfinite, value);
}

template <Scalar (*f)(const Scalar&)>
Scalar in_double(Operands& o, ExprType t) {
  return cast(f(o.get(0, ExprType::f64)), t);
}

Support f32_exact(const Node& node) {
  return node.output()->type.dtype == DType::f64 ? Support::no("double precision of this function is not compiled")
                                                 : Support::yes();
}

}  // namespace

void add_special_rules(RuleTable& table) {
  const auto add = [&table](const char* name, Form form, Check check = {}) {
    add_form(table, std::string("aten.") + name + ".default", form, std::move(check));
  };
  add("lgamma", in_double<log_gamma>);
  add("digamma", in_double<digamma>);
  add("special_erfcx", in_double<scaled_erfc>);
  add("special_log_ndtr", in_double<log_normal_cdf>);
  add("i0", in_double<bessel_i<0>>);
  add("special_modified_bessel_i0", in_double<bessel_i<0>>);
  add("special_i0e", in_double<scaled_bessel_i<0>>);
  add("special_i1", in_double<bessel_i<1>>);
  add("special_modified_bessel_i1", in_double<bessel_i<1>>);
  add("special_i1e", in_double<scaled_bessel_i<1>>);
  add("erfinv", in_double<inverse_erf>, f32_exact);
}

}  // namespace aitune::cpu

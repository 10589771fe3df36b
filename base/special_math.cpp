#include "base/special_math.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace aitune::special {
namespace {

using std::numbers::pi;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kPrecise = std::numeric_limits<double>::epsilon();

bool is_whole(double x) { return std::floor(x) == x; }

/// std::lgamma writes the sign to a global variable; positive arguments have no use for it.
double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

/// x^a exp(-x) / gamma(a), with the growing parts taken together where a is large (DLMF 8.11, 5.11.3).
double gamma_density(double a, double x) {
  if (a < 10) return std::exp(a * std::log(x) - x - log_gamma(a));
  const double above = (x - a) / a;
  const double stirling =
      1 / (12 * a) - 1 / (360 * a * a * a) + 1 / (1260 * std::pow(a, 5)) - 1 / (1680 * std::pow(a, 7));
  return std::exp(-a * (above - std::log1p(above)) - stirling) * std::sqrt(a / (2 * pi));
}

constexpr int kMaxTerms = 20000;
constexpr double kUniform = 1e5;

/// Q of a large `a`, by the error function (DLMF 8.12.4, with the first term of 8.12.7).
double uniform_upper_gamma(double a, double x) {
  const double above = (x - a) / a;
  const double half_square = above - std::log1p(above);
  const double eta = std::copysign(std::sqrt(2 * half_square), above);
  const double first = std::abs(eta) < 1e-3 ? -1.0 / 3 + eta / 12 - 2 * eta * eta / 135 : 1 / above - 1 / eta;
  return 0.5 * std::erfc(eta * std::sqrt(a / 2)) + std::exp(-a * half_square) / std::sqrt(2 * pi * a) * first;
}

/// P by its power series (DLMF 8.11.4), for x below about a.
double gamma_series(double a, double x) {
  double term = 1, sum = 1;
  for (int k = 1; k < kMaxTerms && std::abs(term) > kPrecise * std::abs(sum); ++k) {
    term *= x / (a + k);
    sum += term;
  }
  return gamma_density(a, x) / a * sum;
}

/// Q by its continued fraction (DLMF 8.9.2), evaluated from the front as Lentz does, for x above about a.
double gamma_fraction(double a, double x) {
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / (b == 0 ? kTiny : b), value = d;
  for (int k = 1; k < kMaxTerms; ++k) {
    const double numerator = k * (a - k);
    b += 2;
    d = numerator * d + b;
    c = b + numerator / c;
    d = 1 / (d == 0 ? kTiny : d);
    c = c == 0 ? kTiny : c;
    value *= c * d;
    if (std::abs(c * d - 1) < kPrecise) break;
  }
  return gamma_density(a, x) * value;
}

/// log gamma(1 + a), for small `a` to full relative precision (DLMF 5.7.3).
double log_gamma_above_one(double a) {
  return a < 1e-5 ? a * (a * pi * pi / 12 - std::numbers::egamma) : log_gamma(1 + a);
}

/// Q of small arguments, where P is close to 1, by P's alternating series (DLMF 8.7.1).
double small_upper_gamma(double a, double x) {
  double power = 1, sum = 0;
  for (int k = 1; k < 100 && std::abs(power) > kPrecise; ++k) {
    power *= -x / k;
    sum += power * a / (a + k);
  }
  const double exponent = a * std::log(x) - log_gamma_above_one(a);
  return -std::expm1(exponent) - std::exp(exponent) * sum;
}

/// P and Q inside their domain, whichever is the smaller computed first.
struct Parts {
  double lower, upper;
};
Parts gamma_parts(double a, double x) {
  if (a > kUniform) {
    const double upper = uniform_upper_gamma(a, x);
    return {1 - upper, upper};
  }
  if (a < 1 && x < 1.5) {
    const double upper = small_upper_gamma(a, x);
    return {upper < 0.5 ? 1 - upper : gamma_series(a, x), upper};
  }
  if (x < a) {
    const double lower = gamma_series(a, x);
    return {lower, 1 - lower};
  }
  const double upper = gamma_fraction(a, x);
  return {1 - upper, upper};
}

/// The sum of products that follows exp(+-x) / sqrt(2 pi x) in a modified Bessel function of a large argument
/// (DLMF 10.40.1).
double large_argument(int order, double x, double sign) {
  const double mu = 4.0 * order * order;
  double term = 1, sum = 1;
  for (int k = 1; k < 40; ++k) {
    const double odd = 2 * k - 1;
    const double next = term * sign * (mu - odd * odd) / (k * 8 * x);
    if (std::abs(next) > std::abs(term)) break;
    term = next;
    sum += term;
  }
  return sum;
}

constexpr double kLargeArgument = 20;

/// The power series of I (DLMF 10.25.2).
double small_bessel_i(int order, double x) {
  double term = order == 0 ? 1 : x / 2, sum = term;
  for (int k = 1; k < 80; ++k) {
    term *= (x / 2) * (x / 2) / (k * (k + order));
    sum += term;
  }
  return sum;
}

/// -1 for the odd function of an odd order on the negative side.
double parity(int order, double x) { return order % 2 != 0 && x < 0 ? -1 : 1; }

}  // namespace

double digamma(double x) {
  if (x == 0) return std::copysign(kInfinity, -x);
  if (x < 0) {
    if (is_whole(x)) return kNaN;
    return digamma(1 - x) - pi / std::tan(pi * (x - std::trunc(x)));
  }
  double shifted = 0;
  for (; x < 10; x += 1) shifted -= 1 / x;
  const double y = 1 / (x * x);
  const double series =
      y *
      (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12))))));
  return shifted + std::log(x) - 0.5 / x - (std::isinf(x) ? 0 : series);
}

double polygamma(double n, double x) {
  if (n == 0) return digamma(x);
  const double sign = std::fmod(n, 2) == 0 ? -1 : 1;
  return sign * std::exp(log_gamma(n + 1)) * zeta(n + 1, x);
}

double multivariate_log_gamma(double x, std::int64_t p) {
  const double dims = static_cast<double>(p);
  double sum = dims * (dims - 1) / 4 * std::log(pi);
  for (std::int64_t j = 0; j < p; ++j) sum += log_gamma(x - 0.5 * static_cast<double>(j));
  return sum;
}

double zeta(double s, double q) {
  if (s == 1) return kInfinity;
  if (s < 1) return kNaN;
  if (q <= 0 && is_whole(q)) return kInfinity;
  if (std::isnan(s) || std::isnan(q) || (q <= 0 && !is_whole(s))) return kNaN;
  // Euler and Maclaurin (DLMF 25.11.7) from a place where the rest is small.
  constexpr double kFrom = 10, kMostBelow = 1e5;
  if (q < -kMostBelow) return kNaN;
  double sum = 0;
  for (int k = 0; k < kFrom || q < kFrom; ++k, q += 1) {
    const double term = std::pow(q, -s);
    sum += term;
    if (std::isinf(sum) || (q > 0 && term <= kPrecise / 4 * sum)) return sum;
  }
  const double power = std::pow(q, -s);
  sum += power * (q / (s - 1) + 0.5);
  // B_2k / (2k)! of Bernoulli's numbers
  constexpr double kFactors[] = {1.0 / 12,          -1.0 / 720,
                                 1.0 / 30240,       -1.0 / 1209600,
                                 1.0 / 47900160,    -691.0 / 1307674368000,
                                 1.0 / 74724249600, -3617.0 / 10670622842880000};
  double rising = s * power / q;
  double degree = s;
  for (const double factor : kFactors) {
    const double term = factor * rising;
    sum += term;
    if (!(std::abs(term) > kPrecise * std::abs(sum))) break;
    rising *= (degree + 1) * (degree + 2) / (q * q);
    degree += 2;
  }
  return sum;
}

double lower_gamma(double a, double x) {
  if (a < 0 || x < 0) return kNaN;
  if (a == 0) return x > 0 ? 1 : kNaN;
  if (x == 0) return 0;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 0;
  if (std::isinf(x)) return 1;
  return std::isnan(a) || std::isnan(x) ? kNaN : gamma_parts(a, x).lower;
}

double upper_gamma(double a, double x) {
  if (a < 0 || x < 0) return kNaN;
  if (a == 0) return x > 0 ? 0 : kNaN;
  if (x == 0) return 1;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 1;
  if (std::isinf(x)) return 0;
  return std::isnan(a) || std::isnan(x) ? kNaN : gamma_parts(a, x).upper;
}

double scaled_erfc(double x) {
  if (std::isinf(x)) return x > 0 ? 0 : kInfinity;
  if (x < 0) {
    const double rest = std::fma(x, x, -x * x);
    return 2 * std::exp(x * x) * (1 + rest) - scaled_erfc(-x);
  }
  if (x < 10) {
    const double square = x * x;
    return std::exp(square) * (1 + std::fma(x, x, -square)) * std::erfc(x);
  }
  // DLMF 7.12.1
  const double y = 0.5 / (x * x);
  double term = 1, sum = 1;
  for (int k = 1; k < 20 && std::abs(term) > kPrecise; ++k) {
    term *= -(2 * k - 1) * y;
    sum += term;
  }
  return sum / (x * std::sqrt(pi));
}

double inverse_erf(double y) {
  if (std::isnan(y) || y < -1 || y > 1) return kNaN;
  if (y == 1 || y == -1) return y * kInfinity;
  // The polynomials of Giles, "Approximating the erfinv function" (2012), then Newton's steps on erf.
  constexpr double kCentral[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                                 -0.00125372503, -0.00417768164, 0.246640727,    1.50140941};
  constexpr double kTail[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                              -0.0076224613,   0.00943887047,  1.00167406,    2.83297682};
  const double w = -std::log((1 - y) * (1 + y));
  const bool central = w < 5;
  const double v = central ? w - 2.5 : std::sqrt(w) - 3;
  double x = 0;
  for (const double term : central ? kCentral : kTail) x = x * v + term;
  x *= y;
  for (int i = 0; i < 3; ++i) {
    // erfc near the ends, where erf would cancel.
    const double error = y > 0.5 ? (1 - y) - std::erfc(x) : y < -0.5 ? std::erfc(-x) - (1 + y) : std::erf(x) - y;
    x -= error * std::sqrt(pi) / 2 * std::exp(x * x);
  }
  return x;
}

double log_normal_cdf(double x) {
  const double scaled = x * std::numbers::sqrt2 / 2;
  if (x < -1) return std::log(scaled_erfc(-scaled) / 2) - scaled * scaled;
  return std::log1p(-std::erfc(scaled) / 2);
}

double normal_quantile(double p) {
  if (!(p >= 0 && p <= 1)) return kNaN;
  if (p == 0) return -kInfinity;
  if (p > 0.5) return -normal_quantile(1 - p);
  if (p == 0.5) return 0;
  // Newton's steps on the logarithm of the distribution, which is concave, from Abramowitz and Stegun's 26.2.23.
  const double t = std::sqrt(-2 * std::log(p));
  double x = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
  const double goal = std::log(p);
  for (int i = 0; i < 6; ++i) {
    const double slope = std::sqrt(2 / pi) / scaled_erfc(-x * std::numbers::sqrt2 / 2);
    const double step = (log_normal_cdf(x) - goal) / slope;
    x -= step;
    if (std::abs(step) < 4 * kPrecise * std::abs(x)) break;
  }
  return x;
}

double bessel_j(int order, double x) {
  return std::isfinite(x) ? parity(order, x) * std::cyl_bessel_j(order, std::abs(x)) : kNaN;
}

double bessel_y(int order, double x) {
  if (x == 0) return -kInfinity;
  return x > 0 && std::isfinite(x) ? std::cyl_neumann(order, x) : kNaN;
}

double bessel_i(int order, double x) {
  if (!std::isfinite(x)) return kNaN;
  const double size = std::abs(x);
  if (size < kLargeArgument) return parity(order, x) * small_bessel_i(order, size);
  return scaled_bessel_i(order, x) * std::exp(size);
}

double scaled_bessel_i(int order, double x) {
  const double size = std::abs(x);
  if (std::isnan(x)) return x;
  if (size < kLargeArgument) return parity(order, x) * small_bessel_i(order, size) * std::exp(-size);
  return parity(order, x) * large_argument(order, size, -1) / std::sqrt(2 * pi * size);
}

double bessel_k(int order, double x) {
  if (x == 0) return kInfinity;
  if (!(x > 0)) return kNaN;
  return x < kLargeArgument ? std::cyl_bessel_k(order, x) : scaled_bessel_k(order, x) * std::exp(-x);
}

double scaled_bessel_k(int order, double x) {
  if (x == 0) return kInfinity;
  if (!(x > 0)) return kNaN;
  if (x < kLargeArgument) return std::cyl_bessel_k(order, x) * std::exp(x);
  return large_argument(order, x, 1) * std::sqrt(pi / (2 * x));
}

double spherical_bessel_j0(double x) {
  if (std::isinf(x)) return 0;
  return x == 0 ? 1 : std::sin(x) / x;
}

double airy(double x) {
  if (!std::isfinite(x)) return kNaN;
  constexpr double kAtZero = 0.35502805388781723926, kThird = 1.0 / 3, kVanishes = 104;
  if (std::abs(x) < kPrecise / 4) return kAtZero;
  if (x > kVanishes) return 0;
  // DLMF 9.6.2 and 9.6.6; the function of order -1/3 by 10.4.6.
  const double size = std::abs(x), z = 2 * kThird * size * std::sqrt(size);
  if (x > 0) return std::sqrt(x * kThird) / pi * std::cyl_bessel_k(kThird, z);
  const double j = std::cyl_bessel_j(kThird, z), y = std::cyl_neumann(kThird, z);
  return std::sqrt(size) * kThird * (j + (std::cos(kThird * pi) * j - std::sin(kThird * pi) * y));
}

namespace {

/// A degree as a whole number, -1 for what is none.
std::int64_t whole_degree(double n) { return n > -1 && n < 0x1p62 ? static_cast<std::int64_t>(n) : -1; }

/// Chebyshev's polynomials by their angle where |x| < 1 and the degree is not small, otherwise by their common
/// recurrence: p(k + 1) = 2 x p(k) - p(k - 1). Beyond |x| = 1 they grow with each step, so that the recurrence ends.
template <typename ByAngle>
double chebyshev(double x, double n, double first, double at_minus_one, ByAngle by_angle, double at_one) {
  const std::int64_t degree = whole_degree(n);
  if (degree < 0) return 0;
  if (x == 1) return at_one;
  if (x == -1) return at_minus_one;
  if (degree > 8 && std::abs(x) < 1) return by_angle(std::acos(x), static_cast<double>(degree));
  double before = 1, value = first;
  if (degree == 0) return before;
  if (degree > kMaxDegree)
    return std::abs(x) < 1 || std::isnan(x) ? kNaN : x > 0 || degree % 2 == 0 ? kInfinity : -kInfinity;
  for (std::int64_t k = 1; k < degree && !std::isnan(value); ++k) {
    const double next = 2 * x * value - before;
    before = value;
    value = next;
  }
  return value;
}

double alternating(double n) { return whole_degree(n) % 2 == 0 ? 1 : -1; }

/// Steps of p(k + 1) = f(k, p(k), p(k - 1)) from p(0) = 1.
template <typename Next>
double recurrent(double n, double first, Next next, std::int64_t most = kMaxDegree) {
  const std::int64_t degree = whole_degree(n);
  if (degree < 0) return 0;
  if (degree == 0) return 1;
  if (degree > most) return kNaN;
  double before = 1, value = first;
  for (std::int64_t k = 1; k < degree && !std::isnan(value); ++k) {
    const double after = next(static_cast<double>(k), value, before);
    before = value;
    value = after;
  }
  return value;
}

}  // namespace

double chebyshev_t(double x, double n) {
  return chebyshev(x, n, x, alternating(n), [](double angle, double k) { return std::cos(k * angle); }, 1);
}

double chebyshev_u(double x, double n) {
  const double count = static_cast<double>(whole_degree(n)) + 1;
  const auto by_angle = [](double angle, double k) { return std::sin((k + 1) * angle) / std::sin(angle); };
  return chebyshev(x, n, 2 * x, alternating(n) * count, by_angle, count);
}

double chebyshev_v(double x, double n) {
  const double count = 2 * static_cast<double>(whole_degree(n)) + 1;
  const auto by_angle = [](double angle, double k) { return std::cos((k + 0.5) * angle) / std::cos(angle / 2); };
  return chebyshev(x, n, 2 * x - 1, alternating(n) * count, by_angle, 1);
}

double chebyshev_w(double x, double n) {
  const double count = 2 * static_cast<double>(whole_degree(n)) + 1;
  const auto by_angle = [](double angle, double k) { return std::sin((k + 0.5) * angle) / std::sin(angle / 2); };
  return chebyshev(x, n, 2 * x + 1, alternating(n), by_angle, count);
}

double hermite_h(double x, double n) {
  constexpr std::int64_t kFinite = 512;
  return recurrent(n, 2 * x, [x](double k, double p, double before) { return 2 * x * p - 2 * k * before; }, kFinite);
}

double hermite_he(double x, double n) {
  constexpr std::int64_t kFinite = 512;
  return recurrent(n, x, [x](double k, double p, double before) { return x * p - k * before; }, kFinite);
}

double laguerre(double x, double n) {
  if (x == 0) return whole_degree(n) < 0 ? 0 : 1;
  return recurrent(n, 1 - x,
                   [x](double k, double p, double before) { return ((2 * k + 1 - x) * p - k * before) / (k + 1); });
}

double legendre(double x, double n) {
  if (std::abs(x) == 1) return whole_degree(n) < 0 ? 0 : x > 0 ? 1 : alternating(n);
  return recurrent(n, x,
                   [x](double k, double p, double before) { return ((2 * k + 1) * x * p - k * before) / (k + 1); });
}

}  // namespace aitune::special

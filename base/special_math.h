#pragma once
// Special functions of real numbers, in double. Values at poles and outside of a domain are those of PyTorch
// (torch.special): infinities where the sign is certain, otherwise NaN. All are pure; any thread may call them.
// Formulas: NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov.

#include <cstdint>

namespace aitune::special {

/// The derivative of log gamma (DLMF 5.2, 5.11.2).
double digamma(double x);
/// The n-th derivative of digamma, for n >= 0 (DLMF 5.15).
double polygamma(double n, double x);
/// The logarithm of the gamma function's generalisation to p dimensions, for p >= 1.
double multivariate_log_gamma(double x, std::int64_t p);
/// The sum of (q + k)^-s over k >= 0 (Hurwitz; DLMF 25.11).
double zeta(double s, double q);
/// The regularised incomplete gamma functions P and Q (DLMF 8.2.4).
double lower_gamma(double a, double x);
double upper_gamma(double a, double x);

/// exp(x * x) * erfc(x)
double scaled_erfc(double x);
/// The x of which y is erf(x); infinite at -1 and 1, NaN beyond.
double inverse_erf(double y);
/// The logarithm of the normal distribution's function, and the inverse of that function.
double log_normal_cdf(double x);
double normal_quantile(double p);

/// Bessel functions of order 0 or 1 (DLMF 10): of both kinds, modified, and modified without their exponential growth
/// or decay.
double bessel_j(int order, double x);
double bessel_y(int order, double x);
double bessel_i(int order, double x);
double bessel_k(int order, double x);
double scaled_bessel_i(int order, double x);
double scaled_bessel_k(int order, double x);
/// sin(x) / x
double spherical_bessel_j0(double x);
/// Airy's function Ai (DLMF 9).
double airy(double x);

/// Orthogonal polynomials of degree n, which is cut to a whole number; 0 for a negative degree (DLMF 18). Chebyshev's
/// are of the first to the fourth kind. Beyond kMaxDegree NaN, where only a recurrence gives the value.
inline constexpr std::int64_t kMaxDegree = 1 << 20;
double chebyshev_t(double x, double n);
double chebyshev_u(double x, double n);
double chebyshev_v(double x, double n);
double chebyshev_w(double x, double n);
/// Hermite's, of physicists (H) and of probabilists (He).
double hermite_h(double x, double n);
double hermite_he(double x, double n);
double laguerre(double x, double n);
double legendre(double x, double n);

}  // namespace aitune::special

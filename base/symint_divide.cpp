// Division, remainder, minimum and maximum of symbolic integers: what simplifies, and the atom otherwise.

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/symint.h"
#include "base/symint_access.h"

namespace aitune {
namespace {

using Term = SymInt::Term;
using AtomPtr = SymInt::AtomPtr;
using AtomKind = SymInt::AtomKind;
using Access = SymIntAccess;

// The factors of `a` without those of `b`; nothing if b has one that a lacks.
std::optional<std::vector<AtomPtr>> divide_product(const std::vector<AtomPtr>& a, const std::vector<AtomPtr>& b) {
  std::vector<AtomPtr> rest;
  std::size_t j = 0;
  for (const AtomPtr& atom : a) {
    if (j < b.size() && compare(*atom, *b[j]) == 0)
      ++j;
    else
      rest.push_back(atom);
  }
  if (j != b.size()) return std::nullopt;
  return rest;
}

std::optional<Term> divide_term(const Term& a, const Term& b) {
  if (b.coefficient == -1 ? a.coefficient == INT64_MIN : a.coefficient % b.coefficient != 0) return std::nullopt;
  auto atoms = divide_product(a.atoms, b.atoms);
  if (!atoms) return std::nullopt;
  return Term{a.coefficient / b.coefficient, *std::move(atoms)};
}

// The greatest common divisor of two coefficients, 1 where it would not fit.
std::int64_t common_divisor(std::int64_t a, std::int64_t b) {
  if (a == INT64_MIN || b == INT64_MIN) return 1;
  return std::gcd(a, b);
}

std::int64_t content_of(const SymInt& a) {
  std::int64_t g = 0;
  for (const Term& term : Access::terms(a)) g = common_divisor(g, term.coefficient);
  return g;
}

SymInt divide_coefficients(const SymInt& a, std::int64_t g) {
  std::vector<Term> terms = Access::terms(a);
  for (Term& term : terms) term.coefficient /= g;
  return Access::from_terms(std::move(terms));
}

// Splits off the constant term.
std::pair<SymInt, std::int64_t> split_constant(const SymInt& a) {
  std::vector<Term> terms = Access::terms(a);
  std::int64_t constant = 0;
  if (!terms.empty() && terms.back().atoms.empty()) {
    constant = terms.back().coefficient;
    terms.pop_back();
  }
  return {Access::from_terms(std::move(terms)), constant};
}

const SymInt::Atom* single_atom(const SymInt& a) {
  const auto& terms = Access::terms(a);
  return terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1 ? terms[0].atoms[0].get()
                                                                                      : nullptr;
}

// floor(a / c) for a constant c > 1: multiples of c come out, common divisors cancel, nested divisions join.
SymInt floordiv_constant(const SymInt& a, std::int64_t c) {
  std::vector<Term> whole, rest;
  for (const Term& term : Access::terms(a)) {
    // Constants become remainders in [0, c); other coefficients keep their sign, which keeps intervals tight.
    const std::int64_t q = term.atoms.empty() ? floor_divide(term.coefficient, c) : term.coefficient / c;
    const std::int64_t r = term.coefficient - q * c;
    if (q != 0) whole.push_back({q, term.atoms});
    if (r != 0) rest.push_back({r, term.atoms});
  }
  SymInt quotient = Access::from_terms(std::move(whole));
  auto [variable, constant] = split_constant(Access::from_terms(std::move(rest)));
  if (variable.is(0)) return quotient;
  if (const std::int64_t g = common_divisor(content_of(variable), c); g > 1) {
    variable = divide_coefficients(variable, g);
    constant = floor_divide(constant, g);
    return quotient + floordiv(variable + constant, c / g);
  }
  if (Access::terms(variable)[0].coefficient < 0)  // floor(-x / c) is -ceil(x / c): one sign for both
    return quotient - floordiv(variable * SymInt(-1) + (c - 1 - constant), c);
  if (const auto* inner = single_atom(variable); inner != nullptr && inner->kind == AtomKind::floordiv) {
    const auto d = inner->rhs.as_constant();
    std::int64_t both = 0, shift = 0;
    if (d && *d > 0 && !__builtin_mul_overflow(*d, c, &both) && !__builtin_mul_overflow(constant, *d, &shift))
      return quotient + floordiv(inner->lhs + shift, both);
  }
  return quotient + Access::make(AtomKind::floordiv, variable + constant, c);
}

// Divides both by the factors that they share; the value of the quotient stays.
void cancel(SymInt& a, SymInt& b) {
  const std::int64_t g = common_divisor(content_of(a), content_of(b));
  if (g > 1) {
    a = divide_coefficients(a, g);
    b = divide_coefficients(b, g);
  }
  const std::vector<AtomPtr> candidates = Access::terms(b)[0].atoms;
  for (const AtomPtr& atom : candidates) {
    const SymInt factor = Access::from_atom(atom);
    const auto x = divide_exact(a, factor), y = divide_exact(b, factor);
    if (x && y) {
      a = *x;
      b = *y;
    }
  }
}

// floor(a / b) for a divisor of one term: the terms that it divides come out.
SymInt floordiv_term(const SymInt& a, const SymInt& b) {
  std::vector<Term> whole, rest;
  for (const Term& term : Access::terms(a)) {
    if (auto q = divide_term(term, Access::terms(b)[0]))
      whole.push_back(*std::move(q));
    else
      rest.push_back(term);
  }
  SymInt quotient = Access::from_terms(std::move(whole));
  SymInt remainder = Access::from_terms(std::move(rest)), divisor = b;
  if (remainder.is(0)) return quotient;
  cancel(remainder, divisor);
  if (divisor.is_constant()) return quotient + floordiv(remainder, divisor);
  return quotient + Access::make(AtomKind::floordiv, remainder, divisor);
}

// Brings what is congruent modulo c > 1 to one form: coefficients in [0, c), inner remainders by multiples dissolved.
SymInt reduce_modulo(const SymInt& a, std::int64_t c) {
  std::vector<Term> terms;
  SymInt opened;
  for (const Term& term : Access::terms(a)) {
    const std::int64_t r = floor_remainder(term.coefficient, c);
    if (r == 0) continue;
    const SymInt::Atom* atom = term.atoms.size() == 1 ? term.atoms[0].get() : nullptr;
    const auto inner = atom != nullptr && atom->kind == AtomKind::mod ? atom->rhs.as_constant() : std::nullopt;
    if (inner && *inner % c == 0)
      opened += atom->lhs * SymInt(r);
    else
      terms.push_back({r, term.atoms});
  }
  const SymInt kept = Access::from_terms(std::move(terms));
  return opened.is(0) ? kept : reduce_modulo(kept + opened, c);
}

void flatten(AtomKind kind, const SymInt& a, std::vector<SymInt>& out) {
  const auto* atom = single_atom(a);
  if (atom == nullptr || atom->kind != kind) {
    out.push_back(a);
    return;
  }
  flatten(kind, atom->lhs, out);
  flatten(kind, atom->rhs, out);
}

// min and max: operands whose difference is known join; the rest stand in order.
SymInt extremum(AtomKind kind, const SymInt& a, const SymInt& b) {
  std::vector<SymInt> operands, kept;
  flatten(kind, a, operands);
  flatten(kind, b, operands);
  for (const SymInt& operand : operands) {
    bool joined = false;
    for (SymInt& other : kept) {
      const auto difference = (operand - other).as_constant();
      if (!difference) continue;
      joined = true;
      if (kind == AtomKind::max ? *difference > 0 : *difference < 0) other = operand;
    }
    if (!joined) kept.push_back(operand);
  }
  std::sort(kept.begin(), kept.end());
  SymInt result = kept[0];
  for (std::size_t i = 1; i < kept.size(); ++i) result = Access::make(kind, result, kept[i]);
  return result;
}

}  // namespace

std::optional<SymInt> divide_exact(const SymInt& a, const SymInt& b) {
  if (b.is(0)) return std::nullopt;
  const auto x = a.as_constant(), y = b.as_constant();
  if (x && y) {
    if (*y == -1) return checked_multiply(*x, -1);
    return *x % *y == 0 ? std::optional<SymInt>(*x / *y) : std::nullopt;
  }
  // Long division: the terms stand in an order that multiplication keeps, so leading terms must divide.
  SymInt rest = a, quotient;
  for (std::size_t steps = 0; !rest.is(0); ++steps) {
    const auto lead = divide_term(Access::terms(rest)[0], Access::terms(b)[0]);
    if (!lead || steps > kMaxTerms) return std::nullopt;
    const SymInt part = Access::from_term(*lead);
    quotient += part;
    rest = rest - part * b;
  }
  return quotient;
}

std::pair<std::int64_t, SymInt> content(const SymInt& a) {
  const std::int64_t g = content_of(a);
  return {g, g > 1 ? divide_coefficients(a, g) : a};
}

SymInt floordiv(const SymInt& a, const SymInt& b) {
  const auto x = a.as_constant(), y = b.as_constant();
  if (x && y) return floor_divide(*x, *y);
  if (b.is(0)) throw InvalidArgument("division by zero of " + a.str(), "SymInt");
  if (a.is(0) || b.is(1)) return a;
  if (auto exact = divide_exact(a, b)) return *std::move(exact);
  if (Access::terms(b)[0].coefficient < 0) return floordiv(a * SymInt(-1), b * SymInt(-1));
  if (y) return floordiv_constant(a, *y);
  if (Access::terms(b).size() == 1) return floordiv_term(a, b);
  SymInt numerator = a, divisor = b;
  cancel(numerator, divisor);
  if (divisor.is_constant() || Access::terms(divisor).size() == 1) return floordiv(numerator, divisor);
  return Access::make(AtomKind::floordiv, numerator, divisor);
}

SymInt mod(const SymInt& a, const SymInt& b) {
  const auto x = a.as_constant(), y = b.as_constant();
  if (x && y) return floor_remainder(*x, *y);
  if (b.is(0)) throw InvalidArgument("remainder by zero of " + a.str(), "SymInt");
  if (a.is(0) || divide_exact(a, b)) return 0;
  // Python's rule: the remainder has the divisor's sign.
  if (Access::terms(b)[0].coefficient < 0) return mod(a * SymInt(-1), b * SymInt(-1)) * SymInt(-1);
  if (!y) return Access::make(AtomKind::mod, a, b);
  const SymInt reduced = reduce_modulo(a, *y);
  if (const auto constant = reduced.as_constant()) return floor_remainder(*constant, *y);
  const std::int64_t g = common_divisor(content_of(reduced), *y);
  if (g > 1) return mod(divide_coefficients(reduced, g), *y / g) * SymInt(g);
  return Access::make(AtomKind::mod, reduced, b);
}

SymInt min(const SymInt& a, const SymInt& b) { return extremum(AtomKind::min, a, b); }
SymInt max(const SymInt& a, const SymInt& b) { return extremum(AtomKind::max, a, b); }

}  // namespace aitune

// Bounds of symbolic integers by interval arithmetic; both ends saturate at infinity.

#include <algorithm>

#include "base/symint.h"
#include "base/symint_access.h"

namespace aitune {
namespace {

using AtomKind = SymInt::AtomKind;

constexpr std::int64_t kMinusInfinity = INT64_MIN;
constexpr std::int64_t kInfinity = SymRange::kNoMax;
constexpr SymRange kAnything{kMinusInfinity, kInfinity};

bool infinite(std::int64_t v) { return v == kInfinity || v == kMinusInfinity; }

// Sums of one side of an interval: infinities of both signs never meet there.
std::int64_t add(std::int64_t a, std::int64_t b) {
  if (infinite(a)) return a;
  if (infinite(b)) return b;
  std::int64_t r = 0;
  return __builtin_add_overflow(a, b, &r) ? (a < 0 ? kMinusInfinity : kInfinity) : r;
}

std::int64_t multiply(std::int64_t a, std::int64_t b) {
  if (a == 0 || b == 0) return 0;
  const std::int64_t limit = (a < 0) == (b < 0) ? kInfinity : kMinusInfinity;
  std::int64_t r = 0;
  return infinite(a) || infinite(b) || __builtin_mul_overflow(a, b, &r) ? limit : r;
}

SymRange multiply(SymRange a, SymRange b) {
  const auto ends = {multiply(a.min, b.min), multiply(a.min, b.max), multiply(a.max, b.min), multiply(a.max, b.max)};
  return {std::min(ends), std::max(ends)};
}

std::int64_t divide(std::int64_t a, std::int64_t b) {
  if (infinite(a)) return a;
  if (infinite(b)) return a < 0 ? -1 : 0;
  return floor_divide(a, b);
}

SymRange divide(SymRange a, SymRange b) {
  if (b.max < 0 || b.min < 0) return kAnything;
  b.min = std::max<std::int64_t>(b.min, 1);  // zero is no divisor
  b.max = std::max(b.min, b.max);
  const auto ends = {divide(a.min, b.min), divide(a.min, b.max), divide(a.max, b.min), divide(a.max, b.max)};
  return {std::min(ends), std::max(ends)};
}

SymRange remainder(SymRange a, SymRange b) {
  if (b.min < 0) return kAnything;
  const SymRange full{0, infinite(b.max) ? kInfinity : std::max<std::int64_t>(b.max - 1, 0)};
  if (a.min < 0) return full;
  if (!infinite(b.min) && a.max < b.min) return a;
  return {0, std::min(full.max, a.max)};
}

SymRange of_atom(const SymInt::Atom& atom, const SymRanges& symbols) {
  if (atom.kind == AtomKind::symbol) {
    const auto it = symbols.find(atom.name);
    return it == symbols.end() ? kAnything : it->second;
  }
  const SymRange a = atom.lhs.range(symbols), b = atom.rhs.range(symbols);
  switch (atom.kind) {
    case AtomKind::floordiv:
      return divide(a, b);
    case AtomKind::mod:
      return remainder(a, b);
    case AtomKind::min:
      return {std::min(a.min, b.min), std::min(a.max, b.max)};
    case AtomKind::max:
      return {std::max(a.min, b.min), std::max(a.max, b.max)};
    case AtomKind::symbol:
      break;
  }
  return kAnything;
}

}  // namespace

SymRange SymInt::range(const SymRanges& symbols) const {
  SymRange sum{0, 0};
  for (const Term& term : terms_) {
    SymRange product{term.coefficient, term.coefficient};
    for (const AtomPtr& atom : term.atoms) product = multiply(product, of_atom(*atom, symbols));
    sum = {add(sum.min, product.min), add(sum.max, product.max)};
  }
  return sum;
}

}  // namespace aitune

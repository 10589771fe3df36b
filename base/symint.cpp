#include "base/symint.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/symint_access.h"

namespace aitune {
namespace {

using Term = SymInt::Term;
using AtomPtr = SymInt::AtomPtr;
using AtomKind = SymInt::AtomKind;

[[noreturn]] void too_large(std::string_view what) {
  throw Unsupported(fmt::format("a symbolic size with {}", what), "SymInt",
                    "Give the dimension fixed bounds or a constant");
}

std::int64_t apply(AtomKind kind, std::int64_t a, std::int64_t b) {
  switch (kind) {
    case AtomKind::floordiv:
      return floor_divide(a, b);
    case AtomKind::mod:
      return floor_remainder(a, b);
    case AtomKind::min:
      return std::min(a, b);
    case AtomKind::max:
      return std::max(a, b);
    case AtomKind::symbol:
      break;
  }
  throw InternalError("a symbol has no operation", "SymInt");
}

void collect(const SymInt& s, std::vector<std::string>& names) {
  for (const Term& term : s.terms())
    for (const AtomPtr& atom : term.atoms) {
      if (atom->kind != AtomKind::symbol) {
        collect(atom->lhs, names);
        collect(atom->rhs, names);
      } else if (std::find(names.begin(), names.end(), atom->name) == names.end()) {
        names.push_back(atom->name);
      }
    }
}

}  // namespace

SymInt apply(AtomKind kind, const SymInt& a, const SymInt& b) {
  switch (kind) {
    case AtomKind::floordiv:
      return floordiv(a, b);
    case AtomKind::mod:
      return mod(a, b);
    case AtomKind::min:
      return min(a, b);
    case AtomKind::max:
      return max(a, b);
    case AtomKind::symbol:
      break;
  }
  throw InternalError("a symbol has no operation", "SymInt");
}

SymInt to_size(const SymInt::Atom& atom) {
  return atom.kind == AtomKind::symbol ? SymInt::symbol(atom.name) : apply(atom.kind, atom.lhs, atom.rhs);
}

std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  if (__builtin_add_overflow(a, b, &r)) too_large("a value beyond 63 bits");
  return r;
}

std::int64_t checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) too_large("a value beyond 63 bits");
  return r;
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) throw InvalidArgument("division of a size by zero", "SymInt");
  if (b == -1) return checked_multiply(a, -1);
  const std::int64_t q = a / b;
  return q - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0);
}

std::int64_t floor_remainder(std::int64_t a, std::int64_t b) {
  if (b == 0) throw InvalidArgument("remainder of a size by zero", "SymInt");
  if (b == -1) return 0;
  const std::int64_t r = a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}

std::strong_ordering compare(const SymInt::Atom& a, const SymInt::Atom& b) {
  if (&a == &b) return std::strong_ordering::equal;
  if (const auto c = a.kind <=> b.kind; c != 0) return c;
  // Shorter names first, so that s2 stands before s10.
  if (const auto c = a.name.size() <=> b.name.size(); c != 0) return c;
  if (const int c = a.name.compare(b.name); c != 0) return c <=> 0;
  if (const auto c = compare(a.lhs, b.lhs); c != 0) return c;
  return compare(a.rhs, b.rhs);
}

std::strong_ordering compare_products(const std::vector<AtomPtr>& a, const std::vector<AtomPtr>& b) {
  if (const auto c = b.size() <=> a.size(); c != 0) return c;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (const auto c = compare(*a[i], *b[i]); c != 0) return c;
  return std::strong_ordering::equal;
}

std::strong_ordering compare(const SymInt& a, const SymInt& b) {
  const auto &x = SymIntAccess::terms(a), &y = SymIntAccess::terms(b);
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (const auto c = compare_products(x[i].atoms, y[i].atoms); c != 0) return c;
    if (const auto c = x[i].coefficient <=> y[i].coefficient; c != 0) return c;
  }
  return x.size() <=> y.size();
}

SymInt SymIntAccess::from_terms(std::vector<Term> terms) {
  std::sort(terms.begin(), terms.end(),
            [](const Term& a, const Term& b) { return compare_products(a.atoms, b.atoms) < 0; });
  SymInt result;
  for (Term& term : terms) {
    auto& kept = result.terms_;
    if (!kept.empty() && compare_products(kept.back().atoms, term.atoms) == 0)
      kept.back().coefficient = checked_add(kept.back().coefficient, term.coefficient);
    else
      kept.push_back(std::move(term));
    if (kept.back().coefficient == 0) kept.pop_back();
  }
  if (result.terms_.size() > kMaxTerms) too_large("too many terms");
  return result;
}

SymInt SymIntAccess::from_term(Term term) {
  SymInt result;
  if (term.coefficient != 0) result.terms_.push_back(std::move(term));
  return result;
}

SymInt SymIntAccess::from_atom(AtomPtr atom) { return from_term(Term{1, {std::move(atom)}}); }

SymInt SymIntAccess::make(AtomKind kind, SymInt lhs, SymInt rhs) {
  std::size_t depth = 0, size = 1;
  for (const SymInt* side : {&lhs, &rhs})
    for (const Term& term : side->terms_)
      for (const AtomPtr& atom : term.atoms) {
        depth = std::max(depth, atom->depth);
        size += atom->size;
      }
  if (depth + 1 > kMaxAtomDepth || size > kMaxAtomSize) too_large("too many nested operations");
  return from_atom(
      std::make_shared<const SymInt::Atom>(SymInt::Atom{kind, {}, std::move(lhs), std::move(rhs), depth + 1, size}));
}

SymInt::SymInt(std::int64_t value) {
  if (value != 0) terms_.push_back(Term{value, {}});
}

SymInt SymInt::symbol(std::string name) {
  return SymIntAccess::from_atom(
      std::make_shared<const Atom>(Atom{AtomKind::symbol, std::move(name), SymInt(), SymInt(), 0, 1}));
}

std::optional<std::int64_t> SymInt::as_constant() const {
  if (terms_.empty()) return 0;
  if (terms_.size() == 1 && terms_[0].atoms.empty()) return terms_[0].coefficient;
  return std::nullopt;
}

std::int64_t SymInt::constant() const {
  if (const auto value = as_constant()) return *value;
  throw InternalError(fmt::format("{} is not a constant", str()), "SymInt");
}

void SymInt::collect_symbols(std::vector<std::string>& names) const { collect(*this, names); }

std::int64_t SymInt::evaluate(const SymValues& values) const {
  std::int64_t sum = 0;
  for (const Term& term : terms_) {
    std::int64_t product = term.coefficient;
    for (const AtomPtr& atom : term.atoms) {
      if (atom->kind == AtomKind::symbol) {
        const auto it = values.find(atom->name);
        if (it == values.end()) throw InvalidArgument(fmt::format("no value for the symbol {}", atom->name), str());
        product = checked_multiply(product, it->second);
      } else {
        product = checked_multiply(product, apply(atom->kind, atom->lhs.evaluate(values), atom->rhs.evaluate(values)));
      }
    }
    sum = checked_add(sum, product);
  }
  return sum;
}

SymInt SymInt::substitute(const std::map<std::string, SymInt, std::less<>>& map) const {
  if (is_constant()) return *this;
  SymInt sum;
  for (const Term& term : terms_) {
    SymInt product = term.coefficient;
    for (const AtomPtr& atom : term.atoms) {
      if (atom->kind != AtomKind::symbol) {
        product *= apply(atom->kind, atom->lhs.substitute(map), atom->rhs.substitute(map));
      } else {
        const auto it = map.find(atom->name);
        product *= it == map.end() ? SymIntAccess::from_atom(atom) : it->second;
      }
    }
    sum += product;
  }
  return sum;
}

SymInt operator+(const SymInt& a, const SymInt& b) {
  const auto x = a.as_constant(), y = b.as_constant();
  if (x && y) return checked_add(*x, *y);
  std::vector<Term> terms = a.terms_;
  terms.insert(terms.end(), b.terms_.begin(), b.terms_.end());
  return SymIntAccess::from_terms(std::move(terms));
}

SymInt operator-(const SymInt& a, const SymInt& b) { return a + b * SymInt(-1); }

SymInt operator*(const SymInt& a, const SymInt& b) {
  const auto x = a.as_constant(), y = b.as_constant();
  if (x && y) return checked_multiply(*x, *y);
  if (x && *x == 1) return b;
  if (y && *y == 1) return a;
  if (a.terms_.size() * b.terms_.size() > kMaxTerms) too_large("too many terms");
  std::vector<Term> terms;
  for (const Term& left : a.terms_)
    for (const Term& right : b.terms_) {
      Term term{checked_multiply(left.coefficient, right.coefficient), {}};
      std::merge(left.atoms.begin(), left.atoms.end(), right.atoms.begin(), right.atoms.end(),
                 std::back_inserter(term.atoms),
                 [](const AtomPtr& p, const AtomPtr& q) { return compare(*p, *q) < 0; });
      if (term.atoms.size() > kMaxDegree) too_large("too high a degree");
      terms.push_back(std::move(term));
    }
  return SymIntAccess::from_terms(std::move(terms));
}

bool SymInt::operator==(const SymInt& b) const { return compare(*this, b) == 0; }
bool SymInt::operator<(const SymInt& b) const { return compare(*this, b) < 0; }

SymInt product(const SymShape& shape) {
  SymInt result = 1;
  for (const SymInt& size : shape) result *= size;
  return result;
}

SymShape contiguous_strides(const SymShape& shape) {
  SymShape strides(shape.size());
  SymInt stride = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = stride;
    // As for concrete tensors, a size of zero does not make the outer strides zero.
    if (!shape[d].is(0)) stride *= shape[d];
  }
  return strides;
}

std::optional<LinearSize> linear_size(const SymInt& size) {
  LinearSize linear;
  for (const SymInt::Term& term : size.terms()) {
    if (term.atoms.empty()) {
      linear.offset = term.coefficient;
    } else if (term.atoms.size() == 1 && term.atoms[0]->kind == SymInt::AtomKind::symbol && linear.symbol.empty() &&
               term.coefficient > 0) {
      linear.symbol = term.atoms[0]->name;
      linear.factor = term.coefficient;
    } else {
      return std::nullopt;
    }
  }
  if (linear.symbol.empty()) return std::nullopt;
  return linear;
}

}  // namespace aitune

#pragma once
// Symbolic integers: polynomials with integer coefficients over named symbols, plus floor division, remainder, min and
// max as opaque atoms. Sizes, strides, offsets and loop extents are SymInts; a constant is the common cheap case.

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aitune {

/// Inclusive range of a symbol. `max` is kNoMax when the model gives no upper bound.
struct SymRange {
  static constexpr std::int64_t kNoMax = INT64_MAX;
  std::int64_t min = 0;
  std::int64_t max = kNoMax;
  bool operator==(const SymRange&) const = default;
};
using SymRanges = std::map<std::string, SymRange, std::less<>>;
using SymValues = std::map<std::string, std::int64_t, std::less<>>;

/// An immutable symbolic integer in canonical form: equal forms mean equal values (the inverse need not hold for the
/// opaque atoms). Arithmetic throws Unsupported on 63-bit overflow of a coefficient, and where an expression would grow
/// beyond what any real model needs. Division by zero throws InvalidArgument. // and mod round as in Python.
class SymInt {
 public:
  enum class AtomKind : std::uint8_t { symbol, floordiv, mod, min, max };
  struct Atom;  // symbol or opaque operation on two SymInts
  using AtomPtr = std::shared_ptr<const Atom>;
  struct Term {  // coefficient * product of atoms (sorted, repeated for powers)
    std::int64_t coefficient;
    std::vector<AtomPtr> atoms;
  };

  SymInt(std::int64_t value = 0);  // NOLINT: a plain integer is a SymInt
  static SymInt symbol(std::string name);
  /// Parses what str() prints, and the sympy text of torch.export, both str ("2*s0 + 1", FloorDiv(s0, 2), Max(1, s0))
  /// and srepr ("Mul(Integer(2), Symbol('s0', positive=True))"). Throws Unsupported on a function that it does not
  /// know, Corrupt with the position on anything else. Nesting and length are limited.
  static SymInt parse(std::string_view text);

  bool is_constant() const { return terms_.empty() || (terms_.size() == 1 && terms_[0].atoms.empty()); }
  /// The value of a constant; throws InternalError otherwise.
  std::int64_t constant() const;
  std::optional<std::int64_t> as_constant() const;
  bool is(std::int64_t v) const { return as_constant() == v; }
  const std::vector<Term>& terms() const { return terms_; }
  void collect_symbols(std::vector<std::string>& names) const;

  /// The value with every symbol bound; throws InvalidArgument naming an unbound symbol.
  std::int64_t evaluate(const SymValues& values) const;
  /// Replaces symbols by expressions (those not in the map stay).
  SymInt substitute(const std::map<std::string, SymInt, std::less<>>& map) const;
  /// Bounds by interval arithmetic; INT64_MIN and kNoMax are the infinities. A symbol without a range may be anything.
  SymRange range(const SymRanges& symbols) const;
  std::string str() const;

  friend SymInt operator+(const SymInt& a, const SymInt& b);
  friend SymInt operator-(const SymInt& a, const SymInt& b);
  friend SymInt operator*(const SymInt& a, const SymInt& b);
  SymInt& operator+=(const SymInt& b) { return *this = *this + b; }
  SymInt& operator*=(const SymInt& b) { return *this = *this * b; }
  bool operator==(const SymInt& b) const;
  bool operator<(const SymInt& b) const;  ///< an arbitrary total order, for maps

 private:
  friend struct SymIntAccess;
  std::vector<Term> terms_;  // sorted, no zero coefficients
};

SymInt floordiv(const SymInt& a, const SymInt& b);  ///< exact polynomial division where it divides, an atom otherwise
SymInt mod(const SymInt& a, const SymInt& b);
SymInt min(const SymInt& a, const SymInt& b);
SymInt max(const SymInt& a, const SymInt& b);
/// a / b if b divides a as polynomials (exactly, for every value of the symbols).
std::optional<SymInt> divide_exact(const SymInt& a, const SymInt& b);
/// factor * symbol + offset, with a positive factor.
struct LinearSize {
  std::string symbol;
  std::int64_t factor = 1, offset = 0;
};
/// The size as such; nothing for a constant, and for other formulas.
std::optional<LinearSize> linear_size(const SymInt& size);
/// The greatest integer that divides all coefficients (0 for zero), and the polynomial divided by it.
std::pair<std::int64_t, SymInt> content(const SymInt& a);

struct SymInt::Atom {
  AtomKind kind;
  std::string name;                 // symbol only
  SymInt lhs, rhs;                  // operations only
  std::size_t depth = 0, size = 1;  // of the operations below, so that growth can be limited
};

/// The operation of an atom on two sizes. Throws InternalError for a symbol, which has none.
SymInt apply(SymInt::AtomKind kind, const SymInt& lhs, const SymInt& rhs);
SymInt to_size(const SymInt::Atom& atom);

using SymShape = std::vector<SymInt>;
/// "[s0,3,224,224]"
std::string to_string(const SymShape& shape);
SymInt product(const SymShape& shape);
SymShape contiguous_strides(const SymShape& shape);

}  // namespace aitune

#pragma once
// Inside of SymInt, shared by its source files only.

#include "base/symint.h"

namespace aitune {

/// The most terms, factors of a term and operations inside atoms that one expression may have. Models stay far below;
/// a hostile one is refused before it exhausts time or memory.
inline constexpr std::size_t kMaxTerms = 2048;
inline constexpr std::size_t kMaxDegree = 64;
inline constexpr std::size_t kMaxAtomDepth = 64;
inline constexpr std::size_t kMaxAtomSize = 1 << 14;

struct SymIntAccess {
  static const std::vector<SymInt::Term>& terms(const SymInt& s) { return s.terms_; }
  /// Sorts, merges equal products and drops zeros.
  static SymInt from_terms(std::vector<SymInt::Term> terms);
  static SymInt from_atom(SymInt::AtomPtr atom);
  static SymInt from_term(SymInt::Term term);
  static SymInt make(SymInt::AtomKind kind, SymInt lhs, SymInt rhs);
};

std::strong_ordering compare(const SymInt::Atom& a, const SymInt::Atom& b);
std::strong_ordering compare(const SymInt& a, const SymInt& b);
/// Order of the products alone: higher degree first, then by atoms. It is compatible with multiplication.
std::strong_ordering compare_products(const std::vector<SymInt::AtomPtr>& a, const std::vector<SymInt::AtomPtr>& b);

/// Arithmetic that throws Unsupported on overflow.
std::int64_t checked_add(std::int64_t a, std::int64_t b);
std::int64_t checked_multiply(std::int64_t a, std::int64_t b);
/// Python's // and %; throw InvalidArgument for a zero divisor.
std::int64_t floor_divide(std::int64_t a, std::int64_t b);
std::int64_t floor_remainder(std::int64_t a, std::int64_t b);

}  // namespace aitune

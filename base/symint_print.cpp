#include <fmt/format.h>

#include "base/symint.h"

namespace aitune {
namespace {

using AtomKind = SymInt::AtomKind;

std::string operand(const SymInt& s) {
  const auto& terms = s.terms();
  const bool atom = terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1;
  const auto constant = s.as_constant();
  return atom || (constant && *constant >= 0) ? s.str() : "(" + s.str() + ")";
}

std::string text_of(const SymInt::Atom& atom) {
  switch (atom.kind) {
    case AtomKind::symbol:
      return atom.name;
    case AtomKind::floordiv:
      return fmt::format("({}//{})", operand(atom.lhs), operand(atom.rhs));
    case AtomKind::mod:
      return fmt::format("Mod({}, {})", atom.lhs.str(), atom.rhs.str());
    case AtomKind::min:
      return fmt::format("Min({}, {})", atom.lhs.str(), atom.rhs.str());
    case AtomKind::max:
      return fmt::format("Max({}, {})", atom.lhs.str(), atom.rhs.str());
  }
  return {};
}

std::string text_of(const std::vector<SymInt::AtomPtr>& atoms) {
  std::string text, last;
  std::size_t power = 0;
  const auto flush = [&] {
    if (power == 0) return;
    if (!text.empty()) text += '*';
    text += power > 1 ? fmt::format("{}**{}", last, power) : last;
  };
  for (const auto& atom : atoms) {
    std::string next = text_of(*atom);
    if (power > 0 && next == last) {
      ++power;
      continue;
    }
    flush();
    last = std::move(next);
    power = 1;
  }
  flush();
  return text;
}

}  // namespace

std::string SymInt::str() const {
  if (const auto value = as_constant()) return std::to_string(*value);
  std::string text;
  for (const Term& term : terms_) {
    const bool negative = term.coefficient < 0;
    if (text.empty())
      text += negative ? "-" : "";
    else if (term.coefficient == INT64_MIN)
      text += " + -";  // a number after a sign, which the parser can read
    else
      text += negative ? " - " : " + ";
    // Negated as unsigned: the least integer has no positive counterpart.
    const std::uint64_t magnitude =
        negative ? 0 - static_cast<std::uint64_t>(term.coefficient) : static_cast<std::uint64_t>(term.coefficient);
    if (term.atoms.empty())
      text += std::to_string(magnitude);
    else if (magnitude != 1)
      text += fmt::format("{}*{}", magnitude, text_of(term.atoms));
    else
      text += text_of(term.atoms);
  }
  return text;
}

std::string to_string(const SymShape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ",") + shape[i].str();
  return text + "]";
}

}  // namespace aitune

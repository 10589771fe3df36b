#include "compiler/import/portable/sizes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace aitune::portable {
namespace {

// torch.fx renames nodes that would hide one of these.
constexpr std::string_view kReserved[] = {
    "abs",    "all",  "and",    "any",   "as",     "assert", "bin",   "bool",  "bytes",  "chr",    "class",  "complex",
    "def",    "del",  "dict",   "dir",   "divmod", "elif",   "else",  "eval",  "exec",   "filter", "float",  "for",
    "format", "from", "global", "hash",  "help",   "hex",    "id",    "if",    "import", "in",     "input",  "int",
    "is",     "iter", "lambda", "len",   "list",   "map",    "max",   "min",   "next",   "not",    "object", "oct",
    "open",   "or",   "ord",    "pass",  "pow",    "print",  "range", "repr",  "return", "round",  "set",    "slice",
    "sorted", "str",  "sum",    "super", "tuple",  "type",   "vars",  "while", "with",   "yield",  "zip"};

std::string atom_text(const SymInt::Atom& atom);

std::string text_of(const SymInt& size) {
  std::vector<std::string> terms;
  for (const SymInt::Term& term : size.terms()) {
    std::vector<std::string> factors;
    if (term.coefficient != 1 || term.atoms.empty()) factors.push_back(fmt::format("Integer({})", term.coefficient));
    for (const auto& atom : term.atoms) factors.push_back(atom_text(*atom));
    terms.push_back(factors.size() == 1 ? factors[0] : fmt::format("Mul({})", fmt::join(factors, ", ")));
  }
  if (terms.empty()) return "Integer(0)";
  return terms.size() == 1 ? terms[0] : fmt::format("Add({})", fmt::join(terms, ", "));
}

std::string atom_text(const SymInt::Atom& atom) {
  switch (atom.kind) {
    case SymInt::AtomKind::symbol:
      return fmt::format("Symbol('{}', positive=True, integer=True)", atom.name);
    case SymInt::AtomKind::floordiv:
      return fmt::format("FloorDiv({}, {})", text_of(atom.lhs), text_of(atom.rhs));
    case SymInt::AtomKind::mod:
      return fmt::format("Mod({}, {})", text_of(atom.lhs), text_of(atom.rhs));
    case SymInt::AtomKind::min:
      return fmt::format("Min({}, {})", text_of(atom.lhs), text_of(atom.rhs));
    case SymInt::AtomKind::max:
      return fmt::format("Max({}, {})", text_of(atom.lhs), text_of(atom.rhs));
  }
  throw InternalError("a size of an unknown kind");
}

// A value that the size may have: PyTorch wants one beside each formula.
std::int64_t hint_of(const SymInt& size, const SymRanges& symbols) {
  SymValues values;
  std::vector<std::string> names;
  size.collect_symbols(names);
  for (const auto& name : names) {
    const auto range = symbols.find(name);
    const SymRange bounds = range == symbols.end() ? SymRange{} : range->second;
    values[name] = bounds.max == SymRange::kNoMax ? std::max<std::int64_t>(bounds.min, 8) : bounds.max;
  }
  return size.evaluate(values);
}

}  // namespace

std::string Names::make(std::string_view hint) {
  std::string base(hint);
  std::ranges::replace_if(base, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; }, '_');
  if (base.empty() || std::isdigit(static_cast<unsigned char>(base[0])) != 0) base = "v_" + base;
  const bool reserved = std::ranges::find(kReserved, base) != std::end(kReserved);
  std::string name = reserved ? base + "_1" : base;
  for (int i = 1; !taken_.insert(name).second; ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

Json size_json(const SymInt& size, const SymRanges& symbols) {
  if (const auto constant = size.as_constant()) return {{"as_int", *constant}};
  return {{"as_expr", {{"expr_str", text_of(size)}, {"hint", {{"as_int", hint_of(size, symbols)}}}}}};
}

Json SizeNodes::argument(const SymInt& size) {
  if (const auto constant = size.as_constant()) return {{"as_int", *constant}};
  const auto known = made_.find(size.str());
  if (known != made_.end()) return known->second;
  Json sum;
  SymInt total = 0;
  for (const SymInt::Term& term : size.terms()) {
    Json product;
    SymInt value = 1;
    for (const auto& factor : term.atoms) {
      const SymInt next = to_size(*factor);
      Json made = atom(*factor);
      value = value * next;
      product = product.is_null() ? std::move(made) : call("_operator.mul", std::move(product), std::move(made), value);
    }
    if (term.coefficient != 1 && !product.is_null()) {
      value = value * term.coefficient;
      product = call("_operator.mul", std::move(product), {{"as_int", term.coefficient}}, value);
    }
    if (product.is_null()) {
      product = {{"as_int", term.coefficient}};
      value = term.coefficient;
    }
    total = total + value;
    sum = sum.is_null() ? std::move(product) : call("_operator.add", std::move(sum), std::move(product), total);
  }
  return made_.emplace(size.str(), sum).first->second;
}

Json SizeNodes::atom(const SymInt::Atom& atom) {
  const SymInt value = to_size(atom);
  const auto known = made_.find(value.str());
  if (known != made_.end()) return known->second;
  Json made;
  switch (atom.kind) {
    case SymInt::AtomKind::symbol:
      made = symbol(value, atom.name);
      break;
    case SymInt::AtomKind::floordiv:
      made = call("_operator.floordiv", argument(atom.lhs), argument(atom.rhs), value);
      break;
    case SymInt::AtomKind::mod:
      made = call("_operator.mod", argument(atom.lhs), argument(atom.rhs), value);
      break;
    case SymInt::AtomKind::min:
      made = call("torch.sym_min", argument(atom.lhs), argument(atom.rhs), value);
      break;
    case SymInt::AtomKind::max:
      made = call("torch.sym_max", argument(atom.lhs), argument(atom.rhs), value);
      break;
  }
  return made_.emplace(value.str(), made).first->second;
}

void SizeNodes::define(const std::string& name, const SymInt& size) {
  values_[name] = size_json(size, graph_.symbols);
  made_[size.str()] = {{"as_name", name}};
}

Json SizeNodes::symbol(const SymInt& size, const std::string& name) {
  // Inputs first, then what nodes so far have made: data may decide a size.
  std::vector<const Value*> values(graph_.inputs.begin(), graph_.inputs.end());
  for (const auto& node : graph_.nodes())
    for (const Value* output : node->outputs)
      if (names_.contains(output)) values.push_back(output);
  for (const Value* value : values) {
    for (std::size_t d = 0; d < value->type.shape.size(); ++d) {
      if (!(value->type.shape[d] == size)) continue;
      const std::string made = unique_.make("sym_size_int");
      nodes_.push_back({{"target", "torch.ops.aten.sym_size.int"},
                        {"inputs",
                         {{{"name", "self"}, {"arg", {{"as_tensor", {{"name", names_.at(value)}}}}}, {"kind", 1}},
                          {{"name", "dim"}, {"arg", {{"as_int", d}}}, {"kind", 1}}}},
                        {"outputs", Json::array({{{"as_sym_int", {{"as_name", made}}}}})},
                        {"metadata", Json::object()}});
      values_[made] = size_json(size, graph_.symbols);
      return {{"as_name", made}};
    }
  }
  throw Unsupported(fmt::format("the size {} is the size of no tensor", name));
}

Json SizeNodes::call(const std::string& target, Json a, Json b, const SymInt& value) {
  const std::string made = unique_.make(target.substr(target.find('.') + 1));
  const auto argument_of = [](Json size) -> Json {
    if (size.contains("as_int")) return size;
    return {{"as_sym_int", std::move(size)}};
  };
  nodes_.push_back({{"target", target},
                    {"inputs",
                     {{{"name", "a"}, {"arg", argument_of(std::move(a))}, {"kind", 1}},
                      {{"name", "b"}, {"arg", argument_of(std::move(b))}, {"kind", 1}}}},
                    {"outputs", Json::array({{{"as_sym_int", {{"as_name", made}}}}})},
                    {"metadata", Json::object()}});
  values_[made] = size_json(value, graph_.symbols);
  return {{"as_name", made}};
}

}  // namespace aitune::portable

// einsum as sums, permutations and batched products.

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <vector>

#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// The letters of each operand and of the result, without spaces and ellipses: "ij,jk->ik".
struct Einsum {
  std::vector<std::string> operands;
  std::string result;
};

bool has(const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; }

bool are_distinct_letters(const std::string& letters) {
  return std::ranges::all_of(letters, [&](char letter) {
    return std::isalpha(static_cast<unsigned char>(letter)) != 0 && std::ranges::count(letters, letter) == 1;
  });
}

/// Without "->", the result has the letters that occur once, in alphabetical order.
std::string implied_result(const std::vector<std::string>& operands) {
  std::string all, once;
  for (const std::string& letters : operands) all += letters;
  for (const char letter : all)
    if (letter != '.' && std::ranges::count(all, letter) == 1) once += letter;
  std::ranges::sort(once);
  return once;
}

/// Puts letters that are not in use for the dimensions that "..." stands for: `count` of them.
bool expand_ellipsis(std::string& letters, std::size_t count, const std::string& fresh) {
  const std::size_t at = letters.find("...");
  if (at == std::string::npos) return true;
  if (count > fresh.size()) return false;
  letters.replace(at, 3, fresh.substr(fresh.size() - count));
  return true;
}

/// Nothing for what is not read: diagonals ("ii->i"), and ellipses that stand for different numbers of dimensions.
std::optional<Einsum> parse_einsum(std::string text, const ArgList& operands) {
  std::erase(text, ' ');
  const std::size_t arrow = text.find("->");
  const bool explicit_result = arrow != std::string::npos;
  std::string left = text.substr(0, arrow);
  Einsum e;
  for (std::size_t at = 0; at <= left.size();) {
    const std::size_t comma = std::min(left.find(',', at), left.size());
    e.operands.push_back(left.substr(at, comma - at));
    at = comma + 1;
  }
  if (e.operands.size() != operands.size()) return std::nullopt;
  std::string fresh;
  for (const char letter : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    if (!has(text, letter)) fresh += letter;
  std::optional<std::size_t> hidden;  // dimensions that the ellipses stand for
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const std::size_t dims = rank(operands[i].value()), named = e.operands[i].size();
    if (e.operands[i].find("...") == std::string::npos) continue;
    const std::size_t count = dims + 3 - std::min(named, dims + 3);
    if (hidden && *hidden != count) return std::nullopt;
    hidden = count;
  }
  e.result = explicit_result ? text.substr(arrow + 2) : (hidden ? "..." : "") + implied_result(e.operands);
  for (std::string& letters : e.operands)
    if (!expand_ellipsis(letters, hidden.value_or(0), fresh)) return std::nullopt;
  if (!expand_ellipsis(e.result, hidden.value_or(0), fresh)) return std::nullopt;
  for (std::size_t i = 0; i < operands.size(); ++i)
    if (!are_distinct_letters(e.operands[i]) || e.operands[i].size() != rank(operands[i].value())) return std::nullopt;
  if (!are_distinct_letters(e.result)) return std::nullopt;
  return e;
}

/// Sums over the letters that nobody else wants, and takes them out of `letters`.
Value* sum_unwanted(Inserter& insert, Value* x, std::string& letters, const std::string& wanted) {
  std::vector<std::int64_t> dims;
  std::string kept;
  for (std::size_t i = 0; i < letters.size(); ++i)
    if (has(wanted, letters[i]))
      kept += letters[i];
    else
      dims.push_back(static_cast<std::int64_t>(i));
  letters = kept;
  if (dims.empty()) return x;
  return insert.call("aten.sum.dim_IntList", {x, to_args(dims), false, x->type.dtype});
}

/// The dimensions of `x` in another order.
Value* reorder(Inserter& insert, Value* x, const std::string& letters, const std::string& order) {
  std::vector<std::int64_t> dims;
  for (const char letter : order) dims.push_back(static_cast<std::int64_t>(letters.find(letter)));
  return insert.permute(x, dims);
}

/// Reorders the dimensions of `x` from `letters` to `groups` one after another, each group merged into one dimension.
Value* group_dims(Inserter& insert, Value* x, const std::string& letters, const std::vector<std::string>& groups) {
  std::string order;
  SymShape merged;
  for (const std::string& group : groups) {
    SymInt size = 1;
    for (const char letter : group) size *= x->type.shape.at(letters.find(letter));
    merged.push_back(size);
    order += group;
  }
  return insert.view(reorder(insert, x, letters, order), merged);
}

/// As a batched matrix product: letters in both operands and the result are batch, in both but not the result are
/// summed, in one are rows or columns. Nothing where a size of 1 stands against another one.
Value* product(Inserter& insert, Value* a, const std::string& left, Value* b, const std::string& right,
               const std::string& result) {
  std::string batch, sum, rows, columns;
  std::map<char, SymInt> sizes;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const char letter = left[i];
    sizes[letter] = a->type.shape.at(i);
    (has(right, letter) ? (has(result, letter) ? batch : sum) : rows) += letter;
  }
  for (std::size_t i = 0; i < right.size(); ++i) {
    const char letter = right[i];
    const SymInt& size = b->type.shape.at(i);
    if (has(left, letter)) {
      if (sizes.at(letter) != size) return nullptr;
      continue;
    }
    sizes[letter] = size;
    columns += letter;
  }
  Value* const x = group_dims(insert, a, left, {batch, rows, sum});
  Value* const y = group_dims(insert, b, right, {batch, sum, columns});
  Value* const z = insert.call("aten.bmm.default", {x, y});
  const std::string letters = batch + rows + columns;
  SymShape split;
  for (const char letter : letters) split.push_back(sizes.at(letter));
  return reorder(insert, insert.view(z, split), letters, result);
}

Replacement einsum(Inserter& insert, Node& node) {
  const ArgList& list = node.args.at(1).list();
  auto parsed = parse_einsum(node.args.at(0).string(), list);
  if (!parsed || list.empty()) return std::nullopt;
  const auto wanted_behind = [&](std::size_t i) {  // letters of later operands and of the result
    std::string letters = parsed->result;
    for (std::size_t j = i + 1; j < parsed->operands.size(); ++j) letters += parsed->operands[j];
    return letters;
  };
  Value* x = list[0].value();
  std::string letters = parsed->operands[0];
  x = sum_unwanted(insert, x, letters, wanted_behind(0));
  for (std::size_t i = 1; i < list.size(); ++i) {
    std::string other = parsed->operands[i];
    Value* const y = sum_unwanted(insert, list[i].value(), other, letters + wanted_behind(i));
    const std::string wanted = wanted_behind(i);
    std::string result;
    for (const char letter : letters + other)
      if (has(wanted, letter) && !has(result, letter)) result += letter;
    x = product(insert, x, letters, y, other, result);
    if (x == nullptr) return std::nullopt;
    letters = result;
  }
  return {{insert.view(reorder(insert, x, letters, parsed->result), node.output()->type.shape)}};
}

}  // namespace

void add_einsum_rules(DecomposeRules& rules) { rules["aten.einsum.default"] = einsum; }

}  // namespace aitune

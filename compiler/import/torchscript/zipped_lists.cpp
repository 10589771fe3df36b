// Lists of tuples that become longer as often as data decide: a list for each part of the tuples, which are lists like
// any other. That is another form of the same list, so a region may put one from outside into it.

#include <fmt/format.h>

#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxTupleDepth = 10;
constexpr std::size_t kMaxColumns = 100;

/// The same tuple with the number of its column for each part; nothing where something in it is too deep.
std::optional<Val> pattern_of(const Val& item, std::size_t& columns, int depth = 0) {
  const auto* tuple = item.get<TuplePtr>();
  if (tuple == nullptr) return columns == kMaxColumns ? std::nullopt : std::optional(Val(SymInt(columns++)));
  if (depth == kMaxTupleDepth) return std::nullopt;
  Vals parts;
  for (const Val& part : (*tuple)->items) {
    auto pattern = pattern_of(part, columns, depth + 1);
    if (!pattern) return std::nullopt;
    parts.push_back(*std::move(pattern));
  }
  return make_tuple(std::move(parts), (*tuple)->type);
}

/// The parts of a tuple, in the order of their columns; false where it is built in another way than the pattern.
bool take_parts(const Val& pattern, const Val& item, Vals& parts) {
  const auto* tuple = pattern.get<TuplePtr>();
  if (tuple == nullptr) {
    parts.push_back(item);
    return item.get<TuplePtr>() == nullptr;
  }
  const auto* other = item.get<TuplePtr>();
  if (other == nullptr || (*other)->items.size() != (*tuple)->items.size()) return false;
  for (std::size_t i = 0; i < (*tuple)->items.size(); ++i)
    if (!take_parts((*tuple)->items[i], (*other)->items[i], parts)) return false;
  return true;
}

}  // namespace

bool Evaluator::zip(const ListPtr& list, const Val& like) {
  if (list->grown != nullptr) return !list->grown->columns.empty();
  GrownItems zipped;
  std::size_t count = 0;
  const auto pattern = pattern_of(like, count);
  if (!pattern || count == 0) return false;
  zipped.pattern = *pattern;
  for (std::size_t i = 0; i < count; ++i) {
    auto column = std::make_shared<List>();
    column->born = list->born;
    column->column = list->column * kMaxColumns + i + 1;
    changed_.emplace_back(column);
    zipped.columns.push_back(std::move(column));
  }
  charge(count * (1 + list->items.size()));
  for (const Val& item : list->items) {
    Vals parts;
    if (!take_parts(zipped.pattern, item, parts)) return false;
    for (std::size_t i = 0; i < count; ++i) zipped.columns[i]->items.push_back(std::move(parts[i]));
  }
  list->items.clear();
  list->grown = std::make_shared<const GrownItems>(std::move(zipped));
  return true;
}

void Evaluator::append_parts(const GrownItems& zipped, const Val& pattern, const Val& item, bool in_front) {
  Vals parts;
  if (!take_parts(pattern, item, parts))
    unsupported("a list takes tuples that are built in different ways inside of an if or a loop that data decide",
                "append tuples of one kind");
  for (std::size_t i = 0; i < parts.size(); ++i) append(zipped.columns[i], parts[i], in_front);
}

Val Evaluator::row_of(const GrownItems& zipped, const Val& pattern, const Val& place) {
  if (const auto* tuple = pattern.get<TuplePtr>()) {
    Vals parts;
    for (const Val& part : (*tuple)->items) parts.push_back(row_of(zipped, part, place));
    return make_tuple(std::move(parts), (*tuple)->type);
  }
  const ListPtr& column = zipped.columns[static_cast<std::size_t>(*pattern.integer())];
  if (column->grown != nullptr) return item_of(*column->grown, place);
  const auto size = static_cast<std::int64_t>(column->items.size());
  if (const auto at = place.integer()) {
    if (*at < -size || *at >= size) invalid(fmt::format("index {} of a list of {}", *at, size));
    return column->items[static_cast<std::size_t>(*at < 0 ? *at + size : *at)];
  }
  const auto grown = grown_by_itself({column->items, nullptr});
  if (!grown)
    unsupported("a list of tuples whose parts differ in type is indexed by a number that data decide",
                std::string(kGrownListFix));
  return item_of(*grown, place);
}

}  // namespace aitune::torchscript

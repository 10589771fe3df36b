#include "compiler/import/torchscript/debug_info.h"

#include <algorithm>

#include "compiler/import/torchscript/source.h"

namespace aitune::torchscript {
namespace {

constexpr std::size_t kMaxRows = std::size_t{1} << 20, kMaxTexts = std::size_t{1} << 22;

bool is_sequence(const PickleValue& value) { return value.is(PickleKind::tuple) || value.is(PickleKind::list); }

// A list of integers, which PyTorch writes as build_intlist([...]).
const PickleValue* list_of(const PickleValue& value) {
  if (value.is(PickleKind::call) && value.items.size() == 1) return list_of(*value.items[0]);
  return is_sequence(value) ? &value : nullptr;
}

std::string trim(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

}  // namespace

DebugInfo::DebugInfo(const PickleValue& root) {
  if (!is_sequence(root) || root.items.size() != 3 || !root.items[0]->is(PickleKind::string) ||
      root.items[0]->text != "FORMAT_WITH_STRING_TABLE")
    return;
  const PickleValue* strings = list_of(*root.items[1]);
  const PickleValue* rows = list_of(*root.items[2]);
  if (strings == nullptr || rows == nullptr || rows->items.size() > kMaxRows) return;
  for (const PickleValue* text : strings->items) strings_.push_back(text->is(PickleKind::string) ? text->text : "");
  std::size_t texts = 0;
  for (const PickleValue* row : rows->items) {
    // (offset, ((texts, file, first line), start, end), tag)
    if (!is_sequence(*row) || row->items.size() < 2 || !is_sequence(*row->items[1])) continue;
    const PickleValue& range = *row->items[1];
    if (range.items.size() != 3 || !is_sequence(*range.items[0]) || range.items[0]->items.size() != 3) continue;
    const PickleValue& source = *range.items[0];
    const PickleValue* list = list_of(*source.items[0]);
    if (list == nullptr) continue;
    texts += list->items.size();
    if (texts > kMaxTexts) continue;
    rows_.push_back(
        {row->items[0]->integer, source.items[1]->integer, source.items[2]->integer, range.items[1]->integer});
    auto& indices = texts_.emplace_back();
    for (const PickleValue* index : list->items) indices.push_back(index->integer);
  }
  if (!std::ranges::is_sorted(rows_, {}, &Row::offset)) rows_.clear();
}

UserLine DebugInfo::find(std::uint32_t offset) const {
  const auto after = std::ranges::upper_bound(rows_, static_cast<std::int64_t>(offset), {}, &Row::offset);
  if (after == rows_.begin()) return {};
  const Row& row = *std::prev(after);
  const auto string = [&](std::int64_t index) -> const std::string* {
    return index >= 0 && static_cast<std::size_t>(index) < strings_.size() ? &strings_[static_cast<std::size_t>(index)]
                                                                           : nullptr;
  };
  const std::string* file = string(row.file);
  if (file == nullptr || file->empty()) return {};
  UserLine found{*file, "", row.first_line};
  std::int64_t left = row.start;
  for (const std::int64_t index : texts_[static_cast<std::size_t>(&row - rows_.data())]) {
    const std::string* text = string(index);
    if (text == nullptr) break;
    const auto size = static_cast<std::int64_t>(text->size());
    if (left < size) {
      const auto upto = text->begin() + static_cast<std::ptrdiff_t>(std::max<std::int64_t>(left, 0));
      found.line += std::count(text->begin(), upto, '\n');
      found.text = trim(*text);
      break;
    }
    left -= size;
    found.line += std::count(text->begin(), text->end(), '\n');
  }
  if (found.line < 0 || found.line > (std::int64_t{1} << 31)) return {};
  found.file = printable(found.file);
  found.text = printable(found.text);
  return found;
}

}  // namespace aitune::torchscript

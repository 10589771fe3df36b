#include "compiler/import/fx/indexing.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/import/fx/arithmetic.h"
#include "compiler/import/fx/refuse.h"

namespace aitune::fx {
namespace {

constexpr std::size_t kMaxIndices = 64;

PyValue integer(std::int64_t value) { return PyValue::of(SymInt(value)); }

// A list of numbers as an index: [0, 2] picks elements.
PyValue list_as_tensor(Writer& writer, const PyValue& list) {
  std::vector<std::int64_t> values;
  bool booleans = !list.items().empty();
  for (const PyValue& item : list.items()) {
    booleans = booleans && item.is(PyKind::boolean);
    values.push_back(constant_integer(item, "an index"));
  }
  return PyValue::of(writer.constant(Tensor::of<std::int64_t>(booleans ? DType::b8 : DType::i64, values), "index"));
}

bool is_full(const PyValue& slice) {
  return std::ranges::all_of(slice.items(), [](const PyValue& part) { return part.is_none(); });
}

/// Applies the parts of one subscript from left to right, as PyTorch does: views first, then one gather.
class Indexer {
 public:
  Indexer(Writer& writer, const PyValue& base) : writer_(writer), result_(base) {}

  void apply(const PyValue& index) {
    const PyItems parts = index.is(PyKind::tuple) ? index.items() : PyItems{index};
    if (parts.size() > kMaxIndices) refuse("an index of too many parts");
    std::int64_t consumed = 0;
    for (const PyValue& part : parts) consumed += axes_of(part);
    for (const PyValue& part : parts) apply_part(part, consumed);
  }

  const PyValue& view() const { return result_; }
  bool gathers() const { return !gathered_.empty(); }
  PyValue indices() const { return PyValue::sequence(PyKind::list, gathered_); }

 private:
  static std::int64_t axes_of(const PyValue& part) {
    if (part.is_none() || part.is(PyKind::ellipsis) || part.is(PyKind::boolean)) return 0;
    if (part.is_tensor() && part.tensor->type.dtype == DType::b8)
      return static_cast<std::int64_t>(part.tensor->type.shape.size());
    return 1;
  }

  std::int64_t rank() const { return static_cast<std::int64_t>(result_.tensor->type.shape.size()); }

  void apply_part(const PyValue& part, std::int64_t consumed) {
    if (part.is(PyKind::integer)) {
      result_ = writer_.call("select", {result_, integer(axis_), part});
    } else if (part.is(PyKind::slice)) {
      if (!is_full(part)) slice(part);
      ++axis_;
    } else if (part.is_none() || part.is(PyKind::boolean)) {
      if (part.is(PyKind::boolean)) refuse("a bool as an index");
      result_ = writer_.call("unsqueeze", {result_, integer(axis_++)});
    } else if (part.is(PyKind::ellipsis)) {
      axis_ += base_rank() - consumed;
    } else if (part.is_tensor() || part.is_sequence()) {
      gather(part.is_tensor() ? part : list_as_tensor(writer_, part));
    } else {
      refuse(fmt::format("{} as an index", part.describe()));
    }
  }

  // Axes of the tensor before the subscript: what None added and numbers took away does not count.
  std::int64_t base_rank() const { return base_rank_; }

  void slice(const PyValue& part) {
    const auto& p = part.items();
    for (const PyValue& bound : p)
      if (!bound.is_none() && !bound.is(PyKind::integer)) refuse(fmt::format("{} in a slice", bound.describe()));
    const PyValue step = p[2].is_none() ? integer(1) : p[2];
    result_ = writer_.call("slice", {result_, integer(axis_), p[0].is_none() ? integer(0) : p[0], p[1], step});
  }

  void gather(const PyValue& tensor) {
    while (static_cast<std::int64_t>(gathered_.size()) < axis_) gathered_.emplace_back();
    gathered_.push_back(tensor);
    axis_ += axes_of(tensor);
  }

  Writer& writer_;
  PyValue result_;
  std::int64_t base_rank_ = rank();
  std::int64_t axis_ = 0;
  PyItems gathered_;
};

PyValue item_of_list(const PyValue& base, const PyValue& index) {
  const auto count = static_cast<std::int64_t>(base.items().size());
  if (index.is(PyKind::slice)) {
    const auto& p = index.items();
    const auto bound = [&](const PyValue& v, std::int64_t otherwise) {
      if (v.is_none()) return otherwise;
      const std::int64_t at = constant_integer(v, "a bound of a slice");
      return std::clamp<std::int64_t>(at < 0 ? at + count : at, 0, count);
    };
    const std::int64_t step = p[2].is_none() ? 1 : constant_integer(p[2], "a step of a slice");
    const bool whole_backwards = step == -1 && p[0].is_none() && p[1].is_none();
    if (step < 1 && !whole_backwards) refuse("a slice of a list with such a step");
    PyItems items;
    for (std::int64_t i = bound(p[0], 0); i < bound(p[1], count); i += std::min(std::max<std::int64_t>(step, 1), count))
      items.push_back(base.items()[static_cast<std::size_t>(i)]);
    if (whole_backwards) std::ranges::reverse(items);
    return PyValue::sequence(base.kind, std::move(items));
  }
  std::int64_t at = constant_integer(index, "the index of a list");
  if (at < 0) at += count;
  if (at < 0 || at >= count) refuse(fmt::format("item {} of {}", index.describe(), base.describe()));
  return base.items()[static_cast<std::size_t>(at)];
}

}  // namespace

PyValue get_item(Interpreter& interpreter, const PyValue& base, const PyValue& index) {
  if (base.is_tensor()) {
    Indexer indexer(interpreter.writer(), base);
    indexer.apply(index);
    if (!indexer.gathers()) return indexer.view();
    return interpreter.writer().call("index", {indexer.view(), indexer.indices()});
  }
  if (base.is_sequence()) return item_of_list(base, index);
  if (base.is(PyKind::dict) && index.is(PyKind::string)) {
    if (const PyValue* const value = base.find(index.text)) return *value;
    refuse(fmt::format("the dict has no key '{}'", index.text.substr(0, 60)));
  }
  if (base.is(PyKind::module)) {
    const PyItems children = interpreter.records().children(base);
    return item_of_list(PyValue::tuple(children), index);
  }
  // typing.List[torch.Tensor] as a value
  if (base.is(PyKind::global)) return base;
  refuse(fmt::format("an item of {}", base.describe()));
}

void set_item(Interpreter& interpreter, const PyValue& base, const PyValue& index, const PyValue& value) {
  if (!base.is_tensor()) refuse(fmt::format("a write to an item of {}", base.describe()));
  Writer& writer = interpreter.writer();
  Indexer indexer(writer, base);
  indexer.apply(index);
  const PyValue tensor = value.is_tensor() || indexer.gathers() == false ? value : PyValue::of(writer.number(value));
  if (indexer.gathers())
    writer.call("index_put_", {indexer.view(), indexer.indices(), tensor});
  else
    writer.call(value.is_tensor() ? "copy_" : "fill_", {indexer.view(), tensor});
}

}  // namespace aitune::fx

#include "runtime/plan_table.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/error.h"

namespace aitune {
namespace {

/// Whether `fixed` is a case of `moving`: the same name, dtype and rank, and every fixed size of it the same. What data
/// decide of an output is no constant in either.
bool is_case_of(const Plan& special, const PlanTensor& fixed, const Plan& general, const PlanTensor& moving) {
  if (fixed.name != moving.name || fixed.dtype != moving.dtype || fixed.shape.size() != moving.shape.size())
    return false;
  for (std::size_t d = 0; d < fixed.shape.size(); ++d) {
    const PlanExpr &size = special.exprs[fixed.shape[d]], &range = general.exprs[moving.shape[d]];
    const bool known = range.op == PlanExpr::Op::constant;
    if (size.op != PlanExpr::Op::constant && (known || fixed.largest.empty())) return false;
    if (known && range.value != size.value) return false;
  }
  return true;
}

bool are_cases_of(const Plan& special, const std::vector<PlanTensor>& fixed, const Plan& general,
                  const std::vector<PlanTensor>& moving) {
  if (fixed.size() != moving.size()) return false;
  for (std::size_t i = 0; i < fixed.size(); ++i)
    if (!is_case_of(special, fixed[i], general, moving[i])) return false;
  return true;
}

}  // namespace

PlanTable::PlanTable(const Plan& general) {
  for (const PlanSymbol& symbol : general.symbols)
    if (!symbol.data) dims_.push_back({symbol.input, symbol.dim});
}

void PlanTable::add(const Plan& general, const Plan& special, std::string_view where) {
  const auto check = [&](bool good, std::string what) {
    if (!good) throw Corrupt(std::move(what), std::string(where), "Tune the model again");
  };
  check(!dims_.empty(), "a special plan belongs to a general one whose sizes are all fixed");
  check(std::ranges::all_of(special.symbols, &PlanSymbol::data) &&
            are_cases_of(special, special.inputs, general, general.inputs) &&
            are_cases_of(special, special.outputs, general, general.outputs),
        "the special plan has other inputs or outputs than the general plan that it belongs to");
  std::vector<std::int64_t> row;
  for (const PlanSymbol& symbol : general.symbols) {
    if (symbol.data) continue;
    const std::int64_t size = special.exprs[special.inputs[symbol.input].shape[symbol.dim]].value;
    const std::int64_t value = symbol_value(symbol, size);
    check(value >= symbol.range.min && value <= symbol.range.max,
          fmt::format("the special plan is for {} = {}, and the general one for {} to {}", symbol.name, value,
                      symbol.range.min, symbol.range.max));
    row.push_back(size);
  }
  sizes_.insert(sizes_.end(), row.begin(), row.end());
}

std::optional<std::size_t> PlanTable::find(std::span<const TensorRef> inputs) const noexcept {
  const std::size_t width = dims_.size(), count = rows();
  for (std::size_t row = 0; row < count; ++row) {
    bool same = true;
    for (std::size_t i = 0; same && i < width; ++i) {
      const Dim& at = dims_[i];
      same = at.input < inputs.size() && at.dim < inputs[at.input].shape.size() &&
             inputs[at.input].shape[at.dim] == sizes_[row * width + i];
    }
    if (same) return row;
  }
  return std::nullopt;
}

}  // namespace aitune

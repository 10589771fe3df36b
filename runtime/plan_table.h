#pragma once
// Which special plan serves which sizes: a lookup of the dimensions that move.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "format/plan.h"
#include "runtime/tensor_ref.h"

namespace aitune {

/// Rows of sizes, one for each special plan. Constant once filled; finding allocates nothing and throws nothing.
class PlanTable {
 public:
  PlanTable() = default;
  /// The dimensions that move are those of inputs that give `general` its symbols.
  explicit PlanTable(const Plan& general);

  /// Adds a row: the sizes that `special` is for. Throws Corrupt, with `where`, unless it is a plan with the general
  /// one's inputs and outputs, every size fixed that data do not decide, and within the general plan's ranges.
  void add(const Plan& general, const Plan& special, std::string_view where);
  std::size_t rows() const { return dims_.empty() ? 0 : sizes_.size() / dims_.size(); }
  /// The row whose sizes the inputs have; nothing if there is none.
  std::optional<std::size_t> find(std::span<const TensorRef> inputs) const noexcept;

 private:
  struct Dim {
    std::uint32_t input = 0, dim = 0;
  };
  std::vector<Dim> dims_;
  std::vector<std::int64_t> sizes_;  // rows of dims_.size()
};

}  // namespace aitune

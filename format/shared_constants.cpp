#include "format/shared_constants.h"

#include <map>
#include <optional>
#include <vector>

#include "base/error.h"
#include "format/bytes.h"
#include "format/digest.h"
#include "format/plan.h"
#include "format/plan_eval.h"
#include "format/plan_header.h"

namespace aitune {
namespace {

/// The general plan's segment, and what lies where in it.
class ConstantPool {
 public:
  explicit ConstantPool(BuiltPlan& general) : general_(general) {
    const auto values = constant_values(general.plan.exprs);
    for (const PlanBuffer& buffer : general.plan.buffers)
      if (buffer.space == BufferSpace::constant) {
        const auto bytes = bytes_of(general, values, buffer);
        known_.emplace(sha256(bytes), static_cast<std::int64_t>(bytes.data() - general.constants.data()));
      }
  }

  void move_in(BuiltPlan& special) {
    const auto values = constant_values(special.plan.exprs);
    for (PlanBuffer& buffer : special.plan.buffers)
      if (buffer.space == BufferSpace::constant)
        buffer.offset = special.plan.constant(place(bytes_of(special, values, buffer)));
    special.constants.clear();
  }

 private:
  using Values = std::vector<std::optional<std::int64_t>>;

  static std::span<const std::byte> bytes_of(const BuiltPlan& built, const Values& values, const PlanBuffer& buffer) {
    const auto offset = values.at(buffer.offset), bytes = values.at(buffer.bytes);
    if (!offset || !bytes || *offset < 0 || *bytes < 0 || !fits(*offset, *bytes, built.constants.size()))
      throw InternalError("a constant's place is no constant inside its segment", "built plan");
    return std::span(built.constants).subspan(static_cast<std::size_t>(*offset), static_cast<std::size_t>(*bytes));
  }

  std::int64_t place(std::span<const std::byte> bytes) {
    auto& segment = general_.constants;
    const auto next = static_cast<std::int64_t>(align_up(segment.size(), kPlanAlignment));
    const auto [known, fresh] = known_.emplace(sha256(bytes), next);
    if (!fresh) return known->second;
    segment.resize(static_cast<std::size_t>(next));
    segment.insert(segment.end(), bytes.begin(), bytes.end());
    return next;
  }

  BuiltPlan& general_;
  std::map<Sha256, std::int64_t> known_;
};

}  // namespace

void share_constants(BuiltPlan& first, std::span<BuiltPlan* const> others) {
  ConstantPool pool(first);
  for (BuiltPlan* other : others) pool.move_in(*other);
  for (BuiltPlan* other : others) other->plan.shared_constants = first.constants.size();
}

void share_constants(BuiltPlan& first, std::span<BuiltPlan> others) {
  std::vector<BuiltPlan*> list;
  for (BuiltPlan& other : others) list.push_back(&other);
  share_constants(first, list);
}

}  // namespace aitune

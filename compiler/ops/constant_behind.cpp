#include "compiler/ops/constant_behind.h"

#include <algorithm>
#include <array>

#include "compiler/ops/schema.h"

namespace aitune {

const Tensor* constant_behind(const Value* value) {
  using enum OpId;
  constexpr auto kCopies = std::to_array<OpId>({aten_lift_fresh_copy_default, aten_lift_fresh_default,
                                                aten_lift_default, aten_detach_default, aten_detach__default,
                                                aten_alias_default, aten_clone_default, aten_contiguous_default});
  while (value->kind == ValueKind::node && value->producer != nullptr && value->producer->op != nullptr &&
         std::ranges::find(kCopies, value->producer->op->id) != kCopies.end())
    value = value->producer->args.at(0).value();
  return value->kind == ValueKind::weight ? &value->data : nullptr;
}

}  // namespace aitune

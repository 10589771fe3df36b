#pragma once
// The one list of operators, as an enumeration. Rows live in base/ops.def: AITUNE_OP(identifier, "name", "schema").

#include <cstdint>
#include <optional>
#include <string_view>

namespace aitune {

enum class OpId : std::uint16_t {
#define AITUNE_OP(identifier, name, schema) identifier,
#include "base/ops.def"
#undef AITUNE_OP
  count
};

/// "aten.add.Tensor"
std::string_view op_name(OpId id) noexcept;
std::string_view op_schema(OpId id) noexcept;
/// By name; ".default" may be left out.
std::optional<OpId> find_op_id(std::string_view name) noexcept;

}  // namespace aitune

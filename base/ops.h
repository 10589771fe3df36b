#pragma once
// The operators, by number and by name. Rows live in base/ops.def: AITUNE_OP(identifier, "name", "schema"). Libraries
// of custom operators (base/custom_ops.h) add to them while the process runs; their numbers come after `count`.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace aitune {

enum class OpId : std::uint16_t {
#define AITUNE_OP(identifier, name, schema) identifier,
#include "base/ops.def"
#undef AITUNE_OP
  count
};

/// Whether the operator is a row of the list, and no custom one.
constexpr bool is_listed(OpId id) { return id < OpId::count; }

/// "aten.add.Tensor"
std::string_view op_name(OpId id) noexcept;
std::string_view op_schema(OpId id) noexcept;
/// By name; ".default" may be left out.
std::optional<OpId> find_op_id(std::string_view name) noexcept;

/// The operator of which this one is another spelling with the same arguments (arctan: atan), or `id` itself.
OpId spelled_plainly(OpId id) noexcept;
/// The operator whose shape rule and kernel serve this one where it has none of its own: the plain spelling, or the
/// functional form (atan_: atan). `id` itself if there is none.
OpId implemented_as(OpId id) noexcept;

/// The operators that draw random numbers whatever their arguments are: two calls give different results. (Dropout
/// does so in training alone: compiler/ops/aliasing.h.)
std::span<const OpId> random_ops() noexcept;
bool is_random(OpId id) noexcept;

}  // namespace aitune

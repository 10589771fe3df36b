#pragma once
// Operators that libraries of the user's bring along (include/aitune/custom_op.h). Registered for the whole process, by
// the user's word alone, and never removed.

#include <optional>
#include <string>
#include <string_view>

#include "aitune/custom_op.h"
#include "base/ops.h"

namespace aitune {

/// One registered operator. Constant, and lives as long as the process.
struct CustomOp {
  OpId id;
  std::string name;     ///< "mylib.myop.default"
  std::string schema;   ///< "myop(Tensor x) -> Tensor"
  std::string library;  ///< the file that it came from
  aitune_custom_op functions;
};

/// Opens the library and registers its operators; one that is open already changes nothing. Returns how many operators
/// it has. Throws Unavailable where it cannot be opened, Incompatible for another version of the interface, and
/// InvalidArgument for a table that cannot be used: names that exist, too many operators. Any thread may call it.
std::size_t load_custom_ops(const std::string& library);

/// nullptr if there is none of this number. Any thread.
const CustomOp* find_custom_op(OpId id) noexcept;
/// By name; ".default" may be left out.
std::optional<OpId> find_custom_op_id(std::string_view name) noexcept;

}  // namespace aitune

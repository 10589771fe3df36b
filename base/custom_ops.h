#pragma once
// Operators that libraries or scripts of the user's bring along (include/aitune/custom_op.h). Registered for the whole
// process, by the user's word alone, and never removed.

#include <optional>
#include <string>
#include <string_view>

#include "aitune/custom_op.h"
#include "base/ops.h"

namespace aitune {

/// One registered operator. Constant, and lives as long as the process.
struct CustomOp {
  OpId id;
  std::string name;          ///< "mylib.myop.default"
  std::string schema;        ///< "myop(Tensor x) -> Tensor"
  std::string library;       ///< where it came from: a file, or what register_custom_op() was told
  std::string advice;        ///< what to do when it fails
  bool replaceable = false;  ///< whether a library may bring another one of this name
  aitune_custom_op functions;
};

/// Opens the library and registers its operators; one that is open already changes nothing. Returns how many operators
/// it has. Throws Unavailable where it cannot be opened, Incompatible for another version of the interface, and
/// InvalidArgument for a table that cannot be used: names that exist, too many operators. Any thread may call it.
std::size_t load_custom_ops(const std::string& library);

/// Registers one operator of the process itself; `origin` and `advice` are for messages. Throws as load_custom_ops()
/// does. A library that is loaded later may have an operator of this name: it is the one that is found from then on.
/// Any thread may call it.
void register_custom_op(const aitune_custom_op& op, const std::string& origin, const std::string& advice);

/// Whoever knows of operators before they are registered: it is asked by whole name ("mylib.myop.default") when a name
/// is looked up that nothing has registered, and may register it. Never asked about namespaces of PyTorch itself.
/// Called from any thread; must not throw. nullptr for none.
using CustomOpFinder = void (*)(const std::string& name) noexcept;
void set_custom_op_finder(CustomOpFinder finder) noexcept;

/// nullptr if there is none of this number. Any thread.
const CustomOp* find_custom_op(OpId id) noexcept;
/// By name; ".default" may be left out. Asks the finder where nothing is registered.
std::optional<OpId> find_custom_op_id(std::string_view name) noexcept;

}  // namespace aitune

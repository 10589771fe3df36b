#pragma once
// Custom operators that are functions of Python: C functions for the registry of this module (base/custom_ops.h), which
// call what aitune.custom has put into the module's attributes.

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>

namespace aitune::python {

/// Adds register_custom_op(name, schema, origin) to the module, and the attributes that it calls:
/// - run_custom_op(name, arguments, outputs) fills the outputs;
/// - infer_custom_op(name, arguments) returns a list of (dtype, sizes) and a list of sizes that must be equal in pairs;
/// - find_custom_op(name) may register an operator that is asked for.
/// Tensors are ("tensor", dtype number, array or sizes), dtypes ("dtype", number), sizes numbers or ("size", formula).
/// Exceptions of these functions become the failure of the operator, and the cause of the exception that comes of it.
void add_custom_ops(nanobind::module_& module);

/// The Python exception that led to an error with this message, which is handed over; an empty object for others. Needs
/// the GIL.
nanobind::object take_cause(std::string_view message) noexcept;

}  // namespace aitune::python

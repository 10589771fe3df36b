#pragma once
// Errors of aitune as the exceptions of aitune.errors.

#include <string_view>

namespace aitune::python {

/// Sets the Python exception that belongs to `code` (the numbers of ErrorCode and aitune_status). Needs the GIL.
/// `problem`, `where` and `fix` are the parts of `message`, and are empty where they are not known.
void set_python_error(int code, std::string_view message, std::string_view problem = {}, std::string_view where = {},
                      std::string_view fix = {}) noexcept;

/// Throws it through nanobind.
[[noreturn]] void throw_python_error(int code, std::string_view message);

}  // namespace aitune::python

#include "python/bindings/python_errors.h"

#include <nanobind/nanobind.h>

#include <exception>

#include "python/bindings/custom_ops.h"

namespace nb = nanobind;

namespace aitune::python {
namespace {

/// Messages may hold names of files that are no UTF-8.
nb::object text(std::string_view value) {
  return nb::steal(PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "backslashreplace"));
}

}  // namespace

void set_python_error(int code, std::string_view message, std::string_view problem, std::string_view where,
                      std::string_view fix) noexcept {
  try {
    const nb::object error = nb::module_::import_("aitune.errors")
                                 .attr("from_code")(code, text(message), text(problem), text(where), text(fix));
    if (nb::object cause = take_cause(message); cause.is_valid()) {
      if (PyErr_GivenExceptionMatches(cause.ptr(), PyExc_Exception) == 0) {  // Ctrl-C in a custom operator
        PyErr_SetObject(cause.type().ptr(), cause.ptr());
        return;
      }
      PyException_SetCause(error.ptr(), cause.release().ptr());
    }
    PyErr_SetObject(error.type().ptr(), error.ptr());
  } catch (nb::python_error& failed) {
    failed.restore();
  } catch (const std::exception& failed) {
    PyErr_SetString(PyExc_RuntimeError, failed.what());
  }
}

void throw_python_error(int code, std::string_view message) {
  set_python_error(code, message);
  throw nb::python_error();
}

}  // namespace aitune::python

#include "python/bindings/custom_ops.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aitune/custom_op.h"
#include "base/custom_ops.h"
#include "base/error.h"
#include "python/bindings/arrays.h"
#include "python/bindings/python_errors.h"

namespace nb = nanobind;

namespace aitune::python {
namespace {

// All of it is used under the GIL.
struct State {
  nb::handle module;                                          // lives as long as the interpreter
  std::map<std::string, std::unique_ptr<std::string>> names;  // of what is registered; never removed
  nb::handle cause;                                           // the last exception of a function, owned
  std::string cause_text;
};

State& state() {
  static State* const instance = new State;  // outlives the interpreter
  return *instance;
}

std::string text_of(nb::handle object) {
  Py_ssize_t size = 0;
  const nb::object text = nb::steal(PyObject_Str(object.ptr()));
  const char* data = text.is_valid() ? PyUnicode_AsUTF8AndSize(text.ptr(), &size) : nullptr;
  if (data == nullptr) PyErr_Clear();
  return data == nullptr ? "" : std::string(data, static_cast<std::size_t>(size));
}

/// Writes why a function failed, keeps its exception, and returns the status that belongs to it.
aitune_status failed(nb::python_error& error, char* message, std::size_t message_size) {
  const nb::handle exception = error.value();
  const std::string kind = text_of(nb::object(exception.type().attr("__name__")));
  std::string text = text_of(exception);
  aitune_status status = PyErr_GivenExceptionMatches(exception.ptr(), PyExc_NotImplementedError) != 0
                             ? AITUNE_UNSUPPORTED
                             : AITUNE_INVALID_ARGUMENT;
  const nb::object errors = nb::module_::import_("aitune.errors");
  if (nb::isinstance(exception, errors.attr("AituneError"))) {
    const nb::object known = exception.attr("status");
    status = static_cast<aitune_status>(nb::cast<int>(known));
  } else {
    text = "its Python function raised " + kind + (text.empty() ? "" : ": " + text);
  }
  const std::size_t length = std::min(text.size(), message_size - 1);
  message[text.copy(message, length)] = '\0';
  State& all = state();
  all.cause.dec_ref();
  all.cause = exception.inc_ref();
  all.cause_text = text.substr(0, length);
  return status;
}

template <typename F>
aitune_status guarded(char* message, std::size_t message_size, F f) noexcept {
  const nb::gil_scoped_acquire gil;
  try {
    try {
      f();
      return AITUNE_OK;
    } catch (nb::python_error& error) {
      return failed(error, message, message_size);
    }
  } catch (const std::exception& error) {  // of the conversions, or of what describes a failure
    const std::string text = error.what();
    message[text.copy(message, message_size - 1)] = '\0';
    return AITUNE_INVALID_ARGUMENT;
  }
}

const std::string& name_of(void* user) { return *static_cast<const std::string*>(user); }

nb::object array_of(const aitune_tensor& tensor) {
  const std::vector<std::size_t> shape(tensor.shape, tensor.shape + tensor.rank);
  return nb::cast(nb::ndarray<nb::array_api>(tensor.data, shape.size(), shape.data(), nb::none(), nullptr,
                                             dlpack_dtype(tensor.dtype), nb::device::cpu::value));
}

nb::object tensor_of(const aitune_tensor& tensor) {
  return nb::make_tuple("tensor", static_cast<int>(tensor.dtype), array_of(tensor));
}

nb::object size_of(aitune_shape_call* call, aitune_size size) {
  std::int64_t value = 0;
  if (call->value(call, size, &value) != 0) return nb::cast(value);
  std::string text(call->print(call, size, nullptr, 0) + 1, '\0');
  call->print(call, size, text.data(), text.size());
  text.pop_back();
  return nb::make_tuple("size", text);
}

/// An argument of a call of either kind; tensors and integers, which differ, are converted by these.
template <typename Arg, typename OfTensor, typename OfInteger>
nb::object converted(const Arg& arg, const OfTensor& of_tensor, const OfInteger& of_integer) {
  switch (arg.kind) {
    case AITUNE_ARG_TENSOR:
      return of_tensor(*arg.as.tensor);
    case AITUNE_ARG_INTEGER:
      return of_integer(arg);
    case AITUNE_ARG_NUMBER:
      return nb::cast(arg.as.number);
    case AITUNE_ARG_BOOLEAN:
      return nb::cast(arg.as.integer != 0);
    case AITUNE_ARG_STRING:
      return nb::cast(arg.as.string);
    case AITUNE_ARG_DTYPE:
      return nb::make_tuple("dtype", arg.as.integer);
    case AITUNE_ARG_LIST: {
      nb::list list;
      for (std::size_t i = 0; i < arg.count; ++i) list.append(converted(arg.as.list[i], of_tensor, of_integer));
      return list;
    }
    case AITUNE_ARG_NONE:
      break;
  }
  return nb::none();
}

nb::object argument(const aitune_op_arg& arg) {
  return converted(arg, tensor_of, [](const aitune_op_arg& a) { return nb::cast(a.as.integer); });
}

nb::object argument(aitune_shape_call* call, const aitune_shape_arg& arg) {
  const auto of_type = [&](const aitune_type& type) {
    nb::list sizes;
    for (std::int32_t d = 0; d < type.rank; ++d) sizes.append(size_of(call, type.sizes[d]));
    return nb::make_tuple("tensor", static_cast<int>(type.dtype), sizes);
  };
  return converted(arg, of_type, [&](const aitune_shape_arg& a) { return size_of(call, a.as.size); });
}

aitune_size size_from(aitune_shape_call* call, nb::handle size) {
  if (nb::isinstance<nb::str>(size)) return call->parse(call, nb::cast<std::string>(size).c_str());
  return call->constant(call, nb::cast<std::int64_t>(size));
}

aitune_status run(const aitune_op_call* call, void* user) {
  return guarded(call->message, call->message_size, [&] {
    nb::list arguments, outputs;
    for (std::size_t i = 0; i < call->arg_count; ++i) arguments.append(argument(call->args[i]));
    for (std::size_t i = 0; i < call->output_count; ++i) outputs.append(tensor_of(call->outputs[i]));
    state().module.attr("run_custom_op")(name_of(user), arguments, outputs);
  });
}

aitune_status infer(aitune_shape_call* call, void* user) {
  return guarded(call->message, call->message_size, [&] {
    nb::list arguments;
    for (std::size_t i = 0; i < call->arg_count; ++i) arguments.append(argument(call, call->args[i]));
    const auto answer = nb::cast<nb::tuple>(state().module.attr("infer_custom_op")(name_of(user), arguments));
    for (nb::handle output : nb::borrow<nb::sequence>(answer[0])) {
      std::vector<aitune_size> sizes;
      for (nb::handle size : nb::borrow<nb::sequence>(output[1])) sizes.push_back(size_from(call, size));
      call->add_output(call, static_cast<aitune_dtype>(nb::cast<int>(output[0])),
                       static_cast<std::int32_t>(sizes.size()), sizes.data());
    }
    for (nb::handle pair : nb::borrow<nb::sequence>(answer[1]))
      call->require_equal(call, size_from(call, pair[0]), size_from(call, pair[1]));
  });
}

void find(const std::string& name) noexcept {
  if (Py_IsInitialized() == 0) return;
  const nb::gil_scoped_acquire gil;
  try {
    state().module.attr("find_custom_op")(name);
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("aitune.custom");
  } catch (const std::exception&) {  // what cannot be told is not found
  }
}

void register_op(const std::string& name, const std::string& schema, const std::string& origin) {
  auto kept = std::make_unique<std::string>(name);
  const aitune_custom_op op{kept->c_str(), schema.c_str(), infer, run, kept.get()};
  register_custom_op(op, origin, "What it raised is the cause of this error");
  state().names[name] = std::move(kept);
}

}  // namespace

nb::object take_cause(std::string_view message) noexcept {
  State& all = state();
  if (!all.cause.is_valid() || all.cause_text.empty() || message.find(all.cause_text) == std::string_view::npos)
    return {};
  nb::object cause = nb::steal(all.cause);
  all.cause = {};
  return cause;
}

void add_custom_ops(nb::module_& module) {
  // PyTorch never lets go of functions that were given to it, and what they refer to stays until the end.
  nb::set_leak_warnings(false);
  state().module = module;
  module.def("register_custom_op", [](const std::string& name, const std::string& schema, const std::string& origin) {
    try {
      register_op(name, schema, origin);
    } catch (const Error& error) {
      set_python_error(static_cast<int>(error.code()), error.what(), error.problem(), error.where(), error.fix());
      throw nb::python_error();
    }
  });
  for (const char* name : {"run_custom_op", "infer_custom_op", "find_custom_op"}) module.attr(name) = nb::none();
  module.def("ask_for_custom_ops", [] { set_custom_op_finder(find); });
}

}  // namespace aitune::python

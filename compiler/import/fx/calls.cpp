// What the interpreter can call, and the attributes of things.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "compiler/import/fx/builtins.h"
#include "compiler/import/fx/interpreter.h"
#include "compiler/import/fx/prelude.h"
#include "compiler/import/fx/refuse.h"
#include "compiler/import/pickle/torch_storage.h"

namespace aitune::fx {
namespace {

constexpr std::size_t kMaxPrinted = 100;

// Where PyTorch keeps its functions; what follows is the name of an operator or of a function of our prelude.
constexpr auto kNamespaces = std::to_array<std::string_view>(
    {"torch.nn.functional.", "torch._C._nn.", "torch._C._linalg.", "torch._C._fft.", "torch._C._special.",
     "torch._C._VariableFunctions.", "torch._C._VariableFunctionsClass.", "torch._VF.", "torch.functional.",
     "torch.special.", "torch.linalg.", "torch."});

std::string_view without_namespace(std::string_view name) {
  for (const std::string_view prefix : kNamespaces) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view rest = name.substr(prefix.size());
    return rest.find('.') == std::string_view::npos ? rest : std::string_view();
  }
  return {};
}

std::string underscored(std::string_view name) {
  std::string result(name);
  std::ranges::replace(result, '.', '_');
  return result;
}

// "torch.ops.aten.add.Tensor" is the row "aten.add.Tensor"; "torch.ops.aten.add" any overload.
PyValue call_operator(Writer& writer, std::string_view name, const PyArgs& args) {
  const auto dots = std::ranges::count(name, '.');
  if (dots == 1 && name.starts_with("aten.")) return writer.call(name.substr(name.find('.') + 1), args);
  return writer.call_exactly(dots == 1 ? fmt::format("{}.default", name) : std::string(name), args);
}

std::string_view unknown_call_fix(std::string_view name) {
  if (name.starts_with("torch.quantize_") || name.starts_with("torch.ops.quantized.")) return kQuantisationFix;
  return name.starts_with("torch.") ? "docs/operators.md lists what is known"
                                    : "trace into it, or keep the model to functions of torch, math and operator";
}

PyArgs with_self(const PyValue& self, const PyArgs& args) {
  PyArgs all = args;
  all.positional.insert(all.positional.begin(), self);
  return all;
}

PyValue transposed(Writer& writer, const PyValue& tensor) {
  return writer.call("transpose", {tensor, PyValue::of(SymInt(-2)), PyValue::of(SymInt(-1))});
}

std::optional<PyValue> tensor_attribute(Writer& writer, const PyValue& tensor, std::string_view name) {
  const TensorType& type = tensor.tensor->type;
  if (name == "shape") return PyValue::sizes(type.shape);
  if (name == "dtype") return PyValue::of(type.dtype);
  if (name == "ndim") return PyValue::of(SymInt(static_cast<std::int64_t>(type.shape.size())));
  if (name == "device") return PyValue::named(PyKind::device, "cpu");
  if (name == "data") return tensor;
  if (name == "grad") return PyValue();
  if (name == "T") return writer.call("numpy_T", {tensor});
  if (name == "mT") return transposed(writer, tensor);
  if (name == "mH" || name == "H") return writer.call("mH", {tensor});
  if (name == "real" || name == "imag") return writer.call(name, {tensor});
  static constexpr auto no = std::to_array<std::string_view>(
      {"requires_grad", "is_cuda", "is_quantized", "is_sparse", "is_meta", "is_nested"});
  if (std::ranges::find(no, name) != no.end()) return PyValue::of(false);
  return std::nullopt;
}

// Null for classes that are neither torch.nn's nor torchvision's, or that the prelude has not.
const Function* forward_of_class(std::string_view full) {
  const std::string_view name = full.substr(full.rfind('.') + 1);
  if (full.starts_with("torch.nn.modules.")) return module_forward(name);
  if (full.starts_with("torchvision.")) return module_forward(fmt::format("torchvision_{}", name));
  return nullptr;
}

PyValue bound_method(const PyValue& self, std::string_view name) {
  PyValue method = PyValue::sequence(PyKind::method, {self});
  method.text = name;
  return method;
}

}  // namespace

PyValue Interpreter::attribute(const PyValue& base, std::string_view name) {
  switch (base.kind) {
    case PyKind::tensor:
      if (auto value = tensor_attribute(writer_, base, name)) return *std::move(value);
      return bound_method(base, name);
    case PyKind::module:
      if (auto value = records_.attribute(base, name)) return *std::move(value);
      if (name == "training") return PyValue::of(false);
      refuse(fmt::format("the module {} ({}) has no attribute {}", base.text.empty() ? "of the model" : base.text,
                         Records::class_name(*base.record).substr(0, kMaxPrinted), name.substr(0, kMaxPrinted)));
    case PyKind::global: {
      const std::string full = fmt::format("{}.{}", base.text, name);
      if (full.size() > 4 * kMaxPrinted) refuse("a name that is too long");
      if (auto constant = global_constant(full)) return *std::move(constant);
      return PyValue::named(PyKind::global, full);
    }
    case PyKind::dict:
    case PyKind::tuple:
    case PyKind::list:
      if (const PyValue* const value = base.find(name)) return *value;
      return bound_method(base, name);
    case PyKind::complex_number:
      if (name == "real") return PyValue::of(base.complex.real());
      if (name == "imag") return PyValue::of(base.complex.imag());
      break;
    case PyKind::device:
      if (name == "type") return PyValue::string(base.text.substr(0, base.text.find(':')));
      if (name == "index") return {};
      break;
    case PyKind::dtype:
      if (name == "is_floating_point") return PyValue::of(is_floating(base.dtype));
      if (name == "is_complex") return PyValue::of(aitune::is_complex(base.dtype));
      if (name == "itemsize") return PyValue::of(SymInt(static_cast<std::int64_t>(dtype_size(base.dtype))));
      break;
    default:
      break;
  }
  refuse(fmt::format("{} has no attribute {}", base.describe(), name.substr(0, kMaxPrinted)));
}

PyValue Interpreter::call(const PyValue& callee, const PyArgs& args) {
  if (callee.is(PyKind::global)) return call_global(callee.text, args);
  if (callee.is(PyKind::module)) return call_module(callee, args);
  if (callee.is(PyKind::method)) return call_method(callee.items().front(), callee.text, args);
  refuse(fmt::format("a call of {}", callee.describe()));
}

PyValue Interpreter::call_global(std::string_view name, const PyArgs& args) {
  const auto run_prelude = [&](const Function& function) {
    Frame frame;
    return run(function, frame, args, false);
  };
  if (const Builtin builtin = find_builtin(name)) return builtin(*this, args);
  if (name.starts_with(kPreludeName)) {
    const std::string_view own = name.substr(kPreludeName.size());
    const Function* const function = library_function(own);
    return run_prelude(function != nullptr ? *function : *module_forward(own));
  }
  if (name.starts_with("aten.")) return call_operator(writer_, name, args);
  constexpr std::string_view ops = "torch.ops.", methods = "torch.Tensor.", descriptors = "torch._C.TensorBase.";
  if (name.starts_with(ops)) return call_operator(writer_, name.substr(ops.size()), args);
  for (const std::string_view prefix : {methods, descriptors}) {
    if (!name.starts_with(prefix) || args.positional.empty()) continue;
    const PyArgs rest{{args.positional.begin() + 1, args.positional.end()}, args.keyword};
    return call_method(args.positional.front(), name.substr(prefix.size()), rest);
  }
  const std::string_view base = without_namespace(name);
  if (!base.empty()) {
    const bool functional = name.starts_with("torch.nn.functional.");
    if (const Function* const function = library_function(functional ? base : underscored(name)))
      return run_prelude(*function);
    if (!overloads_of(base).empty()) return writer_.call(base, args);
    if (const Function* const function = library_function(base)) return run_prelude(*function);
    if (const Function* const function = tensor_method(base)) return run_prelude(*function);
  } else if (const Function* const function = library_function(underscored(name))) {
    return run_prelude(*function);
  }
  refuse(fmt::format("a call of {}, which aitune does not know", name.substr(0, kMaxPrinted)),
         std::string(unknown_call_fix(name)));
}

PyValue Interpreter::call_method(const PyValue& self, std::string_view name, const PyArgs& args) {
  const PyArgs all = with_self(self, args);
  if (!self.is_tensor()) {
    if (const Builtin method = find_plain_method(name)) return method(*this, all);
    refuse(fmt::format("{} has no method {}", self.describe(), name.substr(0, kMaxPrinted)));
  }
  if (const Builtin method = find_tensor_method(name)) return method(*this, all);
  if (name.size() > 4 && name.starts_with("__") && name.ends_with("__")) {  // x[i], of a parameter or a buffer
    const std::string_view plain = name.substr(2, name.size() - 4).substr(0, kMaxPrinted);
    if (const Builtin function = find_builtin(fmt::format("operator.{}", plain))) return function(*this, all);
  }
  if (const Function* const function = tensor_method(name)) {
    Frame frame;
    return run(*function, frame, all, false);
  }
  const bool in_place = name.ends_with('_') && !overloads_of(name.substr(0, name.size() - 1)).empty();
  if (in_place || !overloads_of(name).empty()) return writer_.call(name, all);
  if (const Function* const function = library_function(name)) {
    Frame frame;
    return run(*function, frame, all, false);
  }
  refuse(fmt::format("a call of torch.Tensor.{}, which aitune does not know", name.substr(0, kMaxPrinted)),
         "docs/operators.md lists what is known");
}

PyValue Interpreter::call_module(const PyValue& module, const PyArgs& args) {
  if (records_.has_hooks(*module.record)) {
    refuse(fmt::format("the module {} has forward hooks, which are code", module.text),
           "remove them before saving (for weight norm: torch.nn.utils.remove_weight_norm)");
  }
  if (module.record->is_call(kGraphModule)) {
    const SourceLocation outer = writer_.source();
    PyValue result = forward(module, args);
    writer_.at(outer, "");
    return result;
  }
  const std::string_view full = Records::class_name(*module.record);
  const Function* const function = forward_of_class(full);
  if (function == nullptr && full.find(".quantized.") != std::string_view::npos)
    refuse(fmt::format("the module {} is a {}, of PyTorch's old quantisation, which aitune does not have", module.text,
                       full.substr(0, kMaxPrinted)),
           std::string(kQuantisationFix));
  if (function == nullptr) {
    refuse(fmt::format("the module {} is a {}, which aitune does not know", module.text, full.substr(0, kMaxPrinted)),
           "trace into it (a Tracer whose is_leaf_module says no), or replace it");
  }
  const SourceLocation outer = writer_.source();
  writer_.within(module.text);
  Frame frame;
  PyValue result = run(*function, frame, with_self(module, args), false);
  writer_.within(outer.module);
  return result;
}

}  // namespace aitune::fx

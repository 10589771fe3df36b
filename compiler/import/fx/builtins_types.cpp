// What torch says of element types: known when the model is imported.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "compiler/import/fx/builtins.h"
#include "compiler/import/fx/refuse.h"
#include "compiler/ops/schema.h"

namespace aitune::fx {
namespace {

/// An operand that promotes as `value` does: tensors with dimensions before those without, these before numbers.
Arg stand_in(Graph& graph, const PyValue& value) {
  if (value.is(PyKind::dtype)) return graph.add_input("type", {value.dtype, {1}});
  if (value.is(PyKind::complex_number)) return graph.add_input("number", {DType::c64, {}});
  if (value.is(PyKind::unknown)) return 0.5;
  if (!value.is_tensor()) return to_arg(value);
  const TensorType& type = value.tensor->type;
  return graph.add_input("tensor", {type.dtype, type.shape.empty() ? SymShape{} : SymShape{1}});
}

DType promoted(const PyValue& left, const PyValue& right) {
  Graph graph;
  const Arg a = stand_in(graph, left), b = stand_in(graph, right);
  if (!a.is_value() && !b.is_value()) {
    const bool real = left.is(PyKind::real) || right.is(PyKind::real);
    return real ? DType::f32 : left.is(PyKind::boolean) && right.is(PyKind::boolean) ? DType::b8 : DType::i64;
  }
  const bool both = a.is_value() && b.is_value();
  const OpInfo& add = *find_op(both ? "aten.add.Tensor" : "aten.add.Scalar");
  return infer_types(add, {a.is_value() ? a : b, a.is_value() ? b : a, SymInt(1)}).front().dtype;
}

void require_dtypes(const PyValue& a, const PyValue& b, std::string_view function) {
  if (!a.is(PyKind::dtype) || !b.is(PyKind::dtype)) throw InvalidArgument(fmt::format("{} takes two dtypes", function));
}

PyValue result_type(Interpreter&, const PyArgs& args) {
  if (args.positional.size() != 2 || !args.positional[0].is_operand() || !args.positional[1].is_operand())
    throw InvalidArgument("torch.result_type takes two tensors or numbers");
  return PyValue::of(promoted(args.positional[0], args.positional[1]));
}

PyValue promote_types(Interpreter&, const PyArgs& args) {
  const PyItems a = arguments(args, {"type1", "type2"});
  require_dtypes(a[0], a[1], "torch.promote_types");
  return PyValue::of(promoted(a[0], a[1]));
}

int category(DType type) { return is_complex(type) ? 3 : is_floating(type) ? 2 : type == DType::b8 ? 0 : 1; }

PyValue can_cast(Interpreter&, const PyArgs& args) {
  const PyItems a = arguments(args, {"from_", "to"});
  require_dtypes(a[0], a[1], "torch.can_cast");
  return PyValue::of(category(a[0].dtype) <= category(a[1].dtype));
}

/// A method of tensors as a function of torch.
template <std::size_t Length>
struct MethodName {
  constexpr MethodName(const char (&given)[Length]) { std::copy_n(given, Length, text); }
  char text[Length];
};
template <MethodName Method>
PyValue as_function(Interpreter& interpreter, const PyArgs& args) {
  return find_tensor_method(Method.text)(interpreter, {{arguments(args, {"input"})[0]}, {}});
}

constexpr auto kTypes = std::to_array<BuiltinRow>({{"torch.numel", as_function<"numel">},
                                                   {"torch.is_floating_point", as_function<"is_floating_point">},
                                                   {"torch.is_complex", as_function<"is_complex">},
                                                   {"torch.result_type", result_type},
                                                   {"torch.promote_types", promote_types},
                                                   {"torch.can_cast", can_cast}});

}  // namespace

std::span<const BuiltinRow> type_builtins() { return kTypes; }

}  // namespace aitune::fx

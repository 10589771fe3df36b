// math and operator.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "compiler/import/fx/arithmetic.h"
#include "compiler/import/fx/builtins.h"
#include "compiler/import/fx/indexing.h"
#include "compiler/import/fx/size_numbers.h"

namespace aitune::fx {
namespace {

// A name as a template argument.
struct Symbol {
  char text[8] = {};
  consteval Symbol(const char* from) {  // NOLINT: meant to convert
    for (std::size_t i = 0; from[i] != '\0'; ++i) text[i] = from[i];
  }
};

PyValue finite(double value) {
  if (std::isnan(value)) throw Unsupported("a function of math outside of its domain");
  return PyValue::of(value);
}

// math functions of a tensor convert it to a float first: PyTorch would read its data.
template <double (*Function)(double), Symbol Aten>
PyValue real_function(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"x"});
  if (depends_on_sizes(a[0])) return size_function(interpreter.writer(), Aten.text, a[0]);
  const double x = constant_number(a[0], "an argument of math");
  return std::isnan(x) ? PyValue::of(x) : finite(Function(x));
}

template <double (*Function)(double), PyValue (*OfSize)(const Writer&, const PyValue&)>
PyValue whole_function(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"x"});
  if (a[0].is(PyKind::integer)) return a[0];
  if (a[0].is(PyKind::unknown)) return OfSize(interpreter.writer(), a[0]);
  const double value = Function(constant_number(a[0], "an argument of math"));
  if (!(std::abs(value) < 9.2e18)) throw Unsupported("an integer beyond 64 bits");
  return PyValue::of(SymInt(static_cast<std::int64_t>(value)));
}

PyValue math_log(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"x", "base"});
  const PyValue log = depends_on_sizes(a[0]) ? size_function(interpreter.writer(), "log", a[0])
                                             : finite(std::log(constant_number(a[0], "log()")));
  if (a[1].is(PyKind::nothing)) return log;
  return binary(interpreter.writer(), "/", log, finite(std::log(constant_number(a[1], "log()"))));
}

PyValue math_pow(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"x", "y"});
  if (depends_on_sizes(a[0]) || depends_on_sizes(a[1])) return size_arithmetic(interpreter.writer(), "**", a[0], a[1]);
  return binary(interpreter.writer(), "**", PyValue::of(constant_number(a[0], "pow()")), a[1]);
}

PyValue math_prod(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"iterable"});
  PyValue product = PyValue::of(SymInt(1));
  for (const PyValue& item : a[0].items()) product = binary(interpreter.writer(), "*", product, item);
  return product;
}

constexpr auto kMath = std::to_array<BuiltinRow>({{"math.sqrt", real_function<std::sqrt, "sqrt">},
                                                  {"math.exp", real_function<std::exp, "exp">},
                                                  {"math.log2", real_function<std::log2, "log2">},
                                                  {"math.log10", real_function<std::log10, "log10">},
                                                  {"math.log1p", real_function<std::log1p, "log1p">},
                                                  {"math.expm1", real_function<std::expm1, "expm1">},
                                                  {"math.sin", real_function<std::sin, "sin">},
                                                  {"math.cos", real_function<std::cos, "cos">},
                                                  {"math.tan", real_function<std::tan, "tan">},
                                                  {"math.asin", real_function<std::asin, "asin">},
                                                  {"math.acos", real_function<std::acos, "acos">},
                                                  {"math.atan", real_function<std::atan, "atan">},
                                                  {"math.sinh", real_function<std::sinh, "sinh">},
                                                  {"math.cosh", real_function<std::cosh, "cosh">},
                                                  {"math.tanh", real_function<std::tanh, "tanh">},
                                                  {"math.erf", real_function<std::erf, "erf">},
                                                  {"math.fabs", real_function<std::fabs, "abs">},
                                                  {"math.floor", whole_function<std::floor, floor_of_size>},
                                                  {"math.ceil", whole_function<std::ceil, ceil_of_size>},
                                                  {"math.trunc", whole_function<std::trunc, cut_size>},
                                                  {"math.log", math_log},
                                                  {"math.pow", math_pow},
                                                  {"math.prod", math_prod}});

template <Symbol Op>
PyValue binary_function(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"a", "b"});
  return binary(interpreter.writer(), Op.text, a[0], a[1]);
}

template <Symbol Op>
PyValue in_place_function(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"a", "b"});
  if (!a[0].is_tensor()) return binary(interpreter.writer(), Op.text, a[0], a[1]);
  return binary_in_place(interpreter.writer(), Op.text, a[0], a[1]);
}

template <Symbol Op>
PyValue unary_function(Interpreter& interpreter, const PyArgs& args) {
  return unary(interpreter.writer(), Op.text, arguments(args, {"a"})[0]);
}

PyValue contains(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"a", "b"});
  return binary(interpreter.writer(), "in", a[1], a[0]);
}

PyValue not_of(Interpreter&, const PyArgs& args) { return PyValue::of(!truth(arguments(args, {"a"})[0])); }

PyValue index_of(Interpreter&, const PyArgs& args) { return arguments(args, {"a"})[0]; }

PyValue operator_abs(Interpreter& interpreter, const PyArgs& args) { return find_builtin("abs")(interpreter, args); }

PyValue item(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"a", "b"});
  return get_item(interpreter, a[0], a[1]);
}

PyValue set_item_function(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"a", "b", "c"});
  set_item(interpreter, a[0], a[1], a[2]);
  return {};
}

constexpr auto kOperator = std::to_array<BuiltinRow>({{"operator.add", binary_function<"+">},
                                                      {"operator.concat", binary_function<"+">},
                                                      {"operator.sub", binary_function<"-">},
                                                      {"operator.mul", binary_function<"*">},
                                                      {"operator.truediv", binary_function<"/">},
                                                      {"operator.floordiv", binary_function<"//">},
                                                      {"operator.mod", binary_function<"%">},
                                                      {"operator.pow", binary_function<"**">},
                                                      {"operator.matmul", binary_function<"@">},
                                                      {"operator.and_", binary_function<"&">},
                                                      {"operator.or_", binary_function<"|">},
                                                      {"operator.xor", binary_function<"^">},
                                                      {"operator.lshift", binary_function<"<<">},
                                                      {"operator.rshift", binary_function<">>">},
                                                      {"operator.eq", binary_function<"==">},
                                                      {"operator.ne", binary_function<"!=">},
                                                      {"operator.lt", binary_function<"<">},
                                                      {"operator.le", binary_function<"<=">},
                                                      {"operator.gt", binary_function<">">},
                                                      {"operator.ge", binary_function<">=">},
                                                      {"operator.is_", binary_function<"is">},
                                                      {"operator.is_not", binary_function<"is not">},
                                                      {"operator.iadd", in_place_function<"+">},
                                                      {"operator.isub", in_place_function<"-">},
                                                      {"operator.imul", in_place_function<"*">},
                                                      {"operator.itruediv", in_place_function<"/">},
                                                      {"operator.ifloordiv", in_place_function<"//">},
                                                      {"operator.imod", in_place_function<"%">},
                                                      {"operator.ipow", in_place_function<"**">},
                                                      {"operator.iand", in_place_function<"&">},
                                                      {"operator.ior", in_place_function<"|">},
                                                      {"operator.ixor", in_place_function<"^">},
                                                      {"operator.neg", unary_function<"-">},
                                                      {"operator.pos", unary_function<"+">},
                                                      {"operator.invert", unary_function<"~">},
                                                      {"operator.inv", unary_function<"~">},
                                                      {"operator.contains", contains},
                                                      {"operator.not_", not_of},
                                                      {"operator.index", index_of},
                                                      {"operator.abs", operator_abs},
                                                      {"operator.getitem", item},
                                                      {"operator.setitem", set_item_function}});

}  // namespace

std::span<const BuiltinRow> math_builtins() { return kMath; }
std::span<const BuiltinRow> operator_builtins() { return kOperator; }

}  // namespace aitune::fx

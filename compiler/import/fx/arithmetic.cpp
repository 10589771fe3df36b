#include "compiler/import/fx/arithmetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "compiler/import/fx/refuse.h"
#include "compiler/import/fx/size_numbers.h"

namespace aitune::fx {
namespace {

struct OperatorRow {
  std::string_view symbol;
  std::string_view aten;       ///< tensor op anything
  std::string_view reflected;  ///< number op tensor, as tensor op' number; empty: see reflect()
};
constexpr auto kOperators = std::to_array<OperatorRow>({{"+", "add", "add"},
                                                        {"-", "sub", "rsub"},
                                                        {"*", "mul", "mul"},
                                                        {"/", "div", ""},
                                                        {"//", "floor_divide", ""},
                                                        {"%", "remainder", ""},
                                                        {"**", "pow", ""},
                                                        {"@", "matmul", ""},
                                                        {"&", "__and__", "__and__"},
                                                        {"|", "__or__", "__or__"},
                                                        {"^", "__xor__", "__xor__"},
                                                        {"<<", "__lshift__", ""},
                                                        {">>", "__rshift__", ""},
                                                        {"==", "eq", "eq"},
                                                        {"!=", "ne", "ne"},
                                                        {"<", "lt", "gt"},
                                                        {"<=", "le", "ge"},
                                                        {">", "gt", "lt"},
                                                        {">=", "ge", "le"}});

const OperatorRow& row_of(std::string_view op) {
  const auto* const row = std::ranges::find(kOperators, op, &OperatorRow::symbol);
  if (row == kOperators.end()) refuse(fmt::format("the operator {}", op));
  return *row;
}

// bool op bool is not the same operator as int op int for the bitwise ones.
PyValue on_tensors(Writer& writer, const OperatorRow& row, const PyValue& left, const PyValue& right) {
  if (left.is_tensor()) return writer.call(row.aten, {left, right});
  if (!row.reflected.empty()) return writer.call(row.reflected, {right, left});
  // As Tensor.__rtruediv__ and its like are defined.
  if (row.symbol == "/") return writer.call("mul", {writer.call("reciprocal", {right}), left});
  if (row.symbol == "**" || row.symbol == "%") return writer.call(row.aten, {left, right});
  return writer.call(row.aten, {PyValue::of(writer.number(left)), right});
}

bool is_real(const PyValue& value) { return value.is(PyKind::real); }

// The value as an integer; bools count.
SymInt integer_of(const PyValue& value) {
  return value.is(PyKind::boolean) ? SymInt(value.boolean ? 1 : 0) : value.integer;
}

PyValue unknown_result(std::string_view op, const PyValue& left, const PyValue& right) {
  return PyValue::unknown(fmt::format("({} {} {})", left.describe(), op, right.describe()).substr(0, 200));
}

// ---- floats

double python_mod(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

PyValue on_reals(std::string_view op, double a, double b) {
  if (op == "+") return PyValue::of(a + b);
  if (op == "-") return PyValue::of(a - b);
  if (op == "*") return PyValue::of(a * b);
  if ((op == "/" || op == "//" || op == "%") && b == 0) refuse("a division by zero");
  if (op == "/") return PyValue::of(a / b);
  if (op == "//") return PyValue::of(std::floor((a - python_mod(a, b)) / b + 0.5));
  if (op == "%") return PyValue::of(python_mod(a, b));
  if (op == "**") {
    if (a == 0 && b < 0) refuse("a division by zero");
    if (a < 0 && std::floor(b) != b) refuse("a complex number");
    return PyValue::of(std::pow(a, b));
  }
  if (op == "==") return PyValue::of(a == b);
  if (op == "!=") return PyValue::of(a != b);
  if (op == "<") return PyValue::of(a < b);
  if (op == "<=") return PyValue::of(a <= b);
  if (op == ">") return PyValue::of(a > b);
  if (op == ">=") return PyValue::of(a >= b);
  refuse(fmt::format("the operator {} on floats", op));
}

// ---- complex numbers

std::complex<double> complex_number(const PyValue& value) {
  return value.is(PyKind::complex_number) ? value.complex : constant_number(value, "a part of a complex number");
}

PyValue on_complex(std::string_view op, std::complex<double> a, std::complex<double> b) {
  if (op == "+") return PyValue::of(a + b);
  if (op == "-") return PyValue::of(a - b);
  if (op == "*") return PyValue::of(a * b);
  if ((op == "/" && b == 0.0) || (op == "**" && a == 0.0)) refuse("a division by, or a power of, a complex zero");
  if (op == "/") return PyValue::of(a / b);
  if (op == "**") return PyValue::of(std::pow(a, b));
  if (op == "==") return PyValue::of(a == b);
  if (op == "!=") return PyValue::of(a != b);
  refuse(fmt::format("the operator {} on complex numbers", op));
}

// ---- integers and sizes

SymInt power(const SymInt& base, std::int64_t exponent) {
  SymInt result = 1;
  if (base.is(0) || base.is(1)) return exponent == 0 ? SymInt(1) : base;
  if (base.is(-1)) return exponent % 2 == 0 ? SymInt(1) : base;
  if (exponent > 64) refuse("an integer beyond 64 bits");
  for (std::int64_t i = 0; i < exponent; ++i) result = result * base;
  return result;
}

std::int64_t shifted(std::string_view op, std::int64_t a, std::int64_t b) {
  if (b < 0) refuse("a shift by a negative number");
  if (op == ">>") return a >> std::min<std::int64_t>(b, 63);
  std::int64_t result = 0;
  if (b > 62 || __builtin_mul_overflow(a, std::int64_t{1} << b, &result)) refuse("an integer beyond 64 bits");
  return result;
}

std::optional<PyValue> bitwise(std::string_view op, const PyValue& left, const PyValue& right) {
  if (op != "&" && op != "|" && op != "^" && op != "<<" && op != ">>") return std::nullopt;
  const auto a = integer_of(left).as_constant(), b = integer_of(right).as_constant();
  if (!a || !b) return unknown_result(op, left, right);
  if (op == "<<" || op == ">>") return PyValue::of(SymInt(shifted(op, *a, *b)));
  const std::int64_t result = op == "&" ? *a & *b : op == "|" ? *a | *b : *a ^ *b;
  if (left.is(PyKind::boolean) && right.is(PyKind::boolean)) return PyValue::of(result != 0);
  return PyValue::of(SymInt(result));
}

bool compare(std::string_view op, std::int64_t a, std::int64_t b) {
  if (op == "==") return a == b;
  if (op == "!=") return a != b;
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  return op == ">" ? a > b : a >= b;
}

bool is_comparison(std::string_view op) {
  return op == "==" || op == "!=" || op == "<" || op == "<=" || op == ">" || op == ">=";
}

PyValue on_integers(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right) {
  const SymInt a = integer_of(left), b = integer_of(right);
  if (op == "+") return PyValue::of(a + b);
  if (op == "-") return PyValue::of(a - b);
  if (op == "*") return PyValue::of(a * b);
  if (op == "//" || op == "%") {
    if (b.is(0)) refuse("a division by zero");
    return PyValue::of(op == "//" ? floordiv(a, b) : mod(a, b));
  }
  if (op == "**") {
    const auto exponent = b.as_constant();
    if (exponent && *exponent >= 0) return PyValue::of(power(a, *exponent));
  }
  if (auto result = bitwise(op, left, right)) return *std::move(result);
  if (is_comparison(op)) {
    const auto difference = (a - b).as_constant();
    if (difference) return PyValue::of(compare(op, *difference, 0));
    return unknown_result(op, left, right);
  }
  if (!a.is_constant() || !b.is_constant()) return size_arithmetic(writer, op, left, right);
  return on_reals(op, static_cast<double>(a.constant()), static_cast<double>(b.constant()));
}

PyValue on_numbers(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right) {
  const bool floats = is_real(left) || is_real(right) || left.is(PyKind::unknown) || right.is(PyKind::unknown);
  if (left.is(PyKind::complex_number) || right.is(PyKind::complex_number))
    return on_complex(op, complex_number(left), complex_number(right));
  if (!floats) return on_integers(writer, op, left, right);
  if (depends_on_sizes(left) || depends_on_sizes(right)) return size_arithmetic(writer, op, left, right);
  return on_reals(op, constant_number(left, "a number"), constant_number(right, "a number"));
}

// ---- everything else

bool same(const PyValue& left, const PyValue& right);

bool same_items(const PyValue& left, const PyValue& right) {
  if (left.kind != right.kind || left.items().size() != right.items().size()) return false;
  return std::equal(left.items().begin(), left.items().end(), right.items().begin(), same);
}

// Python's == where neither side is a tensor.
bool same(const PyValue& left, const PyValue& right) {
  if (left.is_number() && right.is_number()) {
    if (left.is(PyKind::unknown) || right.is(PyKind::unknown))
      refuse(fmt::format("the comparison {}", unknown_result("==", left, right).text));
    if (is_real(left) || is_real(right)) return constant_number(left, "a number") == constant_number(right, "a number");
    const auto difference = (integer_of(left) - integer_of(right)).as_constant();
    if (!difference) refuse(fmt::format("the comparison {}", unknown_result("==", left, right).text));
    return *difference == 0;
  }
  if (left.is_tensor() || right.is_tensor()) return left.tensor == right.tensor;
  if (left.is_sequence() && right.is_sequence()) return same_items(left, right);
  if (left.kind != right.kind) return false;
  if (left.is(PyKind::complex_number)) return left.complex == right.complex;
  return left.text == right.text && left.dtype == right.dtype && left.format == right.format &&
         left.record == right.record;
}

bool is_same_object(const PyValue& left, const PyValue& right) {
  if (left.kind != right.kind) return false;
  return left.is_none() || (left.is_tensor() ? left.tensor == right.tensor : same(left, right));
}

PyValue on_sequences(std::string_view op, const PyValue& left, const PyValue& right) {
  const bool lists = left.is_sequence() && left.kind == right.kind;
  if (op == "+" && lists) {
    PyItems items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return PyValue::sequence(left.kind, std::move(items));
  }
  if (op == "+" && left.is(PyKind::string) && right.is(PyKind::string)) return PyValue::string(left.text + right.text);
  const PyValue& list = left.is_sequence() ? left : right;
  const PyValue& count = left.is_sequence() ? right : left;
  if (op == "*" && list.is_sequence() && count.is(PyKind::integer)) {
    const std::int64_t times = std::max<std::int64_t>(0, constant_integer(count, "a repeat count"));
    if (static_cast<double>(times) * static_cast<double>(list.items().size()) > 1e6) refuse("a list that is too long");
    PyItems items;
    for (std::int64_t i = 0; i < times; ++i) items.insert(items.end(), list.items().begin(), list.items().end());
    return PyValue::sequence(list.kind, std::move(items));
  }
  refuse(fmt::format("{} {} {}", left.describe(), op, right.describe()));
}

bool holds(const PyValue& container, const PyValue& item) {
  if (container.is(PyKind::dict)) return item.is(PyKind::string) && container.find(item.text) != nullptr;
  if (container.is(PyKind::string) && item.is(PyKind::string))
    return container.text.find(item.text) != std::string::npos;
  if (!container.is_sequence()) refuse(fmt::format("\"in\" {}", container.describe()));
  return std::ranges::any_of(container.items(), [&](const PyValue& other) { return same(item, other); });
}

}  // namespace

double constant_number(const PyValue& value, std::string_view what) {
  if (value.is(PyKind::real)) return value.real;
  if (value.is(PyKind::boolean) || value.is(PyKind::integer)) {
    if (const auto constant = integer_of(value).as_constant()) return static_cast<double>(*constant);
  }
  refuse(fmt::format("{} that is {}", what, value.describe()));
}

std::int64_t constant_integer(const PyValue& value, std::string_view what) {
  if (value.is(PyKind::boolean) || value.is(PyKind::integer)) {
    if (const auto constant = integer_of(value).as_constant()) return *constant;
  }
  refuse(fmt::format("{} that is {}", what, value.describe()));
}

PyValue unary(Writer& writer, std::string_view op, const PyValue& operand) {
  if (operand.is_tensor()) {
    if (op == "+") return operand;
    return writer.call(op == "-" ? "neg" : "bitwise_not", {operand});
  }
  if (operand.is(PyKind::unknown)) return size_arithmetic(writer, op, PyValue::of(0.0), operand);
  if (operand.is(PyKind::complex_number) && op != "~")
    return PyValue::of(op == "-" ? -operand.complex : operand.complex);
  if (operand.is(PyKind::real) && op != "~") return PyValue::of(op == "-" ? -operand.real : operand.real);
  if (!operand.is_number()) refuse(fmt::format("{}{}", op, operand.describe()));
  const SymInt value = integer_of(operand);
  if (op == "~") return PyValue::of(SymInt(-1) - value);
  return PyValue::of(op == "-" ? SymInt(0) - value : value);
}

PyValue binary(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right) {
  if (op == "is" || op == "is not") return PyValue::of(is_same_object(left, right) == (op == "is"));
  if (op == "in" || op == "not in") return PyValue::of(holds(right, left) == (op == "in"));
  const bool numeric = left.is_operand() && right.is_operand();
  if (numeric && (left.is_tensor() || right.is_tensor())) return on_tensors(writer, row_of(op), left, right);
  if (numeric) return on_numbers(writer, op, left, right);
  if (op == "==" || op == "!=") return PyValue::of(same(left, right) == (op == "=="));
  return on_sequences(op, left, right);
}

PyValue binary_in_place(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right) {
  const std::string_view plain = row_of(op).aten;
  const bool dunder = plain.starts_with("__");
  const std::string name = dunder ? fmt::format("__i{}", plain.substr(2)) : fmt::format("{}_", plain);
  if (overloads_of(name).empty()) return writer.call("copy_", {left, binary(writer, op, left, right)});
  return writer.call(name, {left, right});
}

}  // namespace aitune::fx

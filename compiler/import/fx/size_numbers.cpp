#include "compiler/import/fx/size_numbers.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "compiler/import/exact_fraction.h"

namespace aitune::fx {
namespace {

struct Fraction {
  SymInt numerator;
  std::int64_t denominator = 1;  // positive
};

/// So that products with a size stay far from 64 bits.
constexpr std::int64_t kMaxPart = std::int64_t{1} << 20;

std::optional<Fraction> fraction_of(const PyValue& value) {
  if (value.is(PyKind::integer)) return Fraction{value.integer};
  if (value.is(PyKind::boolean)) return Fraction{SymInt(value.boolean ? 1 : 0)};
  if (value.is(PyKind::real))
    if (const auto exact = exact_fraction(value.real, kMaxPart)) return Fraction{exact->numerator, exact->denominator};
  if (value.is(PyKind::unknown) && value.denominator > 0) return Fraction{value.integer, value.denominator};
  return std::nullopt;
}

/// What the two make together, where that is a fraction again.
std::optional<Fraction> combined(std::string_view op, const PyValue& left, const PyValue& right) {
  const auto a = fraction_of(left), b = fraction_of(right);
  if (!a || !b || a->denominator > kMaxPart || b->denominator > kMaxPart) return std::nullopt;
  const std::int64_t common = a->denominator * b->denominator;
  if (op == "*") return Fraction{a->numerator * b->numerator, common};
  if (op == "+") return Fraction{a->numerator * SymInt(b->denominator) + b->numerator * SymInt(a->denominator), common};
  if (op == "-") return Fraction{a->numerator * SymInt(b->denominator) - b->numerator * SymInt(a->denominator), common};
  const auto divisor = b->numerator.as_constant();
  if (op != "/" || !divisor || *divisor <= 0 || *divisor > kMaxPart) return std::nullopt;
  return Fraction{a->numerator * SymInt(b->denominator), a->denominator * *divisor};
}

/// The number as a 0-dim tensor; null if it is not known at all.
Value* as_tensor(Writer& writer, const PyValue& value) {
  if (value.is(PyKind::unknown)) return value.tensor;
  const PyArgs args{{PyValue::tuple({}), value}, {{"dtype", PyValue::of(DType::f64)}}};
  return writer.call_exactly("aten.full.default", args).tensor;
}

PyValue made_of_sizes(std::string text, const PyValue& computed, const std::optional<Fraction>& fraction = {}) {
  PyValue result = PyValue::unknown(std::move(text));
  result.tensor = computed.tensor;
  if (fraction) {
    result.integer = fraction->numerator;
    result.denominator = fraction->denominator;
  }
  return result;
}

struct Row {
  std::string_view symbol, aten;
};
constexpr auto kRows = std::to_array<Row>({{"+", "aten.add.Tensor"},
                                           {"-", "aten.sub.Tensor"},
                                           {"*", "aten.mul.Tensor"},
                                           {"/", "aten.div.Tensor"},
                                           {"//", "aten.floor_divide.default"},
                                           {"%", "aten.remainder.Tensor"},
                                           {"**", "aten.pow.Tensor_Tensor"}});

/// The fraction of `value`, if it is one and, where asked for, not negative for any sizes.
std::optional<Fraction> known_fraction(const Writer& writer, const PyValue& value, bool not_negative) {
  const auto fraction = fraction_of(value);
  if (!fraction || !value.is(PyKind::unknown)) return std::nullopt;
  if (not_negative && fraction->numerator.range(writer.graph().symbols).min < 0) return std::nullopt;
  return fraction;
}

PyValue rounded(const char* how, const PyValue& operand) {
  return PyValue::unknown(fmt::format("{}({})", how, operand.text.substr(0, 190)));
}

}  // namespace

bool depends_on_sizes(const PyValue& value) {
  return value.is(PyKind::unknown) || (value.is(PyKind::integer) && !value.integer.is_constant());
}

PyValue size_arithmetic(Writer& writer, std::string_view op, const PyValue& left, const PyValue& right) {
  std::string text = fmt::format("({} {} {})", left.describe(), op, right.describe()).substr(0, 200);
  const auto* const row = std::ranges::find(kRows, op, &Row::symbol);
  if (row == kRows.end()) return PyValue::unknown(std::move(text));
  Value* const a = as_tensor(writer, left);
  Value* const b = as_tensor(writer, right);
  if (a == nullptr || b == nullptr) return PyValue::unknown(std::move(text));
  const PyValue computed = writer.call_exactly(row->aten, {{PyValue::of(a), PyValue::of(b)}, {}});
  return made_of_sizes(std::move(text), computed, combined(op, left, right));
}

PyValue size_function(Writer& writer, std::string_view aten, const PyValue& operand) {
  std::string text = fmt::format("{} of {}", aten, operand.describe()).substr(0, 200);
  Value* const x = as_tensor(writer, operand);
  if (x == nullptr) return PyValue::unknown(std::move(text));
  return made_of_sizes(std::move(text), writer.call(aten, {PyValue::of(x)}));
}

PyValue size_as_float(Writer& writer, const PyValue& operand) {
  if (operand.is(PyKind::unknown)) return operand;
  return made_of_sizes(fmt::format("float of {}", operand.describe()), PyValue::of(as_tensor(writer, operand)),
                       fraction_of(operand));
}

PyValue floor_of_size(const Writer& writer, const PyValue& operand) {
  const auto fraction = known_fraction(writer, operand, false);
  return fraction ? PyValue::of(floordiv(fraction->numerator, SymInt(fraction->denominator)))
                  : rounded("floor", operand);
}

PyValue ceil_of_size(const Writer& writer, const PyValue& operand) {
  const auto fraction = known_fraction(writer, operand, false);
  return fraction ? PyValue::of(floordiv(fraction->numerator + SymInt(fraction->denominator - 1),
                                         SymInt(fraction->denominator)))
                  : rounded("ceil", operand);
}

PyValue cut_size(const Writer& writer, const PyValue& operand) {
  const auto fraction = known_fraction(writer, operand, true);
  return fraction ? PyValue::of(floordiv(fraction->numerator, SymInt(fraction->denominator))) : rounded("int", operand);
}

}  // namespace aitune::fx

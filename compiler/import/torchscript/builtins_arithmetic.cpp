// Numbers: plain ones, sizes, and numbers that travel in 0-dim tensors.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "compiler/import/exact_fraction.h"
#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/import/torchscript/unknown_numbers.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;

// The numbers of a call, if every argument is one; whether any came in a tensor, and of which dtype.
struct Numbers {
  Vals values;
  bool boxed = false;
  DType dtype = DType::i64;
};

std::optional<Numbers> numbers(const Call& call, std::size_t count) {
  if (call.size() < count) return std::nullopt;
  Numbers found;
  bool plain = false;
  for (std::size_t i = 0; i < count; ++i) {
    const Val& arg = call.args[i];
    if (arg.get<Number>() != nullptr) {
      found.boxed = true;
      found.dtype = arg.get<Number>()->dtype;
    } else if (arg.is_number()) {
      plain = true;
    } else if (arg.get<Value*>() == nullptr) {
      return std::nullopt;
    }
    auto known = call.evaluator.known_number(arg);
    if (!known) return std::nullopt;
    found.values.push_back(*std::move(known));
  }
  // Weights alone are left to the operators; beside a number that is known they are known, too.
  if (!found.boxed &&
      !(plain && found.values.size() == static_cast<std::size_t>(std::ranges::count_if(
                                            call.args.begin(), call.args.begin() + static_cast<std::ptrdiff_t>(count),
                                            [](const Val& v) { return v.is_number(); }))))
    return std::nullopt;
  return found;
}

Result give(const Numbers& from, Val value) {
  if (!from.boxed) return value;
  if (const auto* size = value.get<SymInt>()) return Number{*size, is_integral(from.dtype) ? from.dtype : DType::i64};
  if (const auto* real = value.get<double>()) return Number{*real, is_floating(from.dtype) ? from.dtype : DType::f32};
  if (const auto* flag = value.get<bool>()) return Number{*flag, DType::b8};
  return value;
}

// As a float; nothing for sizes that move.
std::optional<double> real(const Val& value) {
  if (const auto* number = value.get<double>()) return *number;
  if (const auto* flag = value.get<bool>()) return *flag ? 1.0 : 0.0;
  if (const auto integer = value.integer()) return static_cast<double>(*integer);
  return std::nullopt;
}
std::optional<SymInt> whole(const Val& value) {
  if (const auto* size = value.get<SymInt>()) return *size;
  if (const auto* flag = value.get<bool>()) return SymInt(*flag ? 1 : 0);
  return std::nullopt;
}

bool is_moving(const Val& value) { return value.get<SymInt>() != nullptr && !value.integer(); }

/// A call on numbers of which one is a size that moves, and the result none: computed by nodes. What travels in 0-dim
/// tensors is left to the operators.
Result on_moving_sizes(Call& call, const Numbers& numbers) {
  if (numbers.boxed) return std::nullopt;
  Vals args = numbers.values;
  for (Val& arg : args)
    if (is_moving(arg))
      arg = Unknown{"it is made of a size that moves",
                    call.evaluator.size_tensor(call.evaluator.graph(), *arg.get<SymInt>())};
  if (Result result = call_on_unknown_numbers(call.evaluator, call.name, args, {})) return result;
  return Unknown{"it is a fraction of a size that moves"};
}

/// The same, where the result is a known share of a size.
Result with_fraction(Result result, const SymInt& numerator, std::int64_t denominator) {
  const auto* unknown = result ? result->get<Unknown>() : nullptr;
  if (unknown == nullptr || denominator <= 0) return result;
  Unknown share = *unknown;
  share.fraction = std::make_shared<const SizeFraction>(SizeFraction{numerator, denominator});
  return share;
}

/// size * number, where that is a small fraction, which floats hold exactly.
Result times_size(Call& call, const Numbers& numbers) {
  Result result = on_moving_sizes(call, numbers);
  constexpr std::int64_t kMaxPart = 1 << 20;
  for (const bool first : {true, false}) {
    const Val &size = numbers.values[first ? 0 : 1], &factor = numbers.values[first ? 1 : 0];
    const auto* number = factor.get<double>();
    if (!is_moving(size) || number == nullptr) continue;
    if (const auto exact = exact_fraction(*number, kMaxPart); exact && exact->numerator >= 0)
      return with_fraction(std::move(result), *size.get<SymInt>() * SymInt(exact->numerator), exact->denominator);
  }
  return result;
}

using WholeFunction = SymInt (*)(const SymInt&, const SymInt&);
using RealFunction = double (*)(double, double);

Result binary(Call& call, WholeFunction on_whole, RealFunction on_real) {
  const auto found = numbers(call, 2);
  if (!found) return std::nullopt;
  const auto a = whole(found->values[0]), b = whole(found->values[1]);
  if (a && b && on_whole != nullptr) return give(*found, on_whole(*a, *b));
  const auto x = real(found->values[0]), y = real(found->values[1]);
  if (x && y) return give(*found, on_real(*x, *y));
  return call.name.starts_with("mul") ? times_size(call, *found) : on_moving_sizes(call, *found);
}

// Sums of lists and strings are longer ones.
Result join(Call& call) {
  const auto *a = call[0].get<std::string>(), *b = call[1].get<std::string>();
  if (a != nullptr && b != nullptr) {
    call.evaluator.charge(a->size() + b->size());
    return *a + *b;
  }
  const auto *list = call[0].get<ListPtr>(), *more = call[1].get<ListPtr>();
  if (list != nullptr && more != nullptr && ((*list)->grown != nullptr || (*more)->grown != nullptr))
    return call.evaluator.sum_of_lists(*list, *more);
  const Vals *x = call[0].items(), *y = call[1].items();
  if (x == nullptr || y == nullptr) return std::nullopt;
  call.evaluator.charge(x->size() + y->size());
  Vals items = *x;
  items.insert(items.end(), y->begin(), y->end());
  if (call[0].get<ListPtr>() != nullptr) return make_list(std::move(items));
  return make_tuple(std::move(items));
}

bool has_alpha(const Call& call) { return call.size() > 2 || !call.keywords.empty(); }

Result add(Call& call) {
  if (call.size() >= 2)
    if (Result joined = join(call)) return joined;
  if (has_alpha(call) && numbers(call, 2)) {
    const Val alpha = call.size() > 2                    ? call[2]
                      : call.keyword("alpha") != nullptr ? *call.keyword("alpha")
                                                         : Val(None{});
    if (alpha.integer() != 1) return std::nullopt;
  }
  return binary(call, [](const SymInt& a, const SymInt& b) { return a + b; }, [](double a, double b) { return a + b; });
}

/// outs += [item]: the list itself becomes longer.
Result add_in_place(Call& call) {
  if (call.size() != 2 || call[0].get<ListPtr>() == nullptr) return add(call);
  return extend_list(call);
}

Result sub(Call& call) {
  if (has_alpha(call) && numbers(call, 2)) {
    const Val alpha = call.size() > 2                    ? call[2]
                      : call.keyword("alpha") != nullptr ? *call.keyword("alpha")
                                                         : Val(None{});
    if (alpha.integer() != 1) return std::nullopt;
  }
  return binary(call, [](const SymInt& a, const SymInt& b) { return a - b; }, [](double a, double b) { return a - b; });
}

Result rsub(Call& call) {
  if (!numbers(call, 2)) return std::nullopt;
  std::swap(call.args[0], call.args[1]);
  return sub(call);
}

Result mul(Call& call) {
  if (call.size() == 2 && call[0].get<ListPtr>() != nullptr && call[1].integer()) {
    const Vals once = *call[0].items();
    Vals items;
    for (std::int64_t i = 0; i < *call[1].integer() && !once.empty(); ++i) {
      call.evaluator.charge(once.size());
      items.insert(items.end(), once.begin(), once.end());
    }
    return make_list(std::move(items));
  }
  return binary(call, [](const SymInt& a, const SymInt& b) { return a * b; }, [](double a, double b) { return a * b; });
}

void check_divisor(const Call& call) {
  const auto divisor = call.evaluator.known_number(call[1]);
  if (divisor && real(*divisor) == 0.0) call.evaluator.invalid("the model divides by zero");
}

Result floordiv_numbers(Call& call) {
  if (!numbers(call, 2)) return std::nullopt;
  check_divisor(call);
  return binary(
      call, [](const SymInt& a, const SymInt& b) { return floordiv(a, b); },
      [](double a, double b) { return std::floor(a / b); });
}

Result remainder_numbers(Call& call) {
  if (!numbers(call, 2)) return std::nullopt;
  check_divisor(call);
  return binary(
      call, [](const SymInt& a, const SymInt& b) { return mod(a, b); },
      [](double a, double b) { return a - b * std::floor(a / b); });
}

// math.fmod has the sign of its first operand.
Result fmod_numbers(Call& call) {
  if (!numbers(call, 2)) return std::nullopt;
  check_divisor(call);
  return binary(call, nullptr, [](double a, double b) { return std::fmod(a, b); });
}

Result div(Call& call) {
  const auto found = numbers(call, 2);
  if (!found) return std::nullopt;
  const Val mode = call.size() > 2                            ? call[2]
                   : call.keyword("rounding_mode") != nullptr ? *call.keyword("rounding_mode")
                                                              : Val(None{});
  check_divisor(call);
  const auto* name = mode.get<std::string>();
  if (name != nullptr && (*name == "floor" || (found->boxed && *name == "trunc"))) {
    // Sizes are not negative, so that both ways of rounding agree.
    return binary(
        call, [](const SymInt& a, const SymInt& b) { return floordiv(a, b); },
        [](double a, double b) { return std::floor(a / b); });
  }
  if (!mode.is_none()) return std::nullopt;
  const auto x = real(found->values[0]), y = real(found->values[1]);
  if (x && y) return give(*found, *x / *y);
  const auto a = whole(found->values[0]), b = whole(found->values[1]);
  if (a && b)
    if (const auto exact = divide_exact(*a, *b); exact && !found->boxed) return *exact;
  Result result = on_moving_sizes(call, *found);
  return a && b && b->is_constant() ? with_fraction(std::move(result), *a, b->constant()) : result;
}

Result power(Call& call) {
  const auto found = numbers(call, 2);
  if (!found) return std::nullopt;
  const auto base = whole(found->values[0]);
  const auto exponent = found->values[1].integer();
  if (base && exponent && *exponent >= 0 && *exponent <= 64) {
    SymInt result = 1;
    for (std::int64_t i = 0; i < *exponent; ++i) result *= *base;
    return give(*found, result);
  }
  const auto x = real(found->values[0]), y = real(found->values[1]);
  return x && y ? give(*found, std::pow(*x, *y)) : on_moving_sizes(call, *found);
}

Result minimum(Call& call) {
  return binary(
      call, [](const SymInt& a, const SymInt& b) { return min(a, b); },
      [](double a, double b) { return std::min(a, b); });
}
Result maximum(Call& call) {
  return binary(
      call, [](const SymInt& a, const SymInt& b) { return max(a, b); },
      [](double a, double b) { return std::max(a, b); });
}

// ops.prim.min and max also take one list.
template <Result (*pick)(Call&)>
Result over_list(Call& call) {
  if (Result best = over_grown(call, call.name)) return best;
  if (call.size() == 1 && call[0].items() != nullptr && !call[0].items()->empty()) {
    const Vals items = *call[0].items();
    Val best = items[0];
    for (std::size_t i = 1; i < items.size(); ++i) {
      Vals pair = {best, items[i]};
      Keywords none;
      Call inner{call.evaluator, call.name, pair, none};
      Result result = pick(inner);
      if (!result) return std::nullopt;
      best = *std::move(result);
    }
    return best;
  }
  return pick(call);
}

// ---- comparisons

bool holds(Order order, int sign) {
  switch (order) {
    case Order::eq:
      return sign == 0;
    case Order::ne:
      return sign != 0;
    case Order::lt:
      return sign < 0;
    case Order::le:
      return sign <= 0;
    case Order::gt:
      return sign > 0;
    case Order::ge:
      return sign >= 0;
  }
  return false;
}

// Of a - b, where its range is known.
std::optional<bool> compare_range(Order order, const SymRange& difference) {
  const bool low = holds(order, difference.min > 0 ? 1 : difference.min == 0 ? 0 : -1);
  if (difference.min > 0 || difference.max < 0) return holds(order, difference.min > 0 ? 1 : -1);
  if (difference.min == 0 && (order == Order::ge || order == Order::lt)) return low;
  if (difference.max == 0 && order == Order::le) return true;
  if (difference.max == 0 && order == Order::gt) return false;
  return std::nullopt;
}

Val compare_numbers(Call& call, Order order, const Val& a, const Val& b) {
  const auto x = whole(a), y = whole(b);
  if (x && y) {
    const SymInt difference = *x - *y;
    if (const auto known = difference.as_constant()) return holds(order, *known < 0 ? -1 : *known > 0);
    if (const auto known = compare_range(order, call.evaluator.range_of(difference))) return *known;
    // Which one holds, the sizes of a run tell.
    Evaluator& evaluator = call.evaluator;
    static constexpr std::string_view kNames[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    const Val holds = call_operator(evaluator, kNames[static_cast<std::size_t>(order)],
                                    {evaluator.tensor(*x), evaluator.tensor(*y)}, {});
    return Unknown{fmt::format("it depends on the size {}", (x->is_constant() ? *y : *x).str()),
                   evaluator.tensor(holds), std::make_shared<const SizeComparison>(SizeComparison{order, difference})};
  }
  const auto u = real(a), v = real(b);
  if (!u || !v) {
    if (Result result = on_moving_sizes(call, {{a, b}})) return *std::move(result);
    return Unknown{"it depends on a size that moves"};
  }
  if (std::isnan(*u) || std::isnan(*v)) return order == Order::ne;
  return holds(order, *u < *v ? -1 : *u > *v);
}

template <Order order>
Result compare(Call& call) {
  if (const auto found = numbers(call, 2)) {
    const Val result = compare_numbers(call, order, found->values[0], found->values[1]);
    if (result.get<Unknown>() != nullptr) return result;
    return give(*found, result);
  }
  if (call.size() != 2) return std::nullopt;
  const Val &a = call[0], &b = call[1];
  if (a.get<Unknown>() != nullptr) return a;
  if (b.get<Unknown>() != nullptr) return b;
  if (a.is_tensor() || b.is_tensor()) return std::nullopt;
  const auto *x = a.get<std::string>(), *y = b.get<std::string>();
  if (x != nullptr && y != nullptr) return holds(order, x->compare(*y) < 0 ? -1 : *x != *y);
  if (order != Order::eq && order != Order::ne) return std::nullopt;
  const auto same = call.evaluator.same(a, b);
  if (!same) return Unknown{"it compares values that only the data, or sizes that move, tell apart"};
  return *same == (order == Order::eq);
}

// ---- logic

Result logical_not(Call& call) {
  if (call.size() != 1 || call[0].get<Value*>() != nullptr) return std::nullopt;
  const Val truth = call.evaluator.truth(call[0]);
  if (truth.get<Unknown>() != nullptr) return truth;
  return !*truth.get<bool>();
}

template <bool conjunction>
Result logical(Call& call) {
  if (call.size() != 2) return std::nullopt;
  if (call[0].is_tensor() || call[1].is_tensor()) return std::nullopt;
  if (const auto a = call[0].integer(), b = call[1].integer(); a && b) return SymInt(conjunction ? *a & *b : *a | *b);
  const Val a = call.evaluator.truth(call[0]), b = call.evaluator.truth(call[1]);
  for (const Val* side : {&a, &b})
    if (side->get<bool>() != nullptr && *side->get<bool>() != conjunction) return !conjunction;
  if (a.get<Unknown>() != nullptr) return a;
  if (b.get<Unknown>() != nullptr) return b;
  return conjunction;
}

Result exclusive_or(Call& call) {
  if (call.size() != 2) return std::nullopt;
  const auto *a = call[0].get<bool>(), *b = call[1].get<bool>();
  if (a != nullptr && b != nullptr) return *a != *b;
  const auto x = call[0].integer(), y = call[1].integer();
  return x && y ? Result(SymInt(*x ^ *y)) : std::nullopt;
}

Result shift_left(Call& call) {
  const auto a = call[0].integer(), b = call.size() > 1 ? call[1].integer() : std::nullopt;
  if (!a || !b || *b < 0 || *b > 62) return std::nullopt;
  return SymInt(*a) * SymInt(std::int64_t{1} << *b);
}
Result shift_right(Call& call) {
  const auto a = call[0].integer(), b = call.size() > 1 ? call[1].integer() : std::nullopt;
  if (!a || !b || *b < 0 || *b > 62) return std::nullopt;
  return SymInt(*a >> *b);
}

// ---- one number

Result logarithm(Call& call) {
  const std::size_t count = call.size() == 2 ? 2 : 1;  // to a base, or the natural one
  const auto found = numbers(call, count);
  if (!found || call.size() != count) return std::nullopt;
  const auto x = real(found->values[0]), base = count == 2 ? real(found->values[1]) : std::nullopt;
  if (!x || (count == 2 && !base)) return on_moving_sizes(call, *found);
  return give(*found, base ? std::log(*x) / std::log(*base) : std::log(*x));
}

double degrees(double x) { return x * (180 / std::numbers::pi); }
double radians(double x) { return x * (std::numbers::pi / 180); }

template <double (*function)(double)>
Result unary_real(Call& call) {
  const auto found = numbers(call, 1);
  if (!found || call.size() != 1) return std::nullopt;
  const auto x = real(found->values[0]);
  return x ? give(*found, function(*x)) : on_moving_sizes(call, *found);
}

// floor, ceil, round and trunc of a plain number are integers.
template <double (*function)(double)>
Result rounded(Call& call) {
  const auto found = numbers(call, 1);
  if (!found || call.size() != 1) return std::nullopt;
  if (const auto size = whole(found->values[0])) return give(*found, *size);
  const double value = function(*real(found->values[0]));
  if (found->boxed || !(std::abs(value) < 9e18)) return give(*found, value);
  return SymInt(static_cast<std::int64_t>(value));
}

Result negative(Call& call) {
  const auto found = numbers(call, 1);
  if (!found || call.size() != 1) return std::nullopt;
  if (const auto size = whole(found->values[0])) return give(*found, SymInt(0) - *size);
  return give(*found, -*real(found->values[0]));
}

Result absolute(Call& call) {
  const auto found = numbers(call, 1);
  if (!found || call.size() != 1) return std::nullopt;
  if (const auto integer = found->values[0].integer()) return give(*found, SymInt(*integer < 0 ? -*integer : *integer));
  if (const auto size = whole(found->values[0])) return give(*found, max(*size, SymInt(0) - *size));
  return give(*found, std::abs(*real(found->values[0])));
}

// ---- conversions

// The number in a 0-dim or one-element tensor, for int(), float(), item().
std::optional<Val> inner_number(Call& call, std::optional<DType> wanted = std::nullopt) {
  if (call.size() != 1) return std::nullopt;
  if (call[0].get<Unknown>() != nullptr) return call[0];
  if (call[0].get<Value*>() != nullptr) {
    auto known = call.evaluator.decided_number(call[0]);
    return known ? std::move(known) : call.evaluator.unknown_number(*call[0].get<Value*>(), wanted);
  }
  return call.evaluator.known_number(call[0]);
}

Result to_int(Call& call) {
  if (call.size() == 1 && call[0].get<std::string>() != nullptr) {
    const std::string& text = *call[0].get<std::string>();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return SymInt(value);
    call.evaluator.invalid(fmt::format("'{}' is no integer", printable(text, 40)));
  }
  const auto value = inner_number(call, DType::i64);
  if (!value || value->get<Unknown>() != nullptr) return value;
  if (const auto size = whole(*value)) return *size;
  const double number = *real(*value);
  if (!(std::abs(number) < 9e18)) call.evaluator.invalid("a float is too large for an integer");
  return SymInt(static_cast<std::int64_t>(number));
}

Result to_float(Call& call) {
  const auto value = inner_number(call, DType::f64);
  if (!value || value->get<Unknown>() != nullptr) return value;
  const auto number = real(*value);
  return number ? Val(*number) : *value;  // a size that moves stays what it is
}

Result to_bool(Call& call) {
  if (call.size() != 1) return std::nullopt;
  const Val truth = call.evaluator.truth(call[0]);
  const auto* tensor = call[0].get<Value*>();
  if (tensor != nullptr && truth.get<Unknown>() != nullptr) return call.evaluator.unknown_number(*tensor, DType::b8);
  return truth;
}
Result item(Call& call) { return inner_number(call); }

Result box(Call& call) {
  if (call.size() != 1) return std::nullopt;
  if (const auto* size = call[0].get<SymInt>()) return Number{*size, DType::i64};
  if (const auto* number = call[0].get<double>()) return Number{*number, DType::f64};
  if (const auto* flag = call[0].get<bool>()) return Number{*flag, DType::b8};
  return call[0];
}

/// An operator in place: a number that it changes is seen in all names.
template <BuiltinFunction Plain>
Result in_place(Call& call) {
  const Val before = call[0];
  Result result = Plain(call);
  const auto *number = before.get<Number>(), *now = result ? result->get<Number>() : nullptr;
  return number == nullptr || now == nullptr ? result : call.evaluator.changed_number(*number, *now);
}

}  // namespace

void add_arithmetic(BuiltinTable& table) {
  table.add({"add"}, add);
  table.add({"add_"}, in_place<add_in_place>);
  table.add({"sub"}, sub);
  table.add({"sub_"}, in_place<sub>);
  table.add({"rsub"}, rsub);
  table.add({"mul"}, mul);
  table.add({"mul_"}, in_place<mul>);
  table.add({"div", "true_divide"}, div);
  table.add({"div_"}, in_place<div>);
  table.add({"floordiv", "floor_divide"}, floordiv_numbers);
  table.add({"remainder", "mod"}, remainder_numbers);
  table.add({"fmod"}, fmod_numbers);
  table.add({"pow"}, power);
  table.add({"min", "minimum"}, over_list<minimum>);
  table.add({"max", "maximum"}, over_list<maximum>);
  table.add({"eq"}, compare<Order::eq>);
  table.add({"ne"}, compare<Order::ne>);
  table.add({"lt"}, compare<Order::lt>);
  table.add({"le"}, compare<Order::le>);
  table.add({"gt"}, compare<Order::gt>);
  table.add({"ge"}, compare<Order::ge>);
  table.add({"__not__"}, logical_not);
  table.add({"__and__"}, logical<true>);
  table.add({"__or__"}, logical<false>);
  table.add({"__xor__"}, exclusive_or);
  table.add({"__lshift__"}, shift_left);
  table.add({"__rshift__"}, shift_right);
  table.add({"neg"}, negative);
  table.add({"abs"}, absolute);
  table.add({"sqrt"}, unary_real<std::sqrt>);
  table.add({"exp"}, unary_real<std::exp>);
  table.add({"log"}, logarithm);
  table.add({"sin"}, unary_real<std::sin>);
  table.add({"cos"}, unary_real<std::cos>);
  table.add({"tanh"}, unary_real<std::tanh>);
  table.add({"log2"}, unary_real<std::log2>);
  table.add({"tan"}, unary_real<std::tan>);
  table.add({"asin"}, unary_real<std::asin>);
  table.add({"acos"}, unary_real<std::acos>);
  table.add({"atan"}, unary_real<std::atan>);
  table.add({"sinh"}, unary_real<std::sinh>);
  table.add({"cosh"}, unary_real<std::cosh>);
  table.add({"asinh"}, unary_real<std::asinh>);
  table.add({"acosh"}, unary_real<std::acosh>);
  table.add({"atanh"}, unary_real<std::atanh>);
  table.add({"log10"}, unary_real<std::log10>);
  table.add({"log1p"}, unary_real<std::log1p>);
  table.add({"expm1"}, unary_real<std::expm1>);
  table.add({"erf"}, unary_real<std::erf>);
  table.add({"erfc"}, unary_real<std::erfc>);
  table.add({"fabs"}, unary_real<std::fabs>);
  table.add({"degrees"}, unary_real<degrees>);
  table.add({"radians"}, unary_real<radians>);
  table.add({"floor"}, rounded<std::floor>);
  table.add({"ceil"}, rounded<std::ceil>);
  table.add({"round"}, rounded<std::nearbyint>);
  table.add({"trunc"}, rounded<std::trunc>);
  table.add({"int", "Int", "IntImplicit"}, to_int);
  table.add({"float", "Float", "FloatImplicit"}, to_float);
  table.add({"bool", "Bool"}, to_bool);
  table.add({"item", "Scalar", "ScalarImplicit"}, item);
  table.add({"NumToTensor"}, box);
}

}  // namespace aitune::torchscript

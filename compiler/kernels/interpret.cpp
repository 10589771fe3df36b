#include "compiler/kernels/interpret.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <variant>

#include "base/error.h"

namespace aitune::kernels {
namespace {

template <class T>
T get(const void* base, std::int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(base) + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void put(void* base, std::int64_t index, T value) {
  std::memcpy(static_cast<char*>(base) + index * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
}

// A value of an expression; f32 is rounded to float after every operation.
struct Number {
  double real = 0;
  std::int64_t whole = 0;
  ExprType type = ExprType::f32;
};

Number real(double v, ExprType type) {
  return {type == ExprType::f32 ? static_cast<double>(static_cast<float>(v)) : v, 0, type};
}
Number whole(std::int64_t v) { return {0, v, ExprType::i64}; }

std::int64_t truncated(double v) {
  if (std::isnan(v) || v >= 9.2e18 || v <= -9.2e18) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(v);
}

Number converted(const Number& n, ExprType to) {
  if (n.type == to) return n;
  if (to == ExprType::i64) return whole(truncated(n.real));
  return real(n.type == ExprType::i64 ? static_cast<double>(n.whole) : n.real, to);
}

bool truth(const Number& n) { return n.type == ExprType::i64 ? n.whole != 0 : n.real != 0; }

double extremum(double a, double b, bool maximum) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<double>::quiet_NaN();
  return maximum ? std::max(a, b) : std::min(a, b);
}

double unary_real(ExprOp op, double a) {
  switch (op) {
    case ExprOp::neg:
      return -a;
    case ExprOp::abs:
      return std::fabs(a);
    case ExprOp::sqrt:
      return std::sqrt(a);
    case ExprOp::rsqrt:
      return 1 / std::sqrt(a);
    case ExprOp::reciprocal:
      return 1 / a;
    case ExprOp::exp:
      return std::exp(a);
    case ExprOp::log:
      return std::log(a);
    case ExprOp::tanh:
      return std::tanh(a);
    case ExprOp::erf:
      return std::erf(a);
    case ExprOp::sigmoid:
      return 1 / (1 + std::exp(-a));
    case ExprOp::sin:
      return std::sin(a);
    case ExprOp::cos:
      return std::cos(a);
    case ExprOp::floor:
      return std::floor(a);
    case ExprOp::ceil:
      return std::ceil(a);
    case ExprOp::round:
      return std::nearbyint(a);
    case ExprOp::trunc:
      return std::trunc(a);
    case ExprOp::logical_not:
      return a == 0;
    default:
      throw InternalError("not an operation on one floating number", "interpreter");
  }
}

double binary_real(ExprOp op, double a, double b) {
  switch (op) {
    case ExprOp::add:
      return a + b;
    case ExprOp::sub:
      return a - b;
    case ExprOp::mul:
      return a * b;
    case ExprOp::div:
      return a / b;
    case ExprOp::floor_div:
      return std::floor(a / b);
    case ExprOp::remainder:
      return a - std::floor(a / b) * b;
    case ExprOp::pow:
      return std::pow(a, b);
    case ExprOp::min:
      return extremum(a, b, false);
    case ExprOp::max:
      return extremum(a, b, true);
    case ExprOp::logical_and:
      return a != 0 && b != 0;
    case ExprOp::logical_or:
      return a != 0 || b != 0;
    default:
      throw InternalError("not an operation on two floating numbers", "interpreter");
  }
}

std::int64_t wrapped(std::uint64_t v) { return static_cast<std::int64_t>(v); }

std::int64_t divided(std::int64_t a, std::int64_t b, bool to_floor, bool want_remainder) {
  if (b == -1) return want_remainder ? 0 : wrapped(0 - static_cast<std::uint64_t>(a));
  if (b == 0) b = 1;
  std::int64_t q = a / b, r = a % b;
  if (to_floor && r != 0 && (r < 0) != (b < 0)) --q, r += b;
  return want_remainder ? r : q;
}

std::int64_t integer(ExprOp op, std::int64_t a, std::int64_t b) {
  const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
  switch (op) {
    case ExprOp::add:
      return wrapped(ua + ub);
    case ExprOp::sub:
      return wrapped(ua - ub);
    case ExprOp::mul:
      return wrapped(ua * ub);
    case ExprOp::div:
      return divided(a, b, false, false);
    case ExprOp::floor_div:
      return divided(a, b, true, false);
    case ExprOp::remainder:
      return divided(a, b, true, true);
    case ExprOp::min:
      return std::min(a, b);
    case ExprOp::max:
      return std::max(a, b);
    case ExprOp::neg:
      return wrapped(0 - ua);
    case ExprOp::abs:
      return a < 0 ? wrapped(0 - ua) : a;
    case ExprOp::logical_and:
      return a != 0 && b != 0;
    case ExprOp::logical_or:
      return a != 0 || b != 0;
    case ExprOp::logical_not:
      return a == 0;
    case ExprOp::bitwise_and:
      return a & b;
    case ExprOp::bitwise_or:
      return a | b;
    case ExprOp::bitwise_xor:
      return a ^ b;
    case ExprOp::bitwise_not:
      return ~a;
    case ExprOp::shift_left:
      return ub < 64 ? wrapped(ua << ub) : 0;
    case ExprOp::shift_right:
      return a >> std::min<std::uint64_t>(ub, 63);
    case ExprOp::floor:
    case ExprOp::ceil:
    case ExprOp::round:
    case ExprOp::trunc:
      return a;
    default:
      throw InternalError("not an operation on integers", "interpreter");
  }
}

template <class T>
bool compared(ExprOp op, T a, T b) {
  switch (op) {
    case ExprOp::eq:
      return a == b;
    case ExprOp::ne:
      return a != b;
    case ExprOp::lt:
      return a < b;
    case ExprOp::le:
      return a <= b;
    case ExprOp::gt:
      return a > b;
    default:
      return a >= b;
  }
}

// Evaluates expressions at one point.
class Point {
 public:
  Point(const std::vector<Access>& accesses, const std::vector<Expr>& exprs, std::span<void* const> buffers,
        const SymValues& sizes)
      : accesses_(accesses), exprs_(exprs), buffers_(buffers), sizes_(sizes) {}

  std::vector<std::int64_t> index;
  std::vector<Number> temps;
  Number accumulator;

  Number value(std::int32_t i) const {
    const Expr& e = exprs_.at(static_cast<std::size_t>(i));
    switch (e.op) {
      case ExprOp::constant:
        return e.type == ExprType::i64 ? whole(e.integer) : real(e.number, e.type);
      case ExprOp::index:
        return converted(whole(index.at(static_cast<std::size_t>(e.dim))), e.type);
      case ExprOp::size:
        return converted(whole(e.size.evaluate(sizes_)), e.type);
      case ExprOp::load:
        return load(accesses_.at(static_cast<std::size_t>(e.access)), e.type);
      case ExprOp::temp:
        return temps.at(static_cast<std::size_t>(e.access));
      case ExprOp::accumulator:
        return accumulator;
      case ExprOp::cast:
        return converted(value(e.a), e.type);
      case ExprOp::select:
        return converted(truth(value(e.a)) ? value(e.b) : value(e.c), e.type);
      case ExprOp::fma: {
        const Number a = operand(e.a, e), b = operand(e.b, e), c = operand(e.c, e);
        if (e.type == ExprType::i64)
          return whole(integer(ExprOp::add, integer(ExprOp::mul, a.whole, b.whole), c.whole));
        return real(e.type == ExprType::f32 ? a.real * b.real + c.real : std::fma(a.real, b.real, c.real), e.type);
      }
      case ExprOp::eq:
      case ExprOp::ne:
      case ExprOp::lt:
      case ExprOp::le:
      case ExprOp::gt:
      case ExprOp::ge: {
        const Number a = value(e.a), b = value(e.b);
        const bool holds = a.type == ExprType::i64 && b.type == ExprType::i64
                               ? compared(e.op, a.whole, b.whole)
                               : compared(e.op, converted(a, ExprType::f64).real, converted(b, ExprType::f64).real);
        return converted(whole(holds), e.type);
      }
      default:
        break;
    }
    const Number a = operand(e.a, e), b = e.b >= 0 ? operand(e.b, e) : Number{};
    if (e.type == ExprType::i64) return whole(integer(e.op, a.whole, b.whole));
    return real(e.b >= 0 ? binary_real(e.op, a.real, b.real) : unary_real(e.op, a.real), e.type);
  }

  void store(const Store& s) const {
    const Access& a = accesses_.at(static_cast<std::size_t>(s.access));
    const Number v = value(s.value);
    void* base = buffers_[static_cast<std::size_t>(a.buffer)];
    if (a.dtype == DType::b8) {
      put<std::uint8_t>(base, element(a), truth(v));
    } else if (a.dtype == DType::i64) {
      put<std::int64_t>(base, element(a), converted(v, ExprType::i64).whole);
    } else if (!is_floating(a.dtype) && v.type == ExprType::i64) {
      const auto low = static_cast<std::uint64_t>(v.whole);
      std::memcpy(static_cast<char*>(base) + element(a) * static_cast<std::int64_t>(dtype_size(a.dtype)), &low,
                  dtype_size(a.dtype));
    } else {
      store_element(base, a.dtype, element(a), v.type == ExprType::i64 ? static_cast<double>(v.whole) : v.real);
    }
  }

 private:
  Number operand(std::int32_t i, const Expr& e) const { return converted(value(i), e.type); }

  std::int64_t element(const Access& a) const {
    std::int64_t at = a.offset.evaluate(sizes_);
    for (std::size_t d = 0; d < a.strides.size(); ++d) at += a.strides[d].evaluate(sizes_) * index[d];
    if (a.indirect < 0) return at;
    std::int64_t i = converted(value(a.indirect), ExprType::i64).whole;
    const std::int64_t extent = a.indirect_extent.evaluate(sizes_);
    if (extent != 0) {
      if (i < 0) i += extent;
      i = std::min(i, extent - 1);
    }
    return at + std::max<std::int64_t>(i, 0) * a.indirect_stride.evaluate(sizes_);
  }

  Number load(const Access& a, ExprType type) const {
    const void* base = buffers_[static_cast<std::size_t>(a.buffer)];
    if (a.dtype == DType::i64) return converted(whole(get<std::int64_t>(base, element(a))), type);
    const double v = load_element(base, a.dtype, element(a));
    return type == ExprType::i64 ? whole(truncated(v)) : real(v, type);
  }

  const std::vector<Access>& accesses_;
  const std::vector<Expr>& exprs_;
  std::span<void* const> buffers_;
  const SymValues& sizes_;
};

// Calls `visit` for every index of dims [first, first + extents), last fastest.
template <class F>
void for_each_index(std::vector<std::int64_t>& index, std::size_t first, const std::vector<std::int64_t>& extents,
                    F&& visit, std::size_t depth = 0) {
  if (depth == extents.size()) return visit();
  for (std::int64_t i = 0; i < extents[depth]; ++i) {
    index[first + depth] = i;
    for_each_index(index, first, extents, visit, depth + 1);
  }
}

std::vector<std::int64_t> evaluated(const std::vector<SymInt>& extents, const SymValues& sizes) {
  std::vector<std::int64_t> values;
  for (const SymInt& e : extents) values.push_back(e.evaluate(sizes));
  return values;
}

bool is_arg(ReduceOp op) { return op == ReduceOp::argmax || op == ReduceOp::argmin; }

Number identity(ReduceOp op, ExprType type) {
  const bool low = op == ReduceOp::max || op == ReduceOp::argmax, high = op == ReduceOp::min || op == ReduceOp::argmin;
  const bool one = op == ReduceOp::product || op == ReduceOp::all;
  if (op == ReduceOp::any || op == ReduceOp::all) return whole(one);
  using Limits = std::numeric_limits<std::int64_t>;
  if (type == ExprType::i64) return whole(low ? Limits::min() : high ? Limits::max() : one);
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return {low ? -kInf : high ? kInf : one ? 1.0 : 0.0, 0, type};
}

// The value that wins so far and where it stood.
struct Reduction {
  Number best;
  std::int64_t at = std::numeric_limits<std::int64_t>::max();
};

void accumulate(ReduceOp op, Reduction& r, const Number& v, std::int64_t position) {
  const bool integers = v.type == ExprType::i64;
  const auto combine = [&](ExprOp o) {
    // Sums in double: the oracle should be more exact than what it judges.
    r.best =
        integers ? whole(integer(o, r.best.whole, v.whole)) : Number{binary_real(o, r.best.real, v.real), 0, v.type};
  };
  switch (op) {
    case ReduceOp::sum:
      return combine(ExprOp::add);
    case ReduceOp::product:
      return combine(ExprOp::mul);
    case ReduceOp::max:
      return combine(ExprOp::max);
    case ReduceOp::min:
      return combine(ExprOp::min);
    case ReduceOp::any:
      r.best = whole(r.best.whole || truth(v));
      return;
    case ReduceOp::all:
      r.best = whole(r.best.whole && truth(v));
      return;
    case ReduceOp::argmax:
    case ReduceOp::argmin:
      break;
  }
  const bool maximum = op == ReduceOp::argmax;
  bool wins = r.at == std::numeric_limits<std::int64_t>::max();
  if (integers) {
    wins = wins || (maximum ? v.whole > r.best.whole : v.whole < r.best.whole);
  } else {
    wins = wins || (maximum ? v.real > r.best.real : v.real < r.best.real) ||
           (std::isnan(v.real) && !std::isnan(r.best.real));
  }
  if (wins) r = {v, position};
}

}  // namespace

double load_element(const void* base, DType dtype, std::int64_t index) {
  switch (dtype) {
    case DType::f32:
      return get<float>(base, index);
    case DType::f64:
      return get<double>(base, index);
    case DType::f16:
      return f16_to_float(get<std::uint16_t>(base, index));
    case DType::bf16:
      return bf16_to_float(get<std::uint16_t>(base, index));
    case DType::u8:
      return get<std::uint8_t>(base, index);
    case DType::i8:
      return get<std::int8_t>(base, index);
    case DType::b8:
      return get<std::uint8_t>(base, index) != 0;
    case DType::i16:
      return get<std::int16_t>(base, index);
    case DType::i32:
      return get<std::int32_t>(base, index);
    case DType::i64:
      return static_cast<double>(get<std::int64_t>(base, index));
    default:
      throw InternalError("complex elements are not for kernels", "interpreter");
  }
}

void store_element(void* base, DType dtype, std::int64_t index, double value) {
  switch (dtype) {
    case DType::f32:
      return put(base, index, static_cast<float>(value));
    case DType::f64:
      return put(base, index, value);
    case DType::f16:
      return put(base, index, float_to_f16(static_cast<float>(value)));
    case DType::bf16:
      return put(base, index, float_to_bf16(static_cast<float>(value)));
    case DType::u8:
    case DType::i8:
      return put(base, index, static_cast<std::uint8_t>(truncated(value)));
    case DType::b8:
      return put<std::uint8_t>(base, index, value != 0);
    case DType::i16:
      return put(base, index, static_cast<std::int16_t>(truncated(value)));
    case DType::i32:
      return put(base, index, static_cast<std::int32_t>(truncated(value)));
    case DType::i64:
      return put(base, index, truncated(value));
    default:
      throw InternalError("complex elements are not for kernels", "interpreter");
  }
}

void interpret(const LoopKernel& kernel, std::span<void* const> buffers, const SymValues& sizes) {
  const auto outer = evaluated(kernel.outer, sizes), inner = evaluated(kernel.inner, sizes);
  Point point(kernel.accesses, kernel.exprs, buffers, sizes);
  point.index.assign(outer.size() + inner.size(), 0);
  for_each_index(point.index, 0, outer, [&] {
    point.temps.clear();
    for (const Stage& stage : kernel.stages) {
      if (stage.kind == Stage::Kind::finish) {
        std::fill(point.index.begin() + static_cast<std::ptrdiff_t>(outer.size()), point.index.end(), 0);
        for (const Store& s : stage.stores) point.store(s);
        continue;
      }
      if (stage.kind == Stage::Kind::map) {
        for_each_index(point.index, outer.size(), inner, [&] {
          for (const Store& s : stage.stores) point.store(s);
        });
        continue;
      }
      const ExprType type = kernel.exprs.at(static_cast<std::size_t>(stage.value)).type;
      Reduction r{identity(stage.reduce, type)};
      std::int64_t position = 0;
      for_each_index(point.index, outer.size(), inner,
                     [&] { accumulate(stage.reduce, r, point.value(stage.value), position++); });
      point.temps.push_back(is_arg(stage.reduce)           ? whole(r.at)
                            : r.best.type == ExprType::i64 ? r.best
                                                           : real(r.best.real, r.best.type));
    }
  });
}

void interpret(const GemmKernel& kernel, std::span<void* const> buffers, const SymValues& sizes) {
  const auto batch = evaluated(kernel.batch, sizes), m = evaluated(kernel.m, sizes);
  const std::int64_t n = kernel.n.evaluate(sizes);
  const auto a_strides = evaluated(kernel.a_strides, sizes), b_strides = evaluated(kernel.b_strides, sizes);
  if (b_strides.size() != batch.size() + 2) throw InternalError("B must be read in place", "interpreter");
  std::vector<std::int64_t> outer = batch;
  outer.insert(outer.end(), m.begin(), m.end());
  outer.push_back(n);
  Point point(kernel.accesses, kernel.exprs, buffers, sizes);
  point.index.assign(outer.size(), 0);
  std::vector<std::int64_t> k(kernel.k.size());
  for_each_index(point.index, 0, outer, [&] {
    std::int64_t a = kernel.a_offset.evaluate(sizes), b = kernel.b_offset.evaluate(sizes);
    for (std::size_t d = 0; d + 1 < outer.size(); ++d) a += a_strides[d] * point.index[d];
    for (std::size_t d = 0; d < batch.size(); ++d) b += b_strides[d] * point.index[d];
    b += b_strides.back() * point.index.back();
    double sum = 0;
    std::int64_t flat = 0;
    for_each_index(k, 0, kernel.k, [&] {
      std::int64_t at = a;
      for (std::size_t d = 0; d < k.size(); ++d) at += a_strides[outer.size() - 1 + d] * k[d];
      sum += load_element(buffers[static_cast<std::size_t>(kernel.a_buffer)], kernel.a_type, at) *
             load_element(buffers[static_cast<std::size_t>(kernel.b_buffer)], kernel.b_type,
                          b + b_strides[batch.size()] * flat++);
    });
    point.accumulator = real(sum, ExprType::f32);
    for (const Store& s : kernel.stores) point.store(s);
  });
}

}  // namespace aitune::kernels

#include "engines/cpu/compile/vector_math.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace aitune::cpu {

using llvm::Type;
using llvm::Value;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Short names for the operations that the formulas are made of, on x's type (scalar or vector).
class Math {
 public:
  Math(llvm::IRBuilderBase& builder, Type* value_type)
      : b(builder),
        type(value_type),
        is_double(value_type->getScalarType()->isDoubleTy()),
        integer_type(is_double ? builder.getInt64Ty() : builder.getInt32Ty()) {
    if (auto* v = llvm::dyn_cast<llvm::FixedVectorType>(value_type)) {
      integer_type = llvm::FixedVectorType::get(integer_type, v->getNumElements());
    }
  }

  Value* number(double c) const { return llvm::ConstantFP::get(type, c); }
  Value* integer(std::int64_t c) const { return llvm::ConstantInt::getSigned(integer_type, c); }
  Value* fma(Value* x, Value* y, Value* z) const { return b.CreateIntrinsic(llvm::Intrinsic::fma, {type}, {x, y, z}); }
  Value* fma(Value* x, Value* y, double z) const { return fma(x, y, number(z)); }
  Value* fma(Value* x, double y, Value* z) const { return fma(x, number(y), z); }
  Value* abs(Value* x) const { return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x); }
  Value* copysign(Value* x, Value* sign) const { return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, x, sign); }
  Value* add(Value* x, double c) const { return b.CreateFAdd(x, number(c)); }
  Value* mul(Value* x, double c) const { return b.CreateFMul(x, number(c)); }
  Value* bits(Value* x) const { return b.CreateBitCast(x, integer_type); }
  Value* from_bits(Value* i) const { return b.CreateBitCast(i, type); }
  Value* choose(Value* c, Value* x, Value* y) const { return b.CreateSelect(c, x, y); }
  Value* choose(Value* c, double x, Value* y) const { return choose(c, number(x), y); }
  /// x limited to [low, high]; NaN passes through.
  Value* clamp(Value* x, double low, double high) const {
    x = b.CreateSelect(b.CreateFCmpOGT(number(low), x), number(low), x);
    return b.CreateSelect(b.CreateFCmpOLT(number(high), x), number(high), x);
  }
  /// Horner: coefficients from the highest power down.
  Value* poly(Value* x, std::initializer_list<double> coefficients) const {
    auto c = coefficients.begin();
    Value* r = number(*c++);
    for (; c != coefficients.end(); ++c) r = fma(r, x, *c);
    return r;
  }
  /// 2^n for integral |n| within the exponent range of normal numbers; n is the magic-number integer below.
  Value* power_of_two(Value* n) const {
    const int mantissa = is_double ? 52 : 23, bias = is_double ? 1023 : 127;
    return from_bits(b.CreateShl(b.CreateAdd(n, integer(bias)), static_cast<std::uint64_t>(mantissa)));
  }

  llvm::IRBuilderBase& b;
  Type* type;
  bool is_double;
  Type* integer_type;
};

// Adding 1.5 * 2^mantissa rounds to an integer that then stands in the low bits: a conversion that NaN cannot poison.
constexpr double kMagic32 = 12582912.0, kMagic64 = 6755399441055744.0;

struct Rounded {
  Value* value;    ///< nearest integer as a floating number
  Value* integer;  ///< the same as an integer
};

Rounded nearest(const Math& m, Value* x, double scale) {
  const double magic = m.is_double ? kMagic64 : kMagic32;
  Value* shifted = m.fma(x, scale, m.number(magic));
  Value* base = m.bits(m.number(magic));
  return {m.b.CreateFSub(shifted, m.number(magic)), m.b.CreateSub(m.bits(shifted), base)};
}

// Two factors, so that results beyond the normal range overflow or become subnormal by themselves.
Value* scale_by_power(const Math& m, Value* x, Value* n) {
  Value* half = m.b.CreateAShr(n, 1);
  return m.b.CreateFMul(m.b.CreateFMul(x, m.power_of_two(half)), m.power_of_two(m.b.CreateSub(n, half)));
}

constexpr double kLog2e = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;

struct ExpParts {
  Value* fraction;  ///< exp(r) - 1, |r| <= ln2 / 2
  Value* n;         ///< exp(x) = (1 + fraction) * 2^n
};

ExpParts exp_parts(const Math& m, Value* x) {
  const Rounded n = nearest(m, x, kLog2e);
  if (m.is_double) {
    Value* r = m.fma(n.value, -6.93147180369123816490e-01, x);
    r = m.fma(n.value, -1.90821492927058770002e-10, r);
    Value* p = m.poly(r, {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                          1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5});
    return {m.fma(m.b.CreateFMul(r, r), p, r), n.integer};
  }
  Value* r = m.fma(n.value, -0.693359375, x);
  r = m.fma(n.value, 2.12194440e-4, r);
  Value* p =
      m.poly(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1});
  return {m.fma(m.b.CreateFMul(r, r), p, r), n.integer};
}

Value* exp(const Math& m, Value* x) {
  x = m.is_double ? m.clamp(x, -746, 710) : m.clamp(x, -104.5, 89);
  const ExpParts parts = exp_parts(m, x);
  return scale_by_power(m, m.add(parts.fraction, 1), parts.n);
}

// For arguments that neither overflow nor become subnormal one factor is enough.
Value* exp_in_range(const Math& m, Value* x) {
  const ExpParts parts = exp_parts(m, x);
  return m.b.CreateFMul(m.add(parts.fraction, 1), m.power_of_two(parts.n));
}

struct LogParts {
  Value* mantissa;  ///< in about [0.7, 1.4]
  Value* exponent;  ///< as a floating number
};

LogParts log_parts(const Math& m, Value* x) {
  const int mantissa = m.is_double ? 52 : 23;
  const double tiny = m.is_double ? 2.2250738585072014e-308 : 1.17549435e-38;
  Value* subnormal = m.b.CreateFCmpOLT(x, m.number(tiny));
  const double lift = m.is_double ? 0x1p54 : 0x1p25;
  x = m.choose(subnormal, m.mul(x, lift), x);
  // sqrt(1/2) as bits: subtracting it makes the exponent field change there instead of at powers of two.
  const std::int64_t split = m.is_double ? 0x3fe6a09e667f3bcd : 0x3f3504f3;
  Value* e = m.b.CreateAShr(m.b.CreateSub(m.bits(x), m.integer(split)), static_cast<std::uint64_t>(mantissa));
  Value* f = m.from_bits(m.b.CreateSub(m.bits(x), m.b.CreateShl(e, static_cast<std::uint64_t>(mantissa))));
  Value* exponent = m.b.CreateSIToFP(e, m.type);
  return {f, m.choose(subnormal, m.b.CreateFSub(exponent, m.number(m.is_double ? 54 : 25)), exponent)};
}

Value* log_special(const Math& m, Value* x, Value* result) {
  result = m.choose(m.b.CreateFCmpOEQ(x, m.number(kInfinity)), kInfinity, result);
  result = m.choose(m.b.CreateFCmpULT(x, m.number(0)), kNan, result);  // negative or NaN
  return m.choose(m.b.CreateFCmpOEQ(x, m.number(0)), -kInfinity, result);
}

Value* log(const Math& m, Value* x) {
  const LogParts parts = log_parts(m, x);
  Value* f = m.add(parts.mantissa, -1);
  if (m.is_double) {
    Value* s = m.b.CreateFDiv(f, m.add(f, 2));
    Value* z = m.b.CreateFMul(s, s);
    Value* r =
        m.b.CreateFMul(z, m.poly(z, {1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                                     2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                                     6.666666666666735130e-01}));
    Value* half_square = m.b.CreateFMul(m.mul(f, 0.5), f);
    Value* low = m.fma(parts.exponent, 1.90821492927058770002e-10, m.b.CreateFMul(s, m.b.CreateFAdd(half_square, r)));
    Value* near = m.b.CreateFSub(f, m.b.CreateFSub(half_square, low));
    return log_special(m, x, m.fma(parts.exponent, 6.93147180369123816490e-01, near));
  }
  Value* z = m.b.CreateFMul(f, f);
  Value* p = m.poly(f, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
  Value* y = m.b.CreateFMul(m.b.CreateFMul(f, z), p);
  y = m.fma(parts.exponent, -2.12194440e-4, y);
  y = m.fma(z, -0.5, y);
  return log_special(m, x, m.fma(parts.exponent, 0.693359375, m.b.CreateFAdd(f, y)));
}

Value* tanh(const Math& m, Value* x) {
  Value* t = m.abs(x);
  // 1 - 2 / (exp(2t) + 1) away from zero; beyond the clamp it is 1 to the last bit.
  Value* limited = m.clamp(t, 0, m.is_double ? 20 : 10);
  Value* grown = exp_in_range(m, m.mul(limited, 2));
  Value* far = m.b.CreateFSub(m.number(1), m.b.CreateFDiv(m.number(2), m.add(grown, 1)));
  Value* near = nullptr;
  double border = 0;
  if (m.is_double) {
    // expm1(2t) / (expm1(2t) + 2) where exp needs no scaling.
    border = 0.17;
    Value* fraction = exp_parts(m, m.mul(limited, 2)).fraction;
    near = m.b.CreateFDiv(fraction, m.add(fraction, 2));
  } else {
    border = 0.55;
    Value* s = m.b.CreateFMul(t, t);
    Value* p = m.poly(s, {1.57394409e-2, -5.23025580e-2, 1.33152470e-1, -3.33327681e-1});
    near = m.fma(m.b.CreateFMul(p, s), t, t);
  }
  Value* magnitude = m.choose(m.b.CreateFCmpOLT(t, m.number(border)), near, far);
  return m.copysign(m.choose(m.b.CreateFCmpUNO(x, x), x, magnitude), x);
}

Value* sigmoid(const Math& m, Value* x) {
  // exp may overflow to Inf: 1 / Inf is the right 0.
  Value* grown = exp(m, m.b.CreateFNeg(x));
  return m.b.CreateFDiv(m.number(1), m.add(grown, 1));
}

Value* erf_double(const Math& m, Value* x) {
  Value* t = m.clamp(m.abs(x), 0, 6.5);
  Value* s = m.b.CreateFMul(t, t);
  // Below 3: 2/sqrt(pi) exp(-s) t sum of (2s)^n / (2n+1)!!, all terms positive.
  Value* sum = m.number(1);
  Value* twice = m.mul(s, 2);
  for (int n = 70; n >= 1; --n) sum = m.fma(m.b.CreateFMul(twice, m.number(1.0 / (2 * n + 1))), sum, m.number(1));
  Value* bell = m.mul(exp_in_range(m, m.b.CreateFNeg(s)), 1.1283791670955126);
  Value* near = m.b.CreateFMul(m.b.CreateFMul(bell, t), sum);
  // From 3: 1 minus the continued fraction of erfc, exp(-s)/sqrt(pi) / (t + (1/2) / (t + 1 / (t + (3/2) / ...))).
  Value* fraction = t;
  for (int k = 40; k >= 1; --k) fraction = m.b.CreateFAdd(t, m.b.CreateFDiv(m.number(0.5 * k), fraction));
  Value* far = m.b.CreateFSub(m.number(1), m.b.CreateFDiv(m.mul(bell, 0.5), fraction));
  Value* magnitude = m.choose(m.b.CreateFCmpOLT(t, m.number(3)), near, far);
  return m.copysign(m.choose(m.b.CreateFCmpUNO(x, x), x, magnitude), x);
}

Value* erf(const Math& m, Value* x) {
  if (m.is_double) return erf_double(m, x);
  Value* t = m.abs(x);
  Value* s = m.b.CreateFMul(x, x);
  Value* near =
      m.poly(s, {-5.99104969e-4, 4.99339588e-3, -2.67667342e-2, 1.12818025e-1, -3.76124859e-1, 1.28379151e-1});
  near = m.fma(near, t, t);
  Value* limited = m.clamp(t, 0, 4);
  Value* square = m.b.CreateFMul(limited, limited);
  Value* r = m.fma(limited, 1.72948930e-5, m.number(-3.83208680e-4));
  Value* u = m.fma(limited, 3.88393435e-3, m.number(-2.42545605e-2));
  r = m.fma(r, square, u);
  r = m.fma(r, limited, 1.06777847e-1);
  r = m.fma(r, limited, 6.34846687e-1);
  r = m.fma(r, limited, 1.28717512e-1);
  r = m.fma(r, limited, limited);
  Value* far = m.b.CreateFSub(m.number(1), exp_in_range(m, m.b.CreateFNeg(r)));
  Value* magnitude = m.choose(m.b.CreateFCmpOLT(t, m.number(0.927734375)), near, far);
  return m.copysign(m.choose(m.b.CreateFCmpUNO(x, x), x, magnitude), x);
}

// An angle is `turns` quarters of a turn and a rest, within about pi / 4.
struct Angle {
  Value *rest, *turns;
};

// Beyond this the fast reduction has no fraction of a turn left.
constexpr double kLargestAngle = 1e15;

Angle reduce_angle(const Math& m, Value* x) {
  // The clamp keeps what is larger a number in [-1, 1].
  Value* limited = m.clamp(x, -kLargestAngle, kLargestAngle);
  const Rounded n = nearest(m, limited, 0.6366197723675814);
  Value* r = m.fma(n.value, -1.5707963267948966, limited);
  return {m.fma(n.value, -6.123233995736766e-17, r), n.integer};
}

// 32 bits of 4 / pi, each word 8 bits further on than the one before it.
constexpr std::array<std::uint32_t, 24> kFourOverPi = {
    0xa2,       0xa2f9,     0xa2f983,   0xa2f9836e, 0xf9836e4e, 0x836e4e44, 0x6e4e4415, 0x4e441529,
    0x441529fc, 0x1529fc27, 0x29fc2757, 0xfc2757d1, 0x2757d1f5, 0x57d1f534, 0xd1f534dd, 0xf534ddc0,
    0x34ddc0db, 0xddc0db62, 0xc0db6295, 0xdb629599, 0x6295993c, 0x95993c43, 0x993c4390, 0x3c439041};

// For a float x beyond kLargestAngle (Payne and Hanek, 1983): its 24 bits times those 96 of 4 / pi that its exponent
// leaves of any matter, of which whole turns are dropped. `m` is of doubles as many as x has lanes.
Angle reduce_large_angle(const Math& m, Value* x) {
  llvm::IRBuilderBase& b = m.b;
  Type* narrow = Math(b, x->getType()).integer_type;
  const auto mask = [&](Value* v, std::int64_t bits) { return b.CreateAnd(v, m.integer(bits)); };
  Value* bits = b.CreateZExt(b.CreateBitCast(x, narrow), m.integer_type);
  Value* row = mask(b.CreateLShr(bits, 26), 15);
  const auto word = [&](std::size_t offset) {
    constexpr std::size_t kFirst = 6, kLast = 15;  // of exponents from 49 on
    Value* found = m.integer(kFourOverPi[kFirst + offset]);
    for (std::size_t i = kFirst + 1; i <= kLast; ++i)
      found = m.choose(b.CreateICmpEQ(row, m.integer(static_cast<std::int64_t>(i))), m.integer(kFourOverPi[i + offset]),
                       found);
    return found;
  };
  Value* mantissa = b.CreateOr(mask(bits, 0xffffff), m.integer(0x800000));
  mantissa = mask(b.CreateShl(mantissa, mask(b.CreateLShr(bits, 23), 7)), 0xffffffff);
  Value* high = b.CreateShl(b.CreateMul(mantissa, word(0)), 32);
  Value* low = b.CreateLShr(b.CreateMul(mantissa, word(8)), 32);
  Value* product = b.CreateAdd(b.CreateOr(high, low), b.CreateMul(mantissa, word(4)));
  Value* turns = b.CreateLShr(b.CreateAdd(product, m.integer(std::int64_t{1} << 61)), 62);
  product = b.CreateSub(product, b.CreateShl(turns, 62));
  constexpr double kUnit = 0x1.921FB54442D18p-62;  // pi / 2 in 2^62 parts
  Value* rest = m.mul(b.CreateSIToFP(product, m.type), kUnit);
  Value* negative = b.CreateFCmpOLT(x, llvm::ConstantFP::get(x->getType(), 0));
  return {m.choose(negative, b.CreateFNeg(rest), rest), m.choose(negative, b.CreateNeg(turns), turns)};
}

// The fast reduction, and where any lane needs it the exact one, behind a branch.
Angle reduce_float_angle(const Math& m, Value* x) {
  llvm::IRBuilderBase& b = m.b;
  const Angle fast = reduce_angle(m, b.CreateFPCast(x, m.type));
  Value* size = b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
  Value* large = b.CreateFCmpOGT(size, llvm::ConstantFP::get(x->getType(), kLargestAngle));
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::Function* function = before->getParent();
  auto* exact = llvm::BasicBlock::Create(b.getContext(), "large", function);
  auto* after = llvm::BasicBlock::Create(b.getContext(), "", function);
  Value* any = large->getType()->isVectorTy() ? b.CreateOrReduce(large) : large;
  b.CreateCondBr(any, exact, after, llvm::MDBuilder(b.getContext()).createBranchWeights(1, 1000));
  b.SetInsertPoint(exact);
  const Angle slow = reduce_large_angle(m, x);
  const Angle chosen = {m.choose(large, slow.rest, fast.rest), m.choose(large, slow.turns, fast.turns)};
  b.CreateBr(after);
  b.SetInsertPoint(after);
  const auto join = [&](Value* usual, Value* rare) {
    llvm::PHINode* phi = b.CreatePHI(usual->getType(), 2);
    phi->addIncoming(usual, before);
    phi->addIncoming(rare, exact);
    return phi;
  };
  Value* rest = join(fast.rest, chosen.rest);
  return {rest, join(fast.turns, chosen.turns)};
}

Value* sine(const Math& m, Value* x, const Angle& angle, bool cosine) {
  Value* r = angle.rest;
  Value* z = m.b.CreateFMul(r, r);
  Value* p = m.poly(z, {1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
                        -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01});
  Value* sine_part = m.fma(m.b.CreateFMul(p, z), r, r);
  Value* q = m.poly(z, {-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
                        2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02});
  Value* cosine_part = m.fma(m.b.CreateFMul(z, z), q, m.fma(z, -0.5, m.number(1)));
  Value* quadrant = cosine ? m.b.CreateAdd(angle.turns, m.integer(1)) : angle.turns;
  Value* odd = m.b.CreateICmpNE(m.b.CreateAnd(quadrant, m.integer(1)), m.integer(0));
  Value* sign = m.b.CreateShl(m.b.CreateAnd(quadrant, m.integer(2)), 62);
  Value* result = m.from_bits(m.b.CreateXor(m.bits(m.choose(odd, cosine_part, sine_part)), sign));
  // NaN and Inf give NaN.
  return m.choose(m.b.CreateFCmpUNO(m.b.CreateFSub(x, x), m.number(0)), kNan, result);
}

Type* doubles_like(llvm::IRBuilderBase& b, Type* type) {
  if (auto* v = llvm::dyn_cast<llvm::FixedVectorType>(type)) {
    return llvm::FixedVectorType::get(b.getDoubleTy(), v->getNumElements());
  }
  return b.getDoubleTy();
}

Value* power(const Math& m, Value* x, Value* y) {
  Value* size = m.abs(x);
  Value* result = exp(m, m.b.CreateFMul(y, log(m, size)));
  Value* whole = m.b.CreateUnaryIntrinsic(llvm::Intrinsic::trunc, y);
  Value* is_whole = m.b.CreateFCmpOEQ(whole, y);
  Value* half = m.mul(y, 0.5);
  Value* is_even = m.b.CreateFCmpOEQ(m.b.CreateUnaryIntrinsic(llvm::Intrinsic::trunc, half), half);
  Value* is_odd = m.b.CreateAnd(is_whole, m.b.CreateNot(is_even));
  Value* negative = m.b.CreateICmpSLT(m.bits(x), m.integer(0));
  Value* flipped = m.choose(m.b.CreateAnd(negative, is_odd), m.b.CreateFNeg(result), result);
  // A negative finite base has a power only for whole exponents.
  Value* no_power = m.b.CreateAnd(m.b.CreateFCmpOLT(x, m.number(0)), m.b.CreateNot(is_whole));
  no_power = m.b.CreateAnd(no_power, m.b.CreateFCmpONE(x, m.number(-kInfinity)));
  Value* special = m.choose(no_power, kNan, flipped);
  // (-1)^(+-Inf) and 1^y are 1, and so is x^0, for NaN too.
  Value* unit = m.b.CreateAnd(m.b.CreateFCmpOEQ(size, m.number(1)), m.b.CreateFCmpOEQ(m.abs(y), m.number(kInfinity)));
  unit = m.b.CreateOr(unit, m.b.CreateFCmpOEQ(x, m.number(1)));
  unit = m.b.CreateOr(unit, m.b.CreateFCmpOEQ(y, m.number(0)));
  return m.choose(unit, 1.0, special);
}

}  // namespace

Value* emit_math(llvm::IRBuilderBase& b, MathFunction function, Value* x) {
  const Math m(b, x->getType());
  switch (function) {
    case MathFunction::exp:
      return exp(m, x);
    case MathFunction::log:
      return log(m, x);
    case MathFunction::tanh:
      return tanh(m, x);
    case MathFunction::erf:
      return erf(m, x);
    case MathFunction::sigmoid:
      return sigmoid(m, x);
    case MathFunction::sin:
    case MathFunction::cos: {
      const Math wide(b, doubles_like(b, x->getType()));
      const bool is_float = x->getType()->getScalarType()->isFloatTy();
      const Angle angle = is_float ? reduce_float_angle(wide, x) : reduce_angle(wide, x);
      Value* result = sine(wide, b.CreateFPCast(x, wide.type), angle, function == MathFunction::cos);
      return b.CreateFPCast(result, x->getType());
    }
  }
  return x;
}

Value* emit_pow(llvm::IRBuilderBase& b, Value* x, Value* y) {
  // f32 goes through double: exp(y log x) would lose the bits of y log x in front of the point.
  const Math wide(b, doubles_like(b, x->getType()));
  Value* result = power(wide, b.CreateFPCast(x, wide.type), b.CreateFPCast(y, wide.type));
  return b.CreateFPCast(result, x->getType());
}

}  // namespace aitune::cpu

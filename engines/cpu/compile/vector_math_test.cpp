#include <functional>
#include <limits>

#include "engines/cpu/compile/kernel_harness.h"

namespace aitune::cpu {
namespace {

using namespace kernels;

struct Function {
  const char* name;
  ExprOp op;
  std::function<long double(long double)> exact;
  double low, high;       ///< where accuracy is measured
  double ulps32, ulps64;  ///< allowed error in units of the last place of the result
};

LoopKernel unary(ExprOp op, DType dtype, ExprType type, std::int64_t n) {
  LoopKernel k;
  k.outer = {n};
  k.accesses = {{.buffer = 0, .dtype = dtype, .strides = {1}}, {.buffer = 1, .dtype = dtype, .strides = {1}}};
  k.exprs = {{.op = ExprOp::load, .type = type, .access = 0}, {.op = op, .type = type, .a = 0}};
  k.stages = {{.kind = Stage::Kind::map, .stores = {{1, 1}}}};
  k.buffer_count = 2;
  return k;
}

template <class T>
std::vector<T> apply(const LoopKernel& k, const CpuTarget& target, const std::vector<std::vector<T>>& inputs) {
  CodeGenerator generator(target);
  const LoopSchedule s{.vector_dim = 0, .lanes = target.avx512 ? 16 : 8, .vectors = 2};
  generator.add(k, s, "f");
  const LoadedBlob blob(generator.finish());
  std::vector<T> out(inputs[0].size());
  std::vector<void*> buffers;
  for (const auto& in : inputs) buffers.push_back(const_cast<T*>(in.data()));
  buffers.push_back(out.data());
  const aitune_cpu_kernel_args args{buffers.data(), nullptr};
  blob.function("f")(&args, 0, task_count(k, s).constant());
  return out;
}

template <class T>
double ulps(T got, long double want) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(rounded) || std::isinf(rounded)) {
    return std::isnan(rounded) == std::isnan(got) && (std::isnan(got) || got == rounded) ? 0 : 1e30;
  }
  const long double place =
      std::max<long double>(std::nextafter(std::fabs(rounded), std::numeric_limits<T>::infinity()) - std::fabs(rounded),
                            std::numeric_limits<T>::denorm_min());
  return static_cast<double>(std::fabs(got - want) / place);
}

const Function kFunctions[] = {
    {"exp", ExprOp::exp, [](long double x) { return std::exp(x); }, -104, 89, 2, 2},
    {"log", ExprOp::log, [](long double x) { return std::log(x); }, 0, 1e30, 2, 2},
    {"tanh", ExprOp::tanh, [](long double x) { return std::tanh(x); }, -12, 12, 2, 8},
    {"erf", ExprOp::erf, [](long double x) { return std::erf(x); }, -7, 7, 4, 8},
    {"sigmoid", ExprOp::sigmoid, [](long double x) { return 1 / (1 + std::exp(-x)); }, -80, 80, 3, 4},
    {"sin", ExprOp::sin, [](long double x) { return std::sin(x); }, -1e4, 1e4, 1, 2},
    {"cos", ExprOp::cos, [](long double x) { return std::cos(x); }, -1e4, 1e4, 1, 2},
};

template <class T>
void check_accuracy(const Function& f, DType dtype, ExprType type, double allowed) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  std::mt19937 random(7);
  std::vector<T> x = {T(0),
                      T(-0.0),
                      T(kInf),
                      T(-kInf),
                      std::numeric_limits<T>::quiet_NaN(),
                      std::numeric_limits<T>::denorm_min(),
                      -std::numeric_limits<T>::denorm_min(),
                      std::numeric_limits<T>::min(),
                      std::numeric_limits<T>::max(),
                      std::numeric_limits<T>::lowest(),
                      T(1),
                      T(-1),
                      T(0.5)};
  const bool trigonometric = f.op == ExprOp::sin || f.op == ExprOp::cos;
  if (trigonometric && sizeof(T) == sizeof(double)) x[8] = T(1e9), x[9] = T(-1e9);
  std::uniform_real_distribution<double> wide(f.low, f.high), near(-2, 2), scale(-30, 2);
  for (int i = 0; i < 20000; ++i) {
    x.push_back(static_cast<T>(wide(random)));
    x.push_back(static_cast<T>(near(random)));
    x.push_back(static_cast<T>(std::ldexp(near(random), static_cast<int>(scale(random)))));
  }
  // Floats of any size have an angle.
  std::uniform_real_distribution<double> exponent(45, 128);
  for (int i = 0; trigonometric && sizeof(T) == sizeof(float) && i < 20000; ++i)
    x.push_back(static_cast<T>(std::copysign(std::exp2(exponent(random)), near(random))));
  const LoopKernel k = unary(f.op, dtype, type, static_cast<std::int64_t>(x.size()));
  for (const CpuTarget& target : test::runnable_targets()) {
    const std::vector<T> y = apply<T>(k, target, {x});
    double worst = 0;
    T at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulps(y[i], f.exact(x[i]));
      if (error > worst) worst = error, at = x[i];
    }
    EXPECT_LE(worst, allowed) << f.name << " on " << target.str() << " at " << at;
    ::testing::Test::RecordProperty(std::string(f.name) + (sizeof(T) == 4 ? "32" : "64"), std::to_string(worst));
  }
}

TEST(VectorMath, IsAccurateInSinglePrecision) {
  for (const Function& f : kFunctions) check_accuracy<float>(f, DType::f32, ExprType::f32, f.ulps32);
}

TEST(VectorMath, IsAccurateInDoublePrecision) {
  for (const Function& f : kFunctions) check_accuracy<double>(f, DType::f64, ExprType::f64, f.ulps64);
}

TEST(VectorMath, PowerHasTheSpecialCasesOfC) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> some = {0,     -0.0f, 1,    -1,    2,    -2,    3,       -3, 0.5f,
                                   -0.5f, 1.5f,  kInf, -kInf, kNan, 1e30f, -1e-30f, 7,  10};
  std::vector<float> x, y;
  for (const float a : some) {
    for (const float b : some) x.push_back(a), y.push_back(b);
  }
  std::mt19937 random(3);
  std::uniform_real_distribution<float> base(0, 20), exponent(-20, 20);
  for (int i = 0; i < 5000; ++i) x.push_back(base(random)), y.push_back(exponent(random));
  LoopKernel k;
  k.outer = {static_cast<std::int64_t>(x.size())};
  k.accesses = {{.buffer = 0, .strides = {1}}, {.buffer = 1, .strides = {1}}, {.buffer = 2, .strides = {1}}};
  k.exprs = {{.op = ExprOp::load, .access = 0}, {.op = ExprOp::load, .access = 1}, {.op = ExprOp::pow, .a = 0, .b = 1}};
  k.stages = {{.kind = Stage::Kind::map, .stores = {{2, 2}}}};
  k.buffer_count = 3;
  for (const CpuTarget& target : test::runnable_targets()) {
    const std::vector<float> z = apply<float>(k, target, {x, y});
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_LE(ulps(z[i], std::pow(static_cast<double>(x[i]), static_cast<double>(y[i]))), 1)
          << x[i] << " to the power " << y[i] << " is " << z[i];
    }
  }
}

TEST(VectorMath, Bf16RoundsToNearestEven) {
  std::vector<float> x;
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    float v;
    std::memcpy(&v, &bits, 4);
    // The instruction of AVX512_BF16 takes subnormal numbers for zero.
    if (std::isnan(v) || std::fpclassify(v) == FP_SUBNORMAL) continue;
    x.push_back(v);
  }
  LoopKernel k;
  k.outer = {static_cast<std::int64_t>(x.size())};
  k.accesses = {{.buffer = 0, .strides = {1}}, {.buffer = 1, .dtype = DType::bf16, .strides = {1}}};
  k.exprs = {{.op = ExprOp::load, .access = 0}};
  k.stages = {{.kind = Stage::Kind::map, .stores = {{1, 0}}}};
  k.buffer_count = 2;
  for (const CpuTarget& target : test::runnable_targets()) {
    const std::vector<float> y = apply<float>(k, target, {x});
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::uint16_t got;
      std::memcpy(&got, reinterpret_cast<const char*>(y.data()) + 2 * i, 2);
      ASSERT_EQ(got, float_to_bf16(x[i])) << x[i] << " on " << target.str();
    }
  }
}

}  // namespace
}  // namespace aitune::cpu

#include <ranges>

#include "engines/cpu/compile/kernel_harness.h"

namespace aitune::cpu {
namespace {

using namespace kernels;
using test::check_kernel;

// Writes kernels down briefly.
struct Maker {
  LoopKernel k;
  explicit Maker(std::string name, std::vector<SymInt> outer, std::vector<SymInt> inner = {}) {
    k.name = std::move(name);
    k.outer = std::move(outer);
    k.inner = std::move(inner);
  }
  int access(std::vector<SymInt> strides, DType dtype = DType::f32, SymInt offset = 0) {
    k.accesses.push_back(
        {.buffer = k.buffer_count++, .dtype = dtype, .offset = std::move(offset), .strides = std::move(strides)});
    return static_cast<int>(k.accesses.size()) - 1;
  }
  int add(const Expr& e) {
    k.exprs.push_back(e);
    return static_cast<int>(k.exprs.size()) - 1;
  }
  int load(int access_index, ExprType type = ExprType::f32) {
    return add({.op = ExprOp::load, .type = type, .access = access_index});
  }
  int op(ExprOp o, int a, int b = -1, int c = -1, ExprType type = ExprType::f32) {
    return add({.op = o, .type = type, .a = a, .b = b, .c = c});
  }
  int number(double v) { return add({.op = ExprOp::constant, .number = v}); }
  int integer(std::int64_t v) { return add({.op = ExprOp::constant, .type = ExprType::i64, .integer = v}); }
  int index(int dim) { return add({.op = ExprOp::index, .type = ExprType::i64, .dim = dim}); }
  int temp(int n, ExprType type = ExprType::f32) { return add({.op = ExprOp::temp, .type = type, .access = n}); }
  void reduce(ReduceOp o, int value) { k.stages.push_back({.kind = Stage::Kind::reduce, .reduce = o, .value = value}); }
  void map(int access_index, int value) {
    k.stages.push_back({.kind = Stage::Kind::map, .stores = {{access_index, value}}});
  }
  void finish(int access_index, int value) {
    k.stages.push_back({.kind = Stage::Kind::finish, .stores = {{access_index, value}}});
  }
};

std::mt19937 random_for(const char* name) {
  const unsigned seed = std::random_device{}();
  ::testing::Test::RecordProperty(name, static_cast<int>(seed));
  std::printf("seed %u\n", seed);
  return std::mt19937(seed);
}

TEST(LoopEmitter, AddsWithBroadcast) {
  auto random = random_for("seed");
  for (const int n : {1, 3, 8, 15, 16, 17, 64, 100, 131}) {
    Maker m("add", {5, n});
    const int x = m.access({n, 1}), y = m.access({0, 1}), z = m.access({n, 1});
    m.map(z, m.op(ExprOp::max, m.op(ExprOp::add, m.load(x), m.load(y)), m.number(0)));
    check_kernel(m.k, {}, random);
  }
}

TEST(LoopEmitter, ConvertsBetweenStorageTypes) {
  auto random = random_for("seed");
  const DType all[] = {DType::u8,  DType::i8,  DType::i16, DType::i32, DType::i64,
                       DType::f16, DType::f32, DType::f64, DType::b8,  DType::bf16};
  for (const DType from : all) {
    for (const ExprType type : {ExprType::f32, ExprType::f64, ExprType::i64}) {
      Maker m("convert_" + std::string(dtype_name(from)), {37});
      const int v = m.load(m.access({1}, from), type);
      Stage stores{.kind = Stage::Kind::map};
      for (const DType to : all) {
        // What negative floating numbers make of an unsigned type differs between CPUs.
        if (to != DType::u8 || type == ExprType::i64) stores.stores.push_back({m.access({1}, to), v});
      }
      m.k.stages.push_back(stores);
      check_kernel(m.k, {}, random, {{.vector_dim = 0, .lanes = 16}, {.vector_dim = -1, .lanes = 1}});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(LoopEmitter, SoftmaxOverRows) {
  auto random = random_for("seed");
  for (const int n : {1, 5, 16, 49, 100, 197}) {
    Maker m("softmax", {6}, {n});
    const int x = m.access({n, 1}), y = m.access({n, 1});
    const int v = m.load(x);
    m.reduce(ReduceOp::max, v);
    const int e = m.op(ExprOp::exp, m.op(ExprOp::sub, v, m.temp(0)));
    m.map(y, e);
    const int stored = m.load(y);
    m.reduce(ReduceOp::sum, stored);
    m.map(y, m.op(ExprOp::div, stored, m.temp(1)));
    check_kernel(m.k, {}, random);
    // The other way round: reduction over the slow dim, lanes across columns.
    m.k.accesses[0].strides = m.k.accesses[1].strides = {1, 6};
    check_kernel(m.k, {}, random);
  }
}

TEST(LoopEmitter, LayerNormWithSymbolicRows) {
  auto random = random_for("seed");
  const SymInt n = SymInt::symbol("n"), c = SymInt::symbol("c");
  for (const int columns : {7, 32, 77}) {
    for (const SymInt& width : {SymInt(columns), c}) {
      Maker m("layer_norm", {n}, {width});
      const int x = m.access({width, 1}), w = m.access({0, 1}), y = m.access({width, 1}, DType::bf16);
      const int v = m.load(x);
      m.reduce(ReduceOp::sum, v);
      const int mean = m.op(ExprOp::mul, m.temp(0), m.number(1.0 / columns));
      const int d = m.op(ExprOp::sub, v, mean);
      m.reduce(ReduceOp::sum, m.op(ExprOp::mul, d, d));
      const int variance = m.op(ExprOp::fma, m.temp(1), m.number(1.0 / columns), m.number(1e-5));
      m.map(y, m.op(ExprOp::mul, m.op(ExprOp::mul, d, m.op(ExprOp::rsqrt, variance)), m.load(w)));
      check_kernel(m.k, {{"n", 11}, {"c", columns}}, random);
    }
  }
}

LoopKernel depthwise(int height, int width, int channels, int window, int stride) {
  const int row = (width - 1) * stride + window;
  Maker m("depthwise", {2, height, width, channels}, {window, window});
  const int padded = ((height - 1) * stride + window) * row * channels;
  const int x = m.access({padded, row * channels * stride, channels * stride, 1, row * channels, channels});
  const int w = m.access({0, 0, 0, 1, window * channels, channels});
  const int b = m.access({0, 0, 0, 1, 0, 0});
  const int y = m.access({height * width * channels, width * channels, channels, 1, 0, 0});
  m.reduce(ReduceOp::sum, m.op(ExprOp::mul, m.load(x), m.load(w)));
  m.finish(y, m.op(ExprOp::min, m.op(ExprOp::max, m.op(ExprOp::add, m.temp(0), m.load(b)), m.number(0)), m.number(6)));
  return m.k;
}

TEST(LoopEmitter, DepthwiseConvolution) {
  auto random = random_for("seed");
  for (const auto& [size, channels, window, stride] :
       {std::array{7, 24, 3, 1}, std::array{7, 17, 5, 1}, std::array{5, 32, 3, 2}, std::array{3, 8, 3, 1}}) {
    check_kernel(depthwise(size, size, channels, window, stride), {}, random);
  }
}

TEST(LoopEmitter, PoolsOverLargeAndSmallWindows) {
  auto random = random_for("seed");
  for (const int window : {2, 7, 30}) {
    for (const ReduceOp o : {ReduceOp::max, ReduceOp::sum, ReduceOp::min}) {
      Maker m("pool", {3, 20}, {window, window});
      const int x = m.access({window * window * 20, 1, window * 20, 20}), y = m.access({20, 1, 0, 0});
      m.reduce(o, m.load(x));
      m.finish(y, m.op(ExprOp::mul, m.temp(0), m.number(1.0 / (window * window))));
      check_kernel(m.k, {}, random);
    }
  }
}

TEST(LoopEmitter, GathersRowsAndElements) {
  auto random = random_for("seed");
  for (const DType index_type : {DType::i64, DType::i32}) {
    Maker rows("embedding", {9, 40});
    const int ids = rows.access({1, 0}, index_type);
    const int id = rows.load(ids, ExprType::i64);
    const int table = rows.access({0, 1});
    rows.k.accesses.back().indirect = id;
    rows.k.accesses.back().indirect_stride = 40;
    rows.k.accesses.back().indirect_extent = 4;  // ids are -2 … 4: some wrap, one is out of range and clamped
    const int out = rows.access({40, 1});
    rows.map(out, rows.load(table));
    check_kernel(rows.k, {}, random);

    Maker elements("take", {70});
    const int places = elements.access({1}, index_type);
    const int place = elements.load(places, ExprType::i64);
    const int from = elements.access({0}, DType::bf16);
    elements.k.accesses.back().indirect = place;
    elements.k.accesses.back().indirect_stride = 3;
    elements.k.accesses.back().indirect_extent = 5;
    const int to = elements.access({1});
    elements.map(to, elements.load(from));
    check_kernel(elements.k, {}, random);
  }
}

TEST(LoopEmitter, TransposedCopies) {
  auto random = random_for("seed");
  const SymInt n = SymInt::symbol("n");
  for (const auto& [c, hw] : {std::pair{16, 32}, {24, 49}, {3, 50}, {40, 17}}) {
    for (const DType type : {DType::f32, DType::bf16, DType::i64, DType::u8}) {
      Maker m("transpose", {2, c, hw});
      const int x = m.access({c * hw, 1, c}, type), y = m.access({c * hw, hw, 1}, type);
      m.map(y, m.load(x, type == DType::i64 || type == DType::u8 ? ExprType::i64 : ExprType::f32));
      check_kernel(m.k, {}, random);
    }
    Maker m("transpose_symbolic", {n, hw});
    const int x = m.access({1, n}), y = m.access({hw, 1});
    m.map(y, m.op(ExprOp::mul, m.load(x), m.number(2)));
    check_kernel(m.k, {{"n", c}}, random);
  }
}

TEST(LoopEmitter, SizesAreValues) {
  auto random = random_for("seed");
  const SymInt n = SymInt::symbol("n");
  Maker m("sizes", {n, 33}, {n});
  const int x = m.access({0, n, 1}), y = m.access({33, 1, 0});
  const int size = m.add({.op = ExprOp::size, .type = ExprType::i64, .size = n - SymInt(18)});
  m.reduce(ReduceOp::sum, m.op(ExprOp::mul, m.load(x), m.op(ExprOp::cast, size)));
  m.finish(y, m.op(ExprOp::add, m.temp(0), m.op(ExprOp::cast, size)));
  EXPECT_EQ(kernels::collect_params(m.k).size(), 2U);
  check_kernel(m.k, {{"n", 21}}, random);
}

TEST(LoopEmitter, FlipsAndStrides) {
  auto random = random_for("seed");
  Maker m("flip", {4, 33});
  const int x = m.access({66, -2}, DType::f32, 64), y = m.access({33, 1});
  m.map(y, m.load(x));
  check_kernel(m.k, {}, random);
  Maker t("scatter", {4, 33});
  const int from = t.access({33, 1}), to = t.access({100, 3});
  t.map(to, t.load(from));
  check_kernel(t.k, {}, random, {{.vector_dim = 1, .lanes = 16, .vectors = 2}, {.vector_dim = 0, .lanes = 4}});
}

TEST(LoopEmitter, ArgmaxTakesTheFirstOfEqualsAndNanBeforeNumbers) {
  auto random = random_for("seed");
  for (const ReduceOp o : {ReduceOp::argmax, ReduceOp::argmin}) {
    for (const int n : {3, 20, 50}) {
      for (const bool rows : {true, false}) {
        Maker m("arg", {8}, {n, 3});
        const int x = m.access(rows ? std::vector<SymInt>{3 * n, 3, 1} : std::vector<SymInt>{1, 24, 8});
        const int y = m.access({1, 0, 0}, DType::i64);
        m.reduce(o, m.load(x));
        m.finish(y, m.temp(0, ExprType::i64));
        test::KernelData data(m.k, {}, random);
        for (std::int64_t i = 0; i < data.elements(0); ++i) data.set(0, i, static_cast<double>(random() % 5));
        for (int i = 0; i < n / 10; ++i) data.set(0, static_cast<std::int64_t>(random()) % data.elements(0), NAN);
        check_kernel(m.k, {}, random, {}, &data);
      }
    }
  }
}

TEST(LoopEmitter, LogicalAndIntegerReductions) {
  auto random = random_for("seed");
  for (const ReduceOp o :
       {ReduceOp::any, ReduceOp::all, ReduceOp::sum, ReduceOp::product, ReduceOp::max, ReduceOp::min}) {
    for (const bool rows : {true, false}) {
      Maker m("reduce", {19}, {21});
      const int x = m.access(rows ? std::vector<SymInt>{21, 1} : std::vector<SymInt>{1, 19}, DType::i8);
      const int y = m.access({1, 0}, DType::i64);
      m.reduce(o, m.load(x, ExprType::i64));
      m.finish(y, m.temp(0, ExprType::i64));
      check_kernel(m.k, {}, random);
    }
  }
}

TEST(LoopEmitter, MaximumKeepsNan) {
  auto random = random_for("seed");
  Maker m("max", {4}, {40});
  const int x = m.access({40, 1}), y = m.access({1, 0}), z = m.access({40, 1});
  const int v = m.load(x);
  m.reduce(ReduceOp::max, v);
  m.finish(y, m.temp(0));
  m.map(z, m.op(ExprOp::min, m.op(ExprOp::max, v, m.number(-1)), m.number(1)));
  test::KernelData data(m.k, {}, random);
  data.set(0, 45, NAN);
  data.set(0, 159, NAN);
  check_kernel(m.k, {}, random, {}, &data);
}

TEST(LoopEmitter, IntegerDivisionNeverTraps) {
  auto random = random_for("seed");
  for (const ExprOp o : {ExprOp::div, ExprOp::floor_div, ExprOp::remainder}) {
    Maker m("divide", {50});
    const int x = m.access({1}, DType::i64), y = m.access({1}, DType::i64), z = m.access({1}, DType::i64);
    m.map(z, m.op(o, m.load(x, ExprType::i64), m.load(y, ExprType::i64), -1, ExprType::i64));
    check_kernel(m.k, {}, random);
  }
}

TEST(LoopEmitter, RemainderHasTheSignOfTheDivisor) {
  const float inf = INFINITY;
  const float x[] = {5, -5, 5, -5, 1, -1, 0, 1, inf, 6, -6, 0.3f, 7.5f},
              y[] = {3, 3, -3, -3, inf, inf, inf, -inf, 2, 3, 3, 0.1f, 0};
  const float want[] = {2, 1, -1, -2, 1, inf, 0, -inf, NAN, 0, 0, std::fmod(0.3f, 0.1f), NAN};
  const int n = std::size(x);
  Maker m("remainder", {n});
  const int a = m.access({1}), b = m.access({1}), c = m.access({1});
  m.map(c, m.op(ExprOp::remainder, m.load(a), m.load(b)));
  for (const CpuTarget& target : test::runnable_targets()) {
    CodeGenerator generator(target);
    generator.add(m.k, {.vector_dim = 0, .lanes = 8}, "f");
    const LoadedBlob blob(generator.finish());
    float z[n];
    void* buffers[] = {const_cast<float*>(x), const_cast<float*>(y), z};
    const aitune_cpu_kernel_args args{buffers, nullptr};
    blob.function("f")(&args, 0, 1);
    for (int i = 0; i < n; ++i) {
      if (std::isnan(want[i])) {
        EXPECT_TRUE(std::isnan(z[i])) << x[i] << " mod " << y[i] << " is " << z[i];
      } else {
        EXPECT_EQ(z[i], want[i]) << x[i] << " mod " << y[i];
      }
    }
  }
}

TEST(LoopEmitter, SelectsByIndex) {
  auto random = random_for("seed");
  // A causal mask: column <= row ? x : -1e9.
  Maker m("mask", {20, 35});
  const int x = m.access({35, 1}), y = m.access({35, 1});
  const int keep = m.op(ExprOp::le, m.index(1), m.index(0), -1, ExprType::i64);
  m.map(y, m.op(ExprOp::select, keep, m.load(x), m.number(-1e9)));
  check_kernel(m.k, {}, random);
}

TEST(LoopEmitter, EmptyExtentsDoNothing) {
  auto random = random_for("seed");
  const SymInt n = SymInt::symbol("n");
  Maker m("empty", {n, 5});
  const int x = m.access({5, 1}), y = m.access({5, 1});
  m.map(y, m.load(x));
  check_kernel(m.k, {{"n", 0}}, random);
}

// ---- random kernels

class RandomKernel {
 public:
  explicit RandomKernel(std::mt19937& random) : random_(random) {}

  LoopKernel make(SymValues& sizes) {
    const int outer = 1 + pick(3), inner = pick(3);
    Maker m("random", {}, {});
    for (int d = 0; d < outer + inner; ++d) {
      const int values[] = {1, 2, 3, 4, 7, 8, 9, 16, 17, 20, 33};
      const std::int64_t e = values[pick(d == 0 ? 11 : 9)];
      extents_.push_back(e);
      if (pick(4) == 0) {
        const std::string name = "s" + std::to_string(d);
        sizes[name] = e;
        shown_.push_back(SymInt::symbol(name));
      } else {
        shown_.push_back(e);
      }
      (d < outer ? m.k.outer : m.k.inner).push_back(shown_.back());
    }
    outer_ = outer;
    std::vector<int> pool;
    for (int i = 0, n = 1 + pick(3); i < n; ++i) pool.push_back(m.load(m.access(strides(false, true), floating())));
    grow(m, pool, 1 + pick(6));
    if (inner == 0 || pick(3) == 0) {
      m.map(m.access(strides(false, false), floating()), pool.back());
      return m.k;
    }
    const ReduceOp ops[] = {ReduceOp::sum, ReduceOp::max, ReduceOp::min};
    m.reduce(ops[pick(3)], pool.back());
    std::vector<int> after{m.temp(0)};
    if (pick(2)) {
      m.finish(m.access(strides(true, false)), after[0]);
      return m.k;
    }
    pool.push_back(after[0]);
    grow(m, pool, 1 + pick(3));
    const int out = m.access(strides(false, false));
    m.map(out, pool.back());
    if (pick(2)) {
      const int again = m.load(out);
      m.reduce(ReduceOp::sum, again);
      m.map(out, m.op(ExprOp::sub, again, m.op(ExprOp::mul, m.temp(1), m.number(0.01))));
    }
    return m.k;
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  DType floating() {
    const DType types[] = {DType::f32, DType::f32, DType::f32, DType::bf16, DType::f16};
    return types[pick(5)];
  }
  // A layout in a random order of dims; some dims of a load may be broadcast, some rows padded.
  std::vector<SymInt> strides(bool outer_only, bool loads) {
    std::vector<int> order;
    const int dims = outer_only ? outer_ : static_cast<int>(extents_.size());
    for (int d = 0; d < dims; ++d) order.push_back(d);
    if (pick(2)) std::shuffle(order.begin(), order.end(), random_);
    std::vector<SymInt> result(extents_.size(), SymInt(0));
    SymInt step = pick(5) == 0 ? 2 : 1;
    for (const int d : std::views::reverse(order)) {
      if (loads && pick(4) == 0) continue;
      result[static_cast<std::size_t>(d)] = step;
      step = step * shown_[static_cast<std::size_t>(d)] + SymInt(pick(4) == 0 ? 3 : 0);
    }
    return result;
  }
  void grow(Maker& m, std::vector<int>& pool, int count) {
    const auto any = [&] { return pool[static_cast<std::size_t>(pick(static_cast<int>(pool.size())))]; };
    for (int i = 0; i < count; ++i) {
      switch (pick(9)) {
        case 0:
          pool.push_back(m.op(ExprOp::add, pool.back(), any()));
          break;
        case 1:
          pool.push_back(m.op(ExprOp::mul, pool.back(), m.number(0.75)));
          break;
        case 2:
          pool.push_back(m.op(ExprOp::max, pool.back(), any()));
          break;
        case 3:
          pool.push_back(m.op(ExprOp::tanh, pool.back()));
          break;
        case 4:
          pool.push_back(m.op(ExprOp::sigmoid, pool.back()));
          break;
        case 5:
          pool.push_back(m.op(ExprOp::abs, pool.back()));
          break;
        case 6:
          pool.push_back(m.op(ExprOp::erf, pool.back()));
          break;
        case 7: {
          const int dim = pick(outer_);
          const int c = m.op(ExprOp::gt, m.index(dim), m.integer(2), -1, ExprType::i64);
          pool.push_back(m.op(ExprOp::select, c, pool.back(), any()));
          break;
        }
        default:
          pool.push_back(m.op(ExprOp::min, m.number(0.5), pool.back()));
          break;
      }
    }
  }

  std::mt19937& random_;
  std::vector<std::int64_t> extents_;
  std::vector<SymInt> shown_;
  int outer_ = 0;
};

TEST(LoopEmitter, RandomKernelsMatchTheInterpreter) {
  auto random = random_for("seed");
  for (int round = 0; round < 16; ++round) {
    SymValues sizes;
    const LoopKernel k = RandomKernel(random).make(sizes);
    std::vector<LoopSchedule> schedules;
    const auto dims = static_cast<int>(canonical(k).outer.size() + canonical(k).inner.size());
    for (int i = 0; i < 3; ++i) {
      LoopSchedule s;
      s.vector_dim = static_cast<int>(random() % static_cast<unsigned>(dims + 1)) - 1;
      s.lanes = 1 << (1 + random() % 4);
      s.vectors = 1 + static_cast<int>(random() % 4);
      s.unroll_dim = static_cast<int>(random() % static_cast<unsigned>(dims + 1)) - 1;
      s.unroll = 1 + static_cast<int>(random() % 8);
      schedules.push_back(s);
    }
    check_kernel(k, sizes, random, schedules);
    if (HasFatalFailure()) FAIL() << "round " << round;
    if (round % 8 == 0) check_kernel(k, sizes, random);
    if (HasFatalFailure()) FAIL() << "round " << round;
  }
}

}  // namespace
}  // namespace aitune::cpu

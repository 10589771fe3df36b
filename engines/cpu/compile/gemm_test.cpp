// Generated matrix products against plain loops: random shapes, strides, epilogues, dtypes and both vector widths.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "base/error.h"
#include "base/tensor.h"
#include "compiler/kernels/gemm.h"
#include "engines/cpu/compile/code_blob.h"
#include "engines/cpu/compile/codegen.h"
#include "engines/cpu/compile/gemm_amx.h"
#include "engines/cpu/compile/gemm_candidates.h"

namespace aitune::cpu {
namespace {

using kernels::Access;
using kernels::Expr;
using kernels::ExprOp;
using kernels::GemmKernel;
using kernels::GemmTile;

struct Rng {
  explicit Rng(unsigned seed) : engine(seed) {}
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  }
  bool coin() { return pick(0, 1) == 1; }
  std::mt19937 engine;
};

Tensor random_tensor(Rng& rng, DType dtype, Shape shape) {
  if (dtype == DType::u8 || dtype == DType::i8) {
    Tensor t(dtype, std::move(shape));
    for (std::int64_t i = 0; i < t.numel(); ++i) t.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(rng.pick(0, 255));
    return t;
  }
  Tensor t(DType::f32, std::move(shape));
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = uniform(rng.engine);
  return dtype == DType::f32 ? t : t.to(dtype);
}

std::vector<CpuTarget> targets() {
  std::vector<CpuTarget> list;
  CpuTarget floor = host_cpu();
  if (!floor.avx2_fma) return list;
  floor.avx512 = floor.avx512_vnni = floor.avx512_bf16 = floor.amx_bf16 = false;
  list.push_back(floor);
  if (host_cpu().avx512) {
    CpuTarget plain = host_cpu();
    plain.avx512_bf16 = plain.amx_bf16 = false;
    list.push_back(plain);
    if (host_cpu().avx512_bf16) list.push_back(host_cpu());
  }
  return list;
}

Expr make(ExprOp op, int a = -1, int b = -1) {
  Expr e;
  e.op = op;
  e.a = a;
  e.b = b;
  return e;
}

Expr load_of(int access) {
  Expr e;
  e.op = ExprOp::load;
  e.access = access;
  return e;
}

// A product with everything that can vary, and the values of its symbols.
struct Problem {
  GemmKernel kernel;  // buffers: A, B, C, bias, residual
  SymValues symbols;
  std::int64_t a_size = 0, c_size = 0;
  bool has_bias = false, has_residual = false, has_gelu = false;
};

SymInt maybe_symbol(Rng& rng, Problem& p, std::int64_t value, const char* name) {
  if (rng.pick(0, 2) != 0) return value;
  p.symbols[name] = value;
  return SymInt::symbol(name);
}

// Strides of a buffer with these dims, outermost first, each row with `gap` extra elements somewhere.
std::vector<SymInt> strides_of(Rng& rng, const std::vector<std::int64_t>& extents, std::int64_t inner,
                               std::int64_t& size) {
  std::vector<SymInt> strides(extents.size());
  for (std::size_t d = extents.size(); d-- > 0;) {
    strides[d] = inner;
    inner = inner * extents[d] + (rng.coin() ? rng.pick(0, 5) * 2 : 0);
  }
  size = inner;
  return strides;
}

void add_epilogue(Rng& rng, Problem& p, const std::vector<SymInt>& c_strides, DType out) {
  GemmKernel& k = p.kernel;
  k.buffer_count = 5;
  Access c;
  c.buffer = 2;
  c.dtype = out;
  c.strides = c_strides;
  k.accesses.push_back(c);
  k.exprs.push_back(make(ExprOp::accumulator));
  int value = 0;
  const auto push = [&](const Expr& e) {
    k.exprs.push_back(e);
    return static_cast<int>(k.exprs.size()) - 1;
  };
  p.has_bias = rng.coin();
  if (p.has_bias) {
    Access bias;
    bias.buffer = 3;
    bias.strides.assign(c_strides.size(), 0);
    bias.strides.back() = 1;
    k.accesses.push_back(bias);
    value = push(make(ExprOp::add, value, push(load_of(static_cast<int>(k.accesses.size()) - 1))));
  }
  p.has_residual = rng.coin();
  if (p.has_residual) {
    Access residual = c;
    residual.buffer = 4;
    k.accesses.push_back(residual);
    value = push(make(ExprOp::add, value, push(load_of(static_cast<int>(k.accesses.size()) - 1))));
  }
  p.has_gelu = rng.pick(0, 3) == 0;
  if (p.has_gelu) value = push(make(ExprOp::mul, value, push(make(ExprOp::sigmoid, value))));
  k.stores = {{0, value}};
}

// Implicit rows over an image with a halo, or plain batches; B packed or in place. With `quads`, u8 by s8, always
// packed.
Problem random_problem(Rng& rng, bool quads = false) {
  Problem p;
  GemmKernel& k = p.kernel;
  k.name = "random";
  k.a_type = k.b_type = rng.pick(0, 2) == 0 ? DType::bf16 : DType::f32;
  if (quads) k.a_type = DType::u8, k.b_type = DType::i8;
  const DType out = rng.pick(0, 2) == 0 ? DType::bf16 : DType::f32;
  const bool convolution = rng.coin();
  std::vector<std::int64_t> c_extents;
  if (convolution) {
    const std::int64_t window = rng.pick(1, 3), stride = rng.pick(1, 2), images = rng.pick(1, 2);
    const std::int64_t rows = rng.pick(1, 5), columns = rng.pick(1, 40);
    const std::int64_t channels = rng.pick(1, 20) * (quads ? 4 : 1);
    const std::int64_t height = (rows - 1) * stride + window, width = (columns - 1) * stride + window;
    k.m = {maybe_symbol(rng, p, images, "images"), rows, maybe_symbol(rng, p, columns, "columns")};
    k.k = {window, window, channels};
    k.a_strides = {
        height * width * channels, width * channels * stride, channels * stride, width * channels, channels, 1};
    p.a_size = images * height * width * channels;
    c_extents = {images, rows, columns};
  } else {
    const std::int64_t m = rng.pick(1, 50), depth = rng.pick(1, 70) * (quads ? 4 : 1);
    const std::int64_t batch = rng.pick(1, 3);
    k.batch = {maybe_symbol(rng, p, batch, "batch")};
    k.m = {maybe_symbol(rng, p, m, "rows")};
    k.k = {depth};
    const std::int64_t step = rng.pick(0, 3) == 0 && !quads ? 3 : 1;
    std::int64_t size = 0;
    k.a_strides = strides_of(rng, {batch, m, depth}, step, size);
    k.a_offset = rng.pick(0, 3) * 2;
    p.a_size = size + 8;
    c_extents = {batch, m};
  }
  const std::int64_t n = rng.pick(1, 120);
  std::int64_t depth = 1;
  for (const std::int64_t e : k.k) depth *= e;
  if (!convolution && !quads && rng.coin()) {
    k.n = maybe_symbol(rng, p, n, "columns");
    k.b_strides = {c_extents[0] == 1 || rng.coin() ? SymInt(n * depth) : SymInt(0), n, 1};
  } else {
    k.n = n;
  }
  c_extents.push_back(n);
  add_epilogue(rng, p, strides_of(rng, c_extents, 1, p.c_size), out);
  return p;
}

// Calls f with every index of the extents.
template <typename F>
void for_each_index(const std::vector<std::int64_t>& extents, F&& f) {
  std::vector<std::int64_t> at(extents.size(), 0);
  while (true) {
    f(at);
    std::size_t d = extents.size();
    while (d > 0 && ++at[d - 1] == extents[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

float element(const Tensor& t, std::int64_t i) {
  if (t.dtype() == DType::u8) return t.as<std::uint8_t>()[i];
  if (t.dtype() == DType::i8) return t.as<std::int8_t>()[i];
  return t.dtype() == DType::bf16 ? bf16_to_float(t.as<std::uint16_t>()[i]) : t.as<float>()[i];
}

std::int64_t dot(const std::vector<SymInt>& strides, std::size_t first, const std::vector<std::int64_t>& index,
                 const SymValues& symbols, std::size_t count) {
  std::int64_t sum = 0;
  for (std::size_t d = 0; d < count; ++d) sum += strides[first + d].evaluate(symbols) * index[d];
  return sum;
}

void expect_products(const Problem& p, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& residual,
                     const Tensor& c, const std::string& what) {
  const GemmKernel& k = p.kernel;
  std::vector<std::int64_t> extents;
  for (const SymInt& e : k.batch) extents.push_back(e.evaluate(p.symbols));
  for (const SymInt& e : k.m) extents.push_back(e.evaluate(p.symbols));
  const std::size_t rows = extents.size();
  extents.push_back(k.n.evaluate(p.symbols));
  std::vector<std::int64_t> steps(k.k.begin(), k.k.end());
  std::vector<bool> written(static_cast<std::size_t>(c.numel()), false);
  bool good = true;
  for_each_index(extents, [&](const std::vector<std::int64_t>& at) {
    const std::int64_t a_row = k.a_offset.evaluate(p.symbols) + dot(k.a_strides, 0, at, p.symbols, rows);
    double sum = 0, magnitude = 0;
    std::int64_t flat = 0;
    for_each_index(steps, [&](const std::vector<std::int64_t>& step) {
      const std::int64_t a_at = a_row + dot(k.a_strides, rows, step, p.symbols, step.size());
      const std::int64_t b_batch =
          k.b_strides.empty() || k.batch.empty() ? 0 : at[0] * k.b_strides[0].evaluate(p.symbols);
      const double term = double{element(a, a_at)} * element(b, b_batch + flat * extents.back() + at.back());
      sum += term;
      magnitude += std::abs(term);
      ++flat;
    });
    const std::int64_t c_at = dot(k.accesses[0].strides, 0, at, p.symbols, at.size());
    if (p.has_bias) sum += bias.as<float>()[at.back()];
    if (p.has_residual) sum += element(residual, c_at);
    if (p.has_gelu) sum *= 1 / (1 + std::exp(-sum));
    const double tolerance = (c.dtype() == DType::bf16 ? 1e-2 * std::abs(sum) : 0) + 2e-6 * (magnitude + 1) + 1e-5;
    const double value = element(c, c_at);
    written[static_cast<std::size_t>(c_at)] = true;
    if (good && !(std::abs(value - sum) <= tolerance)) {
      ADD_FAILURE() << what << ": " << value << " instead of " << sum << " at C[" << c_at << "]";
      good = false;
    }
  });
  for (std::int64_t i = 0; i < c.numel(); ++i) {
    if (written[static_cast<std::size_t>(i)]) continue;
    EXPECT_EQ(element(c, i), 7.0f) << what << ": wrote past a row at " << i;
  }
}

void run_and_check(Rng& rng, const Problem& p, const CpuTarget& target, const GemmTile& tile, const std::string& what) {
  const GemmKernel& k = p.kernel;
  std::int64_t depth = 1;
  for (const std::int64_t e : k.k) depth *= e;
  const std::int64_t n = k.n.evaluate(p.symbols);
  const std::int64_t batch = k.batch.empty() ? 1 : k.batch[0].evaluate(p.symbols);
  const Tensor a = random_tensor(rng, k.a_type, {p.a_size}), b = random_tensor(rng, k.b_type, {batch, depth, n});
  const Tensor bias = random_tensor(rng, DType::f32, {n});
  const DType out = k.accesses[0].dtype;
  const Tensor residual = random_tensor(rng, out, {p.c_size});
  Tensor c(DType::f32, {p.c_size});
  std::fill_n(c.as<float>(), c.numel(), 7.0f);
  c = c.to(out);

  std::vector<std::byte> packed;
  void* b_data = b.data();
  if (k.b_strides.empty()) {
    Shape shape(k.k.begin(), k.k.end());
    shape.push_back(n);
    packed = pack_b(k, tile, Tensor(k.b_type, shape, contiguous_strides(shape), b.owner(), b.data()));
    EXPECT_EQ(packed.size(),
              static_cast<std::size_t>(packed_b(k, tile).elements()) * (tile.winograd ? 4 : dtype_size(k.b_type)));
    b_data = packed.data();
  }
  CodeGenerator generator(target);
  generator.add(k, tile, "product");
  const LoadedBlob loaded(generator.finish());
  std::vector<std::int64_t> params;
  for (const SymInt& s : collect_params(k)) params.push_back(s.evaluate(p.symbols));
  void* buffers[] = {a.data(), b_data, c.data(), bias.data(), residual.data()};
  const aitune_cpu_kernel_args args{buffers, params.data()};
  const std::int64_t tasks = task_count(k, tile).evaluate(p.symbols);
  // In pieces, last first: tasks are independent.
  const std::int64_t half = tasks / 2;
  loaded.function("product")(&args, half, tasks);
  loaded.function("product")(&args, 0, half);
  expect_products(p, a, b, bias, residual, c, what);
}

TEST(Gemm, RandomProductsMatchPlainLoops) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    for (const CpuTarget& target : targets()) {
      Rng rng(seed);
      const Problem p = random_problem(rng);
      const std::vector<GemmTile> tiles = gemm_candidates(p.kernel, target, 5);
      GemmTile tile = tiles[static_cast<std::size_t>(rng.pick(0, static_cast<std::int64_t>(tiles.size()) - 1))];
      if (rng.coin()) tile.m_block = static_cast<std::int32_t>(rng.pick(1, 3));
      run_and_check(rng, p, target, tile,
                    "seed " + std::to_string(seed) + " on " + target.str() + " " + fingerprint(p.kernel, tile));
    }
  }
}

TEST(Gemm, ProductsOfIntegersMatchPlainLoops) {
  CpuTarget target = host_cpu();
  if (!target.avx512_vnni) GTEST_SKIP() << "no AVX512_VNNI here";
  target.avx512_bf16 = target.amx_bf16 = false;
  const unsigned first = std::random_device{}();
  for (unsigned seed = first; seed != first + 40; ++seed) {
    Rng rng(seed);
    const Problem p = random_problem(rng, true);
    const std::vector<GemmTile> tiles = gemm_candidates(p.kernel, target, 5);
    GemmTile tile = tiles[static_cast<std::size_t>(rng.pick(0, static_cast<std::int64_t>(tiles.size()) - 1))];
    if (rng.coin()) tile.m_block = static_cast<std::int32_t>(rng.pick(1, 3));
    run_and_check(rng, p, target, tile, "seed " + std::to_string(seed) + " " + fingerprint(p.kernel, tile));
  }
}

TEST(Gemm, ProductsOfIntegersNeedQuadsAndTheirInstructions) {
  Rng rng(1);
  Problem p = random_problem(rng, true);
  CpuTarget without = host_cpu();
  without.avx512_vnni = false;
  const GemmTile tile = gemm_candidates(p.kernel, host_cpu(), 0).front();
  CodeGenerator generator(without);
  EXPECT_THROW(generator.add(p.kernel, tile, "product"), InternalError);
  p.kernel.k.back() += 2;
  EXPECT_THROW(kernels::canonical(p.kernel), InternalError);
}

TEST(Gemm, TileRegistersMatchPlainLoops) {
  if (!host_cpu().amx_bf16) GTEST_SKIP() << "this CPU has no tile registers";
  int tried = 0, flat = 0;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    Rng rng(seed);
    const Problem p = random_problem(rng);
    const GemmKernel form = kernels::canonical(p.kernel);
    if (!kernels::amx_steps(form)) continue;
    GemmTile tile;
    tile.amx = true;
    tile.flat = kernels::flat_rows(form).has_value() && rng.pick(0, 3) != 0;
    tile.mr = static_cast<std::int32_t>(rng.pick(1, 48));
    do tile.nr = static_cast<std::int32_t>(rng.pick(1, 6));
    while (!amx_tile_fits(tile));
    tile.n_outer = rng.coin();
    flat += tile.flat;
    if (rng.coin()) tile.m_block = static_cast<std::int32_t>(rng.pick(1, 3));
    ++tried;
    run_and_check(rng, p, host_cpu(), tile, "seed " + std::to_string(seed) + " " + fingerprint(p.kernel, tile));
  }
  EXPECT_GT(tried, 20);
  EXPECT_GT(flat, 5);
}

// 3x3, stride 1, channels in whole vectors.
Problem random_filter_problem(Rng& rng) {
  Problem p;
  GemmKernel& k = p.kernel;
  k.name = "random filter";
  k.a_type = k.b_type = rng.coin() ? DType::bf16 : DType::f32;
  const std::int64_t images = rng.pick(1, 3), rows = rng.pick(1, 14), columns = rng.pick(1, 14);
  const std::int64_t channels = rng.pick(1, 3) * 16, n = rng.pick(1, 100);
  const std::int64_t pixel = channels + (rng.coin() ? 8 : 0);
  const std::int64_t frames = rng.pick(1, 3);  // as a video has them: one more dim before the rows
  k.m = {maybe_symbol(rng, p, images, "images"), frames, rows, columns};
  k.k = {3, 3, channels};
  k.n = n;
  const std::int64_t row = (columns + 2) * pixel, image = row * (rows + 2);
  k.a_strides = {frames * image, image, row, pixel, row, pixel, 1};
  p.a_size = images * frames * image;
  add_epilogue(rng, p, strides_of(rng, {images, frames, rows, columns, n}, 1, p.c_size),
               rng.coin() ? DType::f32 : DType::bf16);
  return p;
}

TEST(Gemm, WinogradMatchesPlainLoops) {
  int tried = 0;
  for (unsigned seed = 1; seed <= 8; ++seed) {
    for (const CpuTarget& target : targets()) {
      Rng rng(seed);
      const Problem p = random_filter_problem(rng);
      std::vector<GemmTile> tiles = gemm_candidates(p.kernel, target, 5);
      std::erase_if(tiles, [](const GemmTile& t) { return t.winograd == 0; });
      if (tiles.empty()) continue;
      GemmTile tile = tiles[static_cast<std::size_t>(rng.pick(0, static_cast<std::int64_t>(tiles.size()) - 1))];
      if (rng.coin()) tile.winograd = 6 - tile.winograd;
      if (rng.coin()) tile.n_block = 1;
      ++tried;
      run_and_check(rng, p, target, tile,
                    "seed " + std::to_string(seed) + " on " + target.str() + " " + fingerprint(p.kernel, tile));
    }
  }
  EXPECT_TRUE(targets().empty() || tried > 10) << tried;
}

TEST(GemmCandidates, AreDistinctPureAndFitTheTarget) {
  Rng rng(7);
  for (int i = 0; i < 50; ++i) {
    const Problem p = random_problem(rng);
    CpuTarget avx2;
    avx2.avx2_fma = true;
    CpuTarget avx512 = avx2;
    avx512.avx512 = true;
    for (const CpuTarget& target : {avx2, avx512}) {
      for (const int level : {0, 3, 5}) {
        const auto tiles = gemm_candidates(p.kernel, target, level);
        ASSERT_FALSE(tiles.empty());
        EXPECT_TRUE(level > 0 || tiles.size() == 1);
        EXPECT_EQ(tiles, gemm_candidates(p.kernel, target, level));
        for (const GemmTile& tile : tiles) {
          EXPECT_EQ(tile.lanes, target.avx512 ? 16 : 8);
          EXPECT_LE(tile.mr * tile.nr, target.avx512 ? 28 : 12);
          EXPECT_EQ(std::count(tiles.begin(), tiles.end(), tile), 1);
        }
      }
    }
  }
}

}  // namespace
}  // namespace aitune::cpu

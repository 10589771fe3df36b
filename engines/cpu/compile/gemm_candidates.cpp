#include "engines/cpu/compile/gemm_candidates.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "compiler/kernels/gemm.h"
#include "compiler/kernels/winograd.h"
#include "engines/cpu/compile/gemm_winograd.h"

namespace aitune::cpu {

using kernels::GemmKernel;
using kernels::GemmTile;

namespace {

// Extents that are only known at run time are taken to be this.
constexpr std::int64_t kTypicalExtent = 128;
constexpr double kL2Bytes = 1.25e6;  // what one operand may take of a core's second-level cache
constexpr double kTaskCycles = 2e4;  // a task shorter than this is not worth handing out
constexpr std::int64_t kGoodTaskCount = 32;
// Bytes a cycle from beyond the second-level cache: for the first use of weights, which in a network larger than the
// caches come from memory, and for later ones.
constexpr double kColdBytes = 2.5, kWarmBytes = 8;
constexpr std::int64_t kMaxScratch = 1 << 20;  // stack that a generated function may take
// Winograd's transforms of a square, in cycles for each vector of channels: bound by the second-level cache.
constexpr double kGatherCycles = 9, kScatterCycles = 6;  // for each point

struct RegisterTile {
  std::int32_t mr, nr;
};

// Accumulators, the vectors of B and one broadcast fit the 32 (16) registers.
constexpr RegisterTile kTiles512[] = {{14, 2}, {6, 4}, {8, 3},  {7, 4}, {9, 3}, {7, 3}, {12, 2}, {10, 2},
                                      {28, 1}, {5, 5}, {4, 6},  {3, 8}, {7, 2}, {5, 4}, {4, 4},  {14, 1},
                                      {2, 10}, {1, 8}, {1, 16}, {1, 4}, {1, 2}, {1, 1}};
// The same where B's vectors are there twice, as bf16 pairs and widened.
constexpr RegisterTile kWideTiles512[] = {{8, 3}, {12, 2}, {13, 2}, {5, 4},  {7, 3}, {4, 4},  {7, 2}, {3, 5},
                                          {2, 6}, {10, 2}, {28, 1}, {14, 1}, {1, 8}, {1, 16}, {1, 2}, {1, 1}};
constexpr RegisterTile kWideTiles256[] = {{5, 2}, {4, 2}, {12, 1}, {2, 4}, {6, 1}, {3, 3}, {1, 4}, {1, 2}, {1, 1}};
constexpr RegisterTile kTiles256[] = {{6, 2}, {4, 3}, {5, 2}, {3, 4}, {7, 1}, {12, 1},
                                      {2, 5}, {2, 4}, {1, 8}, {1, 4}, {1, 2}, {1, 1}};

// Row tiles and column tiles: sums, a register for each row tile and one for columns fit eight.
constexpr RegisterTile kAmxTiles[] = {{2, 2}, {1, 4}, {1, 3}, {3, 1}, {2, 1}, {1, 2}, {1, 6}, {1, 1}};

struct Problem {
  double batch = 1, outer_m = 1;  // batch points; m points but for the last dim
  std::int64_t m = 1, n = 1, k = 1;
  double element = 4;
  std::int64_t quad = 1;  // elements of k that one instruction multiplies
  bool known_m = true;
  std::optional<kernels::AmxSteps> steps;  // where tile registers can be used
  std::int64_t inner_k = 1;
};

std::int64_t extent(const SymInt& size) {
  return std::max<std::int64_t>(1, size.as_constant().value_or(kTypicalExtent));
}

Problem problem_of(const GemmKernel& form) {
  Problem p;
  for (const SymInt& s : form.batch) p.batch *= static_cast<double>(extent(s));
  for (std::size_t d = 0; d + 1 < form.m.size(); ++d) p.outer_m *= static_cast<double>(extent(form.m[d]));
  p.m = extent(form.m.back());
  p.known_m = form.m.back().is_constant();
  p.n = extent(form.n);
  for (const std::int64_t k : form.k) p.k *= k;
  p.steps = kernels::amx_steps(form);
  p.inner_k = form.k.back();
  p.element = static_cast<double>(dtype_size(form.a_type));
  if (form.a_type == DType::u8) p.quad = 4;
  return p;
}

// Cycles of one micro-kernel call: two multiply-adds and somewhat less than two loads a cycle, five instructions,
// latency 4, and the way in and out. Elements of A are loaded once for each use where no register is left for them.
double micro_cycles(std::int64_t rows, std::int64_t vectors, double k, int lanes = 16) {
  const auto products = static_cast<double>(rows * vectors);
  const bool embedded = vectors == 1 || rows * vectors + vectors + 1 > (lanes == 16 ? 31 : 16);
  const double loads = (embedded ? products : static_cast<double>(rows)) + static_cast<double>(vectors);
  const double work = std::max({products / 2, loads * 0.55, 4.0, (products + loads + 3) / 5});
  return k * work + 40 + 2.5 * products;
}

// The same in tile registers: a product of tiles takes a cycle for each row of A, a load of a tile about eight and more
// from the second-level cache, where the operands come from.
double amx_cycles(std::int64_t rows, std::int64_t vectors, const kernels::AmxSteps& steps, double runs) {
  const std::int64_t row_tiles = (rows + 15) / 16;
  const auto products = static_cast<double>(std::max<std::int64_t>(rows, 8) * vectors);
  const double loads = 10.0 * static_cast<double>(row_tiles) + 16.0 * static_cast<double>(vectors);
  const double rest = steps.rest > 0 ? 1.5 * static_cast<double>(rows) : 0;
  return runs * (static_cast<double>(steps.count()) * std::max({products, loads, 52.0 / 3}) + rest) + 60 +
         4.0 * static_cast<double>(rows * vectors);
}

double call_cycles(const Problem& p, const GemmTile& tile, std::int64_t rows, std::int64_t vectors) {
  if (tile.amx)
    return amx_cycles(rows, vectors, *p.steps, static_cast<double>(p.k / p.inner_k)) + (rows < tile.mr ? 150 : 0);
  return micro_cycles(rows, vectors, static_cast<double>(p.k) / static_cast<double>(p.quad), tile.lanes);
}

double row_cycles(const Problem& p, const GemmTile& tile, std::int64_t vectors) {
  double cycles = static_cast<double>(p.m / tile.mr) * call_cycles(p, tile, tile.mr, vectors);
  std::int64_t rest = p.m % tile.mr;
  if (p.known_m || tile.amx) return rest == 0 ? cycles : cycles + call_cycles(p, tile, rest, vectors);
  for (std::int64_t rows = 32; rows > 0; rows /= 2) {
    if (rest & rows) cycles += call_cycles(p, tile, rows, vectors);
  }
  return cycles;
}

double total_cycles(const Problem& p, const GemmTile& tile) {
  const std::int64_t width = std::int64_t{tile.nr} * tile.lanes;
  double cycles = static_cast<double>(p.n / width) * row_cycles(p, tile, tile.nr);
  if (p.n % width != 0) cycles += row_cycles(p, tile, (p.n % width + tile.lanes - 1) / tile.lanes);
  const double weights = static_cast<double>(p.n * p.k) * p.element;
  return std::max(cycles * p.outer_m * p.batch, weights > kL2Bytes ? weights / kColdBytes : 0);
}

struct Ranked {
  GemmTile tile;
  double cycles;
};

// Tasks of a tile for Winograd's algorithm and their cost, as two threads would share them.
double winograd_cycles(const kernels::WinogradForm& form, std::int64_t squares, std::int64_t panels,
                       const GemmTile& tile) {
  const double points = form.points * form.points, task_squares = tile.mr * tile.m_block;
  const std::int64_t blocks = (squares + tile.mr * tile.m_block - 1) / (tile.mr * tile.m_block);
  const std::int64_t groups = tile.n_block == 0 ? 1 : (panels + tile.n_block - 1) / tile.n_block;
  const double task_panels = static_cast<double>(panels) / static_cast<double>(groups);
  const auto channels = static_cast<double>(form.channels);
  const std::int64_t tasks = blocks * groups, rounded = (tasks + 1) / 2 * 2;
  const double filters = points * channels * 4 * static_cast<double>(panels) * tile.nr * tile.lanes;
  const double stream =
      filters > kL2Bytes ? filters / kColdBytes + static_cast<double>(blocks - 1) * filters / kWarmBytes : 0;
  const double products = points * tile.m_block * task_panels * micro_cycles(tile.mr, tile.nr, channels, tile.lanes);
  const double transforms = points * task_squares * kGatherCycles * channels / tile.lanes +
                            points * task_squares * kScatterCycles * task_panels * tile.nr;
  return std::max(products * static_cast<double>(rounded), stream) + transforms * static_cast<double>(rounded);
}

void add_winograd(const GemmKernel& kernel, int lanes, std::vector<Ranked>& ranked) {
  for (const int outputs : {4, 2}) {
    const auto form = kernels::winograd_form(kernel, outputs, lanes);
    if (!form) continue;
    const std::int64_t squares = form->images.as_constant().value_or(1) * form->square_rows() * form->square_columns();
    for (const std::int32_t nr : {2, 3, 4}) {
      if (lanes == 8 && nr > 3) continue;
      const std::int64_t width = std::int64_t{nr} * lanes, panels = (kernel.n.constant() + width - 1) / width;
      const std::int64_t most = lanes == 16 ? (nr == 2 ? 14 : nr == 3 ? 9 : 6) : (nr == 2 ? 6 : 4);
      Ranked best{{}, 0};
      for (const std::int64_t wanted : {12, 16, 24, 32, 48, 64}) {
        for (const std::int64_t groups : {1, 2, 4}) {
          if (groups > panels) continue;
          const std::int64_t blocks = std::max<std::int64_t>(1, (squares + wanted - 1) / wanted);
          const std::int64_t even_blocks = groups > 1 ? blocks : (blocks + 1) / 2 * 2;
          const std::int64_t task_squares = (squares + even_blocks - 1) / even_blocks;
          GemmTile tile;
          tile.lanes = lanes;
          tile.nr = nr;
          tile.m_block = static_cast<std::int32_t>((task_squares + most - 1) / most);
          tile.mr = static_cast<std::int32_t>((task_squares + tile.m_block - 1) / tile.m_block);
          tile.k_unroll = tile.mr * tile.nr >= (lanes == 16 ? 27 : 12) ? 1 : 4;
          tile.winograd = outputs;
          tile.n_block = groups == 1 ? 0 : static_cast<std::int32_t>((panels + groups - 1) / groups);
          if (winograd_scratch_bytes(kernel, tile) > kMaxScratch) continue;
          const double cycles = winograd_cycles(*form, squares, panels, tile);
          if (best.cycles == 0 || cycles < best.cycles) best = {tile, cycles};
        }
      }
      if (best.cycles > 0) ranked.push_back(best);
    }
  }
}

// Order of tasks and rows in a task, from what the caches hold.
void block(const Problem& p, GemmTile& tile) {
  const double row_tiles = p.outer_m * static_cast<double>((p.m + tile.mr - 1) / tile.mr);
  const std::int64_t width = std::int64_t{tile.nr} * tile.lanes;
  const auto panels = static_cast<double>((p.n + width - 1) / width);
  const double a_tile = tile.mr * static_cast<double>(p.k) * p.element;
  const double b_bytes = static_cast<double>(p.n * p.k) * p.element;
  double rows = row_tiles;
  tile.n_outer = b_bytes > kL2Bytes && a_tile * row_tiles <= kL2Bytes;
  if (!tile.n_outer) rows = std::clamp(kL2Bytes / 2 / a_tile, 1.0, row_tiles);
  const double tile_cycles = total_cycles(p, tile) / (row_tiles * panels * p.batch);
  // Enough tasks for the threads to finish together.
  while (rows >= 2 && panels * p.batch * (row_tiles / rows) < static_cast<double>(kGoodTaskCount) &&
         tile_cycles * rows / 2 >= kTaskCycles) {
    rows = (rows + 1) / 2;
  }
  // Tasks that are too short are merged along m where it changes nothing else.
  while (rows < row_tiles && tile_cycles * rows < kTaskCycles &&
         panels * p.batch * (row_tiles / (2 * rows)) >= static_cast<double>(kGoodTaskCount)) {
    rows = std::min(2 * rows, row_tiles);
  }
  tile.m_block = rows >= row_tiles ? 0 : static_cast<std::int32_t>(std::clamp(rows, 1.0, 1e6));
  if (tile.m_block > 0) {  // blocks of equal size
    const double blocks = (row_tiles + tile.m_block - 1) / tile.m_block;
    tile.m_block =
        static_cast<std::int32_t>(row_tiles / static_cast<double>(static_cast<std::int64_t>(blocks)) + 0.999);
  }
}

// The widest unrolling that divides the innermost reduction; crowded tiles are not unrolled, LLVM would spill.
std::int32_t unrolling(const GemmKernel& form, const GemmTile& tile) {
  const std::int64_t steps = form.k.back() / (form.b_type == DType::bf16 ? 2 : form.b_type == DType::i8 ? 4 : 1);
  if (tile.mr * tile.nr >= (tile.lanes == 16 ? 27 : 12)) return 1;
  for (const std::int32_t unroll : {4, 3, 2}) {
    if (steps % unroll == 0) return unroll;
  }
  return steps > 64 ? 4 : 1;
}

void add_amx(const Problem& p, bool flat, std::vector<Ranked>& ranked) {
  for (const RegisterTile& r : kAmxTiles) {
    if (r.nr > 1 && std::int64_t{r.nr - 1} * 16 >= p.n) continue;
    if (r.mr > 1 && p.known_m && p.m <= 16 * (r.mr - 1)) continue;
    GemmTile tile;
    tile.amx = true;
    tile.flat = flat;
    tile.nr = r.nr;
    const std::int64_t most = std::int64_t{r.mr} * 16, calls = (p.m + most - 1) / most;
    tile.mr = static_cast<std::int32_t>(p.known_m ? (p.m + calls - 1) / calls : most);
    block(p, tile);
    ranked.push_back({tile, total_cycles(p, tile)});
  }
}

}  // namespace

std::vector<GemmTile> gemm_candidates(const GemmKernel& kernel, const CpuTarget& target, int level, bool accurate) {
  const GemmKernel form = kernels::canonical(kernel);
  const Problem p = problem_of(form);
  const bool bf16 = form.b_type == DType::bf16;
  std::vector<Ranked> ranked;
  const auto consider = [&](const RegisterTile& r, bool widen) {
    if (r.mr > 1 && p.known_m && r.mr > p.m) return;
    GemmTile tile;
    tile.mr = r.mr;
    tile.nr = r.nr;
    tile.lanes = target.avx512 ? 16 : 8;
    if (r.nr > 1 && form.n.is_constant() && std::int64_t{r.nr - 1} * tile.lanes >= p.n) return;
    tile.k_unroll = unrolling(form, tile);
    tile.widen = widen;
    if (widen && static_cast<std::int64_t>(tile.mr) * (p.k + 64) * 4 > kMaxScratch / 2) return;
    block(p, tile);
    double cycles = total_cycles(p, tile);
    if (bf16 && !widen) cycles *= target.avx512_bf16 && p.m * p.outer_m > 1 ? 1.9 : target.avx512_bf16 ? 0.6 : 2.5;
    if (widen) cycles *= 1 + 0.25 / tile.nr + 1.0 / tile.mr;
    ranked.push_back({tile, cycles});
  };
  const auto consider_all = [&](std::span<const RegisterTile> tiles, bool widen) {
    for (const RegisterTile& r : tiles) consider(r, widen);
  };
  if (target.avx512)
    consider_all(kTiles512, false);
  else
    consider_all(kTiles256, false);
  if (bf16 && target.avx512) consider_all(kWideTiles512, true);
  if (bf16 && !target.avx512) consider_all(kWideTiles256, true);
  if (target.amx_bf16 && p.steps) {
    add_amx(p, false, ranked);
    if (const auto flat = kernels::flat_rows(form)) {
      Problem run = p;
      run.outer_m /= static_cast<double>(form.m[form.m.size() - 2].constant());
      run.m = flat->extent;
      add_amx(run, true, ranked);
    }
  }
  // Short row dims (images of 7 or 13 columns) also get a tile of exactly their size.
  if (p.known_m && p.m > 1 && p.m <= 16) {
    const int registers = target.avx512 ? 31 : 15;
    const auto mr = static_cast<std::int32_t>(p.m);
    for (std::int32_t nr = 1; nr <= 8; ++nr) {
      const bool listed = std::any_of(ranked.begin(), ranked.end(),
                                      [&](const Ranked& r) { return r.tile.mr == mr && r.tile.nr == nr; });
      if (mr * nr + nr + 1 <= registers && !listed) consider({mr, nr}, false);
      if (bf16 && mr * nr + 2 * nr + 1 <= registers) consider({mr, nr}, true);
    }
  }
  double plain = ranked.front().cycles;
  for (const Ranked& r : ranked) plain = std::min(plain, r.cycles);
  if (!accurate) add_winograd(kernel, target.avx512 ? 16 : 8, ranked);
  // Timings are taken with the weights in the caches, where Winograd's larger ones look better than they are.
  if (level < 5) std::erase_if(ranked, [&](const Ranked& r) { return r.tile.winograd != 0 && r.cycles > plain; });
  std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) { return a.cycles < b.cycles; });

  const std::size_t wanted = level <= 0 ? 1 : level == 1 ? 2 : level == 2 ? 3 : level == 3 ? 6 : level == 4 ? 10 : 64;
  std::vector<GemmTile> tiles;
  const auto add = [&](const GemmTile& tile) {
    const bool known = std::find(tiles.begin(), tiles.end(), tile) != tiles.end();
    if (!known && tiles.size() < wanted) tiles.push_back(tile);
  };
  // The best of each way to compute it first, then the rest by rank: which way is fastest differs most between CPUs.
  const auto way = [](const GemmTile& tile) {
    return tile.winograd != 0 ? 4 : tile.flat ? 3 : tile.amx ? 2 : tile.widen ? 1 : 0;
  };
  for (const Ranked& r : ranked) {
    const bool tried =
        std::any_of(tiles.begin(), tiles.end(), [&](const GemmTile& t) { return way(t) == way(r.tile); });
    if (!tried) add(r.tile);
  }
  for (const Ranked& r : ranked) {
    if (r.cycles > ranked.front().cycles * (level >= 5 ? 2.0 : 1.4)) break;
    add(r.tile);
    if (level < 4) continue;
    GemmTile other = r.tile;
    other.k_unroll = other.k_unroll == 1 ? 4 : 1;
    if (level >= 5 && !r.tile.amx) add(other);
    if (r.tile.winograd != 0) continue;
    other = r.tile;
    other.n_outer = !other.n_outer;
    add(other);
    if (level < 5) continue;
    other = r.tile;
    other.m_block = other.m_block == 0 ? 4 : other.m_block * 2;
    add(other);
  }
  return tiles;
}

}  // namespace aitune::cpu

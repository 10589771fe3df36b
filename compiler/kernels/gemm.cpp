#include "compiler/kernels/gemm.h"

#include <fmt/format.h>

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "compiler/kernels/winograd.h"

namespace aitune::kernels {
namespace {

void check(const GemmKernel& kernel) {
  const auto fail = [&](std::string_view what) {
    throw InternalError(fmt::format("malformed matrix product: {}", what), kernel.name);
  };
  const std::size_t dims = kernel.batch.size() + kernel.m.size();
  if (kernel.m.empty() || kernel.k.empty()) fail("no m or no k dims");
  for (const std::int64_t k : kernel.k) {
    if (k < 1) fail("empty reduction");
  }
  if (kernel.a_strides.size() != dims + kernel.k.size()) fail("wrong number of strides of A");
  if (!kernel.b_strides.empty() && kernel.b_strides.size() != kernel.batch.size() + 2)
    fail("wrong number of strides of B");
  if (!kernel.b_strides.empty() && !kernel.b_strides.back().is(1)) fail("B is not contiguous along n");
  for (const Access& access : kernel.accesses) {
    if (access.strides.size() != dims + 1) fail("wrong number of strides of an access");
  }
  const bool f32 = kernel.a_type == DType::f32 && kernel.b_type == DType::f32;
  const bool bf16 = kernel.a_type == DType::bf16 && kernel.b_type == DType::bf16;
  const bool integers = kernel.a_type == DType::u8 && kernel.b_type == DType::i8;
  if (!f32 && !bf16 && !integers) fail("operands must both be f32 or both bf16, or u8 and i8");
  if (integers && (kernel.k.back() % 4 != 0 || !kernel.a_strides.back().is(1)))
    fail("u8 is read in quads, four neighbours of the innermost reduction dim");
}

bool uses_index(const GemmKernel& kernel) {
  return std::any_of(kernel.exprs.begin(), kernel.exprs.end(), [](const Expr& e) { return e.op == ExprOp::index; });
}

// All stride lists that run over the loop dims (batch, m), A's and the accesses'.
template <typename F>
void for_each_stride_list(GemmKernel& kernel, F&& f) {
  f(kernel.a_strides);
  for (Access& access : kernel.accesses) f(access.strides);
}

void drop_dim(GemmKernel& kernel, std::vector<SymInt>& extents, std::size_t local, std::size_t dim) {
  extents.erase(extents.begin() + static_cast<std::ptrdiff_t>(local));
  for_each_stride_list(kernel, [&](std::vector<SymInt>& s) { s.erase(s.begin() + static_cast<std::ptrdiff_t>(dim)); });
}

// Whether dims `dim` and `dim + 1` are one: a step of the outer is `inner_extent` steps of the inner.
bool even(const std::vector<SymInt>& strides, std::size_t dim, const SymInt& inner_extent) {
  return strides[dim] == strides[dim + 1] * inner_extent;
}

void simplify_batch(GemmKernel& kernel) {
  const bool in_place = !kernel.b_strides.empty();
  for (std::size_t d = kernel.batch.size(); d-- > 0;) {
    if (kernel.batch[d].is(1)) {
      drop_dim(kernel, kernel.batch, d, d);
      if (in_place) kernel.b_strides.erase(kernel.b_strides.begin() + static_cast<std::ptrdiff_t>(d));
    }
  }
  // One B for the innermost batch dims: they are rows.
  while (!kernel.batch.empty() && (!in_place || kernel.b_strides[kernel.batch.size() - 1].is(0))) {
    kernel.m.insert(kernel.m.begin(), kernel.batch.back());
    if (in_place)
      kernel.b_strides.erase(kernel.b_strides.begin() + static_cast<std::ptrdiff_t>(kernel.batch.size() - 1));
    kernel.batch.pop_back();
  }
  for (std::size_t d = kernel.batch.size(); d-- > 1;) {
    bool merge = even(kernel.b_strides, d - 1, kernel.batch[d]);
    for_each_stride_list(kernel, [&](std::vector<SymInt>& s) { merge = merge && even(s, d - 1, kernel.batch[d]); });
    if (!merge) continue;
    kernel.batch[d] *= kernel.batch[d - 1];
    drop_dim(kernel, kernel.batch, d - 1, d - 1);
    kernel.b_strides.erase(kernel.b_strides.begin() + static_cast<std::ptrdiff_t>(d - 1));
  }
}

/// Leaves the last `kept` dims as they are.
void simplify_m(GemmKernel& kernel, std::size_t kept = 0) {
  const std::size_t base = kernel.batch.size();
  for (std::size_t d = kernel.m.size() - kept; d-- > 0;) {
    if (kernel.m.size() > 1 && kernel.m[d].is(1)) drop_dim(kernel, kernel.m, d, base + d);
  }
  for (std::size_t d = kernel.m.size() - kept; d-- > 1;) {
    bool merge = true;
    for_each_stride_list(kernel, [&](std::vector<SymInt>& s) { merge = merge && even(s, base + d - 1, kernel.m[d]); });
    if (!merge) continue;
    kernel.m[d] *= kernel.m[d - 1];
    drop_dim(kernel, kernel.m, d - 1, base + d - 1);
  }
}

void simplify_k(GemmKernel& kernel) {
  const std::size_t base = kernel.batch.size() + kernel.m.size();
  const auto drop = [&](std::size_t d) {
    kernel.k.erase(kernel.k.begin() + static_cast<std::ptrdiff_t>(d));
    kernel.a_strides.erase(kernel.a_strides.begin() + static_cast<std::ptrdiff_t>(base + d));
  };
  for (std::size_t d = kernel.k.size(); d-- > 0;) {
    if (kernel.k.size() > 1 && kernel.k[d] == 1) drop(d);
  }
  for (std::size_t d = kernel.k.size(); d-- > 1;) {
    if (!even(kernel.a_strides, base + d - 1, kernel.k[d])) continue;
    kernel.k[d] *= kernel.k[d - 1];
    drop(d - 1);
  }
}

std::int64_t outer_k(const GemmKernel& kernel) {
  std::int64_t count = 1;
  for (std::size_t d = 0; d + 1 < kernel.k.size(); ++d) count *= kernel.k[d];
  return count;
}

WinogradForm winograd_of(const GemmKernel& kernel, const GemmTile& tile) {
  const auto form = winograd_form(kernel, tile.winograd, tile.lanes);
  if (!form) throw InternalError("this tile asks for Winograd's algorithm where it does not apply", kernel.name);
  return *form;
}

std::int64_t pair_of(const GemmKernel& kernel) {
  return kernel.b_type == DType::bf16 ? 2 : kernel.b_type == DType::i8 ? 4 : 1;
}

// Where each row of B (one step of the flattened reduction) begins.
std::vector<std::int64_t> row_offsets(const GemmKernel& kernel, const Tensor& b) {
  std::vector<std::int64_t> offsets{0};
  for (std::size_t d = 0; d < kernel.k.size(); ++d) {
    std::vector<std::int64_t> finer;
    for (const std::int64_t offset : offsets) {
      for (std::int64_t i = 0; i < kernel.k[d]; ++i) finer.push_back(offset + i * b.strides()[d]);
    }
    offsets = std::move(finer);
  }
  return offsets;
}

template <typename T>
void copy_row(const T* from, std::int64_t from_step, std::int64_t count, T* to, std::int64_t to_step) {
  for (std::int64_t j = 0; j < count; ++j) to[j * to_step] = from[j * from_step];
}

std::vector<SymInt> params_of(const GemmKernel& kernel) {
  std::vector<SymInt> params;
  const auto add = [&](const SymInt& size) {
    if (size.is_constant() || std::find(params.begin(), params.end(), size) != params.end()) return;
    params.push_back(size);
  };
  const auto add_all = [&](const std::vector<SymInt>& sizes) {
    for (const SymInt& size : sizes) add(size);
  };
  add_all(kernel.batch);
  add_all(kernel.m);
  add(kernel.n);
  add(kernel.a_offset);
  add(kernel.b_offset);
  add_all(kernel.a_strides);
  add_all(kernel.b_strides);
  for (const Access& access : kernel.accesses) {
    add(access.offset);
    add_all(access.strides);
    add(access.indirect_stride);
    add(access.indirect_extent);
  }
  for (const Expr& e : kernel.exprs) add(e.size);
  return params;
}

// Everything that the code depends on, with symbolic sizes by their position in the params array.
std::string description(const GemmKernel& kernel) {
  const std::vector<SymInt> params = params_of(kernel);
  fmt::memory_buffer out;
  const auto append = [&](const SymInt& size) {
    if (const auto c = size.as_constant()) {
      fmt::format_to(std::back_inserter(out), "{},", *c);
    } else {
      fmt::format_to(std::back_inserter(out), "p{},", std::find(params.begin(), params.end(), size) - params.begin());
    }
  };
  const auto append_all = [&](const char* name, const std::vector<SymInt>& sizes) {
    fmt::format_to(std::back_inserter(out), ";{}:", name);
    for (const SymInt& size : sizes) append(size);
  };
  append_all("batch", kernel.batch);
  append_all("m", kernel.m);
  append_all("k", {kernel.k.begin(), kernel.k.end()});
  append_all("n,ao,bo", {kernel.n, kernel.a_offset, kernel.b_offset});
  append_all("a", kernel.a_strides);
  append_all("b", kernel.b_strides);
  fmt::format_to(std::back_inserter(out), ";{},{},{},{},{}", static_cast<int>(kernel.a_type),
                 static_cast<int>(kernel.b_type), kernel.a_buffer, kernel.b_buffer, kernel.buffer_count);
  for (const Access& access : kernel.accesses) {
    fmt::format_to(std::back_inserter(out), ";access:{},{},{},", access.buffer, static_cast<int>(access.dtype),
                   access.indirect);
    append(access.offset);
    append(access.indirect_stride);
    append(access.indirect_extent);
    append_all("s", access.strides);
  }
  for (const Expr& e : kernel.exprs) {
    fmt::format_to(std::back_inserter(out), ";expr:{},{},{},{},{},{},{},{:a},{}", static_cast<int>(e.op),
                   static_cast<int>(e.type), e.a, e.b, e.c, e.access, e.dim, e.number, e.integer);
    if (e.op == ExprOp::size) append(e.size);
  }
  for (const Store& store : kernel.stores) {
    fmt::format_to(std::back_inserter(out), ";store:{},{}", store.access, store.value);
  }
  return fmt::to_string(out);
}

}  // namespace

SymInt ceil_div(const SymInt& a, std::int64_t b) { return b == 1 ? a : floordiv(a + SymInt(b - 1), b); }

GemmKernel canonical(const GemmKernel& kernel) {
  check(kernel);
  GemmKernel result = kernel;
  simplify_k(result);
  if (!uses_index(result)) {
    simplify_batch(result);
    simplify_m(result);
  }
  return result;
}

GemmKernel with_images_merged(const GemmKernel& kernel) {
  constexpr std::size_t kImageDims = 2;
  check(kernel);
  GemmKernel result = kernel;
  if (kernel.m.size() > kImageDims && !uses_index(kernel)) simplify_m(result, kImageDims);
  return result;
}

PackedB packed_b(const GemmKernel& kernel, const GemmTile& tile) {
  const GemmKernel form = canonical(kernel);
  PackedB packed;
  packed.pair = pair_of(form);
  packed.width = std::int64_t{tile.nr} * tile.lanes;
  packed.panels = ceil_div(form.n, packed.width).constant();
  if (tile.winograd != 0) {
    const WinogradForm squares = winograd_of(kernel, tile);
    packed.depth = squares.channels * squares.points * squares.points;
    return packed;
  }
  if (tile.amx) {
    const auto steps = amx_steps(form);
    if (!steps) throw InternalError("this tile asks for AMX where it does not apply", kernel.name);
    packed.depth = outer_k(form) * steps->count() * steps->step / packed.pair;
    return packed;
  }
  packed.depth = outer_k(form) * ((form.k.back() + packed.pair - 1) / packed.pair);
  return packed;
}

std::optional<AmxSteps> amx_steps(const GemmKernel& form) {
  constexpr std::int64_t most = 32;  // bf16 elements in a row of a tile
  if (form.b_type != DType::bf16 || !form.b_strides.empty() || !form.a_strides.back().is(1)) return std::nullopt;
  const std::int64_t k = form.k.back(), fewest = (k + most - 1) / most;
  // Equal steps where that costs few more of them; rests are copied.
  for (std::int64_t step = most; step >= 2; step -= 2) {
    if (k % step == 0 && 2 * (k / step) <= 3 * fewest) return AmxSteps{step, k / step, 0};
  }
  return AmxSteps{most, k / most, k % most};
}

std::optional<FlatRows> flat_rows(const GemmKernel& form) {
  if (form.m.size() < 2) return std::nullopt;
  const std::size_t last = form.batch.size() + form.m.size() - 1;
  const auto height = form.m[form.m.size() - 2].as_constant(), width = form.m.back().as_constant();
  const auto row = form.a_strides[last - 1].as_constant(), pixel = form.a_strides[last].as_constant();
  if (!height || !width || !row || !pixel || *pixel < 1 || *row % *pixel != 0 || *row / *pixel < *width)
    return std::nullopt;
  const std::int64_t pitch = *row / *pixel;
  return FlatRows{(*height - 1) * pitch + *width, pitch, *width};
}

std::vector<SymInt> row_extents(const GemmKernel& form, const GemmTile& tile) {
  if (!tile.flat) return form.m;
  const auto flat = flat_rows(form);
  if (!flat) throw InternalError("this tile asks for flat rows where there are none", form.name);
  std::vector<SymInt> m(form.m.begin(), form.m.end() - 2);
  m.emplace_back(flat->extent);
  return m;
}

std::vector<SymInt> collect_params(const GemmKernel& kernel) { return params_of(canonical(kernel)); }

SymInt task_count(const GemmKernel& kernel, const GemmTile& tile) {
  if (tile.winograd != 0) {
    const SymInt panels = ceil_div(kernel.n, std::int64_t{tile.nr} * tile.lanes);
    const SymInt groups = tile.n_block == 0 ? SymInt(1) : ceil_div(panels, tile.n_block);
    return ceil_div(winograd_of(kernel, tile).squares(), std::int64_t{tile.mr} * std::max(1, tile.m_block)) * groups;
  }
  const GemmKernel form = canonical(kernel);
  const std::vector<SymInt> m = row_extents(form, tile);
  SymInt tiles = ceil_div(m.back(), tile.mr);
  for (std::size_t d = 0; d + 1 < m.size(); ++d) tiles *= m[d];
  // One block of all tiles, or none where there are no rows.
  const SymInt blocks = tile.m_block == 0 ? min(SymInt(1), tiles) : ceil_div(tiles, tile.m_block);
  return product(form.batch) * blocks * ceil_div(form.n, std::int64_t{tile.nr} * tile.lanes);
}

std::string fingerprint(const GemmKernel& kernel, const GemmTile& tile) {
  const GemmKernel form = canonical(kernel);
  const std::string text = description(form);
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("gemm_{}_m{}_n{}_k{}_{}x{}_v{}_ku{}_kb{}_mb{}{}{}{}_{:016x}{:016x}", dtype_name(form.a_type),
                     extent_name(form.m), extent_name({form.n}), extent_name({form.k.begin(), form.k.end()}), tile.mr,
                     tile.nr * tile.lanes, tile.lanes, tile.k_unroll, tile.k_block, tile.m_block,
                     tile.n_outer ? "n" : "m",
                     tile.winograd == 0 ? "" : fmt::format("_wino{}_nb{}", tile.winograd, tile.n_block),
                     tile.flat    ? "_amx_flat"
                     : tile.amx   ? "_amx"
                     : tile.widen ? "_widen"
                                  : "",
                     hash.high64, hash.low64);
}

std::vector<std::byte> pack_b(const GemmKernel& kernel, const GemmTile& tile, const Tensor& b) {
  if (tile.winograd != 0) return pack_winograd(kernel, tile, b);
  const GemmKernel form = canonical(kernel);
  const PackedB packed = packed_b(form, tile);
  const std::int64_t n = form.n.constant();
  bool fits = b.dim() == static_cast<std::int64_t>(kernel.k.size()) + 1 && b.shape().back() == n;
  for (std::size_t d = 0; fits && d < kernel.k.size(); ++d) fits = b.size(d) == kernel.k[d];
  if (!fits)
    throw InvalidArgument("an operand of " + describe(b.dtype(), b.shape()) + " cannot be packed", kernel.name);
  if ((b.dtype() != DType::f32 || form.b_type == DType::i8) && b.dtype() != form.b_type) {
    throw InvalidArgument("cannot pack " + describe(b.dtype(), b.shape()), kernel.name);
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(packed.elements()) * dtype_size(form.b_type));
  const std::int64_t inner = form.k.back(), inner_depth = packed.depth / outer_k(form);
  const std::vector<std::int64_t> rows = row_offsets(kernel, b);
  const std::int64_t step = b.strides().back();
  // Panel by panel: what is written stays in the cache, whichever way the source lies.
  for (std::int64_t first = 0; first < n; first += packed.width) {
    const std::int64_t columns = std::min(packed.width, n - first);
    for (std::size_t k = 0; k < rows.size(); ++k) {
      const auto flat = static_cast<std::int64_t>(k);
      const std::int64_t depth = flat / inner * inner_depth + flat % inner / packed.pair;
      const std::int64_t to = (first / packed.width * packed.depth + depth) * packed.width * packed.pair;
      const std::int64_t from = rows[k] + first * step;
      if (form.b_type == DType::f32) {
        copy_row(b.as<float>() + from, step, columns, reinterpret_cast<float*>(bytes.data()) + to, 1);
      } else if (form.b_type == DType::i8) {
        copy_row(b.as<std::int8_t>() + from, step, columns,
                 reinterpret_cast<std::int8_t*>(bytes.data()) + to + flat % inner % 4, 4);
      } else if (auto* out = reinterpret_cast<std::uint16_t*>(bytes.data()) + to + flat % inner % 2;
                 b.dtype() == DType::bf16) {
        copy_row(b.as<std::uint16_t>() + from, step, columns, out, 2);
      } else {
        for (std::int64_t j = 0; j < columns; ++j) out[2 * j] = float_to_bf16(b.as<float>()[from + j * step]);
      }
    }
  }
  return bytes;
}

}  // namespace aitune::kernels

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "base/error.h"
#include "compiler/kernels/functions.h"
#include "compiler/kernels/gemm.h"
#include "compiler/kernels/loop.h"

namespace aitune::kernels {
namespace {

constexpr std::int64_t kChunk = 4096;             // points that make a task worth starting
constexpr std::int64_t kSingleTaskPoints = 8192;  // points times expressions below which one task does everything

const SymInt& extent(const LoopKernel& kernel, std::int32_t dim) {
  const auto d = static_cast<std::size_t>(dim);
  return d < kernel.outer.size() ? kernel.outer[d] : kernel.inner[d - kernel.outer.size()];
}

std::int32_t dim_count(const LoopKernel& kernel) {
  return static_cast<std::int32_t>(kernel.outer.size() + kernel.inner.size());
}

bool reads_own_stores(const LoopKernel& kernel) {
  for (const Stage& s : kernel.stages) {
    for (const Store& store : s.stores) {
      const std::int32_t buffer = kernel.accesses[static_cast<std::size_t>(store.access)].buffer;
      for (const Expr& e : kernel.exprs) {
        if (e.op == ExprOp::load && kernel.accesses[static_cast<std::size_t>(e.access)].buffer == buffer) return true;
      }
    }
  }
  return false;
}

bool is_pointwise(const LoopKernel& kernel) {
  return kernel.inner.empty() && kernel.stages.size() == 1 && kernel.stages[0].kind == Stage::Kind::map;
}

// A load that is contiguous along `across` but not along `along`.
bool has_transposed_load(const LoopKernel& kernel, std::int32_t along, std::int32_t across) {
  return std::any_of(kernel.exprs.begin(), kernel.exprs.end(), [&](const Expr& e) {
    if (e.op != ExprOp::load) return false;
    const Access& a = kernel.accesses[static_cast<std::size_t>(e.access)];
    const SymInt& s = a.strides[static_cast<std::size_t>(along)];
    return a.indirect < 0 && a.strides[static_cast<std::size_t>(across)].is(1) && !s.is(0) && !s.is(1);
  });
}

std::optional<std::int64_t> constant_product(const std::vector<SymInt>& extents) {
  return product(extents).as_constant();
}

LoopSchedule normalise(const LoopKernel& kernel, LoopSchedule s) {
  const auto outer = static_cast<std::int32_t>(kernel.outer.size());
  const auto power_of_two = [](std::int32_t n) {
    return n > 0 && n <= 64 && std::has_single_bit(static_cast<unsigned>(n));
  };
  if (s.vector_dim >= dim_count(kernel) || !power_of_two(s.lanes) || s.vectors < 1 || s.vectors > 16 || s.unroll < 1 ||
      s.unroll > 64) {
    throw InternalError("the schedule does not fit the kernel", kernel.name);
  }
  if (s.vector_dim >= 0) {
    if (const auto e = extent(kernel, s.vector_dim).as_constant(); e && *e > 0) {
      s.lanes = static_cast<std::int32_t>(
          std::min<std::int64_t>(s.lanes, static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(*e)))));
      s.vectors = static_cast<std::int32_t>(std::clamp<std::int64_t>(*e / s.lanes, 1, s.vectors));
    }
  }
  if (s.vector_dim < 0 || s.lanes < 2) s.vector_dim = -1, s.lanes = 1, s.vectors = 1;
  // Tiles at the end of a row overlap the one before, which recomputes points: not where points read what they store.
  if (s.unroll_dim < 0 || s.unroll_dim >= outer || s.unroll_dim == s.vector_dim || reads_own_stores(kernel))
    s.unroll = 1;
  if (s.unroll > 1) {
    if (const auto e = extent(kernel, s.unroll_dim).as_constant()) {
      s.unroll = static_cast<std::int32_t>(std::clamp<std::int64_t>(*e, 1, s.unroll));
    }
  }
  if (s.unroll == 1) s.unroll_dim = -1;
  return s;
}

std::int64_t chunk_size(const LoopKernel& kernel, const LoopSchedule& s) {
  const std::int64_t group = std::int64_t{s.lanes} * s.vectors;
  std::int64_t points = kChunk;
  if (!kernel.inner.empty()) {
    const auto inner = constant_product(kernel.inner);
    points = inner ? 16 * kChunk / std::max<std::int64_t>(*inner, 1) : 4 * group;
  }
  return std::max<std::int64_t>(points / s.unroll / group, 1) * group;
}

}  // namespace

LoopPlan plan_loop(const LoopKernel& kernel, const LoopSchedule& schedule) {
  LoopPlan plan;
  plan.kernel = canonical(kernel);
  plan.schedule = normalise(plan.kernel, schedule);
  const LoopSchedule& s = plan.schedule;
  const auto outer = static_cast<std::int32_t>(plan.kernel.outer.size());
  plan.vector_is_outer = s.vector_dim >= 0 && s.vector_dim < outer;
  plan.transposes = plan.vector_is_outer && is_pointwise(plan.kernel) && s.unroll == s.lanes && s.vectors == 1 &&
                    has_transposed_load(plan.kernel, s.vector_dim, s.unroll_dim);
  for (std::int32_t d = 0; d < outer; ++d) {
    if (d == s.vector_dim) continue;
    const std::int64_t step = d == s.unroll_dim ? s.unroll : 1;
    plan.tasks.push_back({d, step, false, ceil_div(extent(plan.kernel, d), step)});
  }
  if (plan.vector_is_outer) {
    const SymInt& row = extent(plan.kernel, s.vector_dim);
    const std::int64_t chunk = chunk_size(plan.kernel, s);
    if (!row.is_constant() || row.constant() > chunk + chunk / 2) {
      plan.tasks.push_back({s.vector_dim, chunk, true, ceil_div(row, chunk)});
    }
  }
  for (const TaskDim& t : plan.tasks) plan.task_count *= t.extent;
  const auto points = constant_product(plan.kernel.outer), inner = constant_product(plan.kernel.inner);
  const auto exprs = static_cast<std::int64_t>(plan.kernel.exprs.size());
  plan.single_task = points && inner && *points <= kSingleTaskPoints && *inner <= kSingleTaskPoints &&
                     *points * *inner * (4 + exprs) <= 4 * kSingleTaskPoints;
  if (plan.single_task) plan.task_count = 1;
  return plan;
}

namespace {

std::int64_t heavy_count(const LoopKernel& kernel) {
  return std::count_if(kernel.exprs.begin(), kernel.exprs.end(), [](const Expr& e) { return is_function(e.op); });
}

// Whether tiles of lanes x lanes points along `along` and `across` make gathers into loads and a few shuffles.
bool can_transpose(const LoopKernel& kernel, std::int32_t along, std::int32_t across, int lanes) {
  if (!is_pointwise(kernel) || along == across || !has_transposed_load(kernel, along, across)) return false;
  const auto fits = [&](std::int32_t dim) {
    const auto e = extent(kernel, dim).as_constant();
    return !e || *e >= lanes;
  };
  return fits(along) && fits(across);
}

/// The dim to tile against vector dim `along` for transposed loads, or -1.
std::int32_t transposed_dim(const LoopKernel& kernel, std::int32_t along, int lanes) {
  for (auto u = static_cast<std::int32_t>(kernel.outer.size()) - 1; u >= 0; --u) {
    if (can_transpose(kernel, along, u, lanes)) return u;
  }
  return -1;
}

/// Estimated cost of a vector's worth of points when lanes run over `dim`; -1 is scalar code.
double cost_of(const LoopKernel& kernel, std::int32_t dim, int lanes) {
  const std::int32_t across = dim < 0 ? -1 : transposed_dim(kernel, dim, lanes);
  const auto outer = static_cast<std::int32_t>(kernel.outer.size());
  double cost = 0;
  const auto access_cost = [&](const Access& a, bool store) {
    if (dim < 0) return static_cast<double>(lanes);
    const SymInt& stride = a.strides[static_cast<std::size_t>(dim)];
    const bool scattered = a.indirect >= 0 && depends_on_dim(kernel, a.indirect, dim);
    if (!scattered && stride.is(1)) return 1.0;
    if (!scattered && stride.is(0)) return store ? static_cast<double>(lanes) : 0.5;
    if (across >= 0 && !store && a.indirect < 0 && a.strides[static_cast<std::size_t>(across)].is(1)) return 4.0;
    const bool gathered = dtype_size(a.dtype) >= 4 && !store;
    return gathered ? 1.0 * lanes : 2.0 * lanes;
  };
  const auto inner_points = constant_product(kernel.inner);
  const double weight = kernel.inner.empty() ? 1
                        : inner_points       ? static_cast<double>(std::min<std::int64_t>(*inner_points, 64))
                                             : 64;
  for (const Expr& e : kernel.exprs) {
    if (e.op == ExprOp::load) cost += weight * access_cost(kernel.accesses[static_cast<std::size_t>(e.access)], false);
    if (e.op != ExprOp::constant && e.op != ExprOp::index && e.op != ExprOp::size)
      cost += weight * (is_function(e.op) ? 15 : 0.5) * (dim < 0 ? lanes : 1);
  }
  for (const Stage& s : kernel.stages) {
    const bool per_outer = s.kind == Stage::Kind::finish;
    if (s.kind == Stage::Kind::reduce && dim >= outer) cost += 6;  // the lanes are combined at the end
    for (const Store& store : s.stores) {
      const double c = access_cost(kernel.accesses[static_cast<std::size_t>(store.access)], true);
      if (per_outer && dim >= outer) {
        cost += 1.0 * lanes;  // scalar code, once for each lane's worth of outer points
      } else {
        cost += (per_outer ? 1 : weight) * c;
      }
    }
  }
  if (dim < 0) return cost;
  const auto e = extent(kernel, dim).as_constant();
  if (!e || *e <= 0) return cost;
  const double vectors = static_cast<double>((*e + lanes - 1) / lanes);
  return cost * vectors * lanes / static_cast<double>(*e);
}

// A dim along which loads of a window overlap, as the columns of a convolution do.
std::int32_t window_dim(const LoopKernel& kernel, std::int32_t vector_dim) {
  const auto outer = static_cast<std::int32_t>(kernel.outer.size());
  if (kernel.inner.empty() || vector_dim >= outer) return -1;
  for (std::int32_t d = outer - 1; d >= 0; --d) {
    if (d == vector_dim) continue;
    for (const Expr& e : kernel.exprs) {
      if (e.op != ExprOp::load) continue;
      const Access& a = kernel.accesses[static_cast<std::size_t>(e.access)];
      const auto step = a.strides[static_cast<std::size_t>(d)].as_constant();
      if (!step || *step == 0) continue;
      for (std::int32_t i = outer; i < dim_count(kernel); ++i) {
        const auto inner_step = a.strides[static_cast<std::size_t>(i)].as_constant();
        const auto inner_extent = extent(kernel, i).as_constant();
        if (inner_step && inner_extent && *inner_step != 0 && *step % *inner_step == 0 &&
            *step / *inner_step < *inner_extent + 4) {
          return d;
        }
      }
    }
  }
  return -1;
}

// The largest tile up to `most` that wastes least of `extent`.
std::int32_t tile_for(const SymInt& extent, std::int32_t most) {
  const auto e = extent.as_constant();
  if (!e) return std::min(most, 4);
  std::int32_t best = 1;
  double best_waste = std::numeric_limits<double>::max();
  for (std::int32_t t = most; t >= 2; --t) {
    const double tiles = static_cast<double>((*e + t - 1) / t);
    // A tile costs its points plus about one point's worth of shared loads.
    const double waste = tiles * (t + 1) / static_cast<double>(*e);
    if (waste < best_waste) best_waste = waste, best = t;
  }
  return best;
}

}  // namespace

LoopSchedule default_schedule(const LoopKernel& original, const CpuTarget& target) {
  const LoopKernel kernel = canonical(original);
  const auto outer = static_cast<std::int32_t>(kernel.outer.size());
  LoopSchedule s;
  s.lanes = target.avx512 ? 16 : 8;
  double best = cost_of(kernel, -1, s.lanes);
  for (std::int32_t d = dim_count(kernel) - 1; d >= 0; --d) {
    const double cost = cost_of(kernel, d, s.lanes);
    if (cost < best) best = cost, s.vector_dim = d;
  }
  if (s.vector_dim < 0) {
    s.lanes = 1;
    return s;
  }
  const bool heavy = heavy_count(kernel) > 0;
  const bool vector_is_outer = s.vector_dim < outer;
  if (is_pointwise(kernel)) {
    s.vectors = heavy ? 2 : 4;
    if (const std::int32_t across = transposed_dim(kernel, s.vector_dim, s.lanes); across >= 0) {
      s.unroll_dim = across;
      s.unroll = s.lanes;
      s.vectors = 1;
    }
    return s;
  }
  if (!vector_is_outer) {
    s.vectors = heavy ? 2 : 4;
    return s;
  }
  s.unroll_dim = window_dim(kernel, s.vector_dim);
  if (s.unroll_dim >= 0) {
    s.unroll = tile_for(extent(kernel, s.unroll_dim), target.avx512 ? 8 : 4);
    // A large window is not written out as a whole: more accumulators a pass make up for its loop.
    if (const auto points = constant_product(kernel.inner); target.avx512 && points && *points > 16) s.vectors = 2;
  } else {
    s.vectors = heavy ? 2 : 4;
  }
  return s;
}

std::vector<LoopSchedule> candidates(const LoopKernel& original, const CpuTarget& target) {
  const LoopKernel kernel = canonical(original);
  std::vector<LoopSchedule> found;
  const auto add = [&](LoopSchedule s) {
    s = normalise(kernel, s);
    if (s.unroll > 1 && s.unroll * s.vectors > 16) return;  // more accumulators than registers
    if (std::find(found.begin(), found.end(), s) == found.end()) found.push_back(s);
  };
  const LoopSchedule first = default_schedule(kernel, target);
  add(first);
  if (first.vector_dim < 0) return found;
  const bool transposes = plan_loop(kernel, first).transposes;
  for (const int vectors : {1, 2, 4}) {
    LoopSchedule s = first;
    s.vectors = vectors;
    if (!transposes) add(s);
  }
  if (first.unroll_dim >= 0 && !transposes) {
    for (const int unroll : {2, 4, 6, 8}) {
      LoopSchedule s = first;
      s.unroll = unroll;
      add(s);
    }
  }
  if (target.avx512) {
    LoopSchedule s = first;
    s.lanes = 8;
    if (transposes) s.unroll = 8;
    add(s);
  }
  return found;
}

}  // namespace aitune::kernels

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "base/error.h"
#include "compiler/kernels/loop.h"

namespace aitune::kernels {
namespace {

void check(const LoopKernel& kernel) {
  const auto require = [&](bool holds, const char* what) {
    if (!holds) throw InternalError(what, kernel.name);
  };
  const auto dims = static_cast<std::int32_t>(kernel.outer.size() + kernel.inner.size());
  const auto count = static_cast<std::int32_t>(kernel.exprs.size());
  const auto accesses = static_cast<std::int32_t>(kernel.accesses.size());
  for (const Access& a : kernel.accesses) {
    require(a.strides.size() == static_cast<std::size_t>(dims), "an access has the wrong number of strides");
    require(a.buffer >= 0 && a.buffer < kernel.buffer_count, "an access has no buffer");
    require(!is_complex(a.dtype), "complex elements are not for generated kernels");
    require(a.indirect < count, "an access is indirect through a missing expression");
  }
  for (std::int32_t i = 0; i < count; ++i) {
    const Expr& e = kernel.exprs[static_cast<std::size_t>(i)];
    require(e.a < i && e.b < i && e.c < i, "an expression uses a later one");
    if (e.op == ExprOp::index) require(e.dim >= 0 && e.dim < dims, "an index of a missing dimension");
    if (e.op == ExprOp::load) require(e.access >= 0 && e.access < accesses, "a load through a missing access");
    if (e.op == ExprOp::accumulator) require(false, "an accumulator outside a matrix product");
  }
  for (const Stage& s : kernel.stages) {
    if (s.kind == Stage::Kind::reduce) require(s.value >= 0 && s.value < count, "a reduction of a missing expression");
    for (const Store& store : s.stores) {
      require(store.access >= 0 && store.access < accesses && store.value >= 0 && store.value < count,
              "a store of something missing");
    }
  }
}

// A typical value, to compare strides that are symbolic.
std::int64_t rough(const SymInt& size) {
  if (const auto c = size.as_constant()) return *c;
  std::vector<std::string> names;
  size.collect_symbols(names);
  SymValues values;
  for (const std::string& name : names) values[name] = 97;
  return size.evaluate(values);
}

bool counts_inner_points(const LoopKernel& kernel) {
  return std::any_of(kernel.stages.begin(), kernel.stages.end(), [](const Stage& s) {
    return s.kind == Stage::Kind::reduce && (s.reduce == ReduceOp::argmax || s.reduce == ReduceOp::argmin);
  });
}

bool uses_index(const LoopKernel& kernel, std::size_t dim) {
  return std::any_of(kernel.exprs.begin(), kernel.exprs.end(),
                     [&](const Expr& e) { return e.op == ExprOp::index && static_cast<std::size_t>(e.dim) == dim; });
}

SymInt& extent_at(LoopKernel& kernel, std::size_t dim) {
  return dim < kernel.outer.size() ? kernel.outer[dim] : kernel.inner[dim - kernel.outer.size()];
}

// Removes a dim that nothing indexes any more.
void remove_dim(LoopKernel& kernel, std::size_t dim) {
  const auto at = static_cast<std::ptrdiff_t>(dim);
  if (dim < kernel.outer.size()) {
    kernel.outer.erase(kernel.outer.begin() + at);
  } else {
    kernel.inner.erase(kernel.inner.begin() + (at - static_cast<std::ptrdiff_t>(kernel.outer.size())));
  }
  for (Access& a : kernel.accesses) a.strides.erase(a.strides.begin() + at);
  for (Expr& e : kernel.exprs) {
    if (e.op == ExprOp::index && static_cast<std::size_t>(e.dim) > dim) --e.dim;
  }
}

void drop_unit_dims(LoopKernel& kernel) {
  for (std::size_t dim = kernel.outer.size() + kernel.inner.size(); dim-- > 0;) {
    if (!extent_at(kernel, dim).is(1)) continue;
    for (Expr& e : kernel.exprs) {
      if (e.op != ExprOp::index || static_cast<std::size_t>(e.dim) != dim) continue;
      const ExprType type = e.type;
      e = Expr{.op = ExprOp::constant, .type = type};
    }
    remove_dim(kernel, dim);
  }
}

// Without a reduction every inner point stands for itself, as outer points do.
void make_pointwise(LoopKernel& kernel) {
  if (kernel.stages.size() != 1 || kernel.stages[0].kind == Stage::Kind::reduce) return;
  if (kernel.stages[0].kind == Stage::Kind::finish) kernel.inner.clear();
  kernel.outer.insert(kernel.outer.end(), kernel.inner.begin(), kernel.inner.end());
  kernel.inner.clear();
  for (Access& a : kernel.accesses) a.strides.resize(kernel.outer.size());
  kernel.stages[0].kind = Stage::Kind::map;
}

const Access* main_store(const LoopKernel& kernel) {
  for (auto s = kernel.stages.rbegin(); s != kernel.stages.rend(); ++s) {
    if (!s->stores.empty()) return &kernel.accesses[static_cast<std::size_t>(s->stores[0].access)];
  }
  return nullptr;
}

// Largest stride first, within outer and inner dims each.
void order_dims(LoopKernel& kernel) {
  const std::size_t dims = kernel.outer.size() + kernel.inner.size();
  std::vector<std::size_t> order(dims);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Access* store = main_store(kernel);
  const auto stride_of_store = [&](std::size_t d) { return store ? std::llabs(rough(store->strides[d])) : 0; };
  const auto stride_of_loads = [&](std::size_t d) {
    long long sum = 0;
    for (const Access& a : kernel.accesses) sum += std::min(std::llabs(rough(a.strides[d])), 1LL << 40);
    return sum;
  };
  const auto before = [&](std::size_t x, std::size_t y) {
    const long long sx = stride_of_store(x), sy = stride_of_store(y);
    return sx != sy ? sx > sy : stride_of_loads(x) > stride_of_loads(y);
  };
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(kernel.outer.size());
  std::stable_sort(order.begin(), middle, before);
  if (!counts_inner_points(kernel)) std::stable_sort(middle, order.end(), before);

  std::vector<std::int32_t> place(dims);
  LoopKernel sorted = kernel;
  for (std::size_t d = 0; d < dims; ++d) {
    place[order[d]] = static_cast<std::int32_t>(d);
    extent_at(sorted, d) = extent_at(kernel, order[d]);
    for (std::size_t i = 0; i < kernel.accesses.size(); ++i) {
      sorted.accesses[i].strides[d] = kernel.accesses[i].strides[order[d]];
    }
  }
  for (Expr& e : sorted.exprs) {
    if (e.op == ExprOp::index) e.dim = place[static_cast<std::size_t>(e.dim)];
  }
  kernel = std::move(sorted);
}

bool can_merge(LoopKernel& kernel, std::size_t dim) {
  if (uses_index(kernel, dim) || uses_index(kernel, dim + 1)) return false;
  const SymInt& inner_extent = extent_at(kernel, dim + 1);
  return std::all_of(kernel.accesses.begin(), kernel.accesses.end(),
                     [&](const Access& a) { return a.strides[dim] == a.strides[dim + 1] * inner_extent; });
}

void merge_dims(LoopKernel& kernel) {
  for (std::size_t dim = kernel.outer.size() + kernel.inner.size(); dim-- > 0;) {
    const bool last_outer = dim + 1 == kernel.outer.size(), last = dim + 1 == kernel.outer.size() + kernel.inner.size();
    if (last_outer || last || !can_merge(kernel, dim)) continue;
    extent_at(kernel, dim + 1) = extent_at(kernel, dim) * extent_at(kernel, dim + 1);
    remove_dim(kernel, dim);
  }
}

}  // namespace

LoopKernel canonical(const LoopKernel& kernel) {
  check(kernel);
  LoopKernel result = kernel;
  drop_unit_dims(result);
  make_pointwise(result);
  order_dims(result);
  merge_dims(result);
  return result;
}

bool depends_on_dim(const LoopKernel& kernel, std::int32_t expr, std::int32_t dim) {
  std::vector<bool> depends(static_cast<std::size_t>(expr) + 1);
  for (std::size_t i = 0; i < depends.size(); ++i) {
    const Expr& e = kernel.exprs[i];
    bool d = e.op == ExprOp::index && e.dim == dim;
    for (const std::int32_t operand : {e.a, e.b, e.c})
      d = d || (operand >= 0 && depends[static_cast<std::size_t>(operand)]);
    if (e.op == ExprOp::load) {
      const Access& a = kernel.accesses[static_cast<std::size_t>(e.access)];
      d = d || !a.strides[static_cast<std::size_t>(dim)].is(0) ||
          (a.indirect >= 0 && depends[static_cast<std::size_t>(a.indirect)]);
    }
    if (e.op == ExprOp::temp) d = d || dim < static_cast<std::int32_t>(kernel.outer.size());
    depends[i] = d;
  }
  return depends.back();
}

}  // namespace aitune::kernels

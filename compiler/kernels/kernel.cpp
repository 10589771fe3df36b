#include "compiler/kernels/kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "compiler/kernels/loop.h"

namespace aitune::kernels {
namespace {

std::vector<SymInt> params_of(const LoopKernel& kernel) {
  std::vector<SymInt> params;
  const auto add = [&](const SymInt& size) {
    if (size.is_constant() || std::find(params.begin(), params.end(), size) != params.end()) return;
    params.push_back(size);
  };
  for (const auto* extents : {&kernel.outer, &kernel.inner}) std::for_each(extents->begin(), extents->end(), add);
  for (const Access& a : kernel.accesses) {
    add(a.offset);
    std::for_each(a.strides.begin(), a.strides.end(), add);
    add(a.indirect_stride);
    add(a.indirect_extent);
  }
  for (const Expr& e : kernel.exprs) add(e.size);
  return params;
}

// Everything that the code depends on, with symbolic sizes by their position in the params array.
std::string description(const LoopKernel& kernel) {
  const std::vector<SymInt> params = params_of(kernel);
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  const auto append = [&](const SymInt& size) {
    if (const auto c = size.as_constant()) {
      fmt::format_to(out, "{},", *c);
    } else {
      fmt::format_to(out, "p{},", std::find(params.begin(), params.end(), size) - params.begin());
    }
  };
  const auto append_all = [&](const char* name, const std::vector<SymInt>& sizes) {
    fmt::format_to(out, ";{}:", name);
    std::for_each(sizes.begin(), sizes.end(), append);
  };
  append_all("outer", kernel.outer);
  append_all("inner", kernel.inner);
  fmt::format_to(out, ";{}", kernel.buffer_count);
  for (const Access& a : kernel.accesses) {
    fmt::format_to(out, ";access:{},{},{},", a.buffer, static_cast<int>(a.dtype), a.indirect);
    append(a.offset);
    append(a.indirect_stride);
    append(a.indirect_extent);
    append_all("s", a.strides);
  }
  for (const Expr& e : kernel.exprs) {
    fmt::format_to(out, ";expr:{},{},{},{},{},{},{},{:a},{}", static_cast<int>(e.op), static_cast<int>(e.type), e.a,
                   e.b, e.c, e.access, e.dim, e.number, e.integer);
    if (e.op == ExprOp::size) append(e.size);
  }
  for (const Stage& s : kernel.stages) {
    fmt::format_to(out, ";stage:{},{},{}", static_cast<int>(s.kind), static_cast<int>(s.reduce), s.value);
    for (const Store& store : s.stores) fmt::format_to(out, ";store:{},{}", store.access, store.value);
  }
  return fmt::to_string(text);
}

}  // namespace

std::string extent_name(const std::vector<SymInt>& extents) {
  std::string name;
  for (const SymInt& e : extents) {
    if (!name.empty()) name += 'x';
    name += e.is_constant() ? std::to_string(e.constant()) : "d";
  }
  return name.empty() ? "1" : name;
}

std::vector<SymInt> collect_params(const LoopKernel& kernel) { return params_of(canonical(kernel)); }

SymInt task_count(const LoopKernel& kernel, const LoopSchedule& schedule) {
  return plan_loop(kernel, schedule).task_count;
}

std::string fingerprint(const LoopKernel& kernel, const LoopSchedule& schedule) {
  const LoopPlan plan = plan_loop(kernel, schedule);
  const std::string text = description(plan.kernel);
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  const LoopSchedule& s = plan.schedule;
  return fmt::format("loop_{}_i{}_d{}x{}x{}_u{}x{}_{:016x}{:016x}", extent_name(plan.kernel.outer),
                     extent_name(plan.kernel.inner), s.vector_dim, s.lanes, s.vectors, s.unroll_dim, s.unroll,
                     hash.high64, hash.low64);
}

}  // namespace aitune::kernels

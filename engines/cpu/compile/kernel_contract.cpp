#include "engines/cpu/compile/kernel_contract.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "compiler/kernels/gemm.h"
#include "compiler/kernels/loop.h"

namespace aitune::cpu {
namespace {

using kernels::Access;
using kernels::GemmKernel;
using kernels::LoopKernel;

/// Formulas over a kernel's parameters instead of the model's symbols.
class Formulas {
 public:
  explicit Formulas(const std::vector<SymInt>& params) {
    for (const SymInt& p : params) add_param(p);
  }

  const std::vector<SymInt>& params() const { return params_; }
  /// A size of the kernel over its parameters: one of them or a multiple of one, or sums, products, quotients of such.
  /// A size that is a parameter is that one, whatever else the parameters of this call have to do with each other:
  /// other calls of the same code have other ones.
  SymInt operator()(const SymInt& size) {
    if (size.is_constant()) return size;
    for (std::size_t i = 0; i < params_.size(); ++i)
      if (params_[i] == size) return names_[i];
    for (std::size_t i = 0; i < params_.size(); ++i)
      if (const SymInt rest = size - params_[i]; rest.is_constant()) return names_[i] + rest;
    if (const auto found = multiple_of_param(size)) return *found;
    SymInt sum;
    for (const auto& term : size.terms()) {
      SymInt plain = term.coefficient;
      for (const auto& atom : term.atoms) plain *= to_size(*atom);
      if (const auto found = plain == size ? std::nullopt : multiple_of_param(plain)) {
        sum += *found;
        continue;
      }
      SymInt factors = term.coefficient;
      for (const auto& atom : term.atoms) factors *= of_atom(*atom);
      sum += factors;
    }
    return sum;
  }
  ExprId add(const SymInt& formula) { return plan_.add(formula); }
  ExprId add_product(const SymInt& a, const SymInt& b) {
    if (b.is(1)) return add(a);
    const ExprId lhs = add(a), rhs = add(b);
    return plan_.add(PlanExpr{PlanExpr::Op::mul, 0, lhs, rhs});
  }
  std::vector<PlanExpr> take() { return std::move(plan_.exprs); }

 private:
  SymInt add_param(const SymInt& param) {
    params_.push_back(param);
    plan_.symbols.push_back({fmt::format("p{}", names_.size()), {}, 0, 0});
    return names_.emplace_back(SymInt::symbol(plan_.symbols.back().name));
  }

  std::optional<SymInt> multiple_of_param(const SymInt& size) const {
    const auto [factor, unit] = content(size);
    std::optional<SymInt> found;
    for (std::size_t i = 0; i < params_.size(); ++i) {
      const auto [param_factor, param_unit] = content(params_[i]);
      if (param_unit != unit) continue;
      if (factor % param_factor == 0) return names_[i] * SymInt(factor / param_factor);
      found = floordiv(names_[i] * SymInt(factor), SymInt(param_factor));
    }
    return found;
  }

  SymInt of_atom(const SymInt::Atom& atom) {
    if (const auto found = multiple_of_param(to_size(atom))) return *found;
    if (atom.kind != SymInt::AtomKind::symbol) return apply(atom.kind, (*this)(atom.lhs), (*this)(atom.rhs));
    return add_param(to_size(atom));
  }

  std::vector<SymInt> params_, names_;
  Plan plan_;  // of which the expressions are wanted
};

/// The first and the last element that an affine walk reaches, from its start.
struct Reach {
  SymInt low = 0, high = 0;
  SymInt any = 1;  ///< 0 where a loop has no iterations, so that nothing is reached

  void loop(const SymInt& extent, const SymInt& stride) {
    walk(extent, stride);
    any *= min(SymInt(1), extent);
  }

  void walk(const SymInt& extent, const SymInt& stride) {
    const SymInt far = (extent + SymInt(-1)) * stride;
    if (const auto c = far.as_constant()) {
      (*c < 0 ? low : high) += far;
      return;
    }
    low += min(SymInt(0), far);
    high += max(SymInt(0), far);
  }
};

class Contract {
 public:
  Contract(std::uint64_t entry, std::int32_t buffers, const std::vector<SymInt>& params) : formulas_(params) {
    kernel_.entry = entry;
    kernel_.buffers = static_cast<std::uint32_t>(buffers);
  }

  SymInt operator()(const SymInt& size) { return formulas_(size); }
  /// A formula over what operator() gives.
  void set_tasks(const SymInt& tasks) { kernel_.tasks = formulas_.add(tasks); }

  void add(std::int32_t buffer, DType dtype, const SymInt& offset, std::span<const SymInt> extents,
           std::span<const SymInt> strides, bool written) {
    Reach reach;
    for (std::size_t d = 0; d < extents.size(); ++d) reach.loop(formulas_(extents[d]), formulas_(strides[d]));
    add(buffer, dtype, formulas_(offset), reach, written);
  }

  /// Bytes from the start of a buffer that the kernel only reads.
  void add_whole(std::int32_t buffer, std::int64_t bytes) {
    kernel_.accesses.push_back({static_cast<std::uint32_t>(buffer), formulas_.add(0), formulas_.add(bytes), false});
  }

  void add(const Access& access, std::span<const SymInt> extents, bool written) {
    Reach reach;
    for (std::size_t d = 0; d < extents.size(); ++d) reach.loop(formulas_(extents[d]), formulas_(access.strides[d]));
    // An empty table is read at its first element all the same, by lanes whose values nobody needs: those of
    // masked_scatter() where the mask takes nothing.
    if (access.indirect >= 0)
      reach.walk(max(SymInt(1), formulas_(access.indirect_extent)), formulas_(access.indirect_stride));
    add(access.buffer, access.dtype, formulas_(access.offset), reach, written);
  }

  KernelContract finish() {
    kernel_.params = static_cast<std::uint32_t>(formulas_.params().size());
    kernel_.exprs = formulas_.take();
    return {std::move(kernel_), formulas_.params()};
  }

 private:
  void add(std::int32_t buffer, DType dtype, const SymInt& offset, const Reach& reach, bool written) {
    const auto size = static_cast<std::int64_t>(dtype_size(dtype));
    const PlanKernel::Access access{
        static_cast<std::uint32_t>(buffer), formulas_.add_product((offset + reach.low) * size, reach.any),
        formulas_.add_product((offset + reach.high + SymInt(1)) * size, reach.any), written};
    if (std::ranges::find(kernel_.accesses, access) == kernel_.accesses.end()) kernel_.accesses.push_back(access);
  }

  Formulas formulas_;
  PlanKernel kernel_;
};

std::vector<SymInt> joined(std::vector<SymInt> first, std::span<const SymInt> second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

bool is_stored(std::span<const kernels::Store> stores, std::size_t access) {
  return std::ranges::any_of(stores, [&](const auto& s) { return s.access == static_cast<std::int32_t>(access); });
}

}  // namespace

KernelContract describe_kernel(const LoopKernel& original, const kernels::LoopSchedule& schedule, std::uint64_t entry) {
  const LoopKernel kernel = canonical(original);
  const std::vector<SymInt> extents = joined(kernel.outer, kernel.inner);
  Contract contract(entry, kernel.buffer_count, collect_params(original));
  const kernels::LoopPlan plan = plan_loop(original, schedule);
  SymInt tasks = 1;
  if (!plan.single_task)
    for (const auto& t : plan.tasks)
      tasks *= kernels::ceil_div(contract(extents.at(static_cast<std::size_t>(t.dim))), t.step);
  contract.set_tasks(tasks);
  for (std::size_t a = 0; a < kernel.accesses.size(); ++a) {
    const auto stores = [&](const kernels::Stage& stage) { return is_stored(stage.stores, a); };
    contract.add(kernel.accesses[a], extents, std::ranges::any_of(kernel.stages, stores));
  }
  return contract.finish();
}

KernelContract describe_kernel(const GemmKernel& original, const kernels::GemmTile& tile, std::uint64_t entry) {
  const GemmKernel kernel = canonical(original);
  const std::vector<SymInt> rows = joined(kernel.batch, kernel.m);
  const std::vector<SymInt> k(kernel.k.begin(), kernel.k.end());
  Contract contract(entry, kernel.buffer_count, collect_params(original));
  if (tile.winograd != 0) {
    contract.set_tasks(contract(task_count(original, tile)));
  } else {
    GemmKernel named = kernel;
    for (auto* sizes : {&named.batch, &named.m})
      for (SymInt& size : *sizes) size = contract(size);
    named.n = contract(named.n);
    contract.set_tasks(task_count(named, tile));
  }
  contract.add(kernel.a_buffer, kernel.a_type, kernel.a_offset, joined(rows, k), kernel.a_strides, false);
  if (kernel.b_strides.empty()) {
    const DType packed = tile.winograd != 0 ? DType::f32 : kernel.b_type;
    contract.add_whole(kernel.b_buffer,
                       packed_b(original, tile).elements() * static_cast<std::int64_t>(dtype_size(packed)));
  } else {
    const SymInt depth = product(k);
    const std::vector<SymInt> extents = joined(kernel.batch, std::vector<SymInt>{depth, kernel.n});
    contract.add(kernel.b_buffer, kernel.b_type, kernel.b_offset, extents, kernel.b_strides, false);
  }
  const std::vector<SymInt> extents = joined(rows, std::vector<SymInt>{kernel.n});
  for (std::size_t a = 0; a < kernel.accesses.size(); ++a)
    contract.add(kernel.accesses[a], extents, is_stored(kernel.stores, a));
  return contract.finish();
}

}  // namespace aitune::cpu

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "compiler/kernels/loop.h"
#include "engines/cpu/compile/emitters.h"
#include "engines/cpu/compile/expr_emitter.h"
#include "engines/cpu/compile/reduction.h"
#include "engines/cpu/compile/vector_loop.h"

namespace aitune::cpu {
namespace {

using kernels::Expr;
using kernels::ExprOp;
using kernels::LoopPlan;
using kernels::Stage;
using llvm::Value;
using Values = std::vector<Value*>;

constexpr std::int64_t kUnrollBudget = 768;  // expressions that an unrolled window may come to

/// Outer points that are computed together: `unroll` along the unroll dim times `copies` vectors along the vector dim
/// (if that is an outer one), at constant distances from `base`.
struct Group {
  Cursor base;
  int unroll = 1;
  int copies = 1;
  Lanes lanes;
  int size() const { return unroll * copies; }
};

class LoopEmitter {
 public:
  LoopEmitter(llvm::Module& module, const CpuTarget& target, LoopPlan plan, const std::string& symbol)
      : plan_(std::move(plan)),
        kernel_(plan_.kernel),
        schedule_(plan_.schedule),
        builder_(module.getContext()),
        frame_(begin_kernel(module, builder_, target, symbol, kernel_.buffer_count)),
        sizes_(builder_, frame_.params, kernels::collect_params(kernel_)),
        emitter_(builder_, target, kernel_.accesses, kernel_.exprs, frame_.buffers, sizes_, dim_count()),
        can_mask_(target.avx512 || std::all_of(kernel_.accesses.begin(), kernel_.accesses.end(),
                                               [](const auto& a) { return dtype_size(a.dtype) >= 4; })),
        vectors_(builder_, schedule_.lanes, can_mask_) {}

  void emit() {
    const Cursor origin = emitter_.origin();
    Value *begin = frame_.begin, *end = frame_.end;
    if (plan_.single_task) {
      std::int64_t all = 1;
      for (const auto& t : plan_.tasks) all *= t.extent.constant();
      end = builder_.CreateSelect(builder_.CreateICmpSLT(begin, end), number(all), number(0));
      begin = number(0);
    }
    if (plan_.tasks.empty()) {
      CountedLoop loop(builder_, begin, end, number(1));
      run_tile({.at = origin});
      loop.finish();
    } else {
      walk_tasks(origin, begin, end);
    }
    builder_.CreateRetVoid();
  }

 private:
  /// What one task covers.
  struct Tile {
    Cursor at;
    Value* rows_left =
        nullptr;  ///< indices from the tile's start to the end of the unroll dim, where that may be short
    Value *low = nullptr, *high = nullptr;  ///< range of the vector dim, where it is divided into chunks
  };

  int dim_count() const { return static_cast<int>(kernel_.outer.size() + kernel_.inner.size()); }
  int outer_count() const { return static_cast<int>(kernel_.outer.size()); }
  const SymInt& extent(int dim) const {
    return dim < outer_count() ? kernel_.outer[static_cast<std::size_t>(dim)]
                               : kernel_.inner[static_cast<std::size_t>(dim - outer_count())];
  }
  Value* number(std::int64_t n) { return builder_.getInt64(static_cast<std::uint64_t>(n)); }
  Value* least(Value* x, Value* y) { return builder_.CreateSelect(builder_.CreateICmpSLT(x, y), x, y); }

  // ---- tasks

  Value* tasks_along(const kernels::TaskDim& t) {
    Value* e = sizes_(extent(t.dim));
    return t.step == 1 ? e : builder_.CreateUDiv(builder_.CreateNSWAdd(e, number(t.step - 1)), number(t.step));
  }

  // The task index is taken apart once; from there each span of the last task dim is a plain loop.
  void walk_tasks(const Cursor& origin, Value* begin, Value* end) {
    const std::size_t leading = plan_.tasks.size() - 1;
    Values extents;
    for (const auto& t : plan_.tasks) extents.push_back(tasks_along(t));
    llvm::BasicBlock* decode = new_block("decode");
    llvm::BasicBlock* exit = new_block("exit");
    builder_.CreateCondBr(builder_.CreateICmpSLT(begin, end), decode, exit);

    builder_.SetInsertPoint(decode);
    Values first(plan_.tasks.size());
    Value* rest = begin;
    for (std::size_t d = leading; d > 0; --d) {
      first[d] = builder_.CreateURem(rest, extents[d]);
      rest = builder_.CreateUDiv(rest, extents[d]);
    }
    first[0] = rest;
    llvm::BasicBlock* spans = new_block("spans");
    builder_.CreateBr(spans);

    builder_.SetInsertPoint(spans);
    llvm::PHINode* task = phi(begin, decode);
    std::vector<llvm::PHINode*> index;
    for (Value* v : first) index.push_back(phi(v, decode));
    Value* span = least(builder_.CreateNSWSub(end, task), builder_.CreateNSWSub(extents[leading], index[leading]));
    Tile tile{.at = origin};
    for (std::size_t d = 0; d < leading; ++d) enter_task_dim(tile, plan_.tasks[d], index[d]);
    CountedLoop loop(builder_, index[leading], builder_.CreateNSWAdd(index[leading], span), number(1));
    Tile inner = tile;
    enter_task_dim(inner, plan_.tasks[leading], loop.index());
    run_tile(inner);
    loop.finish();

    Value* next_task = builder_.CreateNSWAdd(task, span);
    Values next(plan_.tasks.size());
    next[leading] = number(0);
    Value* carry = number(1);
    for (std::size_t d = leading; d-- > 0;) {
      Value* raised = builder_.CreateNSWAdd(index[d], carry);
      Value* wraps = builder_.CreateICmpEQ(raised, extents[d]);
      next[d] = builder_.CreateSelect(wraps, number(0), raised);
      carry = builder_.CreateZExt(wraps, builder_.getInt64Ty());
    }
    llvm::BasicBlock* latch = builder_.GetInsertBlock();
    task->addIncoming(next_task, latch);
    for (std::size_t d = 0; d < next.size(); ++d) index[d]->addIncoming(next[d], latch);
    builder_.CreateCondBr(builder_.CreateICmpSLT(next_task, end), spans, exit);
    builder_.SetInsertPoint(exit);
  }

  void enter_task_dim(Tile& tile, const kernels::TaskDim& t, Value* index) {
    if (t.chunk) {
      tile.low = builder_.CreateNSWMul(index, number(t.step));
      if (const auto e = extent(t.dim).as_constant(); e && *e % t.step == 0) {
        // Chunks of one length: their loops have constant bounds.
        tile.at = emitter_.moved(tile.at, t.dim, tile.low);
        tile.low = number(0);
        tile.high = number(t.step);
        return;
      }
      tile.high = least(builder_.CreateNSWAdd(tile.low, number(t.step)), sizes_(extent(t.dim)));
      return;
    }
    Value* start = t.step == 1 ? index : builder_.CreateNSWMul(index, number(t.step));
    if (t.dim == schedule_.unroll_dim) {
      if (const auto e = extent(t.dim).as_constant()) {
        // The last tile moves back to end with the row: it computes some points a second time.
        if (*e % t.step != 0) start = least(start, number(*e - t.step));
      } else {
        tile.rows_left = builder_.CreateNSWSub(sizes_(extent(t.dim)), start);
      }
    }
    tile.at = emitter_.moved(tile.at, t.dim, start);
  }

  void run_tile(const Tile& tile) {
    if (schedule_.unroll_dim < 0 || !tile.rows_left) return run_rows(tile, tile.at, schedule_.unroll);
    llvm::BasicBlock *whole = new_block("whole"), *part = new_block("part"), *done = new_block("done");
    builder_.CreateCondBr(builder_.CreateICmpSGE(tile.rows_left, number(schedule_.unroll)), whole, part);
    builder_.SetInsertPoint(whole);
    run_rows(tile, tile.at, schedule_.unroll);
    builder_.CreateBr(done);
    builder_.SetInsertPoint(part);
    CountedLoop rows(builder_, number(0), tile.rows_left, number(1));
    run_rows(tile, emitter_.moved(tile.at, schedule_.unroll_dim, rows.index()), 1);
    rows.finish();
    builder_.CreateBr(done);
    builder_.SetInsertPoint(done);
  }

  void run_rows(const Tile& tile, const Cursor& at, int unroll) {
    if (!plan_.vector_is_outer) return run_group({.base = at, .unroll = unroll});
    Value* low = tile.low ? tile.low : number(0);
    Value* high = tile.high ? tile.high : sizes_(extent(schedule_.vector_dim));
    Values none;
    vectors_.emit(low, high, schedule_.vectors, none, [&](Value* index, int copies, int lanes, Value* mask, Values&) {
      Group group{.base = emitter_.moved(at, schedule_.vector_dim, index),
                  .unroll = unroll,
                  .copies = copies,
                  .lanes = {schedule_.vector_dim, lanes, mask}};
      if (plan_.transposes && unroll == lanes && !mask) return run_transposed(group);
      run_group(group);
    });
  }

  // ---- points

  /// Where point `p` of the group stands; `base` is the group's base, perhaps moved along inner dims.
  Cursor point_of(const Group& group, const Cursor& base, int p) {
    Cursor at = base;
    if (const int u = p / group.copies; u > 0) at = emitter_.moved(at, schedule_.unroll_dim, std::int64_t{u});
    if (const int c = p % group.copies; c > 0) {
      at = emitter_.moved(at, schedule_.vector_dim, std::int64_t{c} * group.lanes.count);
    }
    return at;
  }

  void run_group(const Group& group) {
    std::vector<Values> temps(static_cast<std::size_t>(group.size()));
    for (const Stage& stage : kernel_.stages) {
      switch (stage.kind) {
        case Stage::Kind::reduce:
          reduce(group, stage, temps);
          break;
        case Stage::Kind::map:
          map(group, stage, temps);
          break;
        case Stage::Kind::finish:
          store_points(group, group.base, group.lanes, stage, temps);
          break;
      }
    }
  }

  void store_points(const Group& group, const Cursor& base, const Lanes& lanes, const Stage& stage,
                    const std::vector<Values>& temps) {
    for (int p = 0; p < group.size(); ++p) {
      const Cursor at = point_of(group, base, p);
      Evaluation point(emitter_, at, lanes);
      point.set_temps(temps[static_cast<std::size_t>(p)]);
      for (const kernels::Store& s : stage.stores) point.store(s);
    }
  }

  void map(const Group& group, const Stage& stage, const std::vector<Values>& temps) {
    Values none;
    Nest nest = inner_nest(group, schedule_.vectors, [&](const Cursor& base, int, const Lanes& lanes, Values&) {
      store_points(group, base, lanes, stage, temps);
    });
    run_nest(nest, 0, group.base, none);
  }

  void reduce(const Group& group, const Stage& stage, std::vector<Values>& temps) {
    const kernels::ExprType type = kernel_.exprs[static_cast<std::size_t>(stage.value)].type;
    const ReductionEmitter reduction(builder_, stage.reduce, type);
    const bool vector_is_inner = schedule_.vector_dim >= outer_count();
    const int points = group.size(), width = static_cast<int>(reduction.width());
    // Independent accumulators hide the latency of the additions.
    const int replicas = vector_is_inner              ? std::max(1, schedule_.vectors)
                         : reduction.finds_position() ? 1
                                                      : std::clamp(8 / points, 1, 4);
    const int lanes = vector_is_inner ? schedule_.lanes : group.lanes.count;
    const bool scalar_rest = vector_is_inner && !can_mask_;
    Values carried;
    for (int i = 0; i < (replicas + (scalar_rest ? 1 : 0)) * points; ++i) {
      const auto state = reduction.identity(i < replicas * points ? lanes : 1);
      carried.insert(carried.end(), state.begin(), state.end());
    }
    const auto state_at = [&](int replica, int p) { return (replica * points + p) * width; };
    const auto state_of = [&](const Values& all, int replica, int p) {
      const auto at = all.begin() + state_at(replica, p);
      return ReductionEmitter::State(at, at + width);
    };
    Nest nest = inner_nest(group, replicas, [&](const Cursor& base, int replica, const Lanes& at_lanes, Values& now) {
      const int slot = scalar_rest && at_lanes.count == 1 ? replicas : replica;
      Value* position = reduction.finds_position() ? inner_position(base, at_lanes) : nullptr;
      for (int p = 0; p < points; ++p) {
        const Cursor at = point_of(group, base, p);
        Evaluation point(emitter_, at, at_lanes);
        point.set_temps(temps[static_cast<std::size_t>(p)]);
        Value* value = point.value(stage.value);
        // Lanes beyond the end of an outer dim compute nothing that is kept.
        Value* mask = vector_is_inner ? at_lanes.mask : nullptr;
        const auto next = reduction.take(state_of(now, slot, p), value, position, mask);
        std::copy(next.begin(), next.end(), now.begin() + state_at(slot, p));
      }
    });
    run_nest(nest, 0, group.base, carried);
    for (int p = 0; p < points; ++p) {
      std::vector<ReductionEmitter::State> parts;
      for (int r = 0; r < replicas; ++r) parts.push_back(state_of(carried, r, p));
      while (parts.size() > 1) {
        const std::size_t half = (parts.size() + 1) / 2;
        for (std::size_t i = half; i < parts.size(); ++i) parts[i - half] = reduction.join(parts[i - half], parts[i]);
        parts.resize(half);
      }
      if (vector_is_inner) parts[0] = reduction.across_lanes(parts[0]);
      if (scalar_rest) parts[0] = reduction.join(parts[0], state_of(carried, replicas, p));
      temps[static_cast<std::size_t>(p)].push_back(reduction.result(parts[0]));
    }
  }

  /// Flattened inner index of every lane, shaped as a value of these lanes.
  Value* inner_position(const Cursor& at, const Lanes& lanes) {
    Value* position = number(0);
    for (int d = outer_count(); d < dim_count(); ++d) {
      position =
          builder_.CreateAdd(builder_.CreateMul(position, sizes_(extent(d))), at.index[static_cast<std::size_t>(d)]);
    }
    if (lanes.count == 1) return position;
    Value* all = builder_.CreateVectorSplat(static_cast<unsigned>(lanes.count), position);
    if (lanes.dim < outer_count()) return all;
    Value* step = number(1);
    for (int d = lanes.dim + 1; d < dim_count(); ++d) step = builder_.CreateMul(step, sizes_(extent(d)));
    llvm::SmallVector<llvm::Constant*> iota;
    for (int i = 0; i < lanes.count; ++i) iota.push_back(builder_.getInt64(static_cast<std::uint64_t>(i)));
    return builder_.CreateAdd(all,
                              builder_.CreateMul(llvm::ConstantVector::get(iota),
                                                 builder_.CreateVectorSplat(static_cast<unsigned>(lanes.count), step)));
  }

  // ---- inner loops

  using Leaf = std::function<void(const Cursor& base, int replica, const Lanes& lanes, Values& carried)>;

  /// The loops of one stage over the inner dims.
  struct Nest {
    std::vector<int> dims;       ///< outermost first, the vector dim last
    std::vector<bool> unrolled;  ///< written out
    int replicas = 1;
    int next_replica = 0;  ///< of the written-out leaves
    Lanes lanes;
    Leaf leaf;
  };

  Nest inner_nest(const Group& group, int replicas, Leaf leaf) {
    Nest nest{.replicas = replicas, .lanes = group.lanes, .leaf = std::move(leaf)};
    for (int d = outer_count(); d < dim_count(); ++d) {
      if (d != schedule_.vector_dim) nest.dims.push_back(d);
    }
    nest.unrolled.assign(nest.dims.size(), false);
    std::int64_t total = static_cast<std::int64_t>(group.size()) *
                         std::max<std::int64_t>(2, static_cast<std::int64_t>(kernel_.exprs.size()));
    for (std::size_t k = nest.dims.size(); k-- > 0;) {
      const auto e = extent(nest.dims[k]).as_constant();
      if (!e || *e > 64 || total * *e > kUnrollBudget) break;
      total *= *e;
      nest.unrolled[k] = true;
    }
    if (schedule_.vector_dim >= outer_count()) {
      nest.dims.push_back(schedule_.vector_dim);
      nest.unrolled.push_back(false);
    }
    return nest;
  }

  void run_nest(Nest& nest, std::size_t depth, const Cursor& base, Values& carried) {
    if (depth == nest.dims.size()) {
      nest.leaf(base, nest.next_replica, nest.lanes, carried);
      nest.next_replica = (nest.next_replica + 1) % nest.replicas;
      return;
    }
    const int dim = nest.dims[depth];
    if (dim == schedule_.vector_dim) {
      vectors_.emit(number(0), sizes_(extent(dim)), nest.replicas, carried,
                    [&](Value* index, int copies, int lanes, Value* mask, Values& inside) {
                      const Cursor first = emitter_.moved(base, dim, index);
                      for (int c = 0; c < copies; ++c) {
                        nest.leaf(emitter_.moved(first, dim, std::int64_t{c} * lanes), c, {dim, lanes, mask}, inside);
                      }
                    });
      return;
    }
    if (nest.unrolled[depth]) {
      for (std::int64_t i = 0; i < extent(dim).constant(); ++i) {
        run_nest(nest, depth + 1, emitter_.moved(base, dim, i), carried);
      }
      return;
    }
    const bool last = depth + 1 == nest.dims.size();
    Value* end = sizes_(extent(dim));
    Value* at = number(0);
    for (const int step : {nest.replicas, 1}) {
      if (step > 1 && !last) continue;
      Value* stop = step == 1 ? end : builder_.CreateNSWSub(end, builder_.CreateURem(end, number(step)));
      CountedLoop loop(builder_, at, stop, number(step), carried);
      Values inside = loop.all_carried();
      nest.next_replica = 0;
      const Cursor first = emitter_.moved(base, dim, loop.index());
      for (std::int64_t i = 0; i < step; ++i) run_nest(nest, depth + 1, emitter_.moved(first, dim, i), inside);
      carried = loop.finish(inside);
      at = stop;
      if (step == 1) break;
    }
  }

  // ---- transposition

  bool is_transposed_load(const Expr& e) const {
    if (e.op != ExprOp::load) return false;
    const kernels::Access& a = kernel_.accesses[static_cast<std::size_t>(e.access)];
    const SymInt& along = a.strides[static_cast<std::size_t>(schedule_.vector_dim)];
    return a.indirect < 0 && a.strides[static_cast<std::size_t>(schedule_.unroll_dim)].is(1) && !along.is(0) &&
           !along.is(1);
  }

  // A tile of lanes x lanes points: loads that run across the lanes are made along the unroll dim and turned.
  void run_transposed(const Group& group) {
    std::vector<std::pair<int, Values>> turned;
    for (std::size_t i = 0; i < kernel_.exprs.size(); ++i) {
      const Expr& e = kernel_.exprs[i];
      if (!is_transposed_load(e)) continue;
      const kernels::Access& a = kernel_.accesses[static_cast<std::size_t>(e.access)];
      Values rows;
      for (int lane = 0; lane < group.lanes.count; ++lane) {
        const Cursor at = emitter_.moved(group.base, schedule_.vector_dim, std::int64_t{lane});
        rows.push_back(emitter_.load(at.pointers[static_cast<std::size_t>(e.access)], a.dtype, e.type, group.unroll,
                                     nullptr, a.buffer));
      }
      turned.emplace_back(static_cast<int>(i), transposed(builder_, std::move(rows)));
    }
    for (int p = 0; p < group.unroll; ++p) {
      const Cursor at = point_of(group, group.base, p);
      Evaluation point(emitter_, at, group.lanes);
      for (const auto& [expr, columns] : turned) point.set_loaded(expr, columns[static_cast<std::size_t>(p)]);
      for (const kernels::Store& s : kernel_.stages[0].stores) point.store(s);
    }
  }

  // ---- helpers

  llvm::BasicBlock* new_block(const char* name) {
    return llvm::BasicBlock::Create(builder_.getContext(), name, frame_.function);
  }
  llvm::PHINode* phi(Value* initial, llvm::BasicBlock* from) {
    llvm::PHINode* node = builder_.CreatePHI(initial->getType(), 2);
    node->addIncoming(initial, from);
    return node;
  }

  LoopPlan plan_;
  const kernels::LoopKernel& kernel_;
  const kernels::LoopSchedule& schedule_;
  llvm::IRBuilder<> builder_;
  KernelFrame frame_;
  Sizes sizes_;
  ExprEmitter emitter_;
  bool can_mask_;
  VectorLoop vectors_;
};

}  // namespace

void emit_loop(llvm::Module& module, const CpuTarget& target, const kernels::LoopKernel& kernel,
               const kernels::LoopSchedule& schedule, const std::string& symbol) {
  LoopEmitter(module, target, kernels::plan_loop(kernel, schedule), symbol).emit();
}

}  // namespace aitune::cpu

#include "engines/cpu/compile/gemm_micro.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "compiler/kernels/functions.h"
#include "engines/cpu/compile/gemm_amx.h"

namespace aitune::cpu {

using kernels::GemmKernel;
using kernels::GemmTile;
using llvm::Type;
using llvm::Value;

namespace {

// Reductions up to this many steps are written out whole; longer straight code makes the scheduler spill accumulators.
constexpr std::int64_t kMaxStraightSteps = 4;
// Floats kept free behind a widened row: a vector.
constexpr std::int64_t kWideRun = 16;
// Epilogues with more work than this (expressions times vectors, functions count more) loop over the rows instead of
// being written out for each.
constexpr std::size_t kMaxStraightEpilogue = 320;

class MicroEmitter {
 public:
  MicroEmitter(llvm::IRBuilderBase& builder, const CpuTarget& target, const GemmKernel& form, const GemmTile& tile,
               const MicroTile& micro, ExprEmitter& exprs, Value* ahead, Value* n_left)
      : b_(builder),
        target_(target),
        form_(form),
        tile_(tile),
        micro_(micro),
        exprs_(exprs),
        ahead_(ahead),
        bf16_(form.b_type == DType::bf16),
        integers_(form.b_type == DType::i8),
        widen_(bf16_ && tile.widen),
        in_place_(!form.b_strides.empty()),
        dims_(static_cast<int>(form.batch.size() + form.m.size())) {
    float_vector_ = llvm::FixedVectorType::get(b_.getFloatTy(), static_cast<unsigned>(tile.lanes));
    int_vector_ = llvm::FixedVectorType::get(b_.getInt32Ty(), static_cast<unsigned>(tile.lanes));
    pair_ = bf16_ ? 2 : integers_ ? 4 : 1;
    make_masks(n_left);
    element_ = static_cast<std::int64_t>(dtype_size(form.b_type));
    row_stride_ = a_bytes(dims_ - 1);
    k_extents_ = form.k;
    for (std::size_t d = 0; d < form.k.size(); ++d) k_strides_.push_back(a_bytes(dims_ + static_cast<int>(d)));
    depth_bytes_ = in_place_ ? bytes(form.b_strides[form.batch.size()], element_)
                             : b_.getInt64(static_cast<std::uint64_t>(tile.nr) * tile.lanes * 4);
  }

  void emit(Value* a, Value* b, const Cursor& at) {
    if (widen_) a = widen_rows(a);
    std::vector<Value*> state(static_cast<std::size_t>(micro_.rows * micro_.vectors),
                              llvm::Constant::getNullValue(integers_ ? int_vector_ : float_vector_));
    state = reduce(0, a, b, std::move(state)).accumulators;
    if (integers_)
      for (Value*& sum : state) sum = b_.CreateSIToFP(sum, float_vector_);
    finish(state, at);
  }

 private:
  using Accumulators = std::vector<Value*>;
  struct Reduced {
    Accumulators accumulators;
    Value* b;  // where B continues
  };

  Value* bytes(const SymInt& elements, std::int64_t size) {
    return b_.CreateNSWMul(exprs_.sizes()(elements), b_.getInt64(static_cast<std::uint64_t>(size)));
  }
  Value* a_bytes(int dim) { return bytes(form_.a_strides[static_cast<std::size_t>(dim)], element_); }
  Value* times(Value* stride, std::int64_t n) {
    return b_.CreateNSWMul(stride, b_.getInt64(static_cast<std::uint64_t>(n)));
  }
  Value* forward(Value* pointer, Value* by) { return b_.CreateInBoundsGEP(b_.getInt8Ty(), pointer, by); }

  void make_masks(Value* n_left) {
    masks_.assign(static_cast<std::size_t>(micro_.vectors), nullptr);
    if (micro_.last_columns > 0) {
      masks_.back() = tail_mask(b_, b_.getInt64(static_cast<std::uint64_t>(micro_.last_columns)), tile_.lanes);
    } else if (micro_.last_columns < 0) {
      for (int j = 0; j < micro_.vectors; ++j) {
        Value* left = b_.CreateNSWSub(n_left, b_.getInt64(static_cast<std::uint64_t>(j * tile_.lanes)));
        masks_[static_cast<std::size_t>(j)] = tail_mask(b_, left, tile_.lanes);
      }
    }
  }

  // --- operands ---

  Value* load_b_row(Value* pointer, int j, Type* type, unsigned align) {
    Value* at = b_.CreateInBoundsGEP(b_.getInt8Ty(), pointer,
                                     b_.getInt64(static_cast<std::uint64_t>(j) * tile_.lanes * element_));
    llvm::Instruction* load = nullptr;
    if (Value* mask = masks_[static_cast<std::size_t>(j)]) {
      load = b_.CreateMaskedLoad(type, at, llvm::Align(align), mask, llvm::Constant::getNullValue(type));
    } else {
      load = b_.CreateAlignedLoad(type, at, llvm::Align(align));
    }
    exprs_.mark(load, form_.b_buffer);
    return load;
  }

  // Vector j of B at one depth; bf16 as pairs, i8 as quads in 32-bit lanes. `odd` is the step that has no second half.
  Value* load_b(Value* pointer, int j, bool odd) {
    if (!in_place_) {
      Value* at =
          b_.CreateInBoundsGEP(b_.getInt8Ty(), pointer, b_.getInt64(static_cast<std::uint64_t>(j) * tile_.lanes * 4));
      llvm::Instruction* load =
          b_.CreateAlignedLoad(bf16_ || integers_ ? int_vector_ : float_vector_, at, llvm::Align(4));
      exprs_.mark(load, form_.b_buffer);
      return load;
    }
    if (!bf16_) return load_b_row(pointer, j, float_vector_, 4);
    Type* halves = llvm::FixedVectorType::get(b_.getInt16Ty(), static_cast<unsigned>(tile_.lanes));
    Value* low = load_b_row(pointer, j, halves, 2);
    Value* high = odd ? llvm::Constant::getNullValue(halves) : load_b_row(forward(pointer, depth_bytes_), j, halves, 2);
    llvm::SmallVector<int> order;
    for (int i = 0; i < tile_.lanes; ++i) order.append({i, tile_.lanes + i});
    return b_.CreateBitCast(b_.CreateShuffleVector(low, high, order), int_vector_);
  }

  // A's element (bf16: pair, u8: quad) for one row, in all lanes.
  Value* load_a(Value* pointer, std::int64_t step, int row, bool odd) {
    Value* at =
        forward(forward(pointer, times(row_stride_, row)), times(k_strides_.back(), widen_ ? step : step * pair_));
    const auto load = [&](Type* type, unsigned align, Value* from) {
      llvm::Instruction* loaded = b_.CreateAlignedLoad(type, from, llvm::Align(align));
      exprs_.mark(loaded, form_.a_buffer);
      return loaded;
    };
    const auto lanes = static_cast<unsigned>(tile_.lanes);
    if (integers_) return b_.CreateVectorSplat(lanes, load(b_.getInt32Ty(), 1, at));
    if (!bf16_ || widen_) return b_.CreateVectorSplat(lanes, load(b_.getFloatTy(), 4, at));
    auto* constant = llvm::dyn_cast<llvm::ConstantInt>(k_strides_.back());
    if (!odd && constant && constant->getSExtValue() == 2)
      return b_.CreateVectorSplat(lanes, load(b_.getInt32Ty(), 2, at));
    Value* pair = b_.CreateZExt(load(b_.getInt16Ty(), 2, at), b_.getInt32Ty());
    if (!odd) {
      Value* high = b_.CreateZExt(load(b_.getInt16Ty(), 2, forward(at, k_strides_.back())), b_.getInt32Ty());
      pair = b_.CreateOr(pair, b_.CreateShl(high, 16));
    }
    return b_.CreateVectorSplat(lanes, pair);
  }

  Value* fma(Value* x, Value* y, Value* sum) {
    return b_.CreateIntrinsic(llvm::Intrinsic::fma, {float_vector_}, {x, y, sum});
  }

  Value* multiply_add(Value* a, Value* b, Value* sum) {
    if (integers_) {
      const auto id =
          tile_.lanes == 16 ? llvm::Intrinsic::x86_avx512_vpdpbusd_512 : llvm::Intrinsic::x86_avx512_vpdpbusd_256;
      return b_.CreateIntrinsic(id, {}, {sum, a, b});
    }
    if (!bf16_) return fma(a, b, sum);
    if (target_.avx512_bf16) {
      const auto id = tile_.lanes == 16 ? llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512
                                        : llvm::Intrinsic::x86_avx512bf16_dpbf16ps_256;
      Type* pairs = llvm::FixedVectorType::get(b_.getBFloatTy(), static_cast<unsigned>(2 * tile_.lanes));
      return b_.CreateIntrinsic(id, {}, {sum, b_.CreateBitCast(b, pairs), b_.CreateBitCast(a, pairs)});
    }
    // A bf16 is the upper half of an f32.
    Value* high = llvm::ConstantInt::get(int_vector_, 0xffff0000u);
    const auto lower = [&](Value* v) { return b_.CreateBitCast(b_.CreateShl(v, 16), float_vector_); };
    const auto upper = [&](Value* v) { return b_.CreateBitCast(b_.CreateAnd(v, high), float_vector_); };
    return fma(upper(a), upper(b), fma(lower(a), lower(b), sum));
  }

  // --- widening of bf16 ---

  std::int64_t inner_run() const { return in_place_ ? form_.k.back() : (form_.k.back() + 1) / 2 * 2; }
  std::int64_t widened_row() const {  // floats
    std::int64_t row = inner_run();
    for (std::size_t d = 0; d + 1 < form_.k.size(); ++d) row *= form_.k[d];
    return row + kWideRun;
  }

  Value* to_float(Value* halves) {
    return b_.CreateBitCast(b_.CreateShl(b_.CreateZExt(halves, int_vector_), 16), float_vector_);
  }

  // `count` (at most a vector) elements of A along the innermost reduction dim, the rest of the vector zero.
  Value* load_run(Value* from, std::int64_t count) {
    Type* halves = llvm::FixedVectorType::get(b_.getInt16Ty(), static_cast<unsigned>(tile_.lanes));
    auto* stride = llvm::dyn_cast<llvm::ConstantInt>(k_strides_.back());
    if (!stride || stride->getSExtValue() != 2) {
      Value* run = llvm::Constant::getNullValue(halves);
      for (std::int64_t i = 0; i < count; ++i) {
        llvm::Instruction* one =
            b_.CreateAlignedLoad(b_.getInt16Ty(), forward(from, times(k_strides_.back(), i)), llvm::Align(2));
        exprs_.mark(one, form_.a_buffer);
        run = b_.CreateInsertElement(run, one, b_.getInt64(static_cast<std::uint64_t>(i)));
      }
      return to_float(run);
    }
    llvm::Instruction* load = nullptr;
    if (count == tile_.lanes) {
      load = b_.CreateAlignedLoad(halves, from, llvm::Align(2));
    } else {
      load = b_.CreateMaskedLoad(halves, from, llvm::Align(2),
                                 tail_mask(b_, b_.getInt64(static_cast<std::uint64_t>(count)), tile_.lanes),
                                 llvm::Constant::getNullValue(halves));
    }
    exprs_.mark(load, form_.a_buffer);
    return to_float(load);
  }

  // Copies the tile's rows to the stack as f32, the reduction dims flattened. A run's last vector may reach into what
  // follows it, which is written later; kWideRun floats are kept free behind each row.
  Value* widen_rows(Value* a) {
    CountedLoop rows(b_, b_.getInt64(0), b_.getInt64(static_cast<std::uint64_t>(micro_.rows)), b_.getInt64(1));
    Value* from = forward(a, b_.CreateNSWMul(rows.index(), row_stride_));
    Value* to =
        b_.CreateInBoundsGEP(b_.getFloatTy(), widened_,
                             b_.CreateNSWMul(rows.index(), b_.getInt64(static_cast<std::uint64_t>(widened_row()))));
    widen_runs(0, from, to);
    rows.finish();
    row_stride_ = b_.getInt64(static_cast<std::uint64_t>(widened_row()) * 4);
    k_extents_ = {widened_row() - kWideRun};
    k_strides_ = {b_.getInt64(4)};
    return widened_;
  }

  void widen_runs(std::size_t dim, Value* from, Value* to) {
    if (dim + 1 < form_.k.size()) {
      std::int64_t below = inner_run();
      for (std::size_t d = dim + 1; d + 1 < form_.k.size(); ++d) below *= form_.k[d];
      CountedLoop loop(b_, b_.getInt64(0), b_.getInt64(static_cast<std::uint64_t>(form_.k[dim])), b_.getInt64(1));
      widen_runs(dim + 1, forward(from, b_.CreateNSWMul(loop.index(), k_strides_[dim])),
                 b_.CreateInBoundsGEP(b_.getFloatTy(), to,
                                      b_.CreateNSWMul(loop.index(), b_.getInt64(static_cast<std::uint64_t>(below)))));
      loop.finish();
      return;
    }
    const auto copy = [&](Value* index, std::int64_t count) {
      Value* source = forward(from, b_.CreateNSWMul(index, k_strides_.back()));
      b_.CreateAlignedStore(load_run(source, count), b_.CreateInBoundsGEP(b_.getFloatTy(), to, index), llvm::Align(4));
    };
    const std::int64_t extent = form_.k.back(), whole = extent / tile_.lanes * tile_.lanes;
    if (whole > 0) {
      CountedLoop loop(b_, b_.getInt64(0), b_.getInt64(static_cast<std::uint64_t>(whole)),
                       b_.getInt64(static_cast<std::uint64_t>(tile_.lanes)));
      copy(loop.index(), tile_.lanes);
      loop.finish();
    }
    if (whole < extent) copy(b_.getInt64(static_cast<std::uint64_t>(whole)), extent - whole);
  }

  // Two steps of f32 for one packed pair of bf16 (one step in place).
  void wide_step(Value* a, Value* b, std::int64_t k, bool odd, Accumulators& sums) {
    Value* at = forward(b, times(depth_bytes_, in_place_ ? k * pair_ : k));
    for (std::int64_t half = 0; half < (odd ? 1 : 2); ++half) {
      std::vector<Value*> columns;
      for (int j = 0; j < micro_.vectors; ++j) columns.push_back(wide_column(at, j, half));
      for (int i = 0; i < micro_.rows; ++i) {
        Value* row = load_a(a, k * 2 + half, i, false);
        for (int j = 0; j < micro_.vectors; ++j) {
          Value*& sum = sums[static_cast<std::size_t>(i * micro_.vectors + j)];
          sum = fma(row, columns[static_cast<std::size_t>(j)], sum);
        }
      }
    }
  }

  Value* wide_column(Value* at, int j, std::int64_t half) {
    if (in_place_) {
      Type* halves = llvm::FixedVectorType::get(b_.getInt16Ty(), static_cast<unsigned>(tile_.lanes));
      return to_float(load_b_row(forward(at, times(depth_bytes_, half)), j, halves, 2));
    }
    Value* pairs = load_b(at, j, false);
    Value* bits =
        half == 0 ? b_.CreateShl(pairs, 16) : b_.CreateAnd(pairs, llvm::ConstantInt::get(int_vector_, 0xffff0000u));
    return b_.CreateBitCast(bits, float_vector_);
  }

  // One step of the reduction: a rank-1 update of the tile.
  void step(Value* a, Value* b, std::int64_t k, bool odd, Accumulators& sums) {
    if (widen_) return wide_step(a, b, k, odd, sums);
    Value* at = forward(b, times(depth_bytes_, in_place_ ? k * pair_ : k));
    std::vector<Value*> columns;
    for (int j = 0; j < micro_.vectors; ++j) columns.push_back(load_b(at, j, odd));
    for (int i = 0; i < micro_.rows; ++i) {
      Value* row = load_a(a, k, i, odd);
      for (int j = 0; j < micro_.vectors; ++j) {
        Value*& sum = sums[static_cast<std::size_t>(i * micro_.vectors + j)];
        sum = multiply_add(row, columns[static_cast<std::size_t>(j)], sum);
      }
    }
  }

  // --- loops ---

  Reduced reduce(std::size_t dim, Value* a, Value* b, Accumulators sums) {
    if (dim + 1 == k_extents_.size()) return reduce_innermost(a, b, std::move(sums));
    Value* stride = k_strides_[dim];
    sums.push_back(a);
    sums.push_back(b);
    CountedLoop loop(b_, b_.getInt64(0), b_.getInt64(static_cast<std::uint64_t>(k_extents_[dim])), b_.getInt64(1),
                     sums);
    Accumulators inside;
    for (std::size_t i = 0; i + 2 < sums.size(); ++i) inside.push_back(loop.carried(i));
    Value* row = loop.carried(sums.size() - 2);
    Reduced inner = reduce(dim + 1, row, loop.carried(sums.size() - 1), std::move(inside));
    inner.accumulators.push_back(forward(row, stride));
    inner.accumulators.push_back(inner.b);
    Accumulators out = loop.finish(inner.accumulators);
    Value* next_b = out.back();
    out.resize(out.size() - 2);
    return {std::move(out), next_b};
  }

  void prefetch(Value* b) {
    Value* first = forward(b, ahead_);
    for (int line = 0; line < micro_.lines_ahead; ++line) {
      Value* at = forward(first, b_.getInt64(static_cast<std::uint64_t>(line) * 64));
      // For reading, into the second-level cache, data.
      b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {at->getType()},
                         {at, b_.getInt32(0), b_.getInt32(2), b_.getInt32(1)});
    }
  }

  Reduced reduce_innermost(Value* a, Value* b, Accumulators sums) {
    const std::int64_t extent = k_extents_.back();
    const std::int64_t steps = extent / pair_;
    const std::int64_t unroll = steps <= kMaxStraightSteps ? steps : std::max(1, tile_.k_unroll);
    const std::int64_t looped = unroll == 0 ? 0 : steps / unroll * unroll;
    const auto b_steps = [&](std::int64_t n) { return forward(b, times(depth_bytes_, in_place_ ? n * pair_ : n)); };
    if (looped == unroll) {
      for (std::int64_t k = 0; k < looped; ++k) step(a, b, k, false, sums);
    } else {
      sums.push_back(a);
      sums.push_back(b);
      CountedLoop loop(b_, b_.getInt64(0), b_.getInt64(static_cast<std::uint64_t>(looped)),
                       b_.getInt64(static_cast<std::uint64_t>(unroll)), sums);
      Accumulators inside;
      for (std::size_t i = 0; i + 2 < sums.size(); ++i) inside.push_back(loop.carried(i));
      Value *row = loop.carried(sums.size() - 2), *column = loop.carried(sums.size() - 1);
      prefetch(column);
      for (std::int64_t k = 0; k < unroll; ++k) step(row, column, k, false, inside);
      inside.push_back(forward(row, times(k_strides_.back(), unroll * pair_)));
      inside.push_back(forward(column, times(depth_bytes_, in_place_ ? unroll * pair_ : unroll)));
      sums = loop.finish(inside);
      sums.resize(sums.size() - 2);
    }
    Value* a_rest = forward(a, times(k_strides_.back(), looped * pair_));
    Value* b_rest = b_steps(looped);
    std::int64_t k = 0;
    for (; looped + k < steps; ++k) step(a_rest, b_rest, k, false, sums);
    if (steps * pair_ < extent) step(a_rest, b_rest, k++, true, sums);
    const std::int64_t in_place_rows = extent - looped * pair_;
    return {std::move(sums), forward(b_rest, times(depth_bytes_, in_place_ ? in_place_rows : k))};
  }

  // --- epilogue ---

  void store_vector(const Cursor& row, int j, Value* sum) {
    const Cursor at = exprs_.moved(row, dims_, std::int64_t{j} * tile_.lanes);
    Evaluation point(exprs_, at, Lanes{dims_, tile_.lanes, masks_[static_cast<std::size_t>(j)]});
    point.set_accumulator(sum);
    for (const kernels::Store& store : form_.stores) point.store(store);
  }

  void finish(const Accumulators& sums, const Cursor& at) {
    std::size_t work = 0;
    for (const kernels::Expr& e : form_.exprs) work += kernels::is_function(e.op) ? 20 : 1;
    work *= sums.size();
    if (work <= kMaxStraightEpilogue || micro_.rows == 1) {
      for (int i = 0; i < micro_.rows; ++i) {
        const Cursor row = exprs_.moved(at, dims_ - 1, i);
        for (int j = 0; j < micro_.vectors; ++j) {
          store_vector(row, j, sums[static_cast<std::size_t>(i * micro_.vectors + j)]);
        }
      }
      return;
    }
    Value* scratch = scratch_;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      b_.CreateAlignedStore(sums[i], b_.CreateConstInBoundsGEP1_64(float_vector_, scratch, i), llvm::Align(64));
    }
    CountedLoop loop(b_, b_.getInt64(0), b_.getInt64(static_cast<std::uint64_t>(micro_.rows)), b_.getInt64(1));
    const Cursor row = exprs_.moved(at, dims_ - 1, loop.index());
    Value* from = b_.CreateInBoundsGEP(
        float_vector_, scratch, b_.CreateNSWMul(loop.index(), b_.getInt64(static_cast<std::uint64_t>(micro_.vectors))));
    for (int j = 0; j < micro_.vectors; ++j) {
      Value* sum = b_.CreateAlignedLoad(
          float_vector_, b_.CreateConstInBoundsGEP1_64(float_vector_, from, static_cast<std::uint64_t>(j)),
          llvm::Align(tile_.lanes * 4));
      store_vector(row, j, sum);
    }
    loop.finish();
  }

 public:
  /// Memory for the tile while the epilogue loops over it; made in the entry block.
  void make_scratch() {
    llvm::AllocaInst* slot = b_.CreateAlloca(
        llvm::ArrayType::get(float_vector_, static_cast<std::uint64_t>(micro_.rows * micro_.vectors)), nullptr, "tile");
    slot->setAlignment(llvm::Align(64));
    scratch_ = slot;
    if (!widen_) return;
    slot =
        b_.CreateAlloca(llvm::ArrayType::get(b_.getFloatTy(), static_cast<std::uint64_t>(micro_.rows * widened_row())),
                        nullptr, "rows");
    slot->setAlignment(llvm::Align(64));
    b_.GetInsertBlock()->getParent()->addFnAttr("probe-stack", "inline-asm");
    widened_ = slot;
  }

 private:
  llvm::IRBuilderBase& b_;
  const CpuTarget& target_;
  const GemmKernel& form_;
  const GemmTile& tile_;
  const MicroTile& micro_;
  ExprEmitter& exprs_;
  Value* ahead_;
  bool bf16_, integers_, widen_, in_place_;
  int dims_;  // loop dims before n
  std::int64_t pair_ = 1, element_ = 4;
  Type *float_vector_ = nullptr, *int_vector_ = nullptr;
  std::vector<Value*> masks_;
  std::vector<std::int64_t> k_extents_;
  std::vector<Value*> k_strides_;                         // bytes
  Value *row_stride_ = nullptr, *depth_bytes_ = nullptr;  // bytes
  Value* widened_ = nullptr;
  Value* scratch_ = nullptr;
};

}  // namespace

MicroKernel::MicroKernel(llvm::Module& module, const CpuTarget& target, const GemmKernel& form, const GemmTile& tile,
                         const MicroTile& micro, const std::string& symbol) {
  llvm::LLVMContext& context = module.getContext();
  llvm::IRBuilder<> builder(context);
  const std::size_t dims = form.batch.size() + form.m.size() + 1;
  Type* pointer = llvm::PointerType::get(context, 0);
  std::vector<Type*> types{pointer, pointer, pointer, builder.getInt64Ty(), builder.getInt64Ty(), builder.getInt64Ty()};
  types.insert(types.end(), dims, builder.getInt64Ty());
  types.insert(types.end(), form.accesses.size(), pointer);
  KernelFrame frame = begin_inner(module, builder, target, symbol, form.buffer_count,
                                  llvm::FunctionType::get(builder.getVoidTy(), types, false));
  function_ = frame.function;
  function_->setLinkage(llvm::Function::InternalLinkage);
  function_->addFnAttr(llvm::Attribute::NoInline);
  const Sizes sizes(builder, frame.params, kernels::collect_params(form));
  ExprEmitter exprs(builder, target, form.accesses, form.exprs, frame.buffers, sizes, static_cast<int>(dims));
  Cursor at;
  for (std::size_t i = 0; i < dims; ++i) at.index.push_back(function_->getArg(static_cast<unsigned>(6 + i)));
  for (std::size_t i = 0; i < form.accesses.size(); ++i) {
    at.pointers.push_back(function_->getArg(static_cast<unsigned>(6 + dims + i)));
  }
  if (tile.amx) {
    emit_amx_micro(
        builder, form, tile, micro, exprs,
        {function_->getArg(1), function_->getArg(2), function_->getArg(3), function_->getArg(4), function_->getArg(5)},
        at);
  } else {
    MicroEmitter emitter(builder, target, form, tile, micro, exprs, function_->getArg(3), function_->getArg(5));
    emitter.make_scratch();
    emitter.emit(function_->getArg(1), function_->getArg(2), at);
  }
  builder.CreateRetVoid();
}

void MicroKernel::call(llvm::IRBuilderBase& builder, Value* args, Value* a, Value* b, Value* ahead, Value* m_left,
                       Value* n_left, const Cursor& at) const {
  std::vector<Value*> arguments{args, a, b, ahead, m_left, n_left};
  arguments.insert(arguments.end(), at.index.begin(), at.index.end());
  arguments.insert(arguments.end(), at.pointers.begin(), at.pointers.end());
  builder.CreateCall(function_, arguments);
}

}  // namespace aitune::cpu

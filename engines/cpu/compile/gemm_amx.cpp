#include "engines/cpu/compile/gemm_amx.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "compiler/kernels/gemm.h"

namespace aitune::cpu {

using kernels::AmxSteps;
using kernels::GemmKernel;
using kernels::GemmTile;
using llvm::Value;

namespace {

constexpr int kRegisters = 8;
constexpr std::int64_t kTileRows = 16, kRowBytes = 64;

AmxSteps steps_of(const GemmKernel& form) {
  const auto steps = kernels::amx_steps(form);
  if (!steps) throw InternalError("this product has no form for tile registers", form.name);
  return *steps;
}

int row_tiles_of(std::int64_t rows) { return static_cast<int>((rows + kTileRows - 1) / kTileRows); }

// Which register holds what: sums first, then a register for each row tile of A, the rest for B in turn.
struct Registers {
  int row_tiles, vectors;
  int sum(int r, int v) const { return r * vectors + v; }
  int a(int r) const { return row_tiles * vectors + r; }
  int b(int v) const {
    const int first = row_tiles * vectors + row_tiles;
    return first + v % (kRegisters - first);
  }
  bool fit() const { return row_tiles * vectors + row_tiles + 1 <= kRegisters; }
};

// Rows of each row tile, as constants or, for the last of an unknown number, as a value.
struct RowSplit {
  std::vector<std::int64_t> first;  // row at which each tile begins
  std::vector<Value*> rows;         // i64
};

RowSplit split_rows(llvm::IRBuilderBase& b, std::int64_t rows, Value* known_later) {
  RowSplit split;
  const int tiles = row_tiles_of(rows);
  std::int64_t first = 0;
  for (int r = 0; r < tiles; ++r) {
    split.first.push_back(first);
    if (known_later) {
      const bool last = r + 1 == tiles;
      split.rows.push_back(last ? b.CreateNSWSub(known_later, b.getInt64(static_cast<std::uint64_t>(first)))
                                : b.getInt64(kTileRows));
      first += kTileRows;
    } else {
      const std::int64_t count = (rows - first + tiles - r - 1) / (tiles - r);
      split.rows.push_back(b.getInt64(static_cast<std::uint64_t>(count)));
      first += count;
    }
  }
  return split;
}

// The palette: bytes a row of each register at 16 (u16 each), rows at 48 (u8 each).
void configure(llvm::IRBuilderBase& b, Value* slot, const GemmTile& tile, const RowSplit& split,
               const AmxSteps& steps) {
  const Registers registers{static_cast<int>(split.rows.size()), tile.nr};
  std::array<std::uint8_t, 64> palette{};
  palette[0] = 1;
  const auto set = [&](int index, std::int64_t rows, std::int64_t bytes) {
    palette[static_cast<std::size_t>(16 + 2 * index)] = static_cast<std::uint8_t>(bytes);
    palette[static_cast<std::size_t>(48 + index)] = static_cast<std::uint8_t>(rows);
  };
  std::vector<std::pair<int, Value*>> later;
  for (int r = 0; r < registers.row_tiles; ++r) {
    Value* rows = split.rows[static_cast<std::size_t>(r)];
    const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(rows);
    const std::int64_t count = constant ? constant->getSExtValue() : 1;
    for (int v = 0; v < tile.nr; ++v) set(registers.sum(r, v), count, kRowBytes);
    set(registers.a(r), count, steps.step * 2);
    if (constant) continue;
    for (int v = 0; v < tile.nr; ++v) later.emplace_back(registers.sum(r, v), rows);
    later.emplace_back(registers.a(r), rows);
  }
  for (int index = registers.a(registers.row_tiles - 1) + 1; index < kRegisters; ++index)
    set(index, steps.step / 2, kRowBytes);
  b.CreateAlignedStore(llvm::ConstantDataVector::get(b.getContext(), palette), slot, llvm::Align(64));
  for (const auto& [index, rows] : later) {
    b.CreateStore(b.CreateTrunc(rows, b.getInt8Ty()),
                  b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), slot, static_cast<std::uint64_t>(48 + index)));
  }
  b.CreateIntrinsic(llvm::Intrinsic::x86_ldtilecfg, {}, {slot});
}

class AmxMicro {
 public:
  AmxMicro(llvm::IRBuilderBase& builder, const GemmKernel& form, const GemmTile& tile, const MicroTile& micro,
           ExprEmitter& exprs, const AmxOperands& operands)
      : b_(builder),
        form_(form),
        tile_(tile),
        micro_(micro),
        exprs_(exprs),
        operands_(operands),
        steps_(steps_of(form)),
        registers_{row_tiles_of(micro.rows), tile.nr},
        dims_(static_cast<int>(form.batch.size() + form.m.size())) {
    scratch_ = slot(micro.rows * tile.nr * kRowBytes, "sums");
    const bool whole = micro.rows == tile.mr && !micro.rows_later;
    if (!whole) palette_ = slot(kRowBytes, "palette");
    if (steps_.rest > 0) rests_ = slot(micro.rows * kRowBytes, "rests");
    split_ = split_rows(b_, micro.rows, micro.rows_later ? operands.m_left : nullptr);
    rows_ = micro.rows_later ? operands.m_left : b_.getInt64(static_cast<std::uint64_t>(micro.rows));
    a_row_ = a_bytes(dims_ - 1);
    b_row_ = std::int64_t{tile.nr} * kRowBytes;
    make_masks();
  }

  void emit(const Cursor& at) {
    if (palette_) configure(b_, palette_, tile_, split_, steps_);
    for (int r = 0; r < registers_.row_tiles; ++r) {
      for (int v = 0; v < micro_.vectors; ++v) call(llvm::Intrinsic::x86_tilezero, {reg(registers_.sum(r, v))});
    }
    reduce(0, operands_.a, operands_.b);
    for (int r = 0; r < registers_.row_tiles; ++r) {
      for (int v = 0; v < micro_.vectors; ++v) {
        const std::int64_t offset = split_.first[static_cast<std::size_t>(r)] * b_row_ + v * kRowBytes;
        call(llvm::Intrinsic::x86_tilestored64, {reg(registers_.sum(r, v)), forward(scratch_, offset), number(b_row_)});
      }
    }
    if (palette_) configure(b_, palette_, tile_, split_rows(b_, tile_.mr, nullptr), steps_);
    finish(at);
  }

 private:
  Value* number(std::int64_t v) { return b_.getInt64(static_cast<std::uint64_t>(v)); }
  Value* reg(int index) { return b_.getInt8(static_cast<std::uint8_t>(index)); }
  void call(llvm::Intrinsic::ID id, llvm::ArrayRef<Value*> arguments) { b_.CreateIntrinsic(id, {}, arguments); }
  Value* forward(Value* pointer, Value* by) { return b_.CreateInBoundsGEP(b_.getInt8Ty(), pointer, by); }
  Value* forward(Value* pointer, std::int64_t by) { return by == 0 ? pointer : forward(pointer, number(by)); }
  Value* a_bytes(int dim) {
    return b_.CreateNSWMul(exprs_.sizes()(form_.a_strides[static_cast<std::size_t>(dim)]), number(2));
  }
  Value* slot(std::int64_t bytes, const char* name) {
    llvm::AllocaInst* memory =
        b_.CreateAlloca(llvm::ArrayType::get(b_.getInt8Ty(), static_cast<std::uint64_t>(bytes)), nullptr, name);
    memory->setAlignment(llvm::Align(64));
    return memory;
  }

  void make_masks() {
    masks_.assign(static_cast<std::size_t>(micro_.vectors), nullptr);
    if (micro_.last_columns > 0) masks_.back() = tail_mask(b_, number(micro_.last_columns), tile_.lanes);
    if (micro_.last_columns >= 0) return;
    for (int v = 0; v < micro_.vectors; ++v) {
      masks_[static_cast<std::size_t>(v)] =
          tail_mask(b_, b_.CreateNSWSub(operands_.n_left, number(std::int64_t{v} * tile_.lanes)), tile_.lanes);
    }
  }

  // The outer reduction dims; returns where B continues.
  Value* reduce(std::size_t dim, Value* a, Value* b) {
    if (dim + 1 == form_.k.size()) return reduce_innermost(a, b);
    Value* stride = a_bytes(dims_ + static_cast<int>(dim));
    CountedLoop loop(b_, number(0), number(form_.k[dim]), number(1), {a, b});
    Value* next = reduce(dim + 1, loop.carried(0), loop.carried(1));
    return loop.finish({forward(loop.carried(0), stride), next})[1];
  }

  Value* reduce_innermost(Value* a, Value* b) {
    const std::int64_t b_step = steps_.step / 2 * b_row_;
    if (steps_.rest > 0) copy_rests(forward(a, steps_.whole * steps_.step * 2));
    if (steps_.whole == 1) {
      step(a, a_row_, b);
    } else if (steps_.whole > 1) {
      CountedLoop loop(b_, number(0), number(steps_.whole), number(1), {a, b});
      prefetch(loop.carried(1));
      step(loop.carried(0), a_row_, loop.carried(1));
      loop.finish({forward(loop.carried(0), steps_.step * 2), forward(loop.carried(1), b_step)});
    }
    if (steps_.rest > 0) step(rests_, number(kRowBytes), forward(b, steps_.whole * b_step));
    return forward(b, steps_.count() * b_step);
  }

  void step(Value* a, Value* a_row, Value* b) {
    for (int r = 0; r < registers_.row_tiles; ++r) {
      Value* from = forward(a, b_.CreateNSWMul(a_row, number(split_.first[static_cast<std::size_t>(r)])));
      call(llvm::Intrinsic::x86_tileloadd64, {reg(registers_.a(r)), from, a_row});
    }
    for (int v = 0; v < micro_.vectors; ++v) {
      call(llvm::Intrinsic::x86_tileloadd64, {reg(registers_.b(v)), forward(b, v * kRowBytes), number(b_row_)});
      for (int r = 0; r < registers_.row_tiles; ++r) {
        call(llvm::Intrinsic::x86_tdpbf16ps, {reg(registers_.sum(r, v)), reg(registers_.a(r)), reg(registers_.b(v))});
      }
    }
  }

  void prefetch(Value* b) {
    Value* first = forward(b, operands_.ahead);
    for (int line = 0; line < micro_.lines_ahead; ++line) {
      Value* at = forward(first, std::int64_t{line} * 64);
      b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {at->getType()},
                         {at, b_.getInt32(0), b_.getInt32(2), b_.getInt32(1)});
    }
  }

  // What is left of the innermost dim after whole steps, with zeros behind it: what lies there in memory may be
  // anything.
  void copy_rests(Value* a) {
    constexpr unsigned elements = kRowBytes / 2;
    llvm::Type* type = llvm::FixedVectorType::get(b_.getInt16Ty(), elements);
    Value* mask = tail_mask(b_, number(steps_.rest), elements);
    CountedLoop loop(b_, number(0), rows_, number(1));
    llvm::Instruction* load = b_.CreateMaskedLoad(type, forward(a, b_.CreateNSWMul(loop.index(), a_row_)),
                                                  llvm::Align(2), mask, llvm::Constant::getNullValue(type));
    exprs_.mark(load, form_.a_buffer);
    b_.CreateAlignedStore(load, forward(rests_, b_.CreateNSWMul(loop.index(), number(kRowBytes))), llvm::Align(64));
    loop.finish();
  }

  void finish(const Cursor& at) {
    CountedLoop loop(b_, number(0), rows_, number(1));
    if (tile_.flat) {
      finish_flat_row(at, loop.index());
    } else {
      finish_row(exprs_.moved(at, dims_ - 1, loop.index()), loop.index());
    }
    loop.finish();
  }

  void finish_flat_row(Cursor at, Value* index) {
    const auto flat = kernels::flat_rows(form_);
    const auto last = static_cast<std::size_t>(dims_ - 1);
    Value* row = b_.CreateNSWAdd(at.index[last], index);
    at.index[last] = number(0);
    Value* y = b_.CreateUDiv(row, number(flat->pitch));
    Value* x = b_.CreateURem(row, number(flat->pitch));
    const auto store = [&] { finish_row(exprs_.moved(exprs_.moved(at, dims_ - 2, y), dims_ - 1, x), index); };
    if (flat->pitch == flat->width) return store();
    llvm::Function* function = b_.GetInsertBlock()->getParent();
    llvm::BasicBlock* exists = llvm::BasicBlock::Create(b_.getContext(), "", function);
    llvm::BasicBlock* after = llvm::BasicBlock::Create(b_.getContext(), "", function);
    b_.CreateCondBr(b_.CreateICmpULT(x, number(flat->width)), exists, after);
    b_.SetInsertPoint(exists);
    store();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
  }

  void finish_row(const Cursor& row, Value* index) {
    llvm::Type* vector = llvm::FixedVectorType::get(b_.getFloatTy(), static_cast<unsigned>(tile_.lanes));
    Value* from = forward(scratch_, b_.CreateNSWMul(index, number(b_row_)));
    for (int v = 0; v < micro_.vectors; ++v) {
      Value* sum = b_.CreateAlignedLoad(vector, forward(from, v * kRowBytes), llvm::Align(64));
      const Cursor column = exprs_.moved(row, dims_, std::int64_t{v} * tile_.lanes);
      Evaluation point(exprs_, column, Lanes{dims_, tile_.lanes, masks_[static_cast<std::size_t>(v)]});
      point.set_accumulator(sum);
      for (const kernels::Store& store : form_.stores) point.store(store);
    }
  }

  llvm::IRBuilderBase& b_;
  const GemmKernel& form_;
  const GemmTile& tile_;
  const MicroTile& micro_;
  ExprEmitter& exprs_;
  AmxOperands operands_;
  AmxSteps steps_;
  Registers registers_;
  int dims_;  // loop dims before n
  RowSplit split_;
  Value *scratch_ = nullptr, *palette_ = nullptr, *rests_ = nullptr;
  Value *rows_ = nullptr, *a_row_ = nullptr;  // rows; bytes
  std::int64_t b_row_ = 0;                    // bytes
  std::vector<Value*> masks_;
};

}  // namespace

bool amx_tile_fits(const GemmTile& tile) {
  return tile.mr >= 1 && tile.nr >= 1 && tile.lanes == 16 && Registers{row_tiles_of(tile.mr), tile.nr}.fit();
}

void amx_configure(llvm::IRBuilderBase& builder, const GemmKernel& form, const GemmTile& tile) {
  llvm::AllocaInst* slot =
      builder.CreateAlloca(llvm::ArrayType::get(builder.getInt8Ty(), kRowBytes), nullptr, "palette");
  slot->setAlignment(llvm::Align(64));
  configure(builder, slot, tile, split_rows(builder, tile.mr, nullptr), steps_of(form));
}

void amx_release(llvm::IRBuilderBase& builder) { builder.CreateIntrinsic(llvm::Intrinsic::x86_tilerelease, {}, {}); }

void emit_amx_micro(llvm::IRBuilderBase& builder, const GemmKernel& form, const GemmTile& tile, const MicroTile& micro,
                    ExprEmitter& exprs, const AmxOperands& operands, const Cursor& at) {
  AmxMicro(builder, form, tile, micro, exprs, operands).emit(at);
}

}  // namespace aitune::cpu

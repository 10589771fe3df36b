#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "compiler/kernels/gemm.h"
#include "engines/cpu/compile/emitters.h"
#include "engines/cpu/compile/gemm_amx.h"
#include "engines/cpu/compile/gemm_micro.h"
#include "engines/cpu/compile/gemm_winograd.h"

namespace aitune::cpu {

using kernels::GemmKernel;
using kernels::GemmTile;
using llvm::BasicBlock;
using llvm::Value;

namespace {

constexpr std::int64_t kLargeB = 1 << 20;

// The loops around the micro-kernels: tasks, row tiles, remainders.
class GemmDriver {
 public:
  GemmDriver(llvm::Module& module, const CpuTarget& target, const GemmKernel& kernel, const GemmTile& tile,
             const std::string& symbol)
      : module_(module),
        target_(target),
        form_(kernels::canonical(kernel)),
        tile_(tile),
        symbol_(symbol),
        builder_(module.getContext()),
        width_(std::int64_t{tile.nr} * tile.lanes),
        element_(static_cast<std::int64_t>(dtype_size(form_.b_type))),
        in_place_(!form_.b_strides.empty()) {
    if (tile.mr < 1 || tile.mr > 63 || tile.nr < 1 || (tile.lanes != 8 && tile.lanes != 16) ||
        (tile.lanes == 16 && !target.avx512) || (tile.amx && !(target.amx_bf16 && amx_tile_fits(tile))) ||
        (tile.flat && !tile.amx) ||
        (form_.b_type == DType::i8 && (in_place_ || !target.avx512_vnni || tile.widen || tile.amx))) {
      throw InternalError("this tile cannot be emitted for " + target.str(), form_.name);
    }
    if (const auto n = form_.n.as_constant(); n && *n < width_) tail_only_ = true;
    m_ = kernels::row_extents(form_, tile_);
    plan_prefetch();
  }

  void emit() {
    frame_ = begin_kernel(module_, builder_, target_, symbol_, form_.buffer_count);
    sizes_.emplace(builder_, frame_.params, kernels::collect_params(form_));
    exprs_.emplace(builder_, target_, form_.accesses, form_.exprs, frame_.buffers, *sizes_,
                   static_cast<int>(form_.batch.size() + form_.m.size() + 1));
    const Cursor origin = exprs_->origin();
    if (tile_.amx) amx_configure(builder_, form_, tile_);
    Value* a = moved(buffer(form_.a_buffer), size(form_.a_offset), element_);
    Value* b = moved(buffer(form_.b_buffer), size(form_.b_offset), element_);

    Value* row_tiles = ceil_div(size(m_.back()), tile_.mr);
    Value* tiles = row_tiles;
    for (std::size_t d = 0; d + 1 < m_.size(); ++d) tiles = mul(tiles, size(m_[d]));
    Value* per_block = tile_.m_block == 0 ? tiles : number(tile_.m_block);
    Value* blocks = tile_.m_block == 0 ? number(1) : ceil_div(tiles, tile_.m_block);
    Value* panels = ceil_div(size(form_.n), width_);

    CountedLoop tasks(builder_, frame_.begin, frame_.end, number(1));
    Value* task = tasks.index();
    Value *panel, *block, *rest;
    if (tile_.n_outer) {
      block = urem(task, blocks), rest = udiv(task, blocks);
      panel = urem(rest, panels), rest = udiv(rest, panels);
    } else {
      panel = urem(task, panels), rest = udiv(task, panels);
      block = urem(rest, blocks), rest = udiv(rest, blocks);
    }
    Place place{a, b, origin};
    for (std::size_t d = form_.batch.size(); d-- > 0;) {
      Value* index = d == 0 ? rest : urem(rest, size(form_.batch[d]));
      rest = d == 0 ? rest : udiv(rest, size(form_.batch[d]));
      place = step(place, d, index);
      if (in_place_) place.b = moved(place.b, mul(index, size(form_.b_strides[d])), element_);
    }
    const kernels::PackedB packed = in_place_ ? kernels::PackedB{} : kernels::packed_b(form_, tile_);
    Value* column = mul(panel, number(width_));
    place.b =
        moved(place.b, in_place_ ? column : mul(panel, number(packed.depth * packed.width * packed.pair)), element_);
    place.at = exprs_->moved(place.at, n_dim(), column);
    Value* n_left = builder_.CreateNSWSub(size(form_.n), column);
    Value* first = mul(block, per_block);
    Value* last = min(builder_.CreateNSWAdd(first, per_block), tiles);
    by_width(n_left, [&](const Width& w) { rows(place, w, n_left, first, last, row_tiles); });
    tasks.finish();
    if (tile_.amx) amx_release(builder_);
    builder_.CreateRetVoid();
  }

 private:
  struct Place {
    Value *a, *b;
    Cursor at;
  };
  // Vectors of a panel, and its micro-kernels by number of rows.
  struct Width {
    int vectors, last_columns;
    std::string suffix;
  };

  Value* number(std::int64_t v) { return builder_.getInt64(static_cast<std::uint64_t>(v)); }
  Value* size(const SymInt& s) { return (*sizes_)(s); }
  Value* mul(Value* x, Value* y) { return builder_.CreateNSWMul(x, y); }
  Value* udiv(Value* x, Value* y) { return builder_.CreateUDiv(x, y); }
  Value* urem(Value* x, Value* y) { return builder_.CreateURem(x, y); }
  Value* min(Value* x, Value* y) { return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, y); }
  Value* ceil_div(Value* x, std::int64_t by) {
    return by == 1 ? x : builder_.CreateUDiv(builder_.CreateNSWAdd(x, number(by - 1)), number(by));
  }
  Value* buffer(std::int32_t index) { return frame_.buffers.at(static_cast<std::size_t>(index)); }
  Value* moved(Value* pointer, Value* elements, std::int64_t element_size) {
    return builder_.CreateInBoundsGEP(builder_.getInt8Ty(), pointer, mul(elements, number(element_size)));
  }
  int n_dim() const { return static_cast<int>(form_.batch.size() + form_.m.size()); }
  Place step(const Place& from, std::size_t dim, Value* by) {
    return {moved(from.a, mul(by, size(form_.a_strides[dim])), element_), from.b,
            exprs_->moved(from.at, static_cast<int>(dim), by)};
  }
  template <typename Yes, typename No>
  void branch(Value* condition, Yes&& yes, No&& no) {
    BasicBlock* then = BasicBlock::Create(builder_.getContext(), "", frame_.function);
    BasicBlock* otherwise = BasicBlock::Create(builder_.getContext(), "", frame_.function);
    BasicBlock* after = BasicBlock::Create(builder_.getContext(), "", frame_.function);
    builder_.CreateCondBr(condition, then, otherwise);
    builder_.SetInsertPoint(then);
    yes();
    builder_.CreateBr(after);
    builder_.SetInsertPoint(otherwise);
    no();
    builder_.CreateBr(after);
    builder_.SetInsertPoint(after);
  }

  // Full panels and the narrower last one.
  template <typename F>
  void by_width(Value* n_left, F&& body) {
    const Width full{tile_.nr, 0, ""};
    const auto n = form_.n.as_constant();
    const std::int64_t rest = n ? *n % width_ : -1;
    if (rest == 0) return body(full);
    Width tail{tile_.nr, -1, "_tail"};
    if (n) tail.vectors = static_cast<int>((rest + tile_.lanes - 1) / tile_.lanes);
    if (n) tail.last_columns = static_cast<int>(rest % tile_.lanes);
    if (tail_only_) return body(tail);
    branch(builder_.CreateICmpSGE(n_left, number(width_)), [&] { body(full); }, [&] { body(tail); });
  }

  const MicroKernel& micro(int row_count, const Width& width, bool rows_later) {
    const std::string name = symbol_ + (rows_later ? "_upto" : "_r") + std::to_string(row_count) + width.suffix;
    auto& slot = micros_[name];
    if (!slot) {
      slot = std::make_unique<MicroKernel>(
          module_, target_, form_, tile_,
          MicroTile{row_count, width.vectors, width.last_columns, lines_ahead_, rows_later}, name);
    }
    return *slot;
  }

  void rows(const Place& base, const Width& width, Value* n_left, Value* first, Value* last, Value* row_tiles) {
    CountedLoop loop(builder_, first, last, number(1));
    Value* index = loop.index();
    Place place = base;
    Value* tile = index;
    const std::size_t m_dim = form_.batch.size();
    if (m_.size() > 1) {
      tile = urem(index, row_tiles);
      Value* rest = udiv(index, row_tiles);
      for (std::size_t d = m_.size() - 1; d-- > 0;) {
        Value* i = d == 0 ? rest : urem(rest, size(m_[d]));
        rest = d == 0 ? rest : udiv(rest, size(m_[d]));
        place = step(place, m_dim + d, i);
      }
    }
    const std::size_t row_dim = m_dim + form_.m.size() - 1;
    Value* row = mul(tile, number(tile_.mr));
    if (tile_.flat) {
      place.a = moved(place.a, mul(row, size(form_.a_strides[row_dim])), element_);
      place.at.index[row_dim] = row;
    } else {
      place = step(place, row_dim, row);
    }
    Value* ahead = distance_ahead(index);
    const auto call = [&](int row_count, const Place& at, Value* rows_left = nullptr) {
      micro(row_count, width, rows_left != nullptr)
          .call(builder_, frame_.function->getArg(0), at.a, at.b, ahead, rows_left ? rows_left : number(row_count),
                n_left, at.at);
    };
    const auto extent = m_.back().as_constant();
    if (extent && *extent % tile_.mr == 0) {
      call(tile_.mr, place);
    } else if (extent && *extent < tile_.mr) {
      call(static_cast<int>(*extent), place);
    } else {
      Value* left = builder_.CreateNSWSub(size(m_.back()), row);
      branch(
          builder_.CreateICmpSGE(left, number(tile_.mr)), [&] { call(tile_.mr, place); },
          [&] {
            if (extent) return call(static_cast<int>(*extent % tile_.mr), place);
            if (tile_.amx) return remaining_tiles(tile_.mr, left, [&](int most) { call(most, place, left); });
            remainder(place, row_dim, left, call);
          });
    }
    loop.finish();
  }

  // A large packed B comes from beyond the second-level cache the first time that a panel is used. So while a panel is
  // multiplied with one row tile after the other, each fetches a share of the next panel: of the lines of every
  // unrolled step, the ones that are its turn.
  void plan_prefetch() {
    SymInt tiles = kernels::ceil_div(m_.back(), tile_.mr);
    for (std::size_t d = 0; d + 1 < m_.size(); ++d) tiles *= m_[d];
    if (in_place_ || !tile_.n_outer || !tiles.is_constant() || tiles.constant() < 2) return;
    const kernels::PackedB packed = kernels::packed_b(form_, tile_);
    if (packed.panels < 2 || packed.elements() * element_ < kLargeB) return;
    row_tiles_ = tiles.constant();
    panel_bytes_ = packed.depth * packed.width * packed.pair * element_;
    const std::int64_t depth = tile_.amx ? kernels::amx_steps(form_)->step / 2 : std::max(1, tile_.k_unroll);
    step_lines_ = depth * width_ * 4 / 64;
    lines_ahead_ = static_cast<int>((step_lines_ + row_tiles_ - 1) / row_tiles_);
  }

  Value* distance_ahead(Value* row_tile) {
    if (lines_ahead_ == 0) return number(0);
    Value* line = udiv(mul(row_tile, number(step_lines_)), number(row_tiles_));
    return builder_.CreateNSWAdd(mul(line, number(64)), number(panel_bytes_));
  }

  // An unknown number of rows up to `most`: one call with as many tile registers as it takes.
  template <typename F>
  void remaining_tiles(int most, Value* left, F&& call) {
    const int fewer = (most - 1) / 16 * 16;
    if (fewer == 0) return call(16);
    branch(
        builder_.CreateICmpSLE(left, number(fewer)), [&] { remaining_tiles(fewer, left, call); },
        [&] { call(fewer + 16); });
  }

  // An unknown number of rows below mr, in powers of two.
  template <typename F>
  void remainder(const Place& place, std::size_t row_dim, Value* left, F&& call) {
    int highest = 1;
    while (highest * 2 < tile_.mr) highest *= 2;
    Value* done = number(0);
    for (int count = tile_.mr > 1 ? highest : 0; count > 0; count /= 2) {
      Value* bit = builder_.CreateAnd(left, number(count));
      branch(builder_.CreateICmpNE(bit, number(0)), [&] { call(count, step(place, row_dim, done)); }, [] {});
      done = builder_.CreateNSWAdd(done, bit);
    }
  }

  llvm::Module& module_;
  const CpuTarget& target_;
  GemmKernel form_;
  GemmTile tile_;
  std::vector<SymInt> m_;  // extents of rows: the last in register tiles
  std::string symbol_;
  llvm::IRBuilder<> builder_;
  std::int64_t width_, element_;
  bool in_place_, tail_only_ = false;
  int lines_ahead_ = 0;
  std::int64_t row_tiles_ = 0, panel_bytes_ = 0, step_lines_ = 0;
  KernelFrame frame_;
  std::optional<Sizes> sizes_;
  std::optional<ExprEmitter> exprs_;
  std::map<std::string, std::unique_ptr<MicroKernel>> micros_;
};

}  // namespace

void emit_gemm(llvm::Module& module, const CpuTarget& target, const GemmKernel& kernel, const GemmTile& tile,
               const std::string& symbol) {
  if (tile.winograd != 0) return emit_winograd(module, target, kernel, tile, symbol);
  GemmDriver(module, target, kernel, tile, symbol).emit();
}

}  // namespace aitune::cpu

#include "engines/cpu/compile/gemm_winograd.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <optional>

#include "base/error.h"
#include "compiler/kernels/gemm.h"
#include "compiler/kernels/winograd.h"
#include "engines/cpu/compile/gemm_micro.h"

namespace aitune::cpu {

using kernels::GemmKernel;
using kernels::GemmTile;
using kernels::WinogradForm;
using llvm::BasicBlock;
using llvm::Type;
using llvm::Value;

namespace {

// Rows of the transformed input are kept apart by this much, so that they do not all fall into the same cache sets.
constexpr std::int64_t kRowGap = 16;

struct Blocking {
  std::int64_t squares = 0;      // of a task
  std::int64_t input_row = 0;    // floats of one transformed square of one point
  std::int64_t input_plane = 0;  // floats of one point
  std::int64_t width = 0;        // of a panel
  std::int64_t output_plane = 0;
  std::int64_t points = 0;  // in both dims
};

Blocking blocking_of(const WinogradForm& form, const GemmTile& tile) {
  Blocking b;
  b.squares = std::int64_t{tile.mr} * std::max(1, tile.m_block);
  b.input_row = form.channels + kRowGap;
  b.input_plane = b.squares * b.input_row;
  b.width = std::int64_t{tile.nr} * tile.lanes;
  b.output_plane = b.squares * b.width + kRowGap;
  b.points = std::int64_t{form.points} * form.points;
  return b;
}

// out[r] = sum of matrix[r][c] * in[c], without the zero terms.
std::vector<Value*> transform(llvm::IRBuilderBase& b, const std::vector<double>& matrix,
                              const std::vector<Value*>& in) {
  const std::size_t columns = in.size(), rows = matrix.size() / columns;
  std::vector<Value*> out;
  for (std::size_t r = 0; r < rows; ++r) {
    Value* sum = nullptr;
    const auto add = [&](std::size_t c, bool units) {
      const double factor = matrix[r * columns + c];
      const bool unit = factor == 1 || factor == -1;
      if (factor == 0 || unit != units) return;
      Value* scale = llvm::ConstantFP::get(in[c]->getType(), static_cast<float>(factor));
      if (!sum) {
        sum = factor == 1 ? in[c] : factor == -1 ? b.CreateFNeg(in[c]) : b.CreateFMul(in[c], scale);
      } else if (unit) {
        sum = factor == 1 ? b.CreateFAdd(sum, in[c]) : b.CreateFSub(sum, in[c]);
      } else {
        sum = b.CreateIntrinsic(llvm::Intrinsic::fma, {in[c]->getType()}, {in[c], scale, sum});
      }
    };
    for (std::size_t c = 0; c < columns; ++c) add(c, true);
    for (std::size_t c = 0; c < columns; ++c) add(c, false);
    out.push_back(sum);
  }
  return out;
}

// matrix * square * transposed matrix; `square` is row-major with `side` columns.
std::vector<Value*> transform_square(llvm::IRBuilderBase& b, const std::vector<double>& matrix,
                                     const std::vector<Value*>& square, std::size_t side) {
  const std::size_t rows = matrix.size() / side;
  std::vector<std::vector<Value*>> columns;
  for (std::size_t c = 0; c < side; ++c) {
    std::vector<Value*> column;
    for (std::size_t r = 0; r < side; ++r) column.push_back(square[r * side + c]);
    columns.push_back(transform(b, matrix, column));
  }
  std::vector<Value*> out;
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<Value*> row;
    for (std::size_t c = 0; c < side; ++c) row.push_back(columns[c][r]);
    for (Value* v : transform(b, matrix, row)) out.push_back(v);
  }
  return out;
}

class WinogradDriver {
 public:
  WinogradDriver(llvm::Module& module, const CpuTarget& target, const GemmKernel& kernel, const GemmTile& tile,
                 const std::string& symbol)
      : module_(module),
        target_(target),
        kernel_(kernels::with_images_merged(kernel)),
        tile_(tile),
        symbol_(symbol),
        builder_(module.getContext()) {
    const auto form = kernels::winograd_form(kernel_, tile.winograd, tile.lanes);
    if (!form) throw InternalError("not a convolution for Winograd's algorithm", kernel.name);
    form_ = *form;
    blocking_ = blocking_of(form_, tile);
    matrices_ = kernels::winograd_matrices(form_.outputs);
    params_ = kernels::collect_params(kernel);
    vector_ = llvm::FixedVectorType::get(builder_.getFloatTy(), static_cast<unsigned>(tile.lanes));
    row_dim_ = static_cast<int>(kernel_.m.size()) - 2;
    make_product();
  }

  void emit() {
    const std::unique_ptr<MicroKernel> product = std::make_unique<MicroKernel>(
        module_, target_, product_, tile_, MicroTile{tile_.mr, tile_.nr, 0}, symbol_ + "_product");
    llvm::Function* gather = emit_gather();
    llvm::Function* scatter = emit_scatter();

    KernelFrame frame = begin_kernel(module_, builder_, target_, symbol_, kernel_.buffer_count);
    frame.function->addFnAttr("probe-stack", "inline-asm");
    Value* inputs = scratch(blocking_.points * blocking_.input_plane);
    Value* outputs = scratch(blocking_.points * blocking_.output_plane);
    const Sizes sizes(builder_, frame.params, params_);
    ExprEmitter exprs(builder_, target_, kernel_.accesses, kernel_.exprs, frame.buffers, sizes, row_dim_ + 3);
    const Cursor origin = exprs.origin();
    Value* a = input_at(frame.buffers.at(static_cast<std::size_t>(kernel_.a_buffer)), sizes(kernel_.a_offset));
    Value* filters = moved(frame.buffers.at(static_cast<std::size_t>(kernel_.b_buffer)), sizes(kernel_.b_offset));
    Value* images = number(1);
    for (int d = 0; d < row_dim_; ++d) images = mul(images, sizes(kernel_.m[static_cast<std::size_t>(d)]));
    Value* squares = mul(images, number(form_.square_rows() * form_.square_columns()));
    const std::int64_t n = kernel_.n.constant(), panels = (n + blocking_.width - 1) / blocking_.width;
    const std::int64_t group = tile_.n_block == 0 ? panels : std::min<std::int64_t>(panels, tile_.n_block);
    const std::int64_t groups = (panels + group - 1) / group;

    CountedLoop tasks(builder_, frame.begin, frame.end, number(1));
    Value* first = mul(builder_.CreateUDiv(tasks.index(), number(groups)), number(blocking_.squares));
    Value* first_panel = mul(builder_.CreateURem(tasks.index(), number(groups)), number(group));
    Value* last_panel = min(builder_.CreateNSWAdd(first_panel, number(group)), number(panels));
    {  // Squares beyond the last repeat it, so that products never read what nobody wrote.
      CountedLoop loop(builder_, number(0), number(blocking_.squares), number(1));
      Value* last_square = builder_.CreateNSWSub(squares, number(1));
      const Place at = place(a, origin, exprs, sizes, min(builder_.CreateNSWAdd(first, loop.index()), last_square));
      Value* to = moved(inputs, mul(loop.index(), number(blocking_.input_row)));
      builder_.CreateCall(gather, {frame.function->getArg(0), at.a, to, at.rows_left, at.columns_left});
      loop.finish();
    }
    CountedLoop loop(builder_, first_panel, last_panel, number(1));
    Value* panel = loop.index();
    products(*product, frame.function->getArg(0), inputs,
             moved(filters, mul(panel, number(blocking_.points * form_.channels * blocking_.width))), outputs);
    {
      Value* count = min(number(blocking_.squares), builder_.CreateNSWSub(squares, first));
      CountedLoop inner(builder_, number(0), count, number(1));
      Place at = place(a, origin, exprs, sizes, builder_.CreateNSWAdd(first, inner.index()));
      Value* column = mul(panel, number(blocking_.width));
      const Cursor cursor = exprs.moved(at.cursor, row_dim_ + 2, column);
      std::vector<Value*> arguments{frame.function->getArg(0),
                                    moved(outputs, mul(inner.index(), number(blocking_.width))),
                                    builder_.CreateNSWSub(number(n), column), at.rows_left, at.columns_left};
      arguments.insert(arguments.end(), cursor.index.begin(), cursor.index.end());
      arguments.insert(arguments.end(), cursor.pointers.begin(), cursor.pointers.end());
      builder_.CreateCall(scatter, arguments);
      inner.finish();
    }
    loop.finish();
    tasks.finish();
    builder_.CreateRetVoid();
  }

 private:
  struct Place {
    Value* a;                         // first input of the square
    Cursor cursor;                    // its first output
    Value *rows_left, *columns_left;  // outputs from there to the image's end
  };

  Value* number(std::int64_t v) { return builder_.getInt64(static_cast<std::uint64_t>(v)); }
  Value* mul(Value* x, Value* y) { return builder_.CreateNSWMul(x, y); }
  Value* min(Value* x, Value* y) { return builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, y); }
  Value* moved(Value* pointer, Value* floats) {
    return builder_.CreateInBoundsGEP(builder_.getFloatTy(), pointer, floats);
  }
  Value* moved(Value* pointer, std::int64_t floats) { return moved(pointer, number(floats)); }
  Value* input_at(Value* pointer, Value* elements) {
    Type* type = kernel_.a_type == DType::bf16 ? builder_.getInt16Ty() : builder_.getFloatTy();
    return builder_.CreateInBoundsGEP(type, pointer, elements);
  }
  Value* load_input(Value* from) {
    if (kernel_.a_type == DType::f32) return builder_.CreateAlignedLoad(vector_, from, llvm::Align(4));
    const auto lanes = static_cast<unsigned>(tile_.lanes);
    Value* halves =
        builder_.CreateAlignedLoad(llvm::FixedVectorType::get(builder_.getInt16Ty(), lanes), from, llvm::Align(2));
    Value* bits = builder_.CreateZExt(halves, llvm::FixedVectorType::get(builder_.getInt32Ty(), lanes));
    return builder_.CreateBitCast(builder_.CreateShl(bits, 16), vector_);
  }
  Value* scratch(std::int64_t floats) {
    llvm::AllocaInst* slot = builder_.CreateAlloca(
        llvm::ArrayType::get(builder_.getFloatTy(), static_cast<std::uint64_t>(floats)), nullptr, "scratch");
    slot->setAlignment(llvm::Align(64));
    return slot;
  }

  // The product of one point: rows are squares, from `inputs` to `outputs`.
  void make_product() {
    product_.name = kernel_.name;
    product_.m = {blocking_.squares};
    product_.k = {form_.channels};
    product_.n = blocking_.width;
    product_.a_strides = {blocking_.input_row, 1};
    product_.buffer_count = 3;
    kernels::Access out;
    out.buffer = 2;
    out.strides = {blocking_.width, 1};
    product_.accesses = {out};
    kernels::Expr sum;
    sum.op = kernels::ExprOp::accumulator;
    product_.exprs = {sum};
    product_.stores = {{0, 0}};
  }

  void products(const MicroKernel& product, Value* args, Value* inputs, Value* filters, Value* outputs) {
    CountedLoop points(builder_, number(0), number(blocking_.points), number(1));
    Value* filter = moved(filters, mul(points.index(), number(form_.channels * blocking_.width)));
    Value* input = moved(inputs, mul(points.index(), number(blocking_.input_plane)));
    Value* output = moved(outputs, mul(points.index(), number(blocking_.output_plane)));
    for (std::int64_t row = 0; row < blocking_.squares; row += tile_.mr) {
      const Cursor at{{number(0), number(0)}, {moved(output, row * blocking_.width)}};
      product.call(builder_, args, moved(input, row * blocking_.input_row), filter, number(0), number(tile_.mr),
                   number(blocking_.width), at);
    }
    points.finish();
  }

  Place place(Value* a, const Cursor& origin, ExprEmitter& exprs, const Sizes& sizes, Value* square) {
    Value* column = mul(builder_.CreateURem(square, number(form_.square_columns())), number(form_.outputs));
    Value* rest = builder_.CreateUDiv(square, number(form_.square_columns()));
    Value* row = mul(builder_.CreateURem(rest, number(form_.square_rows())), number(form_.outputs));
    rest = builder_.CreateUDiv(rest, number(form_.square_rows()));
    Place at{a, origin, builder_.CreateNSWSub(number(form_.rows), row),
             builder_.CreateNSWSub(number(form_.columns), column)};
    const auto step = [&](int dim, Value* index) {
      const auto d = static_cast<std::size_t>(dim);
      if (kernel_.m[d].is(1)) return;  // its strides may not even be among the params
      at.a = input_at(at.a, mul(index, sizes(kernel_.a_strides[d])));
      at.cursor = exprs.moved(at.cursor, dim, index);
    };
    step(row_dim_, row);
    step(row_dim_ + 1, column);
    for (int d = row_dim_ - 1; d >= 0; --d) {
      Value* extent = sizes(kernel_.m[static_cast<std::size_t>(d)]);
      step(d, d == 0 ? rest : builder_.CreateURem(rest, extent));
      rest = builder_.CreateUDiv(rest, extent);
    }
    return at;
  }

  bool whole_squares() const { return form_.rows % form_.outputs == 0 && form_.columns % form_.outputs == 0; }

  KernelFrame begin(const std::string& name, const std::vector<Type*>& types) {
    KernelFrame frame = begin_inner(module_, builder_, target_, symbol_ + name, kernel_.buffer_count,
                                    llvm::FunctionType::get(builder_.getVoidTy(), types, false));
    frame.function->setLinkage(llvm::Function::InternalLinkage);
    frame.function->addFnAttr(llvm::Attribute::NoInline);
    return frame;
  }

  // gather(args, a, to, rows_left, columns_left): transforms one square of the input, all channels.
  llvm::Function* emit_gather() {
    Type *pointer = builder_.getPtrTy(), *i64 = builder_.getInt64Ty();
    const KernelFrame frame = begin("_gather", {pointer, pointer, pointer, i64, i64});
    const auto argument = [&](unsigned i) -> Value* { return frame.function->getArg(i); };
    const auto side = static_cast<std::size_t>(form_.points);
    const std::int64_t row_stride = kernel_.a_strides[static_cast<std::size_t>(row_dim_)].constant();
    const std::int64_t column_stride = kernel_.a_strides[static_cast<std::size_t>(row_dim_) + 1].constant();
    // Inputs past the image's halo do not exist; the last that does stands in for them: no kept output depends on them.
    std::vector<Value*> rows, columns;
    for (std::int64_t i = 0; i < form_.points; ++i) {
      const auto offset = [&](Value* left, std::int64_t stride) {
        if (whole_squares()) return number(i * stride);
        return mul(min(number(i), builder_.CreateNSWAdd(left, number(1))), number(stride));
      };
      rows.push_back(input_at(argument(1), offset(argument(3), row_stride)));
      columns.push_back(offset(argument(4), column_stride));
    }
    CountedLoop loop(builder_, number(0), number(form_.channels), number(tile_.lanes));
    std::vector<Value*> square;
    for (std::size_t r = 0; r < side; ++r) {
      for (std::size_t c = 0; c < side; ++c) {
        Value* from = input_at(input_at(rows[r], columns[c]), loop.index());
        square.push_back(load_input(from));
      }
    }
    const std::vector<Value*> points = transform_square(builder_, matrices_.input, square, side);
    Value* to = moved(argument(2), loop.index());
    for (std::size_t p = 0; p < points.size(); ++p) {
      builder_.CreateAlignedStore(points[p], moved(to, static_cast<std::int64_t>(p) * blocking_.input_plane),
                                  llvm::Align(4));
    }
    loop.finish();
    builder_.CreateRetVoid();
    return frame.function;
  }

  // scatter(args, products, n_left, rows_left, columns_left, indices…, pointers…): one square of the output, one panel.
  llvm::Function* emit_scatter() {
    Type *pointer = builder_.getPtrTy(), *i64 = builder_.getInt64Ty();
    const int dims = row_dim_ + 3;
    std::vector<Type*> types{pointer, pointer, i64, i64, i64};
    types.insert(types.end(), static_cast<std::size_t>(dims), i64);
    types.insert(types.end(), kernel_.accesses.size(), pointer);
    const KernelFrame frame = begin("_scatter", types);
    const auto argument = [&](unsigned i) -> Value* { return frame.function->getArg(i); };
    const Sizes sizes(builder_, frame.params, params_);
    ExprEmitter exprs(builder_, target_, kernel_.accesses, kernel_.exprs, frame.buffers, sizes, dims);
    Cursor start;
    for (int d = 0; d < dims; ++d) start.index.push_back(argument(5 + static_cast<unsigned>(d)));
    for (unsigned i = 0; i < kernel_.accesses.size(); ++i) {
      start.pointers.push_back(argument(5 + static_cast<unsigned>(dims) + i));
    }
    Value* columns = min(argument(2), number(blocking_.width));
    CountedLoop loop(builder_, number(0), columns, number(tile_.lanes));
    std::vector<Value*> square;
    for (std::int64_t p = 0; p < blocking_.points; ++p) {
      Value* from = moved(moved(argument(1), loop.index()), p * blocking_.output_plane);
      square.push_back(builder_.CreateAlignedLoad(vector_, from, llvm::Align(4)));
    }
    const std::vector<Value*> outputs =
        transform_square(builder_, matrices_.output, square, static_cast<std::size_t>(form_.points));
    Value* mask = nullptr;
    if (kernel_.n.constant() % tile_.lanes != 0) {
      mask = tail_mask(builder_, builder_.CreateNSWSub(columns, loop.index()), tile_.lanes);
    }
    const Cursor at = exprs.moved(start, dims - 1, loop.index());
    for (int r = 0; r < form_.outputs; ++r) {
      for (int c = 0; c < form_.outputs; ++c) {
        const auto store = [&] {
          const Cursor point = exprs.moved(exprs.moved(at, row_dim_, r), row_dim_ + 1, c);
          Evaluation evaluation(exprs, point, Lanes{dims - 1, tile_.lanes, mask});
          evaluation.set_accumulator(outputs[static_cast<std::size_t>(r * form_.outputs + c)]);
          for (const kernels::Store& s : kernel_.stores) evaluation.store(s);
        };
        if (whole_squares() || (r == 0 && c == 0)) {
          store();
          continue;
        }
        BasicBlock* inside = BasicBlock::Create(builder_.getContext(), "", frame.function);
        BasicBlock* after = BasicBlock::Create(builder_.getContext(), "", frame.function);
        Value* exists = builder_.CreateAnd(builder_.CreateICmpSGT(argument(3), number(r)),
                                           builder_.CreateICmpSGT(argument(4), number(c)));
        builder_.CreateCondBr(exists, inside, after);
        builder_.SetInsertPoint(inside);
        store();
        builder_.CreateBr(after);
        builder_.SetInsertPoint(after);
      }
    }
    loop.finish();
    builder_.CreateRetVoid();
    return frame.function;
  }

  llvm::Module& module_;
  const CpuTarget& target_;
  GemmKernel kernel_;
  const GemmTile& tile_;
  std::string symbol_;
  llvm::IRBuilder<> builder_;
  WinogradForm form_;
  Blocking blocking_;
  kernels::WinogradMatrices matrices_;
  std::vector<SymInt> params_;
  GemmKernel product_;
  Type* vector_ = nullptr;
  int row_dim_ = 0;
};

}  // namespace

std::int64_t winograd_scratch_bytes(const GemmKernel& kernel, const GemmTile& tile) {
  const auto form = kernels::winograd_form(kernel, tile.winograd, tile.lanes);
  if (!form) throw InternalError("not a convolution for Winograd's algorithm", kernel.name);
  const Blocking b = blocking_of(*form, tile);
  return b.points * (b.input_plane + b.output_plane) * 4;
}

void emit_winograd(llvm::Module& module, const CpuTarget& target, const GemmKernel& kernel, const GemmTile& tile,
                   const std::string& symbol) {
  WinogradDriver(module, target, kernel, tile, symbol).emit();
}

}  // namespace aitune::cpu

#pragma once
// The kernel form: what every emitter (LLVM for CPUs, CUDA C++ later) starts from. Two shapes of kernel cover the
// operators: LoopKernel (elementwise, broadcast, movement, reduction, normalisation, pooling, depthwise convolution,
// gather: anything that is a loop nest around scalar expressions) and GemmKernel (matrix products and convolutions as
// implicit matrix products) with the same scalar expressions as epilogue.

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/symint.h"

namespace aitune::kernels {

/// Scalar operations. Arithmetic is done in `Expr::type`: f32 for all floating storage types but f64, i64 for integers
/// and bools; loads convert from storage, stores convert to it (round to nearest even).
enum class ExprOp : std::uint8_t {
  constant,     // number (floating types) or integer
  index,        // value of loop dimension `dim` (i64): outer dims first, then inner dims
  load,         // accesses[access]
  temp,         // result number `access` of an earlier Reduce stage
  accumulator,  // GemmKernel epilogue only: the product's element
  cast,         // to `type`; float to int truncates, to bool is != 0 (bools are i64 0/1)
  add,
  sub,
  mul,
  div /* floats: IEEE; ints: towards zero */,
  floor_div,
  remainder /* sign of divisor */,
  pow,
  min,
  max,  // NaN propagates, as in torch.minimum
  neg,
  abs,
  sqrt,
  rsqrt,
  reciprocal,
  exp,
  log,
  tanh,
  erf,
  sigmoid,
  sin,
  cos,
  floor,
  ceil,
  round /* half to even */,
  trunc,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,  // i64 0/1
  logical_and,
  logical_or,
  logical_not,
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  bitwise_not,
  select,  // a != 0 ? b : c
  fma,     // a * b + c
  size,    // the value of `size` (i64), the same at every point
  shift_left,
  shift_right,  // of i64; by a negative number, or by 64 and more: all bits go, and the sign stays
};

enum class ExprType : std::uint8_t { f32, f64, i64 };

struct Expr {
  ExprOp op = ExprOp::constant;
  ExprType type = ExprType::f32;
  std::int32_t a = -1, b = -1, c = -1;  ///< operands: indices of earlier expressions
  std::int32_t access = -1;             ///< load, temp
  std::int32_t dim = -1;                ///< index
  double number = 0;                    ///< constant of type f32/f64
  std::int64_t integer = 0;             ///< constant of type i64
  SymInt size = 0;                      ///< size
  bool operator==(const Expr&) const = default;
};

/// An affine access: element address = buffer + offset + sum over loop dims of stride * index [+ indirect], all in
/// elements of `dtype`. `strides` has one entry for each loop dimension (outer, then inner).
struct Access {
  std::int32_t buffer = -1;  ///< index into the kernel's buffer arguments
  DType dtype = DType::f32;
  SymInt offset = 0;
  std::vector<SymInt> strides;
  /// Gather: + indirect_stride * value of expression `indirect` (an i64 expression; must be evaluated before this
  /// load).
  std::int32_t indirect = -1;
  SymInt indirect_stride = 0;
  /// Indices below zero count from this extent (0: they are never negative). After wrapping they are clamped to
  /// [0, indirect_extent), so that no input value can reach outside the table.
  SymInt indirect_extent = 0;
  bool operator==(const Access&) const = default;
};

enum class ReduceOp : std::uint8_t { sum, max, min, product, any, all, argmax, argmin };

struct Store {
  std::int32_t access = -1;  ///< where; accesses[access].dtype is the storage type
  std::int32_t value = -1;   ///< expression
  bool operator==(const Store&) const = default;
};

/// One stage of a LoopKernel, run for each outer point, in order.
struct Stage {
  enum class Kind : std::uint8_t {
    reduce,  ///< temp t = op over the inner dims of `value`
    map,     ///< stores for each point of outer x inner
    finish,  ///< stores for each outer point (no inner loop): accesses' inner strides are zero, temps are visible
  } kind = Kind::map;
  ReduceOp reduce = ReduceOp::sum;
  std::int32_t value = -1;    ///< reduce
  std::vector<Store> stores;  ///< map, finish
  bool operator==(const Stage&) const = default;
};

/// for outer point: for stage: for inner point: ...
/// Reduce results are numbered in stage order (ExprOp::temp). Outer points are independent of one another.
/// Stores of a stage may be read by later stages of the same outer point (same buffer, same access), nothing else
/// aliases.
struct LoopKernel {
  std::string name;
  std::vector<SymInt> outer, inner;  ///< extents; any may be symbolic
  std::vector<Access> accesses;
  std::vector<Expr> exprs;  ///< in evaluation order
  std::vector<Stage> stages;
  std::int32_t buffer_count = 0;
};

/// How a LoopKernel is turned into code. Chosen by rule or by timing; part of the kernel's identity.
struct LoopSchedule {
  std::int32_t vector_dim = -1;  ///< loop dim (outer or inner numbering as in Expr::dim) that lanes run over; -1: none
  std::int32_t lanes = 16;       ///< f32 lanes of a vector
  std::int32_t unroll_dim = -1;  ///< an outer dim other than vector_dim, register-tiled by `unroll` (depthwise: width)
  std::int32_t unroll = 1;
  std::int32_t vectors = 1;  ///< vectors of the vector dim handled together
  bool operator==(const LoopSchedule&) const = default;
};

/// C[batch, m..., n] = epilogue(sum over k... of A[batch, m..., k...] * B[batch, k, n]).
/// A is read by scalar broadcast, so its strides are free; n is the vector dimension of B, C and the epilogue's
/// accesses.
struct GemmKernel {
  std::string name;
  std::vector<SymInt> batch;    ///< outermost extents, may be empty
  std::vector<SymInt> m;        ///< one or more row dimensions (images, rows, columns); the last is register-tiled
  std::vector<std::int64_t> k;  ///< one or more reduction extents (kh, kw, channels), constant; the last is innermost
  SymInt n = 0;
  /// f32 x f32 or bf16 x bf16, accumulated in f32; or u8 x i8, accumulated in i32, which the epilogue sees as f32.
  DType a_type = DType::f32, b_type = DType::f32;
  std::int32_t a_buffer = 0, b_buffer = 1;
  SymInt a_offset = 0, b_offset = 0;
  std::vector<SymInt> a_strides;  ///< over batch, m, k (elements)
  /// B packed (see PackedB), or, if `b_strides` is not empty, read in place with strides over batch, flattened k, and
  /// n, where the last must be 1 for in-place reading.
  std::vector<SymInt> b_strides;
  /// Epilogue in the loop dims (batch..., m..., n). ExprOp::accumulator is the sum. Stores as in a LoopKernel.
  std::vector<Access> accesses;
  std::vector<Expr> exprs;
  std::vector<Store> stores;
  std::int32_t buffer_count = 0;
};

/// Register and cache tiling of a GemmKernel; a tactic. Part of the kernel's name.
struct GemmTile {
  std::int32_t mr = 6;      ///< rows held in registers (of the last m dim)
  std::int32_t nr = 2;      ///< vectors of n held in registers
  std::int32_t lanes = 16;  ///< f32 lanes of a vector: 16 (AVX-512) or 8 (AVX2)
  std::int32_t k_unroll = 1;
  std::int32_t k_block = 0;  ///< reduction steps between visits of C; 0: all of k at once
  std::int32_t m_block = 0;  ///< rows (register tiles) a task handles before the next n panel; 0: all
  bool n_outer = true;       ///< task order: n panels outermost (B stays hot) or m tiles outermost (A stays hot)
  /// Winograd's algorithm for 3x3 convolutions of stride 1 (see winograd.h): outputs computed together along each side,
  /// 2 or 4; 0: plain product. Rows are then such output squares; a task handles m_block register tiles of them.
  std::int32_t winograd = 0;
  std::int32_t n_block = 0;  ///< Winograd only: n panels a task handles; 0: all
  /// bf16 only: widen rows of A once for each register tile and use f32 multiply-adds, where those are faster than the
  /// CPU's bf16 dot products or where it has none.
  bool widen = false;
  /// bf16 only: tile registers (AMX). Rows are spread evenly over ceil(mr / 16) tiles, nr is the number of 16-column
  /// tiles.
  bool amx = false;
  /// With `amx`: the last two row dims are walked as one (see flat_rows), so that tiles reach over the ends of short
  /// rows.
  bool flat = false;
  bool operator==(const GemmTile&) const = default;
};

/// The packed form of a constant B for a tile: [ceil(n / (nr*lanes))][ceil(k / pair)][nr*lanes][pair], zero-filled,
/// with pair = 1 for f32, 2 for bf16 and 4 for i8; tiles with `amx` have each innermost run zero-filled to whole
/// AmxSteps. k runs over the flattened reduction dims; for bf16 the last of them must be even, for i8 a multiple of 4.
struct PackedB {
  std::int64_t panels = 0, depth = 0, width = 0, pair = 1;
  std::int64_t elements() const { return panels * depth * width * pair; }
};
PackedB packed_b(const GemmKernel& kernel, const GemmTile& tile);

/// Extents in a kernel's name: "64x64", with d for those that are not constants, and 1 for none.
std::string extent_name(const std::vector<SymInt>& extents);

/// "gemm_f32_14x32_ku1_..." / "loop_...": the identity of what will be emitted: structure, constants, extents,
/// schedule.
std::string fingerprint(const LoopKernel& kernel, const LoopSchedule& schedule);
std::string fingerprint(const GemmKernel& kernel, const GemmTile& tile);

/// The symbolic quantities (extents, strides, offsets that are not constants) of a kernel in the order of its params
/// array: a kernel's params[i] is the value of collect_params(kernel)[i], each distinct expression once.
std::vector<SymInt> collect_params(const LoopKernel& kernel);
std::vector<SymInt> collect_params(const GemmKernel& kernel);

/// Number of independent tasks (units of parallel work) that the emitted function divides its work into.
SymInt task_count(const LoopKernel& kernel, const LoopSchedule& schedule);
SymInt task_count(const GemmKernel& kernel, const GemmTile& tile);

}  // namespace aitune::kernels

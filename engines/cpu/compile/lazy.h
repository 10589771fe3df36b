#pragma once
// Values that are not in memory (yet): scalar expressions over strided loads, and the pending kernel ("root") that some
// of them hang on. Pointwise operators only build these; memory is written when a consumer needs it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/kernels/kernel.h"
#include "engines/cpu/compile/view.h"

namespace aitune::cpu {

using kernels::ExprOp;
using kernels::ExprType;

struct Lazy;
using LazyPtr = std::shared_ptr<const Lazy>;

/// A scalar expression at one point of a shape (the domain). Immutable and shared. Affine maps run over the domain's
/// dims.
struct Lazy {
  ExprOp op = ExprOp::constant;
  ExprType type = ExprType::f32;
  LazyPtr a, b, c;
  double number = 0;
  std::int64_t integer = 0;
  // load
  int buffer = -1;
  DType dtype = DType::f32;
  Affine map;        ///< load: elements; index: the value itself
  LazyPtr indirect;  ///< load: row chosen by data (gather)
  SymInt indirect_stride = 0, indirect_extent = 0;
  int temp = -1;          ///< temp: number of the reduction in the root
  int cost = 0;           ///< rough work of evaluating it once, operands included
  bool has_root = false;  ///< an accumulator or temp is below
};

LazyPtr make_constant(double value, ExprType type);
LazyPtr make_integer(std::int64_t value);
LazyPtr make_unary(ExprOp op, LazyPtr a, ExprType type);
LazyPtr make_binary(ExprOp op, LazyPtr a, LazyPtr b, ExprType type);
LazyPtr make_select(LazyPtr condition, LazyPtr yes, LazyPtr no);
LazyPtr make_cast(LazyPtr a, ExprType type);
LazyPtr make_load(const View& view);
LazyPtr make_gather(const View& table, LazyPtr index, const SymInt& stride, const SymInt& extent);
/// offset + strides . index of the domain, as an integer.
LazyPtr make_index(Affine map);
LazyPtr make_accumulator();
LazyPtr make_temp(int number, ExprType type = ExprType::f32);

/// The arithmetic type of a storage type: f32 for floats but f64, i64 for integers and bools.
ExprType arithmetic_type(DType dtype);

/// The same expression over another domain: every affine map goes through `change`, which may decline (then nothing is
/// returned).
using MapChange = std::function<std::optional<Affine>(const Affine&)>;
LazyPtr remap(const LazyPtr& expr, const MapChange& change);

/// A pending kernel whose result is a function of the domain: a matrix product, or a nest with reductions.
struct Root {
  enum class Kind { gemm, nest } kind = Kind::gemm;
  SymShape shape;  ///< of the value
  std::vector<const Node*> sources;

  // gemm: everything but the epilogue; dims[i] is the value's dim that loop dim i (batch…, m…, n) is.
  std::optional<kernels::GemmKernel> gemm;
  std::vector<int> dims;
  View a;                                    ///< operand A's memory (strides are in gemm->a_strides)
  View b;                                    ///< operand B if it is read in place
  Tensor weight;                             ///< operand B if it is packed: f32 or i8 elements
  std::vector<std::int64_t> weight_strides;  ///< of `weight` over (k dims..., n)
  const Node* product = nullptr;             ///< with `weight`: whose product it is, or a part of it

  // nest: loop dims outer..., inner...; `dims` maps them to the value's dims (inner ones only where inner_in_result).
  SymShape outer, inner;
  bool inner_in_result = false;
  struct Reduction {
    kernels::ReduceOp op;
    LazyPtr value;
  };  ///< maps over (outer, inner); temps of earlier ones visible
  std::vector<Reduction> reductions;
};
using RootPtr = std::shared_ptr<Root>;

}  // namespace aitune::cpu

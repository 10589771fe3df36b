#pragma once
// One call of an operator on concrete tensors: what a reference kernel sees. Depends on base/ alone.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/ops.h"
#include "base/tensor.h"

namespace aitune::reference {

struct NoneArg {
  bool operator==(const NoneArg&) const = default;
};
struct OpArg;
using OpArgList = std::vector<OpArg>;
/// An argument with every size known. Memory formats arrive as integers, devices as strings.
struct OpArg : std::variant<NoneArg, bool, std::int64_t, double, std::string, DType, Tensor, OpArgList> {
  using variant::variant;
  bool is_none() const { return std::holds_alternative<NoneArg>(*this); }
  // Each throws InternalError on a mismatch.
  const Tensor& tensor() const;
  const Tensor* tensor_or_null() const;
  std::int64_t integer() const;  ///< bools count
  double number() const;         ///< int, bool or float
  bool boolean() const;
  const std::string& string() const;
  const OpArgList& list() const;
  std::vector<std::int64_t> int_list() const;
};

/// The call. `args` stand in schema order with defaults filled in. `outputs` are allocated by the caller: contiguous,
/// of the dtype and shape that the operator's shape rule gives; kernels only fill them. Inputs may be strided.
/// Operators whose results have a size that data decide (reports_extents) give every output its shape when they run:
/// they make it where `allocate` is set; else it comes as memory for so many elements and is left with its real shape.
struct OpCall {
  OpId op;
  std::span<const OpArg> args;
  std::span<Tensor> outputs;
  bool allocate = false;
};

/// Runs the operator. Throws Unsupported if there is no kernel for the op or dtype (naming both).
void run_op(const OpCall& call);
/// Whether run_op knows the operator at all.
bool has_kernel(OpId op);
/// Whether the operator itself finds out the shapes of its outputs.
bool reports_extents(OpId op);

}  // namespace aitune::reference

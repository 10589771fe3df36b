#pragma once
// From a Python call to one row of base/ops.def, as PyTorch's own argument parser chooses.

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "compiler/import/fx/py_value.h"
#include "compiler/ops/schema.h"

namespace aitune::fx {

/// All rows "aten.BASE.*", in the list's order.
std::span<const OpInfo* const> overloads_of(std::string_view base);

struct BoundCall {
  const OpInfo* op = nullptr;
  ArgList args;
};

/// Makes a tensor of a number, for operators that take tensors alone.
using NumberToTensor = std::function<Value*(const PyValue&)>;

/// The first overload that takes these arguments: strict about kinds, with Python's names (input, axis, keepdims) and
/// sizes given one by one (view(2, 3)). Throws Unsupported when the list has no such operator, InvalidArgument with
/// what each overload minds.
BoundCall choose_overload(std::string_view base, const PyArgs& args, const NumberToTensor& number_to_tensor);

/// Exactly this overload.
BoundCall bind_overload(const OpInfo& op, const PyArgs& args, const NumberToTensor& number_to_tensor);

}  // namespace aitune::fx

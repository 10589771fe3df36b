// Integrals and derivatives of sampled functions, and samples between two tensors.

#include <algorithm>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

/// One fewer along `d`, and none of none: what lies between neighbours.
void to_intervals(SymShape& shape, std::size_t d) {
  const auto size = shape.at(d).as_constant();
  shape[d] = size ? SymInt(std::max<std::int64_t>(*size - 1, 0)) : shape[d] - 1;
}

/// The samples' places as they broadcast against the samples: a vector lies along `d`, others are filled with ones.
SymShape places(const Call& call, const SymShape& y, std::size_t d) {
  const SymShape& x = call.shape("x");
  SymShape shape(y.size(), SymInt(1));
  if (x.size() == 1) {
    shape[d] = unify(call, y[d], x[0]);
    return shape;
  }
  if (x.size() >= y.size()) return x;
  std::ranges::copy(x, shape.end() - static_cast<std::ptrdiff_t>(x.size()));
  return shape;
}

template <bool Running>
Types integral(const Call& call) {
  const TensorType& y = call.tensor("y");
  SymShape shape = y.shape;
  call.require(!shape.empty(), "a 0-dim tensor has no samples");
  const std::size_t d = call.dim("dim", shape.size());
  if (!Running && shape[d].is(0)) {
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(d));
    return {{y.dtype, shape}};
  }
  DType type = y.dtype;
  bool is_bool = type == DType::b8;
  if (call.has("x")) {
    SymShape intervals = places(call, shape, d);
    to_intervals(shape, d);
    to_intervals(intervals, d);
    shape = broadcast(call, shape, intervals);
    is_bool |= call.tensor("x").dtype == DType::b8;
    type = promote(type, call.tensor("x").dtype);
  } else {
    to_intervals(shape, d);
  }
  call.require(!is_bool, "the samples are no numbers, but bool");
  if (!Running) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(d));
  return {{floating(type), shape}};
}

/// A derivative along each of the dimensions.
Types gradient(const Call& call) {
  const TensorType& self = call.tensor("self");
  const std::int64_t edge_order = call.integer("edge_order");
  call.require(edge_order == 1 || edge_order == 2, "edge_order is neither 1 nor 2");
  call.require(self.dtype != DType::u8 && self.dtype != DType::b8, "u8 and bool have no differences");
  const std::vector<std::size_t> dims = call.dims("dim", self.shape.size());
  call.require(dims.empty() || !self.shape.empty(), "a 0-dim tensor has no derivatives");
  const bool lists = call.given("spacing") && call["spacing"].is_list();
  call.require(!lists || call["spacing"].list().size() == dims.size(), "there is not one spacing for each dimension");
  Types types;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const SymInt& size = self.shape[dims[i]];
    call.require_at_least(size, edge_order + 1, "a dimension has not more elements than edge_order");
    DType type = self.dtype;
    if (lists && call["spacing"].list()[i].is_value()) {
      const TensorType& at = call["spacing"].list()[i].value()->type;
      call.require(at.shape.size() == 1, "the spacings are vectors of coordinates");
      unify(call, at.shape[0], size);
      type = promote(type, floating(at.dtype));
    }
    types.push_back({floating(type), self.shape});
  }
  return types;
}

/// linspace and logspace whose ends are tensors without dimensions.
Types spaced(const Call& call) {
  DType type = DType::f32;
  for (const std::string_view name : {"start", "end"}) {
    if (!call[name].is_value()) continue;
    call.require(call.shape(name).empty(), "start and end have no dimensions");
    if (is_complex(call.tensor(name).dtype)) type = DType::c64;
  }
  return {{call.dtype_or("dtype", type), {call.sym("steps")}}};
}

}  // namespace

void add_calculus_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_trapezoid_x, aten_trapezoid_dx, aten_trapz_x, aten_trapz_dx}, integral<false>);
  table.add({aten_cumulative_trapezoid_x, aten_cumulative_trapezoid_dx}, integral<true>);
  table.add({aten_gradient_scalarint, aten_gradient_scalararray, aten_gradient_array, aten_gradient_scalarrayint,
             aten_gradient_scalarrayarray, aten_gradient_tensorarrayint, aten_gradient_tensorarray},
            gradient);
  table.add({aten_linspace_Tensor_Tensor, aten_linspace_Tensor_Scalar, aten_linspace_Scalar_Tensor,
             aten_logspace_Tensor_Tensor, aten_logspace_Tensor_Scalar, aten_logspace_Scalar_Tensor},
            spaced);
}

}  // namespace aitune::infer

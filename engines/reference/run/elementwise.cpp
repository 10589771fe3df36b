#include "engines/reference/run/elementwise.h"

#include <algorithm>

namespace aitune::reference {

Tensor operand(const Call& call, std::string_view name) {
  const OpArg& arg = call[name];
  if (const Tensor* t = std::get_if<Tensor>(&arg)) return *t;
  if (const auto* i = std::get_if<std::int64_t>(&arg)) return scalar(*i);
  if (const auto* b = std::get_if<bool>(&arg)) return scalar(DType::b8, *b ? 1 : 0);
  return scalar(DType::f64, arg.number());
}

Compute promoted_compute(const Call& call, std::initializer_list<std::string_view> operands) {
  // For each rank: 0 nothing, 1 integral, 2 floating, 3 double.
  int dimensioned = 0, zero_dim = 0, number = 0;
  for (const std::string_view name : operands) {
    if (!call.given(name)) continue;
    const OpArg& arg = call[name];
    if (const Tensor* t = std::get_if<Tensor>(&arg)) {
      int& rank = t->shape().empty() ? zero_dim : dimensioned;
      rank = std::max(rank, t->dtype() == DType::f64 ? 3 : is_floating(t->dtype()) ? 2 : 1);
    } else {
      number = std::max(number, std::holds_alternative<double>(arg) ? 2 : 1);
    }
  }
  int result = dimensioned;
  for (const int lower : {zero_dim, number})
    if (result == 0 || (result == 1 && lower > 1)) result = lower;
  return result == 3 ? Compute::f64 : result == 2 ? Compute::f32 : Compute::i64;
}

}  // namespace aitune::reference

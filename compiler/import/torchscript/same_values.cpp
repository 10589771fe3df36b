// Tensors that are made of numbers and sizes alone, in the same way: they are equal, whatever the sizes are. That is
// how nn.Transformer finds out that a mask is the causal one.

#include <algorithm>
#include <array>

#include "compiler/import/torchscript/evaluator.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxMadeDepth = 20;

/// Operators that make no NaN of other numbers.
constexpr std::array kMakers = {OpId::aten_full_default,      OpId::aten_zeros_default,  OpId::aten_ones_default,
                                OpId::aten_arange_default,    OpId::aten_arange_start,   OpId::aten_triu_default,
                                OpId::aten_tril_default,      OpId::aten_expand_default, OpId::aten_view_default,
                                OpId::aten_unsqueeze_default, OpId::aten_eq_Scalar,      OpId::aten_gt_Scalar};

bool is_nan(const Arg& arg) {
  const auto* real = std::get_if<double>(&arg);
  return real != nullptr && *real != *real;
}

/// A dtype or a device, which types tell of, or nothing.
bool is_option(const Arg& arg) {
  return arg.is_none() || std::holds_alternative<DType>(arg) || std::holds_alternative<std::string>(arg);
}

bool same_made(const Value* a, const Value* b, int depth = 0) {
  if (a == b) return a->producer != nullptr && std::ranges::find(kMakers, a->producer->op->id) != kMakers.end();
  const Node *x = a->producer, *y = b->producer;
  if (x == nullptr || y == nullptr || depth == kMaxMadeDepth || x->op != y->op || a->index != b->index ||
      a->type != b->type || std::ranges::find(kMakers, x->op->id) == kMakers.end())
    return false;
  for (std::size_t i = 0; i < x->args.size(); ++i) {
    const Arg &p = x->args[i], &q = y->args[i];
    if (p.is_value() != q.is_value() || is_nan(p)) return false;
    if (p.is_value() ? !same_made(p.value(), q.value(), depth + 1) : p != q && !(is_option(p) && is_option(q)))
      return false;
  }
  return true;
}

}  // namespace

bool Evaluator::all_equal(const Value* value) const {
  const Node* all = value->producer;
  if (all == nullptr || all->op->id != OpId::aten_all_default) return false;
  const Node* equal = all->args.at(0).value()->producer;
  if (equal == nullptr || equal->op->id != OpId::aten_eq_Tensor) return false;
  const Value *a = equal->args.at(0).value(), *b = equal->args.at(1).value();
  return same_made(a, b) && !written_.contains(owner_of(a)) && !written_.contains(owner_of(b));
}

}  // namespace aitune::torchscript

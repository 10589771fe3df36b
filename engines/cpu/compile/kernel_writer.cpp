#include "engines/cpu/compile/kernel_writer.h"

#include <algorithm>

#include "base/error.h"

namespace aitune::cpu {
namespace {

template <typename T>
std::int32_t find_or_add(std::vector<T>& list, const T& item) {
  const auto it = std::ranges::find(list, item);
  if (it != list.end()) return static_cast<std::int32_t>(it - list.begin());
  list.push_back(item);
  return static_cast<std::int32_t>(list.size() - 1);
}

}  // namespace

std::int32_t KernelWriter::slot(int buffer) { return find_or_add(buffers_, buffer); }
std::int32_t KernelWriter::add(const kernels::Expr& expr) { return find_or_add(exprs_, expr); }
std::int32_t KernelWriter::add(const kernels::Access& access) { return find_or_add(accesses_, access); }

std::int32_t KernelWriter::access(const View& view, const ToLoops& to_loops) {
  kernels::Access access;
  access.buffer = slot(view.buffer);
  access.dtype = view.dtype;
  access.offset = view.map.offset;
  access.strides = to_loops(view.map);
  return add(access);
}

std::int32_t KernelWriter::constant(std::int64_t value) {
  kernels::Expr e;
  e.type = ExprType::i64;
  e.integer = value;
  return add(e);
}

std::int32_t KernelWriter::size(const SymInt& value) {
  if (const auto known = value.as_constant()) return constant(*known);
  kernels::Expr e;
  e.op = ExprOp::size;
  e.type = ExprType::i64;
  e.size = value;
  return add(e);
}

std::int32_t KernelWriter::index(const Affine& map, const ToLoops& to_loops) {
  std::int32_t sum = size(map.offset);
  const auto strides = to_loops(map);
  for (std::size_t d = 0; d < strides.size(); ++d) {
    if (strides[d].is(0)) continue;
    kernels::Expr dim;
    dim.op = ExprOp::index;
    dim.type = ExprType::i64;
    dim.dim = static_cast<std::int32_t>(d);
    std::int32_t term = add(dim);
    if (!strides[d].is(1)) {
      kernels::Expr product;
      product.op = ExprOp::mul;
      product.type = ExprType::i64;
      product.a = term;
      product.b = size(strides[d]);
      term = add(product);
    }
    if (exprs_[static_cast<std::size_t>(sum)].op == ExprOp::constant &&
        exprs_[static_cast<std::size_t>(sum)].integer == 0) {
      sum = term;
      continue;
    }
    kernels::Expr plus;
    plus.op = ExprOp::add;
    plus.type = ExprType::i64;
    plus.a = sum;
    plus.b = term;
    sum = add(plus);
  }
  return sum;
}

std::int32_t KernelWriter::expr(const LazyPtr& node, const ToLoops& to_loops) {
  if (const auto it = memo_.find(node.get()); it != memo_.end()) return it->second;
  std::int32_t result = -1;
  if (node->op == ExprOp::index) {
    result = index(node->map, to_loops);
  } else {
    kernels::Expr e;
    e.op = node->op;
    e.type = node->type;
    e.number = node->number;
    e.integer = node->integer;
    if (node->a) e.a = expr(node->a, to_loops);
    if (node->b) e.b = expr(node->b, to_loops);
    if (node->c) e.c = expr(node->c, to_loops);
    if (node->op == ExprOp::temp) e.access = node->temp;
    if (node->op == ExprOp::load) {
      kernels::Access access;
      access.buffer = slot(node->buffer);
      access.dtype = node->dtype;
      access.offset = node->map.offset;
      access.strides = to_loops(node->map);
      if (node->indirect) {
        access.indirect = expr(node->indirect, to_loops);
        access.indirect_stride = node->indirect_stride;
        access.indirect_extent = node->indirect_extent;
      }
      e.access = add(access);
    }
    result = add(e);
  }
  memo_[node.get()] = result;
  return result;
}

}  // namespace aitune::cpu

#include "engines/cpu/compile/lazy.h"

#include <unordered_map>

#include "compiler/kernels/functions.h"

namespace aitune::cpu {
namespace {

int op_cost(ExprOp op) {
  if (kernels::is_function(op)) return 12;
  switch (op) {
    case ExprOp::constant:
    case ExprOp::index:
    case ExprOp::accumulator:
    case ExprOp::temp:
      return 0;
    case ExprOp::div:
    case ExprOp::sqrt:
    case ExprOp::rsqrt:
    case ExprOp::reciprocal:
      return 4;
    default:
      return 1;
  }
}

LazyPtr finished(Lazy node) {
  node.cost = op_cost(node.op);
  for (const auto& child : {node.a, node.b, node.c, node.indirect})
    if (child) {
      node.cost += child->cost;
      node.has_root = node.has_root || child->has_root;
    }
  if (node.op == ExprOp::accumulator || node.op == ExprOp::temp) node.has_root = true;
  return std::make_shared<const Lazy>(std::move(node));
}

}  // namespace

ExprType arithmetic_type(DType dtype) {
  if (dtype == DType::f64) return ExprType::f64;
  return is_floating(dtype) ? ExprType::f32 : ExprType::i64;
}

LazyPtr make_constant(double value, ExprType type) {
  Lazy node;
  node.type = type;
  if (type == ExprType::i64)
    node.integer = static_cast<std::int64_t>(value);
  else
    node.number = value;
  return finished(std::move(node));
}

LazyPtr make_integer(std::int64_t value) {
  Lazy node;
  node.type = ExprType::i64;
  node.integer = value;
  return finished(std::move(node));
}

LazyPtr make_unary(ExprOp op, LazyPtr a, ExprType type) {
  Lazy node;
  node.op = op;
  node.type = type;
  node.a = std::move(a);
  return finished(std::move(node));
}

LazyPtr make_binary(ExprOp op, LazyPtr a, LazyPtr b, ExprType type) {
  Lazy node;
  node.op = op;
  node.type = type;
  node.a = std::move(a);
  node.b = std::move(b);
  return finished(std::move(node));
}

LazyPtr make_select(LazyPtr condition, LazyPtr yes, LazyPtr no) {
  Lazy node;
  node.op = ExprOp::select;
  node.type = yes->type;
  node.a = std::move(condition);
  node.b = std::move(yes);
  node.c = std::move(no);
  return finished(std::move(node));
}

LazyPtr make_cast(LazyPtr a, ExprType type) {
  return a->type == type ? a : make_unary(ExprOp::cast, std::move(a), type);
}

LazyPtr make_load(const View& view) {
  Lazy node;
  node.op = ExprOp::load;
  node.type = arithmetic_type(view.dtype);
  node.buffer = view.buffer;
  node.dtype = view.dtype;
  node.map = view.map;
  return finished(std::move(node));
}

LazyPtr make_gather(const View& table, LazyPtr index, const SymInt& stride, const SymInt& extent) {
  Lazy node = *make_load(table);
  node.indirect = std::move(index);
  node.indirect_stride = stride;
  node.indirect_extent = extent;
  return finished(std::move(node));
}

LazyPtr make_index(Affine map) {
  Lazy node;
  node.op = ExprOp::index;
  node.type = ExprType::i64;
  node.map = std::move(map);
  return finished(std::move(node));
}

LazyPtr make_accumulator() {
  Lazy node;
  node.op = ExprOp::accumulator;
  return finished(std::move(node));
}

LazyPtr make_temp(int number, ExprType type) {
  Lazy node;
  node.op = ExprOp::temp;
  node.type = type;
  node.temp = number;
  return finished(std::move(node));
}

LazyPtr remap(const LazyPtr& expr, const MapChange& change) {
  std::unordered_map<const Lazy*, LazyPtr> done;
  const std::function<LazyPtr(const LazyPtr&)> visit = [&](const LazyPtr& node) -> LazyPtr {
    if (!node) return nullptr;
    if (const auto it = done.find(node.get()); it != done.end()) return it->second;
    Lazy copy = *node;
    if (node->op == ExprOp::load || node->op == ExprOp::index) {
      auto map = change(node->map);
      if (!map) return nullptr;
      copy.map = std::move(*map);
    }
    const auto child = [&](LazyPtr& slot) {
      if (!slot) return true;
      slot = visit(slot);
      return slot != nullptr;
    };
    if (!child(copy.a) || !child(copy.b) || !child(copy.c) || !child(copy.indirect)) return nullptr;
    return done[node.get()] = std::make_shared<const Lazy>(std::move(copy));
  };
  return visit(expr);
}

}  // namespace aitune::cpu

// Pooling: a reduction over a window of haloed memory.

#include <algorithm>
#include <limits>

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"

namespace aitune::cpu {
namespace {

using kernels::ReduceOp;

struct Pooling {
  std::vector<std::int64_t> kernel, stride, padding, dilation = {1, 1};
  explicit Pooling(const Node& node) {
    const auto pair = [](std::vector<std::int64_t> v) {
      return v.size() == 1 ? std::vector<std::int64_t>(2, v.front()) : v;
    };
    kernel = pair(node.args[1].int_list());
    stride = node.args[2].int_list().empty() ? kernel : pair(node.args[2].int_list());
    padding = pair(node.args[3].int_list());
    if (node.op_name() == "aten.max_pool2d.default") dilation = pair(node.args[4].int_list());
  }
};

LazyPtr both(LazyPtr a, LazyPtr b) {
  return make_binary(ExprOp::logical_and, std::move(a), std::move(b), ExprType::i64);
}

void lower_pool(Lowering& lowering, const Node& node, ReduceOp op) {
  const Pooling pool(node);
  const Value* x = node.args[0].value();
  const SymShape& out = node.output()->type.shape;
  const Halo halo = halo_of_node(node);
  const View memory = lowering.in_memory_with_halo(x, halo);
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::nest;
  root->shape = out;
  // Loops: n, rows, columns, channels; the window inside.
  root->outer = {out[0], out[2], out[3], out[1]};
  root->dims = {0, 2, 3, 1};
  root->inner = {pool.kernel[0], pool.kernel[1]};
  const auto& s = memory.map.strides;
  View windows = memory;
  windows.map.offset = memory.map.offset - s[2] * pool.padding[0] - s[3] * pool.padding[1];
  windows.map.strides = {s[0], s[2] * pool.stride[0],   s[3] * pool.stride[1],
                         s[1], s[2] * pool.dilation[0], s[3] * pool.dilation[1]};
  LazyPtr value = make_load(windows);
  // Whether the window's element lies inside the tensor: its position against [0, size).
  LazyPtr inside;
  const auto need = [&](std::size_t i) {
    const LazyPtr at =
        make_index({-pool.padding[i], i == 0 ? std::vector<SymInt>{0, pool.stride[0], 0, 0, pool.dilation[0], 0}
                                             : std::vector<SymInt>{0, 0, pool.stride[1], 0, 0, pool.dilation[1]}});
    const SymInt& extent = x->type.shape[i + 2];
    const LazyPtr size = extent.is_constant() ? make_integer(extent.constant())
                                              : make_index({extent, std::vector<SymInt>(6, SymInt(0))});
    const LazyPtr ok = both(make_binary(ExprOp::ge, at, make_integer(0), ExprType::i64),
                            make_binary(ExprOp::lt, at, size, ExprType::i64));
    inside = inside ? both(inside, ok) : ok;
  };
  for (std::size_t i = 0; i < 2; ++i)
    if (!halo.low.empty() && (halo.low[i] > 0 || halo.high[i] > 0)) need(i);
  LazyPtr result = make_temp(0);
  if (op == ReduceOp::max) {
    // Zeros around a tensor without negative elements never win wrongly.
    if (inside && !lowering.state(x).non_negative)
      value = make_select(inside, value, make_constant(-std::numeric_limits<double>::infinity(), ExprType::f32));
    root->reductions.push_back({op, value});
  } else {
    root->reductions.push_back({op, value});
    // What hangs over the end with ceil_mode is never counted.
    const bool count_padding = node.args[5].boolean() && !node.args[4].boolean();
    const Arg& divisor = node.args[6];
    if (!divisor.is_none()) {
      result = make_binary(ExprOp::div, result, make_constant(divisor.number(), ExprType::f32), ExprType::f32);
    } else if (inside && !count_padding) {
      root->reductions.push_back({ReduceOp::sum, make_cast(inside, ExprType::f32)});
      result = make_binary(ExprOp::div, result, make_temp(1), ExprType::f32);
    } else {
      result = make_binary(ExprOp::mul, result,
                           make_constant(1.0 / static_cast<double>(pool.kernel[0] * pool.kernel[1]), ExprType::f32),
                           ExprType::f32);
    }
  }
  lowering.state(node.output()).non_negative = lowering.state(x).non_negative;
  lowering.define_expression(node.output(), result, root, {&node});
}

Support check_pool(const Node& node) {
  const Value* x = node.args[0].value();
  if (x->type.shape.size() != 4) return Support::no("pooling of a tensor without a batch dimension");
  if (x->type.dtype != DType::f32) return Support::no("pooling is compiled for float32");
  if (node.op_name() != "aten.avg_pool2d.default") return Support::yes();
  // Of what hangs over the padding, PyTorch counts the padding alone: the reference handles that.
  const auto padding = node.args[3].int_list();
  const bool pads = std::ranges::any_of(padding, [](std::int64_t p) { return p != 0; });
  if (node.args[4].boolean() && node.args[5].boolean() && pads && node.args[6].is_none())
    return Support::no("average pooling with ceil_mode that counts the padding");
  return Support::yes();
}

}  // namespace

void add_pooling_rules(RuleTable& table) {
  table["aten.max_pool2d.default"] = {[](Lowering& l, const Node& n) { lower_pool(l, n, ReduceOp::max); }, check_pool};
  table["aten.avg_pool2d.default"] = {[](Lowering& l, const Node& n) { lower_pool(l, n, ReduceOp::sum); }, check_pool};
}

const RuleTable& rules() {
  static const RuleTable table = [] {
    RuleTable t;
    add_pointwise_rules(t);
    add_movement_rules(t);
    add_product_rules(t);
    add_convolution_rules(t);
    add_reduction_rules(t);
    add_pooling_rules(t);
    add_indexing_rules(t);
    return t;
  }();
  return table;
}

}  // namespace aitune::cpu

// Matrix products and attention.

#include <array>
#include <cmath>
#include <limits>

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"
#include "engines/cpu/compile/scalar.h"

namespace aitune::cpu {
namespace {

/// An operand of a product in memory with the storage type that the product reads.
View operand(Lowering& lowering, const Value* value, DType dtype) {
  const View view = lowering.in_memory(value);
  if (view.dtype == dtype) return view;
  std::vector<int> order;
  for (std::size_t i = 0; i < view.shape.size(); ++i) order.push_back(static_cast<int>(i));
  return lowering.copy(make_load(view), view.shape, dtype, order, lowering.state(value).sources);
}

/// x [..., k], in memory, times a constant matrix, `strides` of the weight over (k, n).
RootPtr constant_root(const Node& node, View x, Tensor weight, DType weight_type, std::vector<std::int64_t> strides) {
  const SymShape& shape = node.output()->type.shape;
  const std::size_t rows = shape.size() - 1;
  const SymInt depth = x.shape.back();
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::gemm;
  root->shape = shape;
  root->a = std::move(x);
  root->weight = std::move(weight);
  root->weight_strides = std::move(strides);
  root->product = &node;
  kernels::GemmKernel kernel;
  kernel.a_type = root->a.dtype;
  kernel.b_type = weight_type;
  kernel.a_offset = root->a.map.offset;
  for (std::size_t d = 0; d < rows; ++d) {
    kernel.m.push_back(shape[d]);
    kernel.a_strides.push_back(root->a.map.strides[d]);
    root->dims.push_back(static_cast<int>(d));
  }
  if (rows == 0) {
    kernel.m.push_back(1);
    kernel.a_strides.emplace_back(0);
    root->dims.push_back(-1);
  }
  kernel.k.push_back(depth.constant());
  kernel.a_strides.push_back(root->a.map.strides[rows]);
  kernel.n = shape.back();
  root->dims.push_back(static_cast<int>(rows));
  root->gemm = std::move(kernel);
  return root;
}

/// A constant, broadcast to the shape.
LazyPtr spread(Lowering& lowering, const Value* constant, const SymShape& shape) {
  const View memory = lowering.in_memory(constant);
  return make_load({memory.buffer, memory.dtype, shape, expand(memory.map, memory.shape, shape)});
}

void constant_product(Lowering& lowering, const Node& node, const Value* x, const Tensor& weight,
                      std::vector<std::int64_t> strides, const Value* bias) {
  const DType type = lowering.product_type(node);
  const RootPtr root =
      constant_root(node, type == DType::bf16 ? lowering.in_narrow_memory(x) : operand(lowering, x, type),
                    weight.dtype() == DType::f32 ? weight : weight.to(DType::f32), type, std::move(strides));
  LazyPtr expr = make_accumulator();
  if (bias) expr = make_binary(ExprOp::add, expr, spread(lowering, bias, node.output()->type.shape), ExprType::f32);
  lowering.define_expression(node.output(), expr, root, {&node});
}

void lower_quantised_linear(Lowering& lowering, const Node& node) {
  const Value* x = node.args[0].value();
  View memory = lowering.in_memory(x);
  if (!memory.map.strides.back().is(1)) {
    std::vector<int> order;
    for (std::size_t i = 0; i < memory.shape.size(); ++i) order.push_back(static_cast<int>(i));
    memory = lowering.copy(make_load(memory), memory.shape, DType::u8, order, lowering.state(x).sources);
  }
  const Tensor weight = node.args[1].value()->data.contiguous();
  const RootPtr root = constant_root(node, std::move(memory), weight, DType::i8, {1, weight.size(1)});
  const SymShape& shape = node.output()->type.shape;
  const LazyPtr scaled =
      make_binary(ExprOp::mul, make_accumulator(), spread(lowering, node.args[2].value(), shape), ExprType::f32);
  lowering.define_expression(
      node.output(), make_binary(ExprOp::add, scaled, spread(lowering, node.args[3].value(), shape), ExprType::f32),
      root, {&node});
}

/// Constants where kernels want them.
Support check_quantised_constants(const Node& node) {
  for (const std::size_t i : {1U, 2U, 3U})
    if (node.args[i].value()->kind != ValueKind::weight) return Support::no("its weights are no constants");
  return Support::yes();
}

Support check_quantised_linear(const Node& node) {
  if (auto s = check_quantised_constants(node); !s.supported) return s;
  const auto depth = node.args[0].value()->type.shape.back().as_constant();
  if (!depth || *depth < 4 || *depth % 4 != 0) return Support::no("a depth that is no multiple of 4");
  return Support::yes();
}

/// A product, and its element in what is made of it.
struct Product {
  RootPtr root;
  LazyPtr element;
};

/// The same for a depth that moves, or for few rows: a reduction around the product of two elements.
Product reduced_product(const View& a, const View& b, const SymShape& shape) {
  const std::size_t rank = shape.size();
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::nest;
  root->shape = root->outer = shape;
  root->inner = {a.shape[rank - 1]};
  for (std::size_t d = 0; d < rank; ++d) root->dims.push_back(static_cast<int>(d));
  Affine row{a.map.offset, a.map.strides}, column{b.map.offset, b.map.strides};
  row.strides[rank - 1] = 0;
  row.strides.push_back(a.map.strides[rank - 1]);
  column.strides[rank - 2] = 0;
  column.strides.push_back(b.map.strides[rank - 2]);
  SymShape domain = shape;
  domain.push_back(a.shape[rank - 1]);
  const Scalar left = make_cast(make_load({a.buffer, a.dtype, domain, row}), ExprType::f32);
  const Scalar right = make_cast(make_load({b.buffer, b.dtype, domain, column}), ExprType::f32);
  root->reductions.push_back({kernels::ReduceOp::sum, left * right});
  return {std::move(root), make_temp(0, ExprType::f32)};
}

/// Batched product of tensors in memory: a [batch..., m, k] times b [batch..., k, n], b dense in n.
Product batched_product(const View& a, const View& b, const SymShape& shape) {
  const std::size_t rank = shape.size();
  if (!a.shape[rank - 1].is_constant()) return reduced_product(a, b, shape);
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::gemm;
  root->shape = shape;
  root->a = a;
  root->b = b;
  kernels::GemmKernel kernel;
  for (std::size_t d = 0; d + 2 < rank; ++d) {
    kernel.batch.push_back(shape[d]);
    root->dims.push_back(static_cast<int>(d));
  }
  kernel.m.push_back(shape[rank - 2]);
  root->dims.push_back(static_cast<int>(rank - 2));
  kernel.k.push_back(a.shape[rank - 1].constant());
  kernel.n = shape[rank - 1];
  root->dims.push_back(static_cast<int>(rank - 1));
  kernel.a_offset = a.map.offset;
  kernel.b_offset = b.map.offset;
  kernel.a_strides = a.map.strides;
  kernel.b_strides = b.map.strides;
  root->gemm = std::move(kernel);
  return {std::move(root), make_accumulator()};
}

/// `value` in f32 memory with its last dim dense.
View dense_rows(Lowering& lowering, const View& view, const std::vector<const Node*>& sources) {
  if (view.dtype == DType::f32 && view.map.strides.back().is(1)) return view;
  std::vector<int> order;
  for (std::size_t i = 0; i < view.shape.size(); ++i) order.push_back(static_cast<int>(i));
  return lowering.copy(make_load(view), view.shape, DType::f32, order, sources);
}

/// x [..., k] times the transpose of w [n, k], both computed.
Product computed_linear(Lowering& lowering, const View& x, const View& w, const SymShape& shape,
                        const std::vector<const Node*>& sources) {
  constexpr std::array<std::int64_t, 2> kColumnsFirst = {1, 0};
  const View transposed{w.buffer, w.dtype, {w.shape[1], w.shape[0]}, permute(w.map, kColumnsFirst)};
  const View right = dense_rows(lowering, transposed, sources);
  const std::size_t rows = shape.size() - 1;
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::gemm;
  root->shape = shape;
  root->a = x;
  root->b = right;
  kernels::GemmKernel kernel;
  for (std::size_t d = 0; d < rows; ++d) {
    kernel.m.push_back(shape[d]);
    root->dims.push_back(static_cast<int>(d));
  }
  kernel.a_strides = x.map.strides;
  if (rows == 0) {
    kernel.m.push_back(1);
    kernel.a_strides.insert(kernel.a_strides.begin(), SymInt(0));
    root->dims.push_back(-1);
  }
  root->dims.push_back(static_cast<int>(rows));
  kernel.k.push_back(x.shape.back().constant());
  kernel.n = shape.back();
  kernel.a_offset = x.map.offset;
  kernel.b_offset = right.map.offset;
  kernel.b_strides = right.map.strides;
  root->gemm = std::move(kernel);
  return {std::move(root), make_accumulator()};
}

void lower_linear(Lowering& lowering, const Node& node) {
  const Value* w = node.args[1].value();
  if (w->kind != ValueKind::weight) {
    Product product = computed_linear(lowering, operand(lowering, node.args[0].value(), DType::f32),
                                      lowering.in_memory(w), node.output()->type.shape, {&node});
    if (const Value* bias = node.args[2].value_or_null())
      product.element = make_binary(ExprOp::add, product.element,
                                    lowering.expression(bias, node.output()->type.shape, nullptr), ExprType::f32);
    lowering.define_expression(node.output(), product.element, product.root, {&node});
    return;
  }
  const Tensor weight = w->data.contiguous();
  constant_product(lowering, node, node.args[0].value(), weight, {1, weight.size(1)}, node.args[2].value_or_null());
}

void lower_matrix_product(Lowering& lowering, const Node& node) {
  const Value* a = node.args[0].value();
  const Value* b = node.args[1].value();
  if (b->kind == ValueKind::weight && b->type.shape.size() == 2) {
    const Tensor weight = b->data.contiguous();
    constant_product(lowering, node, a, weight, {weight.size(1), 1}, nullptr);
    return;
  }
  const View left = operand(lowering, a, DType::f32);
  const View right = dense_rows(lowering, lowering.in_memory(b), {&node});
  const Product product = batched_product(left, right, node.output()->type.shape);
  lowering.define_expression(node.output(), product.element, product.root, {&node});
}

/// softmax over the last dim of `scores`, as a copy in f32. A row that is masked whole, of -inf, gives zeros, as
/// attention has it: neither its maximum nor its sum may be what it is subtracted from and divided by.
View softmax_rows(Lowering& lowering, const View& scores, const std::vector<const Node*>& sources) {
  constexpr double kLowest = std::numeric_limits<float>::lowest();
  constexpr double kTiny = 1e-30;  // sums are 1 or more where there is a score
  auto root = std::make_shared<Root>();
  root->kind = Root::Kind::nest;
  root->shape = scores.shape;
  root->inner_in_result = true;
  for (std::size_t d = 0; d < scores.shape.size(); ++d) {
    (d + 1 < scores.shape.size() ? root->outer : root->inner).push_back(scores.shape[d]);
    root->dims.push_back(static_cast<int>(d));
  }
  const LazyPtr x = make_load(scores);
  root->reductions.push_back({kernels::ReduceOp::max, x});
  const auto at_least = [](LazyPtr value, double least) {
    return make_binary(ExprOp::max, std::move(value), make_constant(least, ExprType::f32), ExprType::f32);
  };
  const LazyPtr shifted = make_unary(
      ExprOp::exp, make_binary(ExprOp::sub, x, at_least(make_temp(0), kLowest), ExprType::f32), ExprType::f32);
  root->reductions.push_back({kernels::ReduceOp::sum, shifted});
  const LazyPtr result =
      make_binary(ExprOp::mul, shifted, make_unary(ExprOp::reciprocal, at_least(make_temp(1), kTiny), ExprType::f32),
                  ExprType::f32);
  std::vector<int> order;
  for (std::size_t i = 0; i < scores.shape.size(); ++i) order.push_back(static_cast<int>(i));
  const View target = lowering.fresh(scores.shape, DType::f32, order);
  lowering.store(result, root, target, scores.shape, sources);
  return target;
}

/// torch.nn.functional.scaled_dot_product_attention: softmax(q k^T * scale + mask) v.
void lower_attention(Lowering& lowering, const Node& node) {
  const Value* q = node.args[0].value();
  const Value* k = node.args[1].value();
  const Value* v = node.args[2].value();
  const Value* mask = node.args[3].value_or_null();
  const bool causal = node.args[node.op->arg_index("is_causal")].boolean();
  const Arg& scale_arg = node.args[node.op->arg_index("scale")];
  const std::size_t rank = q->type.shape.size();
  const SymShape& shape = node.output()->type.shape;
  const double scale =
      scale_arg.is_none() ? 1 / std::sqrt(static_cast<double>(q->type.shape.back().constant())) : scale_arg.number();

  const View query = operand(lowering, q, DType::f32);
  const View key = lowering.in_memory(k);
  const View value = dense_rows(lowering, lowering.in_memory(v), {&node});
  // Keys are wanted with the sequence innermost: the product's vector dim.
  std::vector<std::int64_t> transposed(rank);
  std::vector<int> natural(rank);
  for (std::size_t i = 0; i < rank; ++i) transposed[i] = static_cast<std::int64_t>(natural[i] = static_cast<int>(i));
  std::swap(transposed[rank - 1], transposed[rank - 2]);
  SymShape key_shape = key.shape;
  std::swap(key_shape[rank - 1], key_shape[rank - 2]);
  const View as_read{key.buffer, key.dtype, key_shape, permute(key.map, transposed)};
  // For few rows, as in a decoder's step, a copy costs more than the product; then the depth is the vector dim.
  constexpr std::int64_t kFewRows = 2;
  const bool few = q->type.shape[rank - 2].as_constant().value_or(kFewRows + 1) <= kFewRows;

  SymShape score_shape(shape.begin(), shape.end() - 2);
  score_shape.push_back(q->type.shape[rank - 2]);
  score_shape.push_back(k->type.shape[rank - 2]);
  const Product product =
      few ? reduced_product(query, as_read, score_shape)
          : batched_product(query, lowering.copy(make_load(as_read), key_shape, DType::f32, natural, {&node}),
                            score_shape);
  LazyPtr score = make_binary(ExprOp::mul, product.element, make_constant(scale, ExprType::f32), ExprType::f32);
  const LazyPtr minus_infinity = make_constant(-std::numeric_limits<double>::infinity(), ExprType::f32);
  if (causal) {
    Affine row{0, std::vector<SymInt>(rank, SymInt(0))}, column = row;
    row.strides[rank - 2] = 1;
    column.strides[rank - 1] = 1;
    score =
        make_select(make_binary(ExprOp::le, make_index(column), make_index(row), ExprType::i64), score, minus_infinity);
  }
  if (mask) {
    const LazyPtr m = lowering.expression(mask, score_shape, nullptr);
    score = mask->type.dtype == DType::b8 ? make_select(m, score, minus_infinity)
                                          : make_binary(ExprOp::add, score, make_cast(m, ExprType::f32), ExprType::f32);
  }
  const View scores = lowering.fresh(score_shape, DType::f32, natural);
  lowering.store(score, product.root, scores, score_shape, {&node});
  const View weights = softmax_rows(lowering, scores, {&node});
  const Product result = batched_product(weights, value, shape);
  lowering.define_expression(node.output(), result.element, result.root, {&node});
}

Support floating_only(const Node& node) {
  for (const Value* value : node.operands()) {
    const DType t = value->type.dtype;
    if (t != DType::f32 && t != DType::b8)
      return Support::no("products are compiled for float32, not " + std::string(dtype_name(t)));
  }
  return Support::yes();
}

Support constant_depth(const Value* value) {
  const auto depth = value->type.shape.back().as_constant();
  if (!depth) return Support::no("the reduced dimension is symbolic");
  return *depth > 0 ? Support::yes() : Support::no("an empty reduction");
}

Support check_linear(const Node& node) {
  if (auto s = floating_only(node); !s.supported) return s;
  if (node.args[1].value()->type.shape.size() != 2) return Support::no("its weight has no rows");
  return constant_depth(node.args[0].value());
}

Support check_matrix_product(const Node& node) {
  if (auto s = floating_only(node); !s.supported) return s;
  const SymInt& depth = node.args[0].value()->type.shape.back();
  return depth.is(0) ? Support::no("an empty reduction") : Support::yes();
}

/// Batch dimensions of both operands, one for one.
Support check_batches(const Node& node) {
  const auto& a = node.args[0].value()->type.shape;
  const auto& b = node.args[1].value()->type.shape;
  if (a.size() < 3 || a.size() != b.size()) return Support::no("operands of different ranks");
  for (std::size_t d = 0; d + 2 < a.size(); ++d)
    if (a[d] != b[d]) return Support::no("broadcast batches");
  return check_matrix_product(node);
}

Support check_attention(const Node& node) {
  if (auto s = floating_only(node); !s.supported) return s;
  const auto& q = node.args[0].value()->type.shape;
  const auto& k = node.args[1].value()->type.shape;
  const auto& v = node.args[2].value()->type.shape;
  if (q.size() < 3 || k.size() != q.size() || v.size() != q.size()) return Support::no("operands of different ranks");
  for (std::size_t d = 0; d + 2 < q.size(); ++d)
    if (q[d] != k[d] || q[d] != v[d]) return Support::no("grouped heads or broadcast batches");
  if (node.args[4].number() != 0) return Support::no("dropout in attention");
  return constant_depth(node.args[0].value());
}

}  // namespace

void add_product_rules(RuleTable& table) {
  table["aten.linear.default"] = {lower_linear, check_linear};
  table["aitune.quantised_linear.default"] = {lower_quantised_linear, check_quantised_linear};
  table["aten.mm.default"] = {lower_matrix_product, check_matrix_product};
  table["aten.bmm.default"] = {lower_matrix_product, check_matrix_product};
  table["aten.matmul.default"] = {lower_matrix_product, check_batches};
  table["aten.scaled_dot_product_attention.default"] = {lower_attention, check_attention};
}

}  // namespace aitune::cpu

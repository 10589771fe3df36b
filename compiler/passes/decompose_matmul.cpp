// Matrix products: everything becomes linear, mm and bmm; everything that convolves becomes convolution.

#include <algorithm>
#include <map>

#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {

bool scales_integers(const Node& node) {
  const auto is_float = [&](std::string_view name) { return std::holds_alternative<double>(argument(node, name)); };
  return !is_floating(node.output()->type.dtype) && (is_float("alpha") || is_float("beta"));
}

Value* scaled_sum(Inserter& insert, const Node& node, Value* product, const SymShape& result) {
  const auto scaled = [&](Value* x, const Arg& factor) {
    return constant_number(factor) == 1 ? x : insert.call("aten.mul.Scalar", {x, factor});
  };
  product = scaled(product, argument(node, "alpha"));
  if (constant_number(argument(node, "beta")) == 0) return product;
  Value* sum = insert.call("aten.add.Tensor", {product, scaled(operand(node, 0), argument(node, "beta"))});
  return sum->type.shape == result ? sum : insert.view(sum, result);
}

namespace {

/// Batched product of [batch..., m, k] and [batch..., k, n], whose batch dimensions broadcast to those of `result`.
Value* batched_product(Inserter& insert, Value* a, Value* b, const SymShape& result) {
  const SymShape batch(result.begin(), result.end() - 2);
  const SymInt count = product(batch);
  const auto flatten = [&](Value* x) {
    SymShape shape = batch;
    shape.insert(shape.end(), x->type.shape.end() - 2, x->type.shape.end());
    return insert.view(insert.expand(x, shape), {count, shape[shape.size() - 2], shape.back()});
  };
  Value* left = flatten(a);
  Value* right = flatten(b);
  return insert.view(insert.call("aten.bmm.default", {left, right}), result);
}

/// [batch..., m, k] x [k, n] as one mm.
Value* folded_product(Inserter& insert, Value* a, Value* b, const SymShape& result) {
  SymInt rows = 1;
  for (std::size_t i = 0; i + 1 < rank(a); ++i) rows *= a->type.shape[i];
  Value* flat = insert.view(a, {rows, a->type.shape.back()});
  return insert.view(insert.call("aten.mm.default", {flat, b}), result);
}

Value* matrix_product(Inserter& insert, Value* a, Value* b, const SymShape& result) {
  if (rank(a) == 2 && rank(b) == 2) return insert.call("aten.mm.default", {a, b});
  if (rank(b) == 2) return folded_product(insert, a, b, result);
  return batched_product(insert, a, b, result);
}

Replacement matmul(Inserter& insert, Node& node) {
  Value* a = operand(node, 0);
  Value* b = operand(node, 1);
  const SymShape& result = node.output()->type.shape;
  // Vectors become matrices for the product, and the result loses the added dimension.
  SymShape matrix = result;
  if (rank(b) == 1) matrix.push_back(1);
  if (rank(a) == 1) matrix.insert(matrix.end() - 1, SymInt(1));
  if (rank(a) == 1) a = insert.view(a, {SymInt(1), a->type.shape[0]});
  if (rank(b) == 1) b = insert.view(b, {b->type.shape[0], SymInt(1)});
  return {{insert.view(matrix_product(insert, a, b, matrix), result)}};
}

Replacement addmm(Inserter& insert, Node& node) {
  if (scales_integers(node)) return std::nullopt;
  Value* product = insert.call("aten.mm.default", {operand(node, 1), operand(node, 2)});
  return {{scaled_sum(insert, node, product, node.output()->type.shape)}};
}

Replacement baddbmm(Inserter& insert, Node& node) {
  if (scales_integers(node)) return std::nullopt;
  Value* product = insert.call("aten.bmm.default", {operand(node, 1), operand(node, 2)});
  return {{scaled_sum(insert, node, product, node.output()->type.shape)}};
}

Replacement addmv(Inserter& insert, Node& node) {
  if (scales_integers(node)) return std::nullopt;
  Value* vector = operand(node, 2);
  Value* column = insert.view(vector, {vector->type.shape[0], SymInt(1)});
  Value* product = insert.view(insert.call("aten.mm.default", {operand(node, 1), column}), node.output()->type.shape);
  return {{scaled_sum(insert, node, product, node.output()->type.shape)}};
}

Replacement outer(Inserter& insert, Node& node) {
  Value* column = insert.view(operand(node, 0), {operand(node, 0)->type.shape[0], SymInt(1)});
  return {{insert.call("aten.mul.Tensor", {column, operand(node, 1)})}};
}

// ---- convolutions

Value* call_convolution(Inserter& insert, const Node& node, Value* input, const ArgList& padding, bool transposed) {
  const std::size_t spatial = rank(node.args.at(1).value()) - 2;
  const Arg output_padding =
      transposed ? argument(node, "output_padding") : Arg(to_args(std::vector<std::int64_t>(spatial, 0)));
  // An unbatched input gets a batch of one.
  const bool unbatched = rank(input) == spatial + 1;
  if (unbatched) {
    SymShape shape = input->type.shape;
    shape.insert(shape.begin(), SymInt(1));
    input = insert.view(input, shape);
  }
  Value* result = insert.call("aten.convolution.default",
                              {input, node.args.at(1), node.args.at(2), argument(node, "stride"), padding,
                               argument(node, "dilation"), transposed, output_padding, argument(node, "groups")});
  return unbatched ? insert.view(result, node.output()->type.shape) : result;
}

Replacement convolution(Inserter& insert, Node& node) {
  return {{call_convolution(insert, node, operand(node, 0), argument(node, "padding").list(), false)}};
}

Replacement transposed_convolution(Inserter& insert, Node& node) {
  return {{call_convolution(insert, node, operand(node, 0), argument(node, "padding").list(), true)}};
}

/// padding="valid" or "same"; what "same" needs more on the right than on the left is padded before.
Replacement convolution_with_named_padding(Inserter& insert, Node& node) {
  const SymShape& weight = node.args.at(1).value()->type.shape;
  const auto dilation = argument(node, "dilation").int_list();
  std::vector<std::int64_t> padding(weight.size() - 2, 0), extra(2 * padding.size(), 0);
  if (argument(node, "padding").string() == "same") {
    for (std::size_t i = 0; i < padding.size(); ++i) {
      const std::int64_t total = dilation.at(i) * (weight[i + 2].constant() - 1);
      padding[i] = total / 2;
      extra[2 * (padding.size() - 1 - i) + 1] = total % 2;
    }
  }
  Value* input = operand(node, 0);
  if (std::any_of(extra.begin(), extra.end(), [](std::int64_t n) { return n != 0; })) {
    input = insert.call("aten.constant_pad_nd.default", {input, to_args(extra), 0.0});
  }
  return {{call_convolution(insert, node, input, to_args(padding), false)}};
}

/// A dot product, with the first operand conjugated where it is complex.
Replacement conjugated_product(Inserter& insert, Node& node) {
  if (!is_complex(node.output()->type.dtype)) return matmul(insert, node);
  Value* self = insert.call("aten.conj_physical.default", {operand(node, 0)});
  return {{insert.call("aten.dot.default", {self, operand(node, 1)})}};
}

}  // namespace

void add_matmul_rules(DecomposeRules& rules) {
  for (const auto* name : {"aten.matmul.default", "aten.mv.default", "aten.dot.default"}) {
    rules[name] = matmul;
  }
  rules["aten.vdot.default"] = conjugated_product;
  rules["aten.addmm.default"] = addmm;
  rules["aten.baddbmm.default"] = baddbmm;
  rules["aten.addmv.default"] = addmv;
  rules["aten.outer.default"] = outer;
  for (const auto* name : {"aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default"})
    rules[name] = convolution;
  for (const auto* name : {"aten.conv1d.padding", "aten.conv2d.padding", "aten.conv3d.padding"}) {
    rules[name] = convolution_with_named_padding;
  }
  for (const auto* name :
       {"aten.conv_transpose1d.default", "aten.conv_transpose2d.input", "aten.conv_transpose3d.input"}) {
    rules[name] = transposed_convolution;
  }
}

}  // namespace aitune

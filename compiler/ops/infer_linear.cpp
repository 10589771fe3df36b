// Matrix products, einsum and attention.

#include <map>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

void require_rank(const Call& call, std::string_view name, std::size_t rank) {
  if (call.shape(name).size() != rank)
    call.fail(std::string(name) + " is " + to_string(call.tensor(name)) + ", expected " + std::to_string(rank) +
              " dimensions");
}

void require_same_dtype(const Call& call, std::string_view a, std::string_view b) {
  if (call.tensor(a).dtype != call.tensor(b).dtype)
    call.fail(std::string(a) + " and " + std::string(b) + " have different dtypes: " + to_string(call.tensor(a)) +
              ", " + to_string(call.tensor(b)));
}

Types linear(const Call& call) {
  const TensorType& input = call.tensor("input");
  const SymShape& weight = call.shape("weight");
  call.require(!input.shape.empty() && (weight.size() == 1 || weight.size() == 2),
               "input or weight has the wrong rank");
  require_same_dtype(call, "input", "weight");
  unify(call, input.shape.back(), weight.back());
  SymShape shape = input.shape;
  shape.pop_back();
  if (weight.size() == 2) shape.push_back(weight[0]);
  if (call.given("bias")) broadcast_to(call, call.shape("bias"), shape);
  return {{input.dtype, shape}};
}

/// [m, k] times [k, n], with any leading dimensions already dealt with.
SymShape product_shape(const Call& call, const SymShape& a, const SymShape& b) {
  unify(call, a.at(1), b.at(0));
  return {a[0], b.at(1)};
}

Types mm(const Call& call) {
  require_rank(call, "self", 2);
  require_rank(call, "mat2", 2);
  require_same_dtype(call, "self", "mat2");
  return {{call.tensor("self").dtype, product_shape(call, call.shape("self"), call.shape("mat2"))}};
}

Types addmm(const Call& call) {
  require_rank(call, "mat1", 2);
  require_rank(call, "mat2", 2);
  require_same_dtype(call, "mat1", "mat2");
  const SymShape shape = product_shape(call, call.shape("mat1"), call.shape("mat2"));
  broadcast_to(call, call.shape("self"), shape);
  return {{call.tensor("self").dtype, shape}};
}

SymShape batched(const Call& call, std::string_view a, std::string_view b) {
  require_rank(call, a, 3);
  require_rank(call, b, 3);
  require_same_dtype(call, a, b);
  const SymShape &x = call.shape(a), &y = call.shape(b);
  unify(call, x[2], y[1]);
  return {unify(call, x[0], y[0]), x[1], y[2]};
}

Types bmm(const Call& call) { return {{call.tensor("self").dtype, batched(call, "self", "mat2")}}; }

Types baddbmm(const Call& call) {
  const SymShape shape = batched(call, "batch1", "batch2");
  broadcast_to(call, call.shape("self"), shape);
  return {{call.tensor("self").dtype, shape}};
}

/// The rows of a matrix, in groups that end at `offs`, each by a matrix of its own (mixtures of experts).
Types grouped_mm(const Call& call) {
  const TensorType &rows = call.tensor("self"), &matrices = call.tensor("mat2");
  call.require(rows.shape.size() == 2 && matrices.shape.size() == 3 && call.given("offs"),
               "groups are known of the rows of one matrix, by offs");
  call.require(!call.given("bias"), "a bias is not known");
  const TensorType& ends = call.tensor("offs");
  call.require(ends.shape.size() == 1 && is_integral(ends.dtype), "offs is a list of whole numbers");
  call.require(is_floating(rows.dtype) && rows.dtype == matrices.dtype, "both operands have one floating dtype");
  unify(call, rows.shape[1], matrices.shape[1]);
  unify(call, ends.shape[0], matrices.shape[0]);
  return {{call.dtype_or("out_dtype", rows.dtype), {rows.shape[0], matrices.shape[2]}}};
}

Types addbmm(const Call& call) {
  SymShape shape = batched(call, "batch1", "batch2");
  shape.erase(shape.begin());
  broadcast_to(call, call.shape("self"), shape);
  return {{call.tensor("self").dtype, shape}};
}

Types mv(const Call& call) {
  require_rank(call, "self", 2);
  require_rank(call, "vec", 1);
  unify(call, call.shape("self")[1], call.shape("vec")[0]);
  return {{call.tensor("self").dtype, {call.shape("self")[0]}}};
}

Types addmv(const Call& call) {
  require_rank(call, "mat", 2);
  require_rank(call, "vec", 1);
  unify(call, call.shape("mat")[1], call.shape("vec")[0]);
  const SymShape shape = {call.shape("mat")[0]};
  broadcast_to(call, call.shape("self"), shape);
  return {{call.tensor("self").dtype, shape}};
}

Types dot(const Call& call) {
  const std::string_view other = call.has("tensor") ? "tensor" : "other";
  require_rank(call, "self", 1);
  require_rank(call, other, 1);
  unify(call, call.shape("self")[0], call.shape(other)[0]);
  return {{call.tensor("self").dtype, {}}};
}

Types outer(const Call& call) {
  require_rank(call, "self", 1);
  require_rank(call, "vec2", 1);
  return {
      {promote(call.tensor("self").dtype, call.tensor("vec2").dtype), {call.shape("self")[0], call.shape("vec2")[0]}}};
}

Types matmul(const Call& call) {
  SymShape a = call.shape("self"), b = call.shape("other");
  call.require(!a.empty() && !b.empty(), "both operands need at least one dimension");
  require_same_dtype(call, "self", "other");
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), 1);
  if (vector_b) b.push_back(1);
  unify(call, a.back(), b[b.size() - 2]);
  SymShape shape = broadcast(call, SymShape(a.begin(), a.end() - 2), SymShape(b.begin(), b.end() - 2));
  if (!vector_a) shape.push_back(a[a.size() - 2]);
  if (!vector_b) shape.push_back(b.back());
  return {{call.tensor("self").dtype, shape}};
}

struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

/// Splits "ij,jk->ik"; without an arrow the letters that occur once, in order, are the result.
Equation parse_equation(const Call& call) {
  Equation e{{""}, ""};
  std::string text;
  for (const char c : call["equation"].string())
    if (c != ' ') text += c;
  const std::size_t arrow = text.find("->");
  for (const char c : text.substr(0, arrow)) {
    if (c == ',')
      e.operands.emplace_back();
    else
      e.operands.back() += c;
  }
  if (arrow != std::string::npos) {
    e.result = text.substr(arrow + 2);
    return e;
  }
  std::map<char, int> uses;
  for (const std::string& o : e.operands)
    for (const char c : o) ++uses[c];
  if (uses.contains('.')) e.result = "...";
  for (const auto& [letter, n] : uses)
    if (n == 1 && letter != '.') e.result += letter;
  return e;
}

Types einsum(const Call& call) {
  const std::vector<TensorType> tensors = call.tensors("tensors");
  const Equation e = parse_equation(call);
  call.require(!tensors.empty() && e.operands.size() == tensors.size(),
               "the equation names another number of operands");
  std::map<char, SymInt> sizes;
  SymShape ellipsis;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SymShape& shape = tensors[i].shape;
    const std::string& letters = e.operands[i];
    const std::size_t dots = letters.find("...");
    const std::size_t named = dots == std::string::npos ? letters.size() : letters.size() - 3;
    call.require(named <= shape.size() && (dots != std::string::npos || named == shape.size()),
                 "an operand has another number of dimensions than the equation says");
    std::size_t d = 0;
    for (std::size_t j = 0; j < letters.size(); ++j) {
      if (j == dots) {
        const std::size_t n = shape.size() - named;
        const auto first = shape.begin() + static_cast<std::ptrdiff_t>(d);
        ellipsis = broadcast(call, ellipsis, SymShape(first, first + static_cast<std::ptrdiff_t>(n)));
        d += n;
        j += 2;
        continue;
      }
      const auto [it, fresh] = sizes.emplace(letters[j], shape[d]);
      if (!fresh) it->second = broadcast(call, {it->second}, {shape[d]})[0];
      ++d;
    }
  }
  SymShape result;
  for (std::size_t j = 0; j < e.result.size(); ++j) {
    if (e.result[j] == '.') {
      result.insert(result.end(), ellipsis.begin(), ellipsis.end());
      j += 2;
      continue;
    }
    const auto it = sizes.find(e.result[j]);
    call.require(it != sizes.end(), "the result names a letter that no operand has");
    result.push_back(it->second);
  }
  return {{tensors[0].dtype, result}};
}

SymShape attention_shape(const Call& call) {
  const SymShape &q = call.shape("query"), &k = call.shape("key"), &v = call.shape("value");
  call.require(q.size() >= 2 && k.size() >= 2 && v.size() >= 2, "query, key and value need at least two dimensions");
  require_same_dtype(call, "query", "key");
  require_same_dtype(call, "query", "value");
  unify(call, q.back(), k.back());
  unify(call, k[k.size() - 2], v[v.size() - 2]);
  SymShape shape = q;
  if (!call.has("enable_gqa") || !call.boolean("enable_gqa")) {
    const SymShape kv = broadcast(call, SymShape(k.begin(), k.end() - 2), SymShape(v.begin(), v.end() - 2));
    shape = broadcast(call, SymShape(q.begin(), q.end() - 2), kv);
    shape.push_back(q[q.size() - 2]);
    shape.push_back(q.back());
  } else {
    call.require(q.size() >= 3 && k.size() == q.size() && v.size() == q.size(), "grouped heads need equal ranks");
    const std::size_t heads = q.size() - 3;
    unify(call, k[heads], v[heads]);
    for (std::size_t i = 0; i < heads; ++i) unify(call, unify(call, q[i], k[i]), v[i]);
    call.require(!k[heads].is(0), "there are no heads");
    call.assume_equal(floordiv(q[heads], k[heads]) * k[heads], q[heads]);
    if (q[heads].is_constant() && k[heads].is_constant())
      call.require(q[heads].constant() % k[heads].constant() == 0, "the heads do not divide into groups");
  }
  shape.back() = v.back();
  if (call.given("attn_mask")) {
    SymShape scores(shape.begin(), shape.end() - 1);
    scores.push_back(k[k.size() - 2]);
    broadcast_to(call, call.shape("attn_mask"), scores);
  }
  return shape;
}

Types attention(const Call& call) { return {{call.tensor("query").dtype, attention_shape(call)}}; }

Types flash_attention(const Call& call) {
  const DType type = call.tensor("query").dtype;
  const SymShape shape = attention_shape(call);
  call.require(shape.size() == 4, "query, key and value need four dimensions");
  return {{type, shape}, {type == DType::f64 ? DType::f64 : DType::f32, {shape[0], shape[1], shape[2]}}};
}

Types attention_with_weights(const Call& call) {
  const DType type = call.tensor("query").dtype;
  const SymShape shape = attention_shape(call);
  SymShape weights = shape;
  const SymShape& key = call.shape("key");
  weights.back() = key[key.size() - 2];
  return {{type, shape}, {type, weights}};
}

Types inner(const Call& call) {
  const TensorType& a = call.tensor("self");
  const SymShape& b = call.shape("other");
  require_same_dtype(call, "self", "other");
  if (a.shape.empty()) return {{a.dtype, b}};
  if (b.empty()) return {a};
  unify(call, a.shape.back(), b.back());
  SymShape shape(a.shape.begin(), a.shape.end() - 1);
  shape.insert(shape.end(), b.begin(), b.end() - 1);
  return {{a.dtype, shape}};
}

Types tensordot(const Call& call) {
  const TensorType& a = call.tensor("self");
  const SymShape& b = call.shape("other");
  require_same_dtype(call, "self", "other");
  const auto left = call.int_list("dims_self"), right = call.int_list("dims_other");
  call.require(left.size() == right.size(), "the lists of dimensions have different lengths");
  std::vector<bool> summed_a(a.shape.size()), summed_b(b.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    const std::size_t x = call.dim(left[i], a.shape.size()), y = call.dim(right[i], b.size());
    call.require(!a.shape.empty() && !b.empty() && !summed_a[x] && !summed_b[y], "a dimension appears twice");
    summed_a[x] = summed_b[y] = true;
    if (!a.shape[x].is(1) && !b[y].is(1)) unify(call, a.shape[x], b[y]);  // 1 stands for any
  }
  SymShape shape;
  for (std::size_t d = 0; d < a.shape.size(); ++d)
    if (!summed_a[d]) shape.push_back(a.shape[d]);
  for (std::size_t d = 0; d < b.size(); ++d)
    if (!summed_b[d]) shape.push_back(b[d]);
  return {{a.dtype, shape}};
}

Types kron(const Call& call) {
  SymShape a = call.shape("self"), b = call.shape("other");
  while (a.size() < b.size()) a.insert(a.begin(), 1);
  while (b.size() < a.size()) b.insert(b.begin(), 1);
  for (std::size_t d = 0; d < a.size(); ++d) a[d] *= b[d];
  Promotion types;
  types.add(call.tensor("self"));
  types.add(call.tensor("other"));
  return {{types.result(), a}};
}

Types vecdot(const Call& call) {
  require_same_dtype(call, "x", "y");
  SymShape shape = broadcast(call, call.shape("x"), call.shape("y"));
  call.require(!shape.empty(), "0-dim tensors have nothing to sum");
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(call.dim("dim", shape.size())));
  return {{call.tensor("x").dtype, shape}};
}

Types bilinear(const Call& call) {
  const TensorType& a = call.tensor("input1");
  const SymShape &b = call.shape("input2"), &w = call.shape("weight");
  call.require(w.size() == 3 && !a.shape.empty() && a.shape.size() == b.size(), "an operand has the wrong rank");
  require_same_dtype(call, "input1", "input2");
  require_same_dtype(call, "input1", "weight");
  SymShape shape = a.shape;
  for (std::size_t d = 0; d + 1 < b.size(); ++d) unify(call, a.shape[d], b[d]);
  unify(call, a.shape.back(), w[1]);
  unify(call, b.back(), w[2]);
  shape.back() = w[0];
  if (call.given("bias")) broadcast_to(call, call.shape("bias"), {w[0]});
  return {{a.dtype, shape}};
}

Types addr(const Call& call) {
  require_rank(call, "vec1", 1);
  require_rank(call, "vec2", 1);
  const SymShape shape = {call.shape("vec1")[0], call.shape("vec2")[0]};
  broadcast_to(call, call.shape("self"), shape);
  Promotion types;
  for (const std::string_view name : {"self", "vec1", "vec2"}) types.add(call.tensor(name));
  return {{types.result(), shape}};
}

}  // namespace

void add_linear_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_linear_default}, linear);
  table.add({aten_mm_default}, mm);
  table.add({aten_addmm_default, aten_addmm__default}, addmm);
  table.add({aten_bmm_default}, bmm);
  table.add({aten_baddbmm_default, aten_baddbmm__default}, baddbmm);
  table.add({aten_addbmm_default}, addbmm);
  table.add({aten__grouped_mm_default}, grouped_mm);
  table.add({aten_mv_default}, mv);
  table.add({aten_addmv_default}, addmv);
  table.add({aten_dot_default, aten_vdot_default}, dot);
  table.add({aten_outer_default}, outer);
  table.add({aten_matmul_default}, matmul);
  table.add({aten_einsum_default}, einsum);
  table.add({aten_scaled_dot_product_attention_default}, attention);
  table.add({aten__scaled_dot_product_flash_attention_for_cpu_default}, flash_attention);
  table.add({aten__scaled_dot_product_attention_math_default}, attention_with_weights);
  table.add({aten_inner_default}, inner);
  table.add({aten_tensordot_default}, tensordot);
  table.add({aten_kron_default}, kron);
  table.add({aten_linalg_vecdot_default}, vecdot);
  table.add({aten_bilinear_default}, bilinear);
  table.add({aten_addr_default}, addr);
}

}  // namespace aitune::infer

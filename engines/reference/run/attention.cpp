// Scaled dot product attention: softmax(query * key^T * scale + mask) * value, one head after another.

#include <cmath>
#include <limits>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/gemm.h"
#include "engines/reference/run/kernel.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

struct Options {
  double scale = 1;
  bool causal = false;
  bool mask_is_bool = false;
};

/// Adds mask and causality to one head's scores and makes rows probabilities; returns log(sum(exp)) of each row in
/// `lse`.
template <typename C>
void soften(const Options& o, std::int64_t rows, std::int64_t columns, C* scores, const C* mask, std::int64_t mask_row,
            std::int64_t mask_column, double* lse) {
  constexpr C kNever = -std::numeric_limits<C>::infinity();
  for (std::int64_t i = 0; i < rows; ++i) {
    C* row = scores + i * columns;
    C greatest = kNever;
    for (std::int64_t j = 0; j < columns; ++j) {
      C v = row[j] * static_cast<C>(o.scale);
      if (mask != nullptr) {
        const C m = mask[i * mask_row + j * mask_column];
        v = !o.mask_is_bool ? v + m : m != C(0) ? v : kNever;
      }
      if (o.causal && j > i) v = kNever;
      row[j] = v;
      greatest = v > greatest || v != v ? v : greatest;
    }
    if (greatest == kNever) {
      lse[i] = -std::numeric_limits<double>::infinity();
      for (std::int64_t j = 0; j < columns; ++j) row[j] = C(0);
      continue;
    }
    double sum = 0;
    for (std::int64_t j = 0; j < columns; ++j) {
      row[j] = std::exp(row[j] - greatest);
      sum += static_cast<double>(row[j]);
    }
    const C factor = static_cast<C>(1 / sum);
    for (std::int64_t j = 0; j < columns; ++j) row[j] *= factor;
    lse[i] = static_cast<double>(greatest) + std::log(sum);
  }
}

/// Strides of the leading dimensions of a tensor, as broadcast to `batch`; heads of keys repeat under grouped queries.
Shape batch_strides(const Shape& shape, const Shape& strides, const Shape& batch) {
  const Tensor leading(DType::u8, Shape(shape.begin(), shape.end() - 2), Shape(strides.begin(), strides.end() - 2),
                       nullptr, nullptr);
  return broadcast_strides(leading, batch);
}

/// Repeats each head of a key or value so that there are as many as the query has: [.., h, s, e] -> [.., h * r, s, e].
Tensor repeat_heads(const Tensor& t, std::int64_t heads) {
  const std::size_t d = t.shape().size() - 3;
  const std::int64_t times = heads / t.shape()[d];
  Tensor wide = unsqueeze(t, d + 1);
  Shape shape = wide.shape();
  shape[d + 1] = times;
  Tensor result(t.dtype(), shape);
  copy_elements(result, wide);
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(d + 1));
  shape[d] = heads;
  return view(result, shape, contiguous_strides(shape));
}

template <typename C>
void run(const Call& call, const Options& o, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor* mask) {
  const std::int64_t rows = q.shape()[q.shape().size() - 2], columns = k.shape()[k.shape().size() - 2];
  const std::int64_t depth = q.shape().back(), width = v.shape().back();
  const Shape& out_shape = call.out().shape();
  const Shape batch(out_shape.begin(), out_shape.end() - 2);
  const Strided<C> x = strided<C>(q), y = strided<C>(k), z = strided<C>(v);
  const Strided<C> m = mask != nullptr ? strided<C>(*mask) : Strided<C>{};
  Walk walk{batch, {}};
  walk.add(batch_strides(q.shape(), x.strides, batch));
  walk.add(batch_strides(k.shape(), y.strides, batch));
  walk.add(batch_strides(v.shape(), z.strides, batch));
  std::int64_t mask_row = 0, mask_column = 0;
  if (mask != nullptr) {
    Shape full = batch;
    full.push_back(rows);
    full.push_back(columns);
    Shape strides = broadcast_strides(Tensor(mask->dtype(), mask->shape(), m.strides, nullptr, nullptr), full);
    mask_column = strides.back();
    mask_row = strides[strides.size() - 2];
    strides.resize(batch.size());
    walk.add(strides);
  }
  walk.shape.push_back(1);
  for (Shape& s : walk.strides) s.push_back(0);

  Result<C> out(call.out());
  std::vector<C> scores(static_cast<std::size_t>(rows * columns) + 1);
  std::vector<double> lse(static_cast<std::size_t>(rows) + 1), all_lse;
  std::vector<C> all_scores;
  const auto matrix = [](const Strided<C>& t, std::int64_t offset, bool transposed) {
    const std::size_t r = t.strides.size();
    return transposed ? Matrix<C>{t.data + offset, t.strides[r - 1], t.strides[r - 2]}
                      : Matrix<C>{t.data + offset, t.strides[r - 2], t.strides[r - 1]};
  };
  Gemm<C> gemm;
  C* to = out.data();
  for_each_row(walk, [&](std::span<const std::int64_t> at) {
    gemm.run(rows, columns, depth, matrix(x, at[0], false), matrix(y, at[1], true), scores.data(), columns);
    soften<C>(o, rows, columns, scores.data(), mask != nullptr ? m.data + at[3] : nullptr, mask_row, mask_column,
              lse.data());
    gemm.run(rows, width, columns, {scores.data(), columns, 1}, matrix(z, at[2], false), to, width);
    to += rows * width;
    if (call.out_count() < 2) return;
    all_lse.insert(all_lse.end(), lse.begin(), lse.begin() + rows);
    if (call.op() == OpId::aten__scaled_dot_product_attention_math_default)
      all_scores.insert(all_scores.end(), scores.begin(), scores.end() - 1);
  });
  out.commit();
  if (call.out_count() < 2 || call.out(1).numel() == 0) return;
  Tensor& second = call.out(1);
  if (call.op() == OpId::aten__scaled_dot_product_attention_math_default)
    store<C>(second.dtype(), second.data(), 1, second.numel(), all_scores.data());
  else
    store<double>(second.dtype(), second.data(), 1, second.numel(), all_lse.data());
}

void attention(const Call& call) {
  const Tensor& q = call.tensor("query");
  Tensor k = call.tensor("key"), v = call.tensor("value");
  if (call.number("dropout_p") != 0) call.unsupported("attention with dropout: export the model after eval()");
  if (call.has("dropout_mask") && call.given("dropout_mask")) call.unsupported("attention with a dropout mask");
  if (call.has("enable_gqa") && call.boolean("enable_gqa") && q.dim() >= 3) {
    const std::int64_t heads = q.shape()[q.shape().size() - 3];
    for (Tensor* t : {&k, &v}) {
      const std::int64_t own = t->shape()[t->shape().size() - 3];
      call.require(own > 0 && heads % own == 0, "the heads of key and value do not divide those of the query");
      if (own != heads) *t = repeat_heads(*t, heads);
    }
  }
  const Tensor* mask = call.tensor_or_null("attn_mask");
  Options o;
  o.scale = call.given("scale") ? call.number("scale") : 1 / std::sqrt(static_cast<double>(q.shape().back()));
  o.causal = call.boolean("is_causal");
  o.mask_is_bool = mask != nullptr && mask->dtype() == DType::b8;
  visit_floating(call.out().dtype(), [&]<typename C>(C) { run<C>(call, o, q, k, v, mask); });
}

}  // namespace

void add_attention_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_scaled_dot_product_attention_default, aten__scaled_dot_product_flash_attention_for_cpu_default,
             aten__scaled_dot_product_attention_math_default},
            attention);
}

}  // namespace aitune::reference

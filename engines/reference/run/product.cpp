// Products that are rarely met, and cells of recurrent networks: plain sums in double, or in int64.

#include <algorithm>
#include <array>
#include <cmath>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// Sums and products accumulate in double, or in int64 for integers.
template <typename F>
void visit_accumulator(DType t, F f) {
  if (is_floating(t))
    f(double{});
  else
    f(std::int64_t{});
}

/// The dimensions in `first`, then the others or the other way round; each group as one.
struct Sides {
  Tensor arranged;
  std::int64_t kept = 1, summed = 1;
};
Sides sides(const Tensor& t, const std::vector<std::size_t>& summed) {
  std::vector<std::size_t> order;
  Sides result;
  for (std::size_t d = 0; d < t.shape().size(); ++d)
    if (std::ranges::find(summed, d) == summed.end()) {
      order.push_back(d);
      result.kept *= t.shape()[d];
    }
  for (const std::size_t d : summed) {
    order.push_back(d);
    result.summed *= t.shape().at(d);
  }
  result.arranged = permute(t, order).contiguous();
  return result;
}

/// out[i, j] = sum of a[i, k] * b[j, k]
void contract(const Call& call, const Sides& a, const Sides& b) {
  call.require(a.summed == b.summed && call.out().numel() == a.kept * b.kept, "the operands do not fit");
  require_real(a.arranged);
  visit_accumulator(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(a.arranged), y(b.arranged);
    Result<C> out(call.out());
    for (std::int64_t i = 0; i < a.kept; ++i)
      for (std::int64_t j = 0; j < b.kept; ++j) {
        C sum = 0;
        for (std::int64_t k = 0; k < a.summed; ++k)
          sum = wrap_add(sum, wrap_mul(x[i * a.summed + k], y[j * b.summed + k]));
        out.data()[i * b.kept + j] = sum;
      }
    out.commit();
  });
}

void tensordot(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("other");
  std::vector<std::size_t> left, right;
  for (const std::int64_t d : call.int_list("dims_self")) left.push_back(call.dim(d, a.shape().size()));
  for (const std::int64_t d : call.int_list("dims_other")) right.push_back(call.dim(d, b.shape().size()));
  contract(call, sides(a, left), sides(b, right));
}

void inner(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("other");
  if (a.dim() == 0 || b.dim() == 0) {
    visit_compute(compute_of(call.out().dtype()),
                  [&]<typename C>(C) { map<C, 2>(call.out(), {&a, &b}, [](C x, C y) { return wrap_mul(x, y); }); });
    return;
  }
  contract(call, sides(a, {a.shape().size() - 1}), sides(b, {b.shape().size() - 1}));
}

void vecdot(const Call& call) {
  const Tensor &a = call.tensor("x"), &b = call.tensor("y");
  const std::size_t d = call.dim("dim", std::max(a.shape().size(), b.shape().size()));
  Shape shape = call.out().shape();
  const auto length = [&](const Tensor& t) {
    const std::size_t missing = shape.size() + 1 - t.shape().size();
    return d < missing ? 1 : t.shape()[d - missing];
  };
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(d), std::max(length(a), length(b)));
  const Sides x = sides(view(a, shape, broadcast_strides(a, shape)), {d}),
              y = sides(view(b, shape, broadcast_strides(b, shape)), {d});
  require_real(a);
  visit_accumulator(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> left(x.arranged), right(y.arranged);
    Result<C> out(call.out());
    for (std::int64_t i = 0; i < x.kept; ++i) {
      C sum = 0;
      for (std::int64_t k = 0; k < x.summed; ++k)
        sum = wrap_add(sum, wrap_mul(left[i * x.summed + k], right[i * x.summed + k]));
      out.data()[i] = sum;
    }
    out.commit();
  });
}

/// Every element of self times all of other: sizes multiply.
void kron(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("other");
  const std::size_t rank = call.out().shape().size();
  Shape out_shape, a_shape, b_shape, a_strides, b_strides;
  for (std::size_t d = 0; d < rank; ++d) {
    const auto add = [&](const Tensor& t, Shape& shape, Shape& strides) {
      const std::size_t missing = rank - t.shape().size();
      const std::int64_t size = d < missing ? 1 : t.shape()[d - missing];
      shape.push_back(size);
      strides.push_back(d < missing ? 0 : t.strides()[d - missing]);
      return size;
    };
    out_shape.push_back(add(a, a_shape, a_strides));
    b_shape.push_back(1);
    b_strides.push_back(0);
    out_shape.push_back(add(b, b_shape, b_strides));
    a_shape.push_back(1);
    a_strides.push_back(0);
  }
  const Tensor left = view(a, a_shape, a_strides), right = view(b, b_shape, b_strides);
  call.require(element_count(out_shape) == call.out().numel(), "the operands do not fit");
  Tensor out = view(call.out(), out_shape, contiguous_strides(out_shape));
  visit_compute(compute_of(out.dtype()),
                [&]<typename C>(C) { map<C, 2>(out, {&left, &right}, [](C x, C y) { return wrap_mul(x, y); }); });
}

/// out[.., o] = sum of input1[.., i] * weight[o, i, j] * input2[.., j], plus the bias
void bilinear(const Call& call) {
  const Tensor &a = call.tensor("input1"), &b = call.tensor("input2"), &w = call.tensor("weight");
  const Tensor* bias = call.tensor_or_null("bias");
  call.require(w.dim() == 3, "the weight has three dimensions");
  const std::int64_t n = w.size(0), left = w.size(1), right = w.size(2);
  const std::int64_t rows = n == 0 ? 0 : call.out().numel() / n;
  call.require(a.numel() == rows * left && b.numel() == rows * right && (!bias || bias->numel() == n),
               "the operands do not fit");
  const Contiguous<double> x(a), y(b), weights(w), add(bias);
  Result<double> out(call.out());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t o = 0; o < n; ++o) {
      double sum = bias != nullptr ? add[o] : 0;
      for (std::int64_t i = 0; i < left; ++i)
        for (std::int64_t j = 0; j < right; ++j)
          sum += x[r * left + i] * weights[(o * left + i) * right + j] * y[r * right + j];
      out.data()[r * n + o] = sum;
    }
  out.commit();
}

/// beta * self + alpha * the outer product
void addr(const Call& call) {
  const Tensor a = unsqueeze(call.tensor("vec1"), 1), &b = call.tensor("vec2"), &self = call.self();
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    const C beta = static_cast<C>(call.number("beta")), alpha = static_cast<C>(call.number("alpha"));
    map<C, 3>(call.out(), {&self, &a, &b}, [=](C s, C x, C y) {
      const C product = wrap_mul(alpha, wrap_mul(x, y));
      return beta == C(0) ? product : wrap_add(wrap_mul(beta, s), product);
    });
  });
}

enum class Cell { lstm, gru, tanh, relu };

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// One step of a recurrent network.
template <Cell cell>
void recurrent_cell(const Call& call) {
  std::vector<Tensor> states;
  if constexpr (cell == Cell::lstm)
    states = call.tensors("hx");
  else
    states = {call.tensor("hx")};
  call.require(states.size() == (cell == Cell::lstm ? 2 : 1), "the states are hidden state and cell state");
  const Tensor &input = call.tensor("input"), &w_ih = call.tensor("w_ih"), &w_hh = call.tensor("w_hh");
  const Tensor *b_ih = call.tensor_or_null("b_ih"), *b_hh = call.tensor_or_null("b_hh");
  const std::int64_t gates = cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1;
  call.require(!input.shape().empty() && !states[0].shape().empty() && w_ih.dim() == 2 && w_hh.dim() == 2,
               "an operand has the wrong rank");
  const std::int64_t width = input.shape().back(), n = states[0].shape().back(),
                     rows = n == 0 ? 0 : states[0].numel() / n;
  bool fits =
      input.numel() == rows * width && w_ih.shape() == Shape{gates * n, width} && w_hh.shape() == Shape{gates * n, n};
  for (const Tensor* bias : {b_ih, b_hh}) fits = fits && (bias == nullptr || bias->numel() == gates * n);
  for (const Tensor& state : states) fits = fits && state.numel() == rows * n;
  for (std::size_t i = 0; i < call.out_count(); ++i) fits = fits && call.out(i).numel() == rows * n;
  call.require(fits, "the operands do not fit");
  const Contiguous<double> x(input), h(states[0]), from_x(w_ih), from_h(w_hh), bias_x(b_ih), bias_h(b_hh);
  const Contiguous<double> c(states.back());
  Result<double> out(call.out());
  std::vector<double> next_cell(static_cast<std::size_t>(rows * n));
  const auto gate = [&](const Contiguous<double>& v, const Contiguous<double>& w, const Contiguous<double>& b,
                        std::int64_t r, std::int64_t g, std::int64_t count) {
    double sum = b ? b[g] : 0;
    for (std::int64_t k = 0; k < count; ++k) sum += v[r * count + k] * w[g * count + k];
    return sum;
  };
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < n; ++i) {
      std::array<double, 4> a{}, b{};
      for (std::int64_t g = 0; g < gates; ++g) {
        a[static_cast<std::size_t>(g)] = gate(x, from_x, bias_x, r, g * n + i, width);
        b[static_cast<std::size_t>(g)] = gate(h, from_h, bias_h, r, g * n + i, n);
      }
      double& result = out.data()[r * n + i];
      if constexpr (cell == Cell::lstm) {
        double& memory = next_cell[static_cast<std::size_t>(r * n + i)];
        memory = sigmoid(a[1] + b[1]) * c[r * n + i] + sigmoid(a[0] + b[0]) * std::tanh(a[2] + b[2]);
        result = sigmoid(a[3] + b[3]) * std::tanh(memory);
      } else if constexpr (cell == Cell::gru) {
        const double candidate = std::tanh(a[2] + sigmoid(a[0] + b[0]) * b[2]);
        result = candidate + sigmoid(a[1] + b[1]) * (h[r * n + i] - candidate);
      } else {
        const double sum = a[0] + b[0];
        result = cell == Cell::tanh ? std::tanh(sum) : sum > 0 || sum != sum ? sum : 0;
      }
    }
  out.commit();
  if (cell == Cell::lstm) store<double>(call.out(1).dtype(), call.out(1).data(), 1, rows * n, next_cell.data());
}

}  // namespace

void add_product_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_tensordot_default}, tensordot);
  table.add({aten_inner_default}, inner);
  table.add({aten_linalg_vecdot_default}, vecdot);
  table.add({aten_kron_default}, kron);
  table.add({aten_bilinear_default}, bilinear);
  table.add({aten_addr_default}, addr);
  table.add({aten_lstm_cell_default}, recurrent_cell<Cell::lstm>);
  table.add({aten_gru_cell_default}, recurrent_cell<Cell::gru>);
  table.add({aten_rnn_tanh_cell_default}, recurrent_cell<Cell::tanh>);
  table.add({aten_rnn_relu_cell_default}, recurrent_cell<Cell::relu>);
}

}  // namespace aitune::reference

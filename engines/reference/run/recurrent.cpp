// Recurrent networks: LSTM, GRU and the plain ones, layer by layer, direction by direction, step by step; and their
// cells alone.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/gemm.h"
#include "engines/reference/run/kernel.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

enum class Cell { lstm, gru, tanh, relu };

std::int64_t gates(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

template <typename C>
C sigmoid(C x) {
  return C(1) / (C(1) + std::exp(-x));
}

/// One direction of one layer: weights as [gates hidden, inputs] and [gates hidden, state], rows of both biases, and
/// the projection of an LSTM as [state, hidden] where it has one.
template <typename C>
struct Weights {
  Contiguous<C> input, recurrent, input_bias, recurrent_bias, projection;
  std::int64_t hidden = 0;
};

template <typename C>
class Network {
 public:
  Network(const Call& call, Cell cell)
      : call_(call),
        cell_(cell),
        layers_(call.integer("num_layers")),
        directions_(call.boolean("bidirectional") ? 2 : 1),
        batch_first_(call.boolean("batch_first")) {
    const Tensor input = batch_first_ ? transposed(call.tensor("input")) : call.tensor("input");
    steps_ = input.size(0), batch_ = input.size(1), width_ = input.size(2);
    const Contiguous<C> values(input);
    sequence_.assign(values.data(), values.data() + input.numel());
    if (cell == Cell::lstm) {
      const auto states = call.tensors("hx");
      call.require(states.size() == 2, "hx is the hidden state and the cell state");
      hidden_ = copied(states[0]), cell_state_ = copied(states[1]);
      state_ = states[0].size(2), cell_width_ = states[1].size(2);
    } else {
      hidden_ = copied(call.tensor("hx"));
      state_ = cell_width_ = call.tensor("hx").size(2);
    }
    params_ = call.tensors("params");
  }

  void run() {
    std::size_t next = 0;
    for (std::int64_t layer = 0; layer < layers_; ++layer) {
      std::vector<C> result(static_cast<std::size_t>(steps_ * batch_ * state_ * directions_));
      for (std::int64_t direction = 0; direction < directions_; ++direction) {
        const Weights<C> weights = take(next);
        run_direction(weights, layer * directions_ + direction, direction == 1, direction * state_, result);
      }
      sequence_ = std::move(result);
      width_ = state_ * directions_;
    }
    call_.require(next == params_.size(), "there are more parameters than the layers need");
    write();
  }

 private:
  static Tensor transposed(const Tensor& t) { return permute(t, Shape{1, 0, 2}).contiguous(); }
  static std::vector<C> copied(const Tensor& t) {
    const Contiguous<C> values(t);
    return {values.data(), values.data() + t.numel()};
  }

  Weights<C> take(std::size_t& next) {
    const bool projected = cell_ == Cell::lstm && state_ != cell_width_;
    const std::size_t count = 2 + (call_.boolean("has_biases") ? 2 : 0) + (projected ? 1 : 0);
    call_.require(next + count <= params_.size(), "a layer's parameters are missing");
    const Tensor* p = params_.data() + next;
    next += count;
    const std::int64_t rows = gates(cell_) * cell_width_;
    const auto matrix = [&](const Tensor& t, std::int64_t r, std::int64_t c) {
      call_.require(t.dim() == 2 && t.size(0) == r && t.size(1) == c, "a weight has the wrong shape");
      return Contiguous<C>(t);
    };
    Weights<C> w;
    w.input = matrix(p[0], rows, width_);
    w.recurrent = matrix(p[1], rows, state_);
    if (call_.boolean("has_biases")) {
      call_.require(p[2].numel() == rows && p[3].numel() == rows, "a bias has the wrong shape");
      w.input_bias = Contiguous<C>(p[2]);
      w.recurrent_bias = Contiguous<C>(p[3]);
    }
    if (projected) w.projection = matrix(p[count - 1], state_, cell_width_);
    return w;
  }

  /// to[rows, n] = from[rows, k] * weights[n, k] transposed, plus the bias.
  void affine(const C* from, std::int64_t rows, std::int64_t k, const Contiguous<C>& weights, const Contiguous<C>& bias,
              std::int64_t n, std::vector<C>& to) {
    to.assign(static_cast<std::size_t>(rows * n), C(0));
    gemm_.run(rows, n, k, Matrix<C>{from, k, 1}, Matrix<C>{weights.data(), 1, k}, to.data(), n);
    if (!bias) return;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t i = 0; i < n; ++i) to[static_cast<std::size_t>(r * n + i)] += bias[i];
  }

  void run_direction(const Weights<C>& w, std::int64_t slot, bool backwards, std::int64_t column,
                     std::vector<C>& result) {
    const std::int64_t rows = gates(cell_) * cell_width_;
    std::vector<C> from_input, from_state, projected;
    affine(sequence_.data(), steps_ * batch_, width_, w.input, w.input_bias, rows, from_input);
    C* state = hidden_.data() + slot * batch_ * state_;
    C* cell = cell_ == Cell::lstm ? cell_state_.data() + slot * batch_ * cell_width_ : nullptr;
    std::vector<C> next(static_cast<std::size_t>(batch_ * cell_width_));
    for (std::int64_t i = 0; i < steps_; ++i) {
      const std::int64_t step = backwards ? steps_ - 1 - i : i;
      affine(state, batch_, state_, w.recurrent, w.recurrent_bias, rows, from_state);
      for (std::int64_t b = 0; b < batch_; ++b)
        update(from_input.data() + (step * batch_ + b) * rows, from_state.data() + b * rows, state + b * state_,
               cell ? cell + b * cell_width_ : nullptr, next.data() + b * cell_width_);
      const std::vector<C>* visible = &next;
      if (w.projection) {
        affine(next.data(), batch_, cell_width_, w.projection, {}, state_, projected);
        visible = &projected;
      }
      std::copy(visible->begin(), visible->end(), state);
      for (std::int64_t b = 0; b < batch_; ++b)
        std::copy_n(state + b * state_, state_, result.data() + (step * batch_ + b) * state_ * directions_ + column);
    }
  }

  /// The gates of one row; x and h are what input and state contribute, gate after gate.
  void update(const C* x, const C* h, const C* state, C* cell, C* next) const {
    const std::int64_t n = cell_width_;
    for (std::int64_t i = 0; i < n; ++i) {
      switch (cell_) {
        case Cell::lstm: {
          const C in = sigmoid(x[i] + h[i]), forget = sigmoid(x[n + i] + h[n + i]);
          const C candidate = std::tanh(x[2 * n + i] + h[2 * n + i]), out = sigmoid(x[3 * n + i] + h[3 * n + i]);
          cell[i] = forget * cell[i] + in * candidate;
          next[i] = out * std::tanh(cell[i]);
          break;
        }
        case Cell::gru: {
          const C reset = sigmoid(x[i] + h[i]), keep = sigmoid(x[n + i] + h[n + i]);
          const C candidate = std::tanh(x[2 * n + i] + reset * h[2 * n + i]);
          next[i] = candidate + keep * (state[i] - candidate);
          break;
        }
        case Cell::tanh:
          next[i] = std::tanh(x[i] + h[i]);
          break;
        case Cell::relu:
          next[i] = std::max(x[i] + h[i], C(0));
          break;
      }
    }
  }

  void write() {
    const auto put = [](Tensor& out, const std::vector<C>& values) {
      Result<C> to(out);
      std::copy(values.begin(), values.end(), to.data());
      to.commit();
    };
    if (batch_first_) {
      Tensor by_step(call_.out().dtype(), {steps_, batch_, width_});
      put(by_step, sequence_);
      copy_elements(call_.out(), permute(by_step, Shape{1, 0, 2}));
    } else {
      put(call_.out(), sequence_);
    }
    put(call_.out(1), hidden_);
    if (cell_ == Cell::lstm) put(call_.out(2), cell_state_);
  }

  const Call& call_;
  Cell cell_;
  std::int64_t layers_, directions_;
  bool batch_first_;
  std::int64_t steps_ = 0, batch_ = 0, width_ = 0, state_ = 0, cell_width_ = 0;
  std::vector<C> sequence_, hidden_, cell_state_;  // sequence: steps, batch, width
  std::vector<Tensor> params_;
  Gemm<C> gemm_;
};

template <Cell cell>
void recurrent(const Call& call) {
  visit_floating(call.tensor("input").dtype(), [&]<typename C>(C) { Network<C>(call, cell).run(); });
}

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
  constexpr std::int64_t kGates = cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1;
  call.require(!input.shape().empty() && !states[0].shape().empty() && w_ih.dim() == 2 && w_hh.dim() == 2,
               "an operand has the wrong rank");
  const std::int64_t width = input.shape().back(), n = states[0].shape().back(),
                     rows = n == 0 ? 0 : states[0].numel() / n;
  bool fits =
      input.numel() == rows * width && w_ih.shape() == Shape{kGates * n, width} && w_hh.shape() == Shape{kGates * n, n};
  for (const Tensor* bias : {b_ih, b_hh}) fits = fits && (bias == nullptr || bias->numel() == kGates * n);
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
      for (std::int64_t g = 0; g < kGates; ++g) {
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

void add_recurrent_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_lstm_input}, recurrent<Cell::lstm>);
  table.add({aten_gru_input}, recurrent<Cell::gru>);
  table.add({aten_rnn_tanh_input}, recurrent<Cell::tanh>);
  table.add({aten_rnn_relu_input}, recurrent<Cell::relu>);
  table.add({aten_lstm_cell_default}, recurrent_cell<Cell::lstm>);
  table.add({aten_gru_cell_default}, recurrent_cell<Cell::gru>);
  table.add({aten_rnn_tanh_cell_default}, recurrent_cell<Cell::tanh>);
  table.add({aten_rnn_relu_cell_default}, recurrent_cell<Cell::relu>);
}

}  // namespace aitune::reference

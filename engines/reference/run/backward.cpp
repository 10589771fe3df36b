// The gradients that Core ATen holds: of poolings, convolutions, embeddings and normalisations. Sums are taken in
// double.

#include <array>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

using Numbers = std::vector<double>;

/// Fills an output; one that nobody asked for has no elements.
void give(const Call& call, std::size_t output, const Numbers& values) {
  if (output >= call.out_count()) return;
  Tensor& out = call.out(output);
  if (out.numel() == 0) return;
  call.require(out.numel() == static_cast<std::int64_t>(values.size()), "a gradient has another size");
  store<double>(out.dtype(), out.data(), 1, out.numel(), values.data());
}

bool is_asked(const Call& call, std::size_t output) {
  const OpArgList& mask = call["output_mask"].list();
  return output < mask.size() && mask[output].boolean();
}

Numbers zero_sums(std::int64_t count) { return Numbers(static_cast<std::size_t>(count), 0); }

// --- pooling ---

/// The last two dimensions of input and result; the others are planes.
struct Planes {
  std::int64_t count = 1, height = 0, width = 0, out_height = 0, out_width = 0;

  explicit Planes(const Call& call) {
    const Shape &in = call.self().shape(), &out = call.tensor("grad_output").shape();
    call.require((in.size() == 3 || in.size() == 4) && out.size() == in.size(),
                 "gradient and input have three or four dimensions");
    for (std::size_t d = 0; d + 2 < in.size(); ++d) {
      call.require(in[d] == out[d], "gradient and input have different planes");
      count *= in[d];
    }
    height = in[in.size() - 2];
    width = in.back();
    out_height = out[out.size() - 2];
    out_width = out.back();
    call.require(call.out().numel() == count * height * width, "the result has another shape");
  }
};

struct Span {
  std::int64_t begin = 0, end = 0, padded = 0;  ///< within the input; the length with padding
};

/// share(y range, x range) of each element of the gradient is added to what its window covers.
template <typename Window, typename Share>
void spread_windows(const Call& call, const Planes& p, Window window, Share share) {
  const Contiguous<double> gradient(call.tensor("grad_output"));
  Numbers sums = zero_sums(call.out().numel());
  for (std::int64_t n = 0; n < p.count; ++n)
    for (std::int64_t i = 0; i < p.out_height; ++i)
      for (std::int64_t j = 0; j < p.out_width; ++j) {
        const Span y = window(i, 0), x = window(j, 1);
        const double part = share(gradient[(n * p.out_height + i) * p.out_width + j], y, x);
        for (std::int64_t h = y.begin; h < y.end; ++h)
          for (std::int64_t w = x.begin; w < x.end; ++w)
            sums[static_cast<std::size_t>((n * p.height + h) * p.width + w)] += part;
      }
  give(call, 0, sums);
}

void adaptive_avg_pool2d_backward(const Call& call) {
  const Planes p(call);
  spread_windows(
      call, p,
      [&p](std::int64_t i, int axis) {
        const std::int64_t in = axis == 0 ? p.height : p.width, out = axis == 0 ? p.out_height : p.out_width;
        return Span{i * in / out, ((i + 1) * in + out - 1) / out, 0};
      },
      [](double g, const Span& y, const Span& x) {
        return g / static_cast<double>((y.end - y.begin) * (x.end - x.begin));
      });
}

void avg_pool2d_backward(const Call& call) {
  const Planes p(call);
  const auto kernel = call.int_list("kernel_size"), padding = call.int_list("padding");
  auto stride = call.int_list("stride");
  if (stride.empty()) stride = kernel;
  call.require(kernel.size() == 2 && stride.size() == 2 && padding.size() == 2, "the lists have two numbers");
  for (std::size_t i = 0; i < 2; ++i)
    call.require(kernel[i] > 0 && kernel[i] < 1 << 30 && stride[i] > 0 && stride[i] < 1 << 30 && padding[i] >= 0 &&
                     padding[i] <= kernel[i],
                 "kernel_size, stride or padding is out of range");
  const bool counts_padding = call.boolean("count_include_pad");
  const double divisor = call.given("divisor_override") ? call.number("divisor_override") : 0;
  call.require(!call.given("divisor_override") || divisor != 0, "the divisor is 0");
  spread_windows(
      call, p,
      [&](std::int64_t i, int axis) {
        const auto a = static_cast<std::size_t>(axis);
        const std::int64_t in = axis == 0 ? p.height : p.width, begin = i * stride[a] - padding[a];
        const std::int64_t end = std::min(begin + kernel[a], in + padding[a]);
        return Span{std::max<std::int64_t>(begin, 0), std::min(end, in), end - begin};
      },
      [&](double g, const Span& y, const Span& x) {
        if (divisor != 0) return g / divisor;
        const std::int64_t inside = (y.end - y.begin) * (x.end - x.begin);
        return g / static_cast<double>(counts_padding ? y.padded * x.padded : inside);
      });
}

void max_pool2d_backward(const Call& call) {
  const Planes p(call);
  const Tensor& indices = call.tensor("indices");
  call.require(indices.dtype() == DType::i64 && indices.shape() == call.tensor("grad_output").shape(),
               "the positions are no i64 of the gradient's shape");
  const Contiguous<double> gradient(call.tensor("grad_output"));
  const Contiguous<std::int64_t> places(indices);
  Numbers sums = zero_sums(call.out().numel());
  const std::int64_t outputs = p.out_height * p.out_width, inputs = p.height * p.width;
  for (std::int64_t n = 0; n < p.count; ++n)
    for (std::int64_t i = 0; i < outputs; ++i) {
      const std::int64_t at = checked_index(call, places[n * outputs + i], inputs, false);
      sums[static_cast<std::size_t>(n * inputs + at)] += gradient[n * outputs + i];
    }
  give(call, 0, sums);
}

// --- convolution ---

using Triple = std::array<std::int64_t, 3>;

/// Of one to three spatial dimensions; fewer become three with leading ones. `large` and `small` are the two images
/// whose positions a tap connects: large = small * stride - padding + tap * dilation. For a plain convolution the input
/// is the large one, for a transposed one the gradient of the result is.
struct ConvolutionTaps {
  std::int64_t batch = 0, groups = 1, in_channels = 0, out_channels = 0;
  bool transposed = false;
  Triple in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, padding{0, 0, 0}, dilation{1, 1, 1};

  explicit ConvolutionTaps(const Call& call) {
    const Shape &x = call.tensor("input").shape(), &w = call.tensor("weight").shape(),
                &y = call.tensor("grad_output").shape();
    call.require(w.size() >= 3 && w.size() <= 5 && x.size() == w.size() && y.size() == w.size(),
                 "input, weight and gradient have one to three spatial dimensions");
    transposed = call.boolean("transposed");
    groups = call.integer("groups");
    batch = x[0];
    in_channels = x[1];
    out_channels = y[1];
    call.require(groups > 0 && y[0] == batch && in_channels % groups == 0 && out_channels % groups == 0 &&
                     w[0] == (transposed ? in_channels : out_channels) &&
                     w[1] == (transposed ? out_channels : in_channels) / groups,
                 "weight, groups and channels do not fit");
    const std::size_t n = w.size() - 2;
    const auto spread = [&](std::string_view name, Triple& to, std::int64_t least) {
      const auto list = call.int_list(name);
      call.require(list.size() == n || list.size() == 1, "a list has the wrong length");
      for (std::size_t i = 0; i < n; ++i) {
        to[3 - n + i] = list.size() == 1 ? list[0] : list[i];
        call.require(to[3 - n + i] >= least && to[3 - n + i] < 1 << 30, "stride, padding or dilation is out of range");
      }
    };
    spread("stride", stride, 1);
    spread("padding", padding, 0);
    spread("dilation", dilation, 1);
    for (std::size_t i = 0; i < n; ++i) {
      in[3 - n + i] = x[2 + i];
      out[3 - n + i] = y[2 + i];
      kernel[3 - n + i] = w[2 + i];
    }
  }

  static std::int64_t volume(const Triple& t) { return t[0] * t[1] * t[2]; }

  /// f(position in small, position in large, tap) for all that meet.
  template <typename F>
  void for_each(F f) const {
    const Triple &small = transposed ? in : out, &large = transposed ? out : in;
    for (std::int64_t s = 0; s < volume(small); ++s) {
      const Triple at = {s / (small[1] * small[2]), s / small[2] % small[1], s % small[2]};
      for (std::int64_t tap = 0; tap < volume(kernel); ++tap) {
        const Triple k = {tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]};
        std::int64_t position = 0;
        bool inside = true;
        for (std::size_t i = 0; i < 3; ++i) {
          const std::int64_t p = at[i] * stride[i] - padding[i] + k[i] * dilation[i];
          inside = inside && p >= 0 && p < large[i];
          position = position * large[i] + p;
        }
        if (inside) f(s, position, tap);
      }
    }
  }
};

void convolution_backward(const Call& call) {
  const ConvolutionTaps t(call);
  const Contiguous<double> gradient(call.tensor("grad_output")), input(call.tensor("input")),
      weight(call.tensor("weight"));
  const std::int64_t in_size = ConvolutionTaps::volume(t.in), out_size = ConvolutionTaps::volume(t.out),
                     taps = ConvolutionTaps::volume(t.kernel);
  const std::int64_t in_group = t.in_channels / t.groups, out_group = t.out_channels / t.groups;
  const bool of_input = is_asked(call, 0), of_weight = is_asked(call, 1);
  Numbers inputs = zero_sums(of_input ? call.tensor("input").numel() : 0),
          weights = zero_sums(of_weight ? call.tensor("weight").numel() : 0), biases = zero_sums(t.out_channels);
  const auto plane = [&](std::int64_t n, std::int64_t ci, std::int64_t co) {
    const std::int64_t x = (n * t.in_channels + ci) * in_size, y = (n * t.out_channels + co) * out_size;
    const std::int64_t w = (t.transposed ? ci * out_group + co % out_group : co * in_group + ci % in_group) * taps;
    t.for_each([&](std::int64_t small, std::int64_t large, std::int64_t tap) {
      const std::int64_t i = x + (t.transposed ? small : large), o = y + (t.transposed ? large : small);
      if (of_input) inputs[static_cast<std::size_t>(i)] += gradient[o] * weight[w + tap];
      if (of_weight) weights[static_cast<std::size_t>(w + tap)] += gradient[o] * input[i];
    });
  };
  for (std::int64_t n = 0; n < t.batch; ++n)
    for (std::int64_t co = 0; co < t.out_channels; ++co) {
      for (std::int64_t i = 0; i < out_size; ++i)
        biases[static_cast<std::size_t>(co)] += gradient[(n * t.out_channels + co) * out_size + i];
      if (!of_input && !of_weight) continue;
      const std::int64_t group = co / out_group;
      for (std::int64_t k = 0; k < in_group; ++k) plane(n, group * in_group + k, co);
    }
  give(call, 0, inputs);
  give(call, 1, weights);
  if (is_asked(call, 2)) give(call, 2, biases);
}

// --- embedding ---

void embedding_backward(const Call& call) {
  const Tensor &gradient = call.tensor("grad_output"), &indices = call.tensor("indices");
  const std::int64_t rows = call.integer("num_weights"), ignored = call.integer("padding_idx");
  call.require(!gradient.shape().empty(), "the gradient has no dimension");
  const std::int64_t width = gradient.shape().back();
  call.require(gradient.numel() == indices.numel() * width && call.out().dim() == 2 && call.out().size(0) == rows &&
                   call.out().size(1) == width,
               "gradient, indices and result do not fit");
  const Contiguous<double> values(gradient);
  const Contiguous<std::int64_t> places(indices);
  std::vector<std::int64_t> met(static_cast<std::size_t>(rows), 0);
  for (std::int64_t i = 0; i < indices.numel(); ++i)
    ++met[static_cast<std::size_t>(checked_index(call, places[i], rows, false))];
  const bool by_frequency = call.boolean("scale_grad_by_freq");
  Numbers sums = zero_sums(call.out().numel());
  for (std::int64_t i = 0; i < indices.numel(); ++i) {
    const std::int64_t row = places[i];
    if (row == ignored) continue;
    const double scale = by_frequency ? 1 / static_cast<double>(met[static_cast<std::size_t>(row)]) : 1;
    for (std::int64_t k = 0; k < width; ++k)
      sums[static_cast<std::size_t>(row * width + k)] += values[i * width + k] * scale;
  }
  give(call, 0, sums);
}

// --- normalisation ---

/// Gradients of rows of `n` normalised elements. channel(row, element) is the place of its weight.
template <typename Channel>
void norm_backward(const Call& call, std::int64_t rows, std::int64_t n, std::int64_t channels, Channel channel) {
  const Tensor& input = call.tensor("input");
  call.require(input.numel() == rows * n && call.tensor("grad_out").numel() == rows * n &&
                   call.tensor("mean").numel() == rows && call.tensor("rstd").numel() == rows,
               "input, gradient and statistics do not fit");
  const Contiguous<double> x(input), g(call.tensor("grad_out")), mean(call.tensor("mean")), rstd(call.tensor("rstd"));
  const Tensor* given = call.tensor_or_null("weight");
  call.require(given == nullptr || given->numel() == channels, "the weight has another size");
  const Contiguous<double> weight(given);
  Numbers inputs = zero_sums(rows * n), weights = zero_sums(channels), biases = zero_sums(channels);
  for (std::int64_t r = 0; r < rows; ++r) {
    double sum = 0, product = 0;
    const auto normal = [&](std::int64_t i) { return (x[r * n + i] - mean[r]) * rstd[r]; };
    const auto scaled = [&](std::int64_t i) { return g[r * n + i] * (weight ? weight[channel(r, i)] : 1); };
    for (std::int64_t i = 0; i < n; ++i) {
      sum += scaled(i);
      product += scaled(i) * normal(i);
      const auto c = static_cast<std::size_t>(channel(r, i));
      weights[c] += g[r * n + i] * normal(i);
      biases[c] += g[r * n + i];
    }
    for (std::int64_t i = 0; i < n; ++i)
      inputs[static_cast<std::size_t>(r * n + i)] =
          rstd[r] * (scaled(i) - (sum + normal(i) * product) / static_cast<double>(n));
  }
  if (is_asked(call, 0)) give(call, 0, inputs);
  if (is_asked(call, 1)) give(call, 1, weights);
  if (is_asked(call, 2)) give(call, 2, biases);
}

void layer_norm_backward(const Call& call) {
  std::int64_t n = 1;
  for (const std::int64_t size : call.int_list("normalized_shape")) {
    call.require(size >= 0 && (size == 0 || n <= call.tensor("input").numel()), "normalized_shape is out of range");
    n *= size;
  }
  const std::int64_t rows = n == 0 ? 0 : call.tensor("input").numel() / n;
  norm_backward(call, rows, n, n, [](std::int64_t, std::int64_t i) { return i; });
}

void group_norm_backward(const Call& call) {
  const std::int64_t batch = call.integer("N"), channels = call.integer("C"), space = call.integer("HxW"),
                     groups = call.integer("group");
  const std::int64_t limit = std::int64_t{1} << 31;
  call.require(groups > 0 && batch >= 0 && channels >= 0 && space >= 0 && batch < limit && channels < limit &&
                   space < limit && groups < limit && channels % groups == 0,
               "the groups do not divide the channels");
  const double elements = static_cast<double>(batch) * static_cast<double>(channels) * static_cast<double>(space);
  call.require(elements == static_cast<double>(call.tensor("input").numel()), "N, C and HxW are not the input's");
  const std::int64_t in_group = channels / groups;
  norm_backward(call, batch * groups, in_group * space, channels,
                [=](std::int64_t r, std::int64_t i) { return r % groups * in_group + (space == 0 ? 0 : i / space); });
}

}  // namespace

void add_backward_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten__adaptive_avg_pool2d_backward_default}, adaptive_avg_pool2d_backward);
  table.add({aten_avg_pool2d_backward_default}, avg_pool2d_backward);
  table.add({aten_max_pool2d_with_indices_backward_default}, max_pool2d_backward);
  table.add({aten_convolution_backward_default}, convolution_backward);
  table.add({aten_embedding_dense_backward_default}, embedding_backward);
  table.add({aten_native_layer_norm_backward_default}, layer_norm_backward);
  table.add({aten_native_group_norm_backward_default}, group_norm_backward);
}

}  // namespace aitune::reference

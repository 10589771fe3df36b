// Convolutions of one to three spatial dimensions, as matrix products. Fewer dimensions become three with leading ones.
//
// Forward: weight [out channels, in channels * taps] times the patches of the input, gathered while the product packs
// them. Transposed: weight^T times the input gives patches of the output, which are added where they belong.

#include <algorithm>
#include <array>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/gemm.h"

namespace aitune::reference {
namespace {

using Three = std::array<std::int64_t, 3>;

struct Geometry {
  bool transposed = false;
  std::int64_t batch = 1, groups = 1, in_channels = 1, out_channels = 1;  // channels in all
  Three in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, padding{0, 0, 0}, dilation{1, 1, 1};

  static std::int64_t volume(const Three& t) { return t[0] * t[1] * t[2]; }
  std::int64_t in_group() const { return in_channels / groups; }
  std::int64_t out_group() const { return out_channels / groups; }
  std::int64_t taps() const { return volume(kernel); }
  bool is_pointwise() const {
    return taps() == 1 && stride == Three{1, 1, 1} && padding == Three{0, 0, 0} && in == out;
  }
};

/// The last dimensions of `list` into the last places of three; one element stands for all.
void spread(const std::vector<std::int64_t>& list, std::size_t n, Three& to) {
  for (std::size_t i = 0; i < n; ++i) to[3 - n + i] = list.size() == 1 ? list[0] : list.at(i);
}

Geometry geometry(const Call& call) {
  const Shape &input = call.tensor("input").shape(), &weight = call.tensor("weight").shape();
  const std::size_t n = weight.size() - 2;
  call.require(weight.size() >= 3 && n <= 3, "the weight needs one to three spatial dimensions");
  const bool batched = input.size() == n + 2;
  Geometry g;
  g.transposed = call.has("output_padding") && (!call.has("transposed") || call.boolean("transposed"));
  g.batch = batched ? input[0] : 1;
  g.groups = call.integer("groups");
  g.in_channels = input[batched ? 1 : 0];
  g.out_channels = g.transposed ? weight[1] * g.groups : weight[0];
  call.require(g.groups > 0 && g.in_channels % g.groups == 0 && g.out_channels % g.groups == 0 &&
                   (g.transposed ? weight[0] == g.in_channels : weight[1] * g.groups == g.in_channels),
               "weight, groups and channels do not fit");
  spread({input.end() - static_cast<std::ptrdiff_t>(n), input.end()}, n, g.in);
  const Shape& output = call.out().shape();
  spread({output.end() - static_cast<std::ptrdiff_t>(n), output.end()}, n, g.out);
  spread({weight.begin() + 2, weight.end()}, n, g.kernel);
  spread(call.int_list("stride"), n, g.stride);
  spread(call.int_list("dilation"), n, g.dilation);
  if (!std::holds_alternative<std::string>(call["padding"])) {
    spread(call.int_list("padding"), n, g.padding);
  } else if (call.string("padding") == "same") {
    // An odd total puts the extra element behind, which needs nothing here: reads beyond the end give 0.
    for (std::size_t i = 3 - n; i < 3; ++i) g.padding[i] = g.dilation[i] * (g.kernel[i] - 1) / 2;
  }
  return g;
}

/// Copies patch elements of one image and group: rows are (channel, tap), columns output positions.
template <typename T>
class Patches {
 public:
  Patches(const Geometry& g, const T* image) : g_(g), image_(image) {}

  void fill(std::int64_t k, std::int64_t rows, std::int64_t n, std::int64_t columns, T* to, std::int64_t pitch) {
    const std::int64_t space = Geometry::volume(g_.in);
    if (g_.is_pointwise()) {
      for (std::int64_t i = 0; i < rows; ++i) std::copy_n(image_ + (k + i) * space + n, columns, to + i * pitch);
      return;
    }
    locate(n, columns);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t channel = (k + i) / g_.taps(), tap = (k + i) % g_.taps();
      const Three shift = {tap / (g_.kernel[1] * g_.kernel[2]) * g_.dilation[0],
                           tap / g_.kernel[2] % g_.kernel[1] * g_.dilation[1], tap % g_.kernel[2] * g_.dilation[2]};
      const T* from = image_ + channel * space + (shift[0] * g_.in[1] + shift[1]) * g_.in[2] + shift[2];
      copy_row(from, shift, columns, to + i * pitch);
    }
  }

 private:
  /// Where the window of each column starts.
  void locate(std::int64_t n, std::int64_t columns) {
    starts_.resize(static_cast<std::size_t>(columns));
    offsets_.resize(static_cast<std::size_t>(columns));
    inside_ = true;
    for (std::int64_t j = 0; j < columns; ++j) {
      const std::int64_t p = n + j;
      const Three at = {p / (g_.out[1] * g_.out[2]), p / g_.out[2] % g_.out[1], p % g_.out[2]};
      Three& s = starts_[static_cast<std::size_t>(j)];
      for (std::size_t d = 0; d < 3; ++d) {
        s[d] = at[d] * g_.stride[d] - g_.padding[d];
        inside_ = inside_ && s[d] >= 0 && s[d] + g_.dilation[d] * (g_.kernel[d] - 1) < g_.in[d];
      }
      offsets_[static_cast<std::size_t>(j)] = (s[0] * g_.in[1] + s[1]) * g_.in[2] + s[2];
    }
  }

  void copy_row(const T* from, const Three& shift, std::int64_t columns, T* to) const {
    if (inside_) {
      for (std::int64_t j = 0; j < columns; ++j) to[j] = from[offsets_[static_cast<std::size_t>(j)]];
      return;
    }
    const auto within = [](std::int64_t i, std::int64_t n) {
      return static_cast<std::uint64_t>(i) < static_cast<std::uint64_t>(n);
    };
    for (std::int64_t j = 0; j < columns; ++j) {
      const Three& s = starts_[static_cast<std::size_t>(j)];
      const bool in =
          within(s[0] + shift[0], g_.in[0]) && within(s[1] + shift[1], g_.in[1]) && within(s[2] + shift[2], g_.in[2]);
      to[j] = in ? from[offsets_[static_cast<std::size_t>(j)]] : T(0);
    }
  }

  const Geometry& g_;
  const T* image_;
  std::vector<Three> starts_;
  std::vector<std::int64_t> offsets_;
  bool inside_ = true;  // all windows of the current columns lie inside the input
};

template <typename T>
void forward(const Geometry& g, const T* input, const T* weight, T* output, Gemm<T>& gemm) {
  const std::int64_t k = g.in_group() * g.taps(), columns = Geometry::volume(g.out);
  for (std::int64_t i = 0; i < g.batch * g.groups; ++i) {
    const std::int64_t group = i % g.groups;
    if (g.in_group() == 1 && g.out_group() == 1) {
      depthwise(g, input + i * Geometry::volume(g.in), weight + group * k, output + i * columns);
      continue;
    }
    Patches<T> patches(g, input + i * g.in_group() * Geometry::volume(g.in));
    const typename Gemm<T>::FillB fill = [&](auto... args) { patches.fill(args...); };
    gemm.run(g.out_group(), columns, k, {weight + group * g.out_group() * k, k, 1}, fill,
             output + i * g.out_group() * columns, columns);
  }
}

/// First and last + 1 output coordinate whose input, `shift` after the window's start, lies inside the input.
std::pair<std::int64_t, std::int64_t> covered(const Geometry& g, std::size_t d, std::int64_t shift) {
  const std::int64_t before = g.padding[d] - shift;
  const std::int64_t first = before > 0 ? (before + g.stride[d] - 1) / g.stride[d] : 0;
  const std::int64_t room = g.in[d] - 1 + before;
  const std::int64_t last = room < 0 ? 0 : room / g.stride[d] + 1;
  return {std::min(first, g.out[d]), std::clamp(last, std::min(first, g.out[d]), g.out[d])};
}

/// One channel by itself: each tap adds a scaled, shifted copy of the input. Patches would cost more than the product.
template <typename T>
void depthwise(const Geometry& g, const T* image, const T* weight, T* out) {
  std::fill_n(out, Geometry::volume(g.out), T(0));
  for (std::int64_t tap = 0; tap < g.taps(); ++tap) {
    const Three shift = {tap / (g.kernel[1] * g.kernel[2]) * g.dilation[0],
                         tap / g.kernel[2] % g.kernel[1] * g.dilation[1], tap % g.kernel[2] * g.dilation[2]};
    const auto [d0, d1] = covered(g, 0, shift[0]);
    const auto [h0, h1] = covered(g, 1, shift[1]);
    const auto [w0, w1] = covered(g, 2, shift[2]);
    const T scale = weight[tap];
    for (std::int64_t d = d0; d < d1; ++d)
      for (std::int64_t h = h0; h < h1; ++h) {
        const std::int64_t plane = d * g.stride[0] - g.padding[0] + shift[0];
        const std::int64_t row = plane * g.in[1] + h * g.stride[1] - g.padding[1] + shift[1];
        const std::int64_t from = row * g.in[2] - g.padding[2] + shift[2];
        T* to = out + (d * g.out[1] + h) * g.out[2];
        if (g.stride[2] == 1)
          for (std::int64_t i = w0; i < w1; ++i) to[i] += scale * image[from + i];
        else
          for (std::int64_t i = w0; i < w1; ++i) to[i] += scale * image[from + i * g.stride[2]];
      }
  }
}

/// Adds the patches [out channels of the group * taps, input positions] into one output image.
template <typename T>
void scatter(const Geometry& g, const T* patches, T* image) {
  const std::int64_t space = Geometry::volume(g.in), out_space = Geometry::volume(g.out);
  for (std::int64_t row = 0; row < g.out_group() * g.taps(); ++row) {
    const std::int64_t channel = row / g.taps(), tap = row % g.taps();
    const Three shift = {tap / (g.kernel[1] * g.kernel[2]) * g.dilation[0],
                         tap / g.kernel[2] % g.kernel[1] * g.dilation[1], tap % g.kernel[2] * g.dilation[2]};
    for (std::int64_t p = 0; p < space; ++p) {
      const Three at = {p / (g.in[1] * g.in[2]), p / g.in[2] % g.in[1], p % g.in[2]};
      Three to;
      bool inside = true;
      for (std::size_t d = 0; d < 3; ++d) {
        to[d] = at[d] * g.stride[d] - g.padding[d] + shift[d];
        inside = inside && to[d] >= 0 && to[d] < g.out[d];
      }
      if (inside)
        image[channel * out_space + (to[0] * g.out[1] + to[1]) * g.out[2] + to[2]] += patches[row * space + p];
    }
  }
}

template <typename T>
void backward(const Geometry& g, const T* input, const T* weight, T* output, Gemm<T>& gemm) {
  const std::int64_t rows = g.out_group() * g.taps(), space = Geometry::volume(g.in);
  const std::int64_t out_size = g.out_group() * Geometry::volume(g.out);
  std::vector<T> patches(static_cast<std::size_t>(rows * space));
  for (std::int64_t i = 0; i < g.batch * g.groups; ++i) {
    const std::int64_t group = i % g.groups;
    gemm.run(rows, space, g.in_group(), {weight + group * g.in_group() * rows, 1, rows},
             {input + i * g.in_group() * space, space, 1}, patches.data(), space);
    std::fill_n(output + i * out_size, out_size, T(0));
    scatter(g, patches.data(), output + i * out_size);
  }
}

template <typename T>
void convolve(const Geometry& g, const T* input, const T* weight, T* output) {
  Gemm<T> gemm;
  if (g.transposed)
    backward<T>(g, input, weight, output, gemm);
  else
    forward<T>(g, input, weight, output, gemm);
}

void complex_convolution(const Call& call, const Geometry& g) {
  std::vector<Complex> sums = complex_bilinear(call.tensor("input"), call.tensor("weight"), call.out().shape(),
                                               [&](const Tensor& input, const Tensor& weight, double* to) {
                                                 const Contiguous<double> x(input), w(weight);
                                                 convolve<double>(g, x.data(), w.data(), to);
                                               });
  if (const Tensor* bias = call.tensor_or_null("bias")) {
    const std::vector<Complex> add = complex_values(*bias);
    const auto space = static_cast<std::size_t>(Geometry::volume(g.out));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += add.at(i / space % add.size());
  }
  store_complex(call.out(), sums);
}

void convolution(const Call& call) {
  const Tensor &input = call.tensor("input"), &weight = call.tensor("weight");
  const Geometry g = geometry(call);
  if (is_complex(call.out().dtype())) return complex_convolution(call, g);
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    using T = std::conditional_t<std::is_integral_v<C>, std::uint64_t, C>;
    const Contiguous<C> x(input), w(weight), bias(call.tensor_or_null("bias"));
    Result<C> out(call.out());
    const auto* from = reinterpret_cast<const T*>(x.data());
    const auto* taps = reinterpret_cast<const T*>(w.data());
    auto* to = reinterpret_cast<T*>(out.data());
    convolve<T>(g, from, taps, to);
    if (bias) {
      const std::int64_t space = Geometry::volume(g.out);
      for (std::int64_t i = 0; i < g.batch * g.out_channels; ++i)
        for (std::int64_t p = 0; p < space; ++p)
          out.data()[i * space + p] = wrap_add(out.data()[i * space + p], bias[i % g.out_channels]);
    }
    out.commit();
  });
}

/// Sums of integers, exact in double; then f32(sum) * scale + offset.
void quantised_convolution(const Call& call) {
  const Tensor &input = call.tensor("input"), &weight = call.tensor("weight");
  const Geometry g = geometry(call);
  call.require(input.dtype() == DType::u8 && weight.dtype() == DType::i8, "it multiplies u8 by i8");
  const Contiguous<float> scale(call.tensor("scale")), offset(call.tensor("offset"));
  call.require(call.out().numel() == g.batch * g.out_channels * Geometry::volume(g.out) &&
                   input.numel() == g.batch * g.in_channels * Geometry::volume(g.in),
               "the sizes of its operands do not fit");
  call.require(call.tensor("scale").numel() == g.out_channels && call.tensor("offset").numel() == g.out_channels,
               "scale or offset does not have an element for each channel");
  const Contiguous<double> x(input), w(weight);
  std::vector<double> sums(static_cast<std::size_t>(call.out().numel()));
  Gemm<double> gemm;
  forward<double>(g, x.data(), w.data(), sums.data(), gemm);
  Result<float> out(call.out());
  const std::int64_t space = Geometry::volume(g.out);
  for (std::int64_t i = 0; i < g.batch * g.out_channels; ++i)
    for (std::int64_t p = 0; p < space; ++p) {
      const auto sum = static_cast<float>(sums[static_cast<std::size_t>(i * space + p)]);
      out.data()[i * space + p] = sum * scale[i % g.out_channels] + offset[i % g.out_channels];
    }
  out.commit();
}

}  // namespace

void add_conv_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_conv1d_default, aten_conv1d_padding, aten_conv2d_default, aten_conv2d_padding, aten_conv3d_default,
             aten_conv3d_padding, aten_convolution_default, aten_conv_transpose1d_default, aten_conv_transpose2d_input,
             aten_conv_transpose3d_input},
            convolution);
  table.add({aitune_quantised_convolution_default}, quantised_convolution);
}

}  // namespace aitune::reference

// Images sampled at given places, windows of images as columns and back.

#include <algorithm>
#include <array>
#include <cmath>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

enum class Fill { zeros, border, reflection };
enum class SampleMode { bilinear, nearest, bicubic };

/// Folds a coordinate back into [low / 2, high / 2] as often as it takes.
template <typename C>
C reflected(C x, std::int64_t low, std::int64_t high) {
  if (low == high) return C(0);
  const C start = static_cast<C>(low) / 2, span = static_cast<C>(high - low) / 2;
  x = std::fabs(x - start);
  const C rest = std::fmod(x, span);
  const C turns = std::floor(x / span);
  return std::fmod(turns, C(2)) == C(0) ? rest + start : span - rest + start;
}

/// One spatial dimension of the input.
template <typename C>
struct SampledAxis {
  std::int64_t size = 1, stride = 0;
  Fill fill = Fill::zeros;
  bool corners = false;

  /// From [-1, 1] to elements.
  C unnormalised(C x) const {
    const auto n = static_cast<C>(size);
    return corners ? (x + 1) / 2 * (n - 1) : ((x + 1) * n - 1) / 2;
  }
  C inside(C x) const {
    if (fill == Fill::reflection) x = corners ? reflected(x, 0, 2 * (size - 1)) : reflected(x, -1, 2 * size - 1);
    if (fill != Fill::zeros) x = std::min(std::max(x, C(0)), static_cast<C>(size - 1));
    return x;
  }
  bool holds(std::int64_t i) const { return i >= 0 && i < size; }
};

/// Elements along one dimension with their weights; those outside weigh nothing.
template <typename C>
struct SampleTaps {
  std::array<std::int64_t, 4> index{};
  std::array<C, 4> weight{};
  int count = 0;
  void add(const SampledAxis<C>& axis, C position, C w) {
    // What is no number, or beyond any index, lies outside.
    if (!(position > C(-1e9) && position < C(1e9))) return;
    const auto i = static_cast<std::int64_t>(position);
    if (!axis.holds(i)) return;
    index[static_cast<std::size_t>(count)] = i;
    weight[static_cast<std::size_t>(count++)] = w;
  }
};

template <typename C>
SampleTaps<C> taps_at(const SampledAxis<C>& axis, C coordinate, SampleMode mode) {
  SampleTaps<C> taps;
  C x = axis.unnormalised(coordinate);
  if (mode == SampleMode::bicubic) {
    constexpr C kA = C(-0.75);
    const C low = std::floor(x), t = x - low;
    const auto near = [](C d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
    const auto far = [](C d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
    const std::array<C, 4> weights = {far(t + 1), near(t), near(1 - t), far(2 - t)};
    for (int k = 0; k < 4; ++k) taps.add(axis, axis.inside(low + C(k - 1)), weights[static_cast<std::size_t>(k)]);
    return taps;
  }
  x = axis.inside(x);
  if (mode == SampleMode::nearest) {
    taps.add(axis, std::nearbyint(x), C(1));
    return taps;
  }
  const C low = std::floor(x);
  taps.add(axis, low, low + 1 - x);
  taps.add(axis, low + 1, x - low);
  return taps;
}

void grid_sampler(const Call& call) {
  const Tensor &input = call.tensor("input"), &grid = call.tensor("grid");
  const std::size_t spatial = input.shape().size() - 2;
  const std::int64_t mode = call.integer("interpolation_mode"), fill = call.integer("padding_mode");
  call.require(mode >= 0 && mode <= 2 && fill >= 0 && fill <= 2, "an unknown interpolation or padding mode");
  call.require(mode != 2 || spatial == 2, "bicubic sampling is for images of two dimensions");
  visit_floating(input.dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(input), places(grid);
    Result<C> out(call.out());
    std::array<SampledAxis<C>, 3> axes;  // leading ones of size 1 where there are fewer
    std::int64_t plane = 1, points = 1;
    for (std::size_t i = spatial; i-- > 0;) {
      axes[3 - spatial + i] = {input.size(i + 2), plane, static_cast<Fill>(fill), call.boolean("align_corners")};
      plane *= input.size(i + 2);
      points *= grid.size(i + 1);
    }
    const auto dims = static_cast<std::int64_t>(spatial);
    for (std::int64_t n = 0; n < input.size(0); ++n)
      for (std::int64_t p = 0; p < points; ++p) {
        std::array<SampleTaps<C>, 3> taps;
        for (std::size_t d = 0; d < 3 - spatial; ++d) taps[d].add(axes[d], C(0), C(1));
        for (std::int64_t d = 0; d < dims; ++d)  // the grid has the last dimension first
          taps[static_cast<std::size_t>(2 - d)] =
              taps_at(axes[static_cast<std::size_t>(2 - d)], places[(n * points + p) * dims + d],
                      static_cast<SampleMode>(mode));
        for (std::int64_t c = 0; c < input.size(1); ++c) {
          const C* from = x.data() + (n * input.size(1) + c) * plane;
          double sum = 0;
          for (int i = 0; i < taps[0].count; ++i)
            for (int j = 0; j < taps[1].count; ++j)
              for (int k = 0; k < taps[2].count; ++k) {
                const auto at = [&](int d, int t) {
                  return taps[static_cast<std::size_t>(d)].index[static_cast<std::size_t>(t)] *
                         axes[static_cast<std::size_t>(d)].stride;
                };
                const auto weight = [&](int d, int t) {
                  return static_cast<double>(taps[static_cast<std::size_t>(d)].weight[static_cast<std::size_t>(t)]);
                };
                sum += static_cast<double>(from[at(0, i) + at(1, j) + at(2, k)]) * weight(0, i) * weight(1, j) *
                       weight(2, k);
              }
          out.data()[(n * input.size(1) + c) * points + p] = static_cast<C>(sum);
        }
      }
    out.commit();
  });
}

/// The windows of im2col and col2im, which are each other's transposes.
struct Unfolding {
  std::int64_t images = 1, channels = 1, height = 1, width = 1, rows = 1, columns = 1;
  std::vector<std::int64_t> kernel, dilation, padding, stride;

  Unfolding(const Call& call, const Shape& image) {
    const std::size_t rank = image.size();
    images = rank == 4 ? image[0] : 1;
    channels = image[rank - 3], height = image[rank - 2], width = image[rank - 1];
    kernel = call.int_list("kernel_size"), dilation = call.int_list("dilation");
    padding = call.int_list("padding"), stride = call.int_list("stride");
    rows = (height + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) / stride[0] + 1;
    columns = (width + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) / stride[1] + 1;
  }

  /// Calls f(index in the image or -1 in the padding, index in the columns).
  template <typename F>
  void for_each(F f) const {
    std::int64_t column = 0;
    for (std::int64_t plane = 0; plane < images * channels; ++plane)
      for (std::int64_t i = 0; i < kernel[0]; ++i)
        for (std::int64_t j = 0; j < kernel[1]; ++j)
          for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t c = 0; c < columns; ++c, ++column) {
              const std::int64_t y = r * stride[0] - padding[0] + i * dilation[0];
              const std::int64_t x = c * stride[1] - padding[1] + j * dilation[1];
              f(y >= 0 && y < height && x >= 0 && x < width ? (plane * height + y) * width + x : -1, column);
            }
  }
};

void im2col(const Call& call) {
  const Unfolding windows(call, call.self().shape());
  visit_compute(compute_of(call.self().dtype()), [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    Result<C> out(call.out());
    windows.for_each([&](std::int64_t at, std::int64_t column) { out.data()[column] = at < 0 ? C(0) : x[at]; });
    out.commit();
  });
}

void col2im(const Call& call) {
  const Unfolding windows(call, call.out().shape());
  visit_compute(is_floating(call.self().dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    std::vector<C> sums(static_cast<std::size_t>(call.out().numel()), C(0));
    windows.for_each([&](std::int64_t at, std::int64_t column) {
      if (at >= 0) sums[static_cast<std::size_t>(at)] += x[column];
    });
    store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), sums.data());
  });
}

}  // namespace

void add_sampling_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_grid_sampler_default, aten_grid_sampler_2d_default, aten_grid_sampler_3d_default}, grid_sampler);
  table.add({aten_im2col_default}, im2col);
  table.add({aten_col2im_default}, col2im);
}

}  // namespace aitune::reference

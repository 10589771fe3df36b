// torchvision's pooling of regions: the largest element of each bin, and means and samples where each bin has channels
// of its own ("position-sensitive").

#include <algorithm>
#include <cmath>

#include "engines/reference/run/detection.h"
#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

/// The pixels [begin, end) of a bin along an axis.
struct Span {
  std::int64_t begin, end;
  std::int64_t size() const { return std::max<std::int64_t>(end - begin, 0); }
};

/// A rounded coordinate; one out of all bounds, or NaN, stays where sums of it do not overflow.
template <typename C>
std::int64_t rounded(C v) {
  constexpr double kFar = 1 << 30;
  return std::isnan(v) ? 0 : static_cast<std::int64_t>(std::clamp<double>(std::round(v), -kFar, kFar));
}

/// Bin `i` of `count` in a region that begins at `first` and is `size` long, clipped to [0, last].
template <typename C>
Span bin_of(std::int64_t i, std::int64_t count, std::int64_t first, std::int64_t size, std::int64_t last) {
  const C step = static_cast<C>(size) / static_cast<C>(count);
  const auto begin = static_cast<std::int64_t>(std::floor(static_cast<C>(i) * step));
  const auto end = static_cast<std::int64_t>(std::ceil(static_cast<C>(i + 1) * step));
  return {std::clamp<std::int64_t>(begin + first, 0, last), std::clamp<std::int64_t>(end + first, 0, last)};
}

/// The operands of a call, and where it is in them.
template <typename C>
struct Regions {
  const Call& call;
  const Tensor &input, &rois;
  Contiguous<C> images{input}, numbers{rois};
  C scale = static_cast<C>(call.number("spatial_scale"));
  std::int64_t channels = input.size(1), height = input.size(2), width = input.size(3);
  std::int64_t rows = call.integer("pooled_height"), columns = call.integer("pooled_width");

  std::int64_t count() const { return rois.size(0); }
  C edge(std::int64_t region, std::int64_t i) const { return numbers[5 * region + 1 + i] * scale; }
  std::int64_t image(std::int64_t region) const {
    const C which = numbers[5 * region];
    call.require(which >= 0 && which < static_cast<C>(input.size(0)), "a region is of no image");
    return static_cast<std::int64_t>(which);
  }
  Plane<C> plane(std::int64_t image, std::int64_t channel) const {
    return {images.data() + (image * channels + channel) * height * width, height, width};
  }
};

/// Calls f(regions, values, places) with what a call pools, and commits what f writes to its two results.
template <typename F>
void pool(const Call& call, F f) {
  const Tensor &input = call.tensor("input"), &rois = call.tensor("rois");
  call.require(input.dim() == 4 && rois.dim() == 2 && rois.size(1) == 5, "images are [n, c, h, w], regions [n, 5]");
  call.require(input.size(2) > 0 && input.size(3) > 0, "there are no pixels");
  call.require(call.out(0).dim() == 4 && call.out(0).shape() == call.out(1).shape() &&
                   call.out(0).size(0) == rois.size(0) && call.out(0).size(2) == call.integer("pooled_height") &&
                   call.out(0).size(3) == call.integer("pooled_width"),
               "the result has another shape");
  visit_floating(input.dtype(), [&]<typename C>(C) {
    const Regions<C> regions{call, input, rois};
    Result<C> values(call.out(0));
    f(regions, values.data(), call.out(1).as<std::int32_t>());
    values.commit();
  });
}

void roi_pool(const Call& call) {
  call.require(call.out(0).size(1) == call.tensor("input").size(1), "the result has another number of channels");
  pool(call, []<typename C>(const Regions<C>& g, C* values, std::int32_t* places) {
    std::int64_t o = 0;
    for (std::int64_t r = 0; r < g.count(); ++r) {
      const std::int64_t image = g.image(r), left = rounded(g.edge(r, 0)), top = rounded(g.edge(r, 1));
      const std::int64_t wide = std::max<std::int64_t>(rounded(g.edge(r, 2)) - left + 1, 1);
      const std::int64_t high = std::max<std::int64_t>(rounded(g.edge(r, 3)) - top + 1, 1);
      for (std::int64_t c = 0; c < g.channels; ++c) {
        const Plane<C> plane = g.plane(image, c);
        for (std::int64_t i = 0; i < g.rows * g.columns; ++i, ++o) {
          const Span y = bin_of<C>(i / g.columns, g.rows, top, high, g.height);
          const Span x = bin_of<C>(i % g.columns, g.columns, left, wide, g.width);
          // What is no larger than this, NaN among it, is never found.
          constexpr C kLeast = -3.402823466e+38F;
          C best = y.size() * x.size() == 0 ? C{0} : kLeast;
          std::int64_t at = -1;
          for (std::int64_t h = y.begin; h < y.end; ++h)
            for (std::int64_t w = x.begin; w < x.end; ++w)
              if (plane.at(h, w) > best) best = plane.at(h, w), at = h * g.width + w;
          values[o] = best;
          places[o] = static_cast<std::int32_t>(at);
        }
      }
    }
  });
}

/// Features of a position-sensitive result: channel `o / places * places + o % places` of the input for its place.
std::int64_t own_channels(const Call& call) {
  const std::int64_t places = call.integer("pooled_height") * call.integer("pooled_width");
  call.require(places > 0 && call.out(0).size(1) * places == call.tensor("input").size(1),
               "the channels are no multiple of the places of the result");
  return call.tensor("input").size(1);
}

void ps_roi_pool(const Call& call) {
  const std::int64_t channels = own_channels(call);
  pool(call, [&]<typename C>(const Regions<C>& g, C* values, std::int32_t* places) {
    std::int64_t o = 0;
    for (std::int64_t r = 0; r < g.count(); ++r) {
      const std::int64_t image = g.image(r), left = rounded(g.edge(r, 0)), top = rounded(g.edge(r, 1));
      const std::int64_t wide = std::max<std::int64_t>(rounded(g.edge(r, 2)) - left, 1);
      const std::int64_t high = std::max<std::int64_t>(rounded(g.edge(r, 3)) - top, 1);
      for (std::int64_t c = 0; c < channels; ++c, ++o) {
        const std::int64_t place = c % (g.rows * g.columns);
        const Span y = bin_of<C>(place / g.columns, g.rows, top, high, g.height - 1);
        const Span x = bin_of<C>(place % g.columns, g.columns, left, wide, g.width - 1);
        const Plane<C> plane = g.plane(image, c);
        C sum = 0;
        for (std::int64_t h = y.begin; h < y.end; ++h)
          for (std::int64_t w = x.begin; w < x.end; ++w) sum += plane.at(h, w);
        const std::int64_t area = y.size() * x.size();
        values[o] = area == 0 ? C{0} : sum / static_cast<C>(area);
        places[o] = static_cast<std::int32_t>(c);
      }
    }
  });
}

void ps_roi_align(const Call& call) {
  const std::int64_t channels = own_channels(call), ratio = call.integer("sampling_ratio");
  call.require(ratio <= kMostSamples, "there are too many samples");
  pool(call, [&]<typename C>(const Regions<C>& g, C* values, std::int32_t* places) {
    std::int64_t o = 0;
    for (std::int64_t r = 0; r < g.count(); ++r) {
      const std::int64_t image = g.image(r);
      const C left = g.edge(r, 0) - C{0.5}, top = g.edge(r, 1) - C{0.5};
      const C bin_w = (g.edge(r, 2) - C{0.5} - left) / static_cast<C>(g.columns);
      const C bin_h = (g.edge(r, 3) - C{0.5} - top) / static_cast<C>(g.rows);
      const std::int64_t grid_h = grid_size(ratio, bin_h), grid_w = grid_size(ratio, bin_w);
      for (std::int64_t c = 0; c < channels; ++c, ++o) {
        const std::int64_t place = c % (g.rows * g.columns);
        const C first_y = static_cast<C>(place / g.columns) * bin_h + top;
        const C first_x = static_cast<C>(place % g.columns) * bin_w + left;
        const Plane<C> plane = g.plane(image, c);
        C sum = 0;
        for (std::int64_t i = 0; i < grid_h; ++i)
          for (std::int64_t j = 0; j < grid_w; ++j)
            sum += sample_clamped(plane, first_y + (static_cast<C>(i) + C{0.5}) * bin_h / static_cast<C>(grid_h),
                                  first_x + (static_cast<C>(j) + C{0.5}) * bin_w / static_cast<C>(grid_w));
        values[o] = sum / static_cast<C>(grid_h * grid_w);  // NaN where a bin has no samples, as torchvision's
        places[o] = static_cast<std::int32_t>(c);
      }
    }
  });
}

}  // namespace

void add_region_pool_kernels(KernelTable& table) {
  using enum OpId;
  table.add({torchvision_roi_pool_default}, roi_pool);
  table.add({torchvision_ps_roi_pool_default}, ps_roi_pool);
  table.add({torchvision_ps_roi_align_default}, ps_roi_align);
}

}  // namespace aitune::reference

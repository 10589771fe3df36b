// torchvision's operators of detection: suppression of overlapping boxes, features of regions, deformable convolution.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engines/reference/run/detection.h"
#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

/// Boxes from the best score on, without those that overlap a better one too much.
void nms(const Call& call) {
  const Tensor& dets = call.tensor("dets");
  call.require(dets.dim() == 2 && dets.size(1) == 4 && call.tensor("scores").numel() == dets.size(0),
               "boxes are [n, 4], scores [n]");
  const std::int64_t n = dets.size(0);
  const double threshold = call.number("iou_threshold");
  std::vector<std::int64_t> kept;
  visit_floating(dets.dtype(), [&]<typename C>(C) {
    const Contiguous<C> boxes(dets), scores(call.tensor("scores"));
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const auto better = [&](std::int64_t a, std::int64_t b) {  // NaN first, as PyTorch sorts
      return scores[a] > scores[b] || (std::isnan(scores[a]) && !std::isnan(scores[b]));
    };
    std::stable_sort(order.begin(), order.end(), better);
    const auto area = [&](std::int64_t i) {
      return (boxes[4 * i + 2] - boxes[4 * i]) * (boxes[4 * i + 3] - boxes[4 * i + 1]);
    };
    std::vector<bool> gone(order.size());
    for (std::size_t a = 0; a < order.size(); ++a) {
      if (gone[a]) continue;
      const std::int64_t i = order[a];
      kept.push_back(i);
      for (std::size_t b = a + 1; b < order.size(); ++b) {
        if (gone[b]) continue;
        const std::int64_t j = order[b];
        const C left = std::max(boxes[4 * i], boxes[4 * j]), top = std::max(boxes[4 * i + 1], boxes[4 * j + 1]);
        const C right = std::min(boxes[4 * i + 2], boxes[4 * j + 2]);
        const C bottom = std::min(boxes[4 * i + 3], boxes[4 * j + 3]);
        const C common = std::max(C{0}, right - left) * std::max(C{0}, bottom - top);
        gone[b] = common / (area(i) + area(j) - common) > threshold;
      }
    }
  });
  const Tensor& out = call.sized_out(0, {static_cast<std::int64_t>(kept.size())});
  std::copy(kept.begin(), kept.end(), out.as<std::int64_t>());
}

/// deform_conv2d's: zeros outside.
template <typename C>
C sample_zeros(const Plane<C>& p, C y, C x) {
  if (!(y > -1 && y < static_cast<C>(p.height) && x > -1 && x < static_cast<C>(p.width))) return 0;
  const auto y0 = static_cast<std::int64_t>(std::floor(y)), x0 = static_cast<std::int64_t>(std::floor(x));
  const C fy = y - static_cast<C>(y0), fx = x - static_cast<C>(x0);
  const auto at = [&](std::int64_t r, std::int64_t c) {
    return r < 0 || c < 0 || r >= p.height || c >= p.width ? C{0} : p.at(r, c);
  };
  return (1 - fy) * (1 - fx) * at(y0, x0) + (1 - fy) * fx * at(y0, x0 + 1) + fy * (1 - fx) * at(y0 + 1, x0) +
         fy * fx * at(y0 + 1, x0 + 1);
}

void roi_align(const Call& call) {
  const Tensor &input = call.tensor("input"), &rois = call.tensor("rois");
  call.require(input.dim() == 4 && rois.dim() == 2 && rois.size(1) == 5, "images are [n, c, h, w], regions [n, 5]");
  const std::int64_t batch = input.size(0), channels = input.size(1), height = input.size(2), width = input.size(3);
  const std::int64_t rows = call.integer("pooled_height"), columns = call.integer("pooled_width");
  const std::int64_t ratio = call.integer("sampling_ratio");
  const bool aligned = call.boolean("aligned");
  call.require(call.out().shape() == Shape{rois.size(0), channels, rows, columns}, "the result has another shape");
  call.require(ratio <= kMostSamples && (height > 0 && width > 0), "there are too many samples, or no pixels");
  visit_floating(input.dtype(), [&]<typename C>(C) {
    const Contiguous<C> images(input), regions(rois);
    Result<C> result(call.out());
    const C scale = static_cast<C>(call.number("spatial_scale")), offset = aligned ? C{0.5} : C{0};
    std::int64_t o = 0;
    for (std::int64_t r = 0; r < rois.size(0); ++r) {
      const C which = regions[5 * r];
      call.require(which >= 0 && which < static_cast<C>(batch), "a region is of no image");
      const C left = regions[5 * r + 1] * scale - offset, top = regions[5 * r + 2] * scale - offset;
      C w = regions[5 * r + 3] * scale - offset - left, h = regions[5 * r + 4] * scale - offset - top;
      if (!aligned) w = std::max(w, C{1}), h = std::max(h, C{1});
      const C bin_h = h / static_cast<C>(rows), bin_w = w / static_cast<C>(columns);
      const std::int64_t grid_h = grid_size(ratio, bin_h), grid_w = grid_size(ratio, bin_w);
      const C count = static_cast<C>(std::max<std::int64_t>(grid_h * grid_w, 1));
      for (std::int64_t c = 0; c < channels; ++c) {
        const Plane<C> plane{images.data() + (static_cast<std::int64_t>(which) * channels + c) * height * width, height,
                             width};
        for (std::int64_t y = 0; y < rows; ++y)
          for (std::int64_t x = 0; x < columns; ++x) {
            C sum = 0;
            for (std::int64_t i = 0; i < grid_h; ++i)
              for (std::int64_t j = 0; j < grid_w; ++j)
                sum += sample_clamped(
                    plane,
                    top + static_cast<C>(y) * bin_h + (static_cast<C>(i) + C{0.5}) * bin_h / static_cast<C>(grid_h),
                    left + static_cast<C>(x) * bin_w + (static_cast<C>(j) + C{0.5}) * bin_w / static_cast<C>(grid_w));
            result.data()[o++] = sum / count;
          }
      }
    }
    result.commit();
  });
}

/// Sizes of a deformable convolution, and where its kernel looks.
struct Deformed {
  std::int64_t stride[2], pad[2], dilation[2], groups, offset_groups;
  explicit Deformed(const Call& call)
      : stride{call.integer("stride_h"), call.integer("stride_w")},
        pad{call.integer("pad_h"), call.integer("pad_w")},
        dilation{call.integer("dilation_h"), call.integer("dilation_w")},
        groups(call.integer("groups")),
        offset_groups(call.integer("offset_groups")) {}
};

void deform_conv2d(const Call& call) {
  const Tensor &input = call.tensor("input"), &weight = call.tensor("weight");
  call.require(input.dim() == 4 && weight.dim() == 4 && call.out().dim() == 4 && call.out().size(0) == input.size(0),
               "tensors are [n, c, h, w]");
  const Deformed g(call);
  const bool use_mask = call.boolean("use_mask");
  const std::int64_t channels = input.size(1), height = input.size(2), width = input.size(3);
  const std::int64_t kh = weight.size(2), kw = weight.size(3), taps = kh * kw;
  Tensor& out = call.out();
  const std::int64_t features = out.size(1), rows = out.size(2), columns = out.size(3), area = rows * columns;
  call.require(g.groups > 0 && g.offset_groups > 0 && channels % g.offset_groups == 0 && features % g.groups == 0 &&
                   weight.size(1) * g.groups == channels && weight.size(0) == features,
               "the groups do not divide the channels");
  call.require(call.tensor("offset").numel() == input.size(0) * 2 * g.offset_groups * taps * area &&
                   (!use_mask || call.tensor("mask").numel() == input.size(0) * g.offset_groups * taps * area) &&
                   call.tensor("bias").numel() == features,
               "offsets, mask or bias have another size than the result asks for");
  const std::int64_t per_group = weight.size(1), per_offset = channels / g.offset_groups;
  visit_floating(input.dtype(), [&]<typename C>(C) {
    const Contiguous<C> images(input), kernel(weight), offsets(call.tensor("offset")), bias(call.tensor("bias"));
    const Contiguous<C> mask = use_mask ? Contiguous<C>(call.tensor("mask")) : Contiguous<C>();
    Result<C> result(out);
    std::vector<C> column(static_cast<std::size_t>(channels * taps));  // what the kernel sees at one place
    for (std::int64_t n = 0; n < input.size(0); ++n)
      for (std::int64_t p = 0; p < area; ++p) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const Plane<C> plane{images.data() + (n * channels + c) * height * width, height, width};
          for (std::int64_t t = 0; t < taps; ++t) {
            const std::int64_t tap = (n * g.offset_groups + c / per_offset) * taps + t;
            const C y = static_cast<C>(p / columns * g.stride[0] - g.pad[0] + t / kw * g.dilation[0]) +
                        offsets[2 * tap * area + p];
            const C x = static_cast<C>(p % columns * g.stride[1] - g.pad[1] + t % kw * g.dilation[1]) +
                        offsets[(2 * tap + 1) * area + p];
            const C factor = use_mask ? mask[tap * area + p] : C{1};
            column[static_cast<std::size_t>(c * taps + t)] = factor * sample_zeros(plane, y, x);
          }
        }
        for (std::int64_t f = 0; f < features; ++f) {
          const std::int64_t first = f / (features / g.groups) * per_group * taps;
          C sum = 0;
          for (std::int64_t k = 0; k < per_group * taps; ++k)
            sum += kernel[f * per_group * taps + k] * column[static_cast<std::size_t>(first + k)];
          result.data()[(n * features + f) * area + p] = sum + bias[f];
        }
      }
    result.commit();
  });
}

}  // namespace

void add_detection_kernels(KernelTable& table) {
  using enum OpId;
  table.add_sized({torchvision_nms_default}, nms);
  table.add({torchvision_roi_align_default}, roi_align);
  table.add({torchvision_deform_conv2d_default}, deform_conv2d);
}

}  // namespace aitune::reference

// Pooling whose windows lie where random samples put them: aten/src/ATen/native/FractionalMaxPool2d.cpp and 3d.

#include <array>
#include <cmath>
#include <limits>

#include "engines/reference/run/kernel.h"
#include "engines/reference/run/wide.h"

namespace aitune::reference {
namespace {

/// Where the windows of one dimension begin. Every step is rounded to the samples' dtype, as PyTorch's are.
std::vector<std::int64_t> begins(const Call& call, DType dtype, double sample, std::int64_t in, std::int64_t out,
                                 std::int64_t window) {
  const auto number = [&](std::int64_t v) { return held(dtype, static_cast<double>(v)); };
  std::vector<std::int64_t> places(static_cast<std::size_t>(out));
  if (out > 1) {
    const double step = held(dtype, number(in - window) / number(out - 1));
    const auto reached = [&](std::int64_t i) {
      const double at = held(dtype, held(dtype, number(i) + sample) * step);
      call.require(std::fabs(at) < 1e9, "a sample leads out of the input");
      return static_cast<std::int64_t>(at);
    };
    for (std::int64_t i = 0; i + 1 < out; ++i) places[static_cast<std::size_t>(i)] = reached(i) - reached(0);
  }
  places.back() = in - window;
  for (const std::int64_t place : places)
    call.require(place >= 0 && place <= in - window, "a sample leads out of the input");
  return places;
}

/// The last dimensions are the space, with leading ones where there are less than three.
void fractional_max_pool(const Call& call) {
  const Tensor &self = call.self(), &samples = call.tensor("random_samples");
  const auto kernel = call.int_list("kernel_size");
  const std::size_t n = call.op() == OpId::aten_fractional_max_pool2d_default ? 2 : 3;
  const Shape &in = self.shape(), &out = call.out().shape();
  call.require(kernel.size() == n && (in.size() == n + 1 || in.size() == n + 2) && out.size() == in.size(),
               "kernel_size, input or result has the wrong rank");
  const std::size_t first = in.size() - n;
  const std::int64_t batch = first == 2 ? in[0] : 1, channels = in[first - 1];
  call.require(samples.dim() == 3 && samples.size(0) >= batch && samples.size(1) == channels &&
                   samples.size(2) == static_cast<std::int64_t>(n),
               "there are not samples for each plane");
  std::array<std::int64_t, 3> size{1, 1, 1}, results{1, 1, 1}, window{1, 1, 1};
  for (std::size_t i = 0; i < n; ++i) {
    size[3 - n + i] = in[first + i];
    results[3 - n + i] = out[first + i];
    window[3 - n + i] = kernel[i];
    call.require(kernel[i] > 0 && out[first + i] > 0 && kernel[i] <= in[first + i], "the windows do not fit the input");
  }
  const std::int64_t space = size[0] * size[1] * size[2];
  call.require(call.out().numel() == batch * channels * results[0] * results[1] * results[2] &&
                   call.out(1).dtype() == DType::i64 && call.out(1).numel() == call.out().numel(),
               "the result has another shape");
  auto* positions = call.out(1).as<std::int64_t>();
  const Contiguous<double> chosen(samples), x(self);
  Result<double> values(call.out());
  std::int64_t at = 0;
  for (std::int64_t plane = 0; plane < batch * channels; ++plane) {
    std::array<std::vector<std::int64_t>, 3> starts;
    for (std::size_t i = 0; i < 3; ++i) {
      // Of two dimensions the last comes first.
      const std::size_t which = n == 2 ? 2 - i : i;
      const bool real = i >= 3 - n;
      const double sample = real ? chosen[plane * static_cast<std::int64_t>(n) + static_cast<std::int64_t>(which)] : 0;
      starts[i] = begins(call, samples.dtype(), sample, size[i], results[i], window[i]);
    }
    for (const std::int64_t t : starts[0])
      for (const std::int64_t h : starts[1])
        for (const std::int64_t w : starts[2]) {
          std::int64_t best = (t * size[1] + h) * size[2] + w;
          double most = -std::numeric_limits<double>::infinity();
          for (std::int64_t a = t; a < t + window[0]; ++a)
            for (std::int64_t b = h; b < h + window[1]; ++b)
              for (std::int64_t c = w; c < w + window[2]; ++c) {
                const std::int64_t place = (a * size[1] + b) * size[2] + c;
                const double v = x[plane * space + place];
                if (!(v > most) && v == v) continue;
                most = v;
                best = place;
              }
          values.data()[at] = most;
          positions[at++] = best;
        }
  }
  values.commit();
}

}  // namespace

void add_fractional_pool_kernels(KernelTable& table) {
  table.add({OpId::aten_fractional_max_pool2d_default, OpId::aten_fractional_max_pool3d_default}, fractional_max_pool);
}

}  // namespace aitune::reference

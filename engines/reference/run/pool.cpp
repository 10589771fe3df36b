// Pooling of one to three spatial dimensions. Fewer dimensions become three with leading ones.

#include <algorithm>
#include <array>
#include <limits>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

using Three = std::array<std::int64_t, 3>;

struct Window {
  std::int64_t planes = 1;
  Three in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, padding{0, 0, 0}, dilation{1, 1, 1};
  std::int64_t in_space() const { return in[0] * in[1] * in[2]; }
  std::int64_t out_space() const { return out[0] * out[1] * out[2]; }
};

void spread(const std::vector<std::int64_t>& list, Three& to) {
  for (std::size_t i = 0; i < list.size(); ++i) to[3 - list.size() + i] = list[i];
}

/// Sizes of the last n dimensions; everything before counts as planes.
Window planes(const Call& call, std::size_t n) {
  const Shape &in = call.self().shape(), &out = call.out().shape();
  Window w;
  for (std::size_t i = 0; i + n < in.size(); ++i) w.planes *= in[i];
  spread({in.end() - static_cast<std::ptrdiff_t>(n), in.end()}, w.in);
  spread({out.end() - static_cast<std::ptrdiff_t>(n), out.end()}, w.out);
  return w;
}

Window window(const Call& call) {
  const auto kernel = call.int_list("kernel_size");
  Window w = planes(call, kernel.size());
  spread(kernel, w.kernel);
  const auto stride = call.int_list("stride");
  spread(stride.empty() ? kernel : stride, w.stride);
  spread(call.int_list("padding"), w.padding);
  if (call.has("dilation")) spread(call.int_list("dilation"), w.dilation);
  return w;
}

/// Calls f(plane, output position, coordinates of it).
template <typename F>
void for_each_output(const Window& w, F f) {
  for (std::int64_t p = 0; p < w.planes; ++p) {
    std::int64_t position = p * w.out_space();
    for (std::int64_t d = 0; d < w.out[0]; ++d)
      for (std::int64_t h = 0; h < w.out[1]; ++h)
        for (std::int64_t v = 0; v < w.out[2]; ++v) f(p, position++, Three{d, h, v});
  }
}

/// Calls f(index in the plane) for begin[i] <= coordinate < end[i], `step` apart.
template <typename F>
void for_each_input(const Window& w, const Three& begin, const Three& end, const Three& step, F f) {
  for (std::int64_t d = begin[0]; d < end[0]; d += step[0])
    for (std::int64_t h = begin[1]; h < end[1]; h += step[1])
      for (std::int64_t v = begin[2]; v < end[2]; v += step[2]) f((d * w.in[1] + h) * w.in[2] + v);
}

void max_over(const Call& call, const Window& w, auto range) {
  std::int64_t* indices = call.out_count() > 1 ? call.out(1).as<std::int64_t>() : nullptr;
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    Result<C> out(call.out());
    for_each_output(w, [&](std::int64_t plane, std::int64_t position, const Three& at) {
      const C* from = x.data() + plane * w.in_space();
      Three begin, end, step;
      range(at, begin, end, step);
      std::int64_t best = -1;
      for_each_input(w, begin, end, step, [&](std::int64_t i) {
        if (best < 0 || from[i] > from[best] || (from[i] != from[i] && from[best] == from[best])) best = i;
      });
      constexpr C kLowest =
          std::is_floating_point_v<C> ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::min();
      out.data()[position] = best < 0 ? kLowest : from[best];
      if (indices != nullptr) indices[position] = std::max<std::int64_t>(best, 0);
    });
    out.commit();
  });
}

void max_pool(const Call& call) {
  const Window w = window(call);
  max_over(call, w, [&w](const Three& at, Three& begin, Three& end, Three& step) {
    for (std::size_t i = 0; i < 3; ++i) {
      begin[i] = at[i] * w.stride[i] - w.padding[i];
      end[i] = std::min(begin[i] + (w.kernel[i] - 1) * w.dilation[i] + 1, w.in[i]);
      step[i] = w.dilation[i];
      if (begin[i] < 0) begin[i] += (-begin[i] + step[i] - 1) / step[i] * step[i];
    }
  });
}

void avg_pool(const Call& call) {
  const Window w = window(call);
  const bool count_padding = call.boolean("count_include_pad");
  const double divisor =
      call.has("divisor_override") && call.given("divisor_override") ? call.number("divisor_override") : 0;
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    Result<C> out(call.out());
    for_each_output(w, [&](std::int64_t plane, std::int64_t position, const Three& at) {
      const C* from = x.data() + plane * w.in_space();
      Three begin, end;
      std::int64_t padded = 1, inside = 1;
      for (std::size_t i = 0; i < 3; ++i) {
        begin[i] = at[i] * w.stride[i] - w.padding[i];
        end[i] = std::min(begin[i] + w.kernel[i], w.in[i] + w.padding[i]);
        padded *= end[i] - begin[i];
        begin[i] = std::max<std::int64_t>(begin[i], 0);
        end[i] = std::min(end[i], w.in[i]);
        inside *= std::max<std::int64_t>(end[i] - begin[i], 0);
      }
      C sum = 0;
      for_each_input(w, begin, end, {1, 1, 1}, [&](std::int64_t i) { sum += from[i]; });
      const C by = static_cast<C>(divisor != 0 ? divisor : static_cast<double>(count_padding ? padded : inside));
      out.data()[position] = inside == 0 ? C(0) : sum / by;
    });
    out.commit();
  });
}

/// Adaptive windows: from floor(i * in / out) to ceil((i + 1) * in / out).
void adaptive_range(const Window& w, const Three& at, Three& begin, Three& end) {
  for (std::size_t i = 0; i < 3; ++i) {
    begin[i] = at[i] * w.in[i] / w.out[i];
    end[i] = ((at[i] + 1) * w.in[i] + w.out[i] - 1) / w.out[i];
  }
}

void adaptive_avg_pool(const Call& call) {
  const Window w = planes(call, call.int_list("output_size").size());
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    Result<C> out(call.out());
    for_each_output(w, [&](std::int64_t plane, std::int64_t position, const Three& at) {
      Three begin, end;
      adaptive_range(w, at, begin, end);
      double sum = 0;
      for_each_input(w, begin, end, {1, 1, 1},
                     [&](std::int64_t i) { sum += static_cast<double>(x[plane * w.in_space() + i]); });
      const auto n = (end[0] - begin[0]) * (end[1] - begin[1]) * (end[2] - begin[2]);
      out.data()[position] = static_cast<C>(sum / static_cast<double>(n));
    });
    out.commit();
  });
}

void adaptive_max_pool(const Call& call) {
  const Window w = planes(call, call.int_list("output_size").size());
  max_over(call, w, [&w](const Three& at, Three& begin, Three& end, Three& step) {
    adaptive_range(w, at, begin, end);
    step = {1, 1, 1};
  });
}

/// Puts each value where max_pool found it; the rest is 0.
void max_unpool(const Call& call) {
  const Window w = planes(call, call.int_list("output_size").size());
  const Contiguous<std::int64_t> places(call.tensor("indices"));
  visit_compute(compute_of(call.self().dtype()), [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    Result<C> out(call.out());
    std::fill_n(out.data(), call.out().numel(), C{});
    for (std::int64_t p = 0; p < w.planes; ++p)
      for (std::int64_t i = 0; i < w.in_space(); ++i) {
        const std::int64_t at = places[p * w.in_space() + i];
        call.require(at >= 0 && at < w.out_space(), "a position is outside of the result");
        out.data()[p * w.out_space() + at] = x[p * w.in_space() + i];
      }
    out.commit();
  });
}

}  // namespace

void add_pool_kernels(KernelTable& table) {
  using enum OpId;
  table.add(
      {aten_max_pool1d_default, aten_max_pool2d_default, aten_max_pool3d_default, aten_max_pool1d_with_indices_default,
       aten_max_pool2d_with_indices_default, aten_max_pool3d_with_indices_default},
      max_pool);
  table.add({aten_avg_pool1d_default, aten_avg_pool2d_default, aten_avg_pool3d_default}, avg_pool);
  table.add({aten_adaptive_avg_pool1d_default, aten_adaptive_avg_pool2d_default, aten_adaptive_avg_pool3d_default,
             aten__adaptive_avg_pool2d_default, aten__adaptive_avg_pool3d_default},
            adaptive_avg_pool);
  table.add({aten_adaptive_max_pool1d_default, aten_adaptive_max_pool2d_default, aten_adaptive_max_pool3d_default},
            adaptive_max_pool);
  table.add({aten_max_unpool2d_default, aten_max_unpool3d_default}, max_unpool);
}

}  // namespace aitune::reference

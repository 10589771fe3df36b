// Upsampling: nearest, linear and cubic. Fewer dimensions count as three with leading ones.

#include <algorithm>
#include <array>
#include <cmath>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {
namespace {

/// Source elements and weights of one output coordinate.
struct Taps {
  std::array<std::int64_t, 4> index{};
  std::array<double, 4> weight{};
  int count = 1;
};

enum class Mode { nearest, nearest_exact, linear, cubic };

struct Axis {
  std::int64_t in = 1, out = 1;
  double scale = 1;  ///< input elements for each output element
  bool align_corners = false;
};

/// PyTorch computes coordinates in the compute type (float unless the tensor is f64), and so must we where it rounds.
template <typename C>
Taps taps_at(const Axis& a, std::int64_t i, Mode mode) {
  const C scale = static_cast<C>(a.scale);
  const auto clamp = [&](std::int64_t p) { return std::clamp<std::int64_t>(p, 0, a.in - 1); };
  Taps t;
  if (mode == Mode::nearest || mode == Mode::nearest_exact) {
    const C shift = mode == Mode::nearest_exact ? C(0.5) : C(0);
    t.index[0] = clamp(static_cast<std::int64_t>(std::floor((static_cast<C>(i) + shift) * scale)));
    t.weight[0] = 1;
    return t;
  }
  C at = a.align_corners ? scale * static_cast<C>(i) : scale * (static_cast<C>(i) + C(0.5)) - C(0.5);
  if (mode == Mode::linear) {
    at = std::max(at, C(0));
    const auto low = clamp(static_cast<std::int64_t>(at));
    const double part = std::clamp(static_cast<double>(at) - static_cast<double>(low), 0.0, 1.0);
    t.count = 2;
    t.index = {low, clamp(low + 1)};
    t.weight = {1 - part, part};
    return t;
  }
  const C floor = std::floor(at);
  const double x = static_cast<double>(at - floor);
  constexpr double A = -0.75;
  const auto near = [](double d) { return ((A + 2) * d - (A + 3)) * d * d + 1; };
  const auto far = [](double d) { return ((A * d - 5 * A) * d + 8 * A) * d - 4 * A; };
  t.count = 4;
  t.weight = {far(x + 1), near(x), near(1 - x), far(2 - x)};
  for (int k = 0; k < 4; ++k) t.index[static_cast<std::size_t>(k)] = clamp(static_cast<std::int64_t>(floor) + k - 1);
  return t;
}

template <typename C>
std::vector<Taps> axis_taps(const Axis& a, Mode mode) {
  std::vector<Taps> taps;
  for (std::int64_t i = 0; i < a.out; ++i) taps.push_back(taps_at<C>(a, i, mode));
  return taps;
}

/// The user's scale factor for spatial dimension i of n, if one was given.
std::optional<double> scale_factor(const Call& call, std::size_t i, std::size_t n) {
  if (call.given("scale_factors")) return call["scale_factors"].list().at(i).number();
  constexpr std::array<std::string_view, 3> kNames = {"scales_d", "scales_h", "scales_w"};
  const std::string_view name = n == 1 ? "scales" : kNames[3 - n + i];
  if (call.given(name)) return call.number(name);
  return std::nullopt;
}

Axis axis(const Call& call, std::size_t i, std::size_t n, Mode mode) {
  Axis a;
  a.in = call.self().size(i + 2);
  a.out = call.out().size(i + 2);
  a.align_corners = call.has("align_corners") && call.boolean("align_corners");
  const auto factor = scale_factor(call, i, n);
  if (a.align_corners && mode != Mode::nearest && mode != Mode::nearest_exact)
    a.scale = a.out > 1 ? static_cast<double>(a.in - 1) / static_cast<double>(a.out - 1) : 0;
  else
    a.scale = factor && *factor > 0 ? 1 / *factor : static_cast<double>(a.in) / static_cast<double>(a.out);
  return a;
}

void upsample(const Call& call, Mode mode) {
  const Tensor& self = call.self();
  const std::size_t n = self.shape().size() - 2;
  call.require(n >= 1 && n <= 3, "the input has the wrong rank");
  std::array<Axis, 3> axes;
  for (std::size_t i = 0; i < n; ++i) axes[3 - n + i] = axis(call, i, n, mode);
  call.require(call.out().numel() == 0 || std::ranges::all_of(axes, [](const Axis& a) { return a.in > 0; }),
               "the input has no elements");
  const bool integral = compute_of(self.dtype()) == Compute::i64;  // u8 images round to the nearest
  visit_floating(self.dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(self);
    Result<C> out(call.out());
    std::array<std::vector<Taps>, 3> taps;
    for (std::size_t i = 0; i < 3; ++i) taps[i] = axis_taps<C>(axes[i], i + n < 3 ? Mode::nearest : mode);
    C* to = out.data();
    const std::int64_t row = axes[2].in, image = axes[1].in * row;
    for (std::int64_t p = 0; p < self.size(0) * self.size(1); ++p) {
      const C* plane = x.data() + p * axes[0].in * image;
      for (const Taps& d : taps[0])
        for (const Taps& r : taps[1])
          for (const Taps& c : taps[2]) {
            if (d.count * r.count * c.count == 1) {
              *to++ = plane[d.index[0] * image + r.index[0] * row + c.index[0]];
              continue;
            }
            double sum = 0;
            for (std::size_t h = 0; h < static_cast<std::size_t>(d.count); ++h)
              for (std::size_t i = 0; i < static_cast<std::size_t>(r.count); ++i)
                for (std::size_t j = 0; j < static_cast<std::size_t>(c.count); ++j)
                  sum += d.weight[h] * r.weight[i] * c.weight[j] *
                         static_cast<double>(plane[d.index[h] * image + r.index[i] * row + c.index[j]]);
            *to++ = static_cast<C>(integral ? std::clamp(std::nearbyint(sum), 0.0, 255.0) : sum);
          }
    }
    out.commit();
  });
}

/// Antialiased: all source elements that an output covers, in the compute type as PyTorch's do.
struct Spread {
  std::int64_t first = 0;
  std::vector<double> weights;
};

template <typename C>
std::vector<Spread> spreads(const Axis& a, Mode mode) {
  const C scale = static_cast<C>(a.scale), reach = mode == Mode::cubic ? C(2) : C(1);
  const C support = scale >= 1 ? reach * scale : reach, inverse = scale >= 1 ? C(1) / scale : C(1);
  constexpr double A = -0.5;
  const auto filter = [&](double x) {
    x = std::fabs(x);
    if (mode == Mode::linear) return x < 1 ? 1 - x : 0.0;
    if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0.0;
  };
  std::vector<Spread> made;
  for (std::int64_t i = 0; i < a.out; ++i) {
    const C center = scale * (static_cast<C>(i) + C(0.5));
    Spread s;
    s.first = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + C(0.5)), 0);
    const std::int64_t last = std::min<std::int64_t>(static_cast<std::int64_t>(center + support + C(0.5)), a.in);
    double sum = 0;
    for (std::int64_t j = s.first; j < last; ++j) {
      s.weights.push_back(filter(static_cast<double>((static_cast<C>(j) - center + C(0.5)) * inverse)));
      sum += s.weights.back();
    }
    if (sum != 0)
      for (double& weight : s.weights) weight /= sum;
    made.push_back(std::move(s));
  }
  return made;
}

template <Mode M>
void antialiased(const Call& call) {
  const Tensor& self = call.self();
  call.require(self.shape().size() == 4, "the input has the wrong rank");
  const Axis rows = axis(call, 0, 2, M), columns = axis(call, 1, 2, M);
  const bool integral = compute_of(self.dtype()) == Compute::i64;  // u8 images round to the nearest
  call.require(call.out().numel() == 0 || (rows.in > 0 && columns.in > 0), "the input has no elements");
  visit_floating(self.dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(self);
    Result<C> out(call.out());
    const auto down = spreads<C>(rows, M), across = spreads<C>(columns, M);
    std::vector<double> lines(static_cast<std::size_t>(rows.in * columns.out));
    C* to = out.data();
    for (std::int64_t p = 0; p < self.size(0) * self.size(1); ++p) {
      const C* plane = x.data() + p * rows.in * columns.in;
      auto line = lines.begin();
      for (std::int64_t r = 0; r < rows.in; ++r)
        for (const Spread& s : across) {
          double sum = 0;
          for (std::size_t k = 0; k < s.weights.size(); ++k)
            sum += s.weights[k] * static_cast<double>(plane[r * columns.in + s.first + static_cast<std::int64_t>(k)]);
          *line++ = sum;
        }
      for (const Spread& s : down)
        for (std::int64_t c = 0; c < columns.out; ++c) {
          double sum = 0;
          for (std::size_t k = 0; k < s.weights.size(); ++k)
            sum += s.weights[k] *
                   lines[static_cast<std::size_t>((s.first + static_cast<std::int64_t>(k)) * columns.out + c)];
          *to++ = static_cast<C>(integral ? std::clamp(std::nearbyint(sum), 0.0, 255.0) : sum);
        }
    }
    out.commit();
  });
}

template <Mode M>
void kernel(const Call& call) {
  upsample(call, M);
}

}  // namespace

void add_upsample_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten__upsample_bilinear2d_aa_default, aten__upsample_bilinear2d_aa_vec}, antialiased<Mode::linear>);
  table.add({aten__upsample_bicubic2d_aa_default, aten__upsample_bicubic2d_aa_vec}, antialiased<Mode::cubic>);
  table.add({aten_upsample_nearest1d_default, aten_upsample_nearest1d_vec, aten_upsample_nearest2d_default,
             aten_upsample_nearest2d_vec, aten_upsample_nearest3d_default, aten_upsample_nearest3d_vec},
            kernel<Mode::nearest>);
  table.add({aten__upsample_nearest_exact1d_default, aten__upsample_nearest_exact1d_vec,
             aten__upsample_nearest_exact2d_default, aten__upsample_nearest_exact2d_vec,
             aten__upsample_nearest_exact3d_default, aten__upsample_nearest_exact3d_vec},
            kernel<Mode::nearest_exact>);
  table.add({aten_upsample_linear1d_default, aten_upsample_linear1d_vec, aten_upsample_bilinear2d_default,
             aten_upsample_bilinear2d_vec, aten_upsample_trilinear3d_default, aten_upsample_trilinear3d_vec},
            kernel<Mode::linear>);
  table.add({aten_upsample_bicubic2d_default, aten_upsample_bicubic2d_vec}, kernel<Mode::cubic>);
}

}  // namespace aitune::reference

#include "bench/kernels/cases.h"

#include <fmt/format.h>

namespace aitune::bench {

using kernels::Access;
using kernels::Expr;
using kernels::ExprOp;
using kernels::GemmKernel;

namespace {

void add_epilogue(GemmKernel& kernel, std::vector<SymInt> out_strides, bool bias, bool relu) {
  kernel.buffer_count = 4;
  Access out;
  out.buffer = 2;
  out.dtype = kernel.a_type;
  out.strides = std::move(out_strides);
  kernel.accesses.push_back(out);
  Expr e;
  e.op = ExprOp::accumulator;
  kernel.exprs.push_back(e);
  int value = 0;
  if (bias) {
    Access access;
    access.buffer = 3;
    access.strides.assign(out.strides.size(), 0);
    access.strides.back() = 1;
    kernel.accesses.push_back(access);
    Expr load;
    load.op = ExprOp::load;
    load.access = 1;
    kernel.exprs.push_back(load);
    Expr sum;
    sum.op = ExprOp::add;
    sum.a = value;
    sum.b = 1;
    kernel.exprs.push_back(sum);
    value = 2;
  }
  if (relu) {
    kernel.exprs.push_back(Expr{});
    Expr larger;
    larger.op = ExprOp::max;
    larger.a = value;
    larger.b = value + 1;
    kernel.exprs.push_back(larger);
    value += 2;
  }
  kernel.stores = {{0, value}};
}

}  // namespace

GemmCase convolution(int size, int in_channels, int out_channels, int window, int stride, DType dtype) {
  const int pad = window / 2, out = (size + 2 * pad - window) / stride + 1;
  const std::int64_t row = std::int64_t{size + 2 * pad} * in_channels;
  GemmCase c;
  c.name = fmt::format("conv {0}x{0} {1}->{2} {3}x{3}/{4}", size, in_channels, out_channels, window, stride);
  c.kernel.name = c.name;
  c.kernel.a_type = c.kernel.b_type = dtype;
  c.kernel.m = {1, out, out};
  c.kernel.k = {window, window, in_channels};
  c.kernel.n = out_channels;
  c.kernel.a_strides = {row * (size + 2 * pad), row * stride, in_channels * stride, row, in_channels, 1};
  const std::int64_t n = out_channels;
  add_epilogue(c.kernel, {n * out * out, n * out, n, 1}, true, true);
  c.flops = 2.0 * out * out * n * in_channels * window * window;
  c.a_elements = row * (size + 2 * pad);
  c.c_elements = n * out * out;
  c.b_shape = {window, window, in_channels, n};
  return c;
}

GemmCase linear(std::int64_t m, std::int64_t k, std::int64_t n, DType dtype) {
  GemmCase c;
  c.name = fmt::format("linear {}x{}x{}", m, k, n);
  c.kernel.name = c.name;
  c.kernel.a_type = c.kernel.b_type = dtype;
  c.kernel.m = {m};
  c.kernel.k = {k};
  c.kernel.n = n;
  c.kernel.a_strides = {k, 1};
  add_epilogue(c.kernel, {n, 1}, true, false);
  c.flops = 2.0 * static_cast<double>(m * k * n);
  c.a_elements = m * k;
  c.c_elements = m * n;
  c.b_shape = {k, n};
  return c;
}

GemmCase batched(std::int64_t batch, std::int64_t m, std::int64_t k, std::int64_t n, DType dtype) {
  GemmCase c;
  c.name = fmt::format("batched {}x{}x{}x{}", batch, m, k, n);
  c.kernel.name = c.name;
  c.kernel.a_type = c.kernel.b_type = dtype;
  c.kernel.batch = {batch};
  c.kernel.m = {m};
  c.kernel.k = {k};
  c.kernel.n = n;
  c.kernel.a_strides = {m * k, k, 1};
  c.kernel.b_strides = {k * n, n, 1};
  add_epilogue(c.kernel, {m * n, n, 1}, false, false);
  c.flops = 2.0 * static_cast<double>(batch * m * k * n);
  c.a_elements = batch * m * k;
  c.c_elements = batch * m * n;
  c.b_shape = {batch, k, n};
  return c;
}

std::vector<GemmCase> all_cases(DType t) {
  std::vector<GemmCase> cases;
  cases.push_back(convolution(224, 3, 64, 7, 2, t));
  // ResNet-50: size, width of the block; the first block of a stage has the projection and the stride.
  const int sizes[] = {56, 28, 14, 7}, widths[] = {64, 128, 256, 512};
  for (int stage = 0; stage < 4; ++stage) {
    const int size = sizes[stage], width = widths[stage];
    const int before = stage == 0 ? 64 : 2 * width, before_size = stage == 0 ? size : 2 * size;
    cases.push_back(convolution(before_size, before, width, 1, 1, t));
    cases.push_back(convolution(before_size, before, 4 * width, 1, stage == 0 ? 1 : 2, t));
    if (stage > 0) cases.push_back(convolution(before_size, width, width, 3, 2, t));
    cases.push_back(convolution(size, width, width, 3, 1, t));
    if (stage > 0) cases.push_back(convolution(size, width, 4 * width, 1, 1, t));
    cases.push_back(convolution(size, 4 * width, width, 1, 1, t));
  }
  cases.push_back(linear(1, 2048, 1000, t));
  // MobileNetV3-large.
  cases.push_back(convolution(224, 3, 16, 3, 2, t));
  const int mobile[][3] = {{112, 16, 16},  {112, 16, 64},  {56, 64, 24},  {56, 24, 72},  {28, 72, 40},
                           {28, 40, 120},  {28, 120, 40},  {14, 240, 80}, {14, 80, 200}, {14, 200, 80},
                           {14, 480, 112}, {14, 112, 672}, {7, 672, 160}, {7, 160, 960}, {7, 960, 160}};
  for (const auto& [size, from, to] : mobile) cases.push_back(convolution(size, from, to, 1, 1, t));
  cases.push_back(linear(1, 960, 1280, t));
  cases.push_back(linear(1, 960, 240, t));
  // BERT-base, sequence length 128.
  cases.push_back(linear(128, 768, 768, t));
  cases.push_back(linear(128, 768, 3072, t));
  cases.push_back(linear(128, 3072, 768, t));
  cases.push_back(linear(8 * 128, 768, 768, t));
  cases.push_back(batched(12, 128, 64, 128, t));
  cases.push_back(batched(12, 128, 128, 64, t));
  return cases;
}

}  // namespace aitune::bench

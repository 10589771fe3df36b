// Matrix products.

#include <algorithm>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/gemm.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// The type a Gemm works in for a compute type: integers wrap, so they go unsigned.
template <typename C>
using GemmType = std::conditional_t<std::is_integral_v<C>, std::uint64_t, C>;

template <typename C>
const GemmType<C>* gemm_pointer(const C* p) {
  return reinterpret_cast<const GemmType<C>*>(p);
}

/// out[batch..., m, n] = a[batch..., m, k] * b[batch..., k, n]; batch dimensions broadcast. `product` is contiguous.
template <typename C>
void batched_product(const Tensor& a, const Tensor& b, const Shape& shape, C* product) {
  const std::size_t rank = shape.size();
  const std::int64_t m = shape[rank - 2], n = shape[rank - 1], k = a.shape().back();
  const Strided<C> x = strided<C>(a), y = strided<C>(b);
  const auto batch_strides = [&](const Tensor& t, const Shape& strides) {
    Shape s(t.shape().begin(), t.shape().end() - 2), st(strides.begin(), strides.end() - 2);
    return broadcast_strides(Tensor(t.dtype(), s, st, nullptr, nullptr), Shape(shape.begin(), shape.end() - 2));
  };
  Walk walk{Shape(shape.begin(), shape.end() - 2), {}};
  walk.add(batch_strides(a, x.strides));
  walk.add(batch_strides(b, y.strides));
  walk.shape.push_back(1);
  for (Shape& s : walk.strides) s.push_back(0);
  const auto matrix = [](const Strided<C>& t, std::int64_t offset) {
    const std::size_t r = t.strides.size();
    return Matrix<GemmType<C>>{gemm_pointer(t.data) + offset, t.strides[r - 2], t.strides[r - 1]};
  };
  Gemm<GemmType<C>> gemm;
  auto* to = reinterpret_cast<GemmType<C>*>(product);
  for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
    gemm.run(m, n, k, matrix(x, offsets[0]), matrix(y, offsets[1]), to, n);
    to += m * n;
  });
}

/// Matrices that fit each other and the result; what leads broadcasts.
void require_fit(const Call& call, const Tensor& a, const Tensor& b, const Shape& shape) {
  const std::size_t rank = shape.size(), x = a.shape().size(), y = b.shape().size();
  call.require(x >= 2 && y >= 2 && rank >= 2, "it multiplies matrices");
  call.require(a.size(x - 2) == shape[rank - 2] && b.size(y - 1) == shape[rank - 1] && a.size(x - 1) == b.size(y - 2),
               "the sizes of its matrices do not fit");
}

std::vector<Complex> complex_product_of(const Tensor& a, const Tensor& b, const Shape& shape) {
  return complex_bilinear(
      a, b, shape, [&](const Tensor& x, const Tensor& y, double* to) { batched_product<double>(x, y, shape, to); });
}

/// out = a * b for operands of two and more dimensions.
void product(const Call& call, const Tensor& a, const Tensor& b, const Shape& shape) {
  require_fit(call, a, b, shape);
  call.require(call.out().numel() == element_count(shape), "its result has another size than the product");
  if (is_complex(call.out().dtype())) return store_complex(call.out(), complex_product_of(a, b, shape));
  require_real(a);
  visit_compute(compute_of(a.dtype()), [&]<typename C>(C) {
    Result<C> out(call.out());
    batched_product<C>(a, b, shape, out.data());
    out.commit();
  });
}

void mm(const Call& call) { product(call, call.tensor("self"), call.tensor("mat2"), call.out().shape()); }

void matmul(const Call& call) {
  Tensor a = call.tensor("self"), b = call.tensor("other");
  Shape shape = call.out().shape();
  if (b.dim() == 1) {
    b = unsqueeze(b, 1);
    shape.push_back(1);
  }
  if (a.dim() == 1) {
    a = unsqueeze(a, 0);
    shape.insert(shape.end() - 1, 1);
  }
  product(call, a, b, shape);
}

/// [in, out]; a vector is the weights of one output.
Tensor transposed_weight(const Tensor& weight) {
  return weight.dim() == 1 ? unsqueeze(weight, 1) : permute(weight, std::array<std::size_t, 2>{1, 0});
}

void linear(const Call& call) {
  const Tensor &input = call.tensor("input"), &weight = call.tensor("weight");
  const Tensor* bias = call.tensor_or_null("bias");
  call.require(input.dim() >= 1 && (weight.dim() == 1 || weight.dim() == 2), "it takes a matrix as weight");
  const std::int64_t k = input.shape().back(), n = weight.dim() == 2 ? weight.size(0) : 1;
  const std::int64_t m = k == 0 ? call.out().numel() / std::max<std::int64_t>(n, 1) : input.numel() / k;
  call.require(
      weight.shape().back() == k && call.out().numel() == m * n && (!bias || bias->numel() == 1 || bias->numel() == n),
      "the sizes of its operands do not fit");
  if (is_complex(call.out().dtype())) {
    const Tensor rows = input.contiguous();
    std::vector<Complex> sums = complex_product_of(view(rows, {m, k}, {k, 1}), transposed_weight(weight), {m, n});
    const std::vector<Complex> add =
        bias != nullptr ? complex_values(*bias) : std::vector<Complex>(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += add[add.size() == 1 ? 0 : i % add.size()];
    return store_complex(call.out(), sums);
  }
  visit_compute(compute_of(input.dtype()), [&]<typename C>(C) {
    const Contiguous<C> x(input), add(bias);
    const Strided<C> w = strided<C>(weight);
    const std::int64_t across = weight.dim() == 2 ? w.strides[0] : 0, along = w.strides.back();
    Result<C> out(call.out());
    auto* to = reinterpret_cast<GemmType<C>*>(out.data());
    Gemm<GemmType<C>>().run(m, n, k, {gemm_pointer(x.data()), k, 1}, {gemm_pointer(w.data), along, across}, to, n);
    if (bias != nullptr) {
      const std::int64_t step = bias->numel() == 1 ? 0 : 1;
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) out.data()[i * n + j] = wrap_add(out.data()[i * n + j], add[j * step]);
    }
    out.commit();
  });
}

/// out = beta * self + alpha * product. With beta 0, NaN in self does not count.
template <typename C>
void add_product(const Call& call, const C* product, const Shape& shape) {
  const C beta = static_cast<C>(call.number("beta")), alpha = static_cast<C>(call.number("alpha"));
  Tensor made(std::is_same_v<C, float> ? DType::f32 : std::is_same_v<C, double> ? DType::f64 : DType::i64, shape);
  std::copy_n(product, made.numel(), made.as<C>());
  map<C, 2>(call.out(), {&call.tensor("self"), &made}, [=](C s, C p) {
    const C scaled = wrap_mul(alpha, p);
    return beta == C(0) ? scaled : wrap_add(wrap_mul(beta, s), scaled);
  });
}

/// The same of complex numbers.
void add_complex_product(const Call& call, std::vector<Complex> product) {
  const double beta = call.number("beta"), alpha = call.number("alpha");
  const std::vector<Complex> self = complex_values(call.tensor("self"), call.out().shape());
  call.require(self.size() == product.size(), "its result has another size than the product");
  for (std::size_t i = 0; i < product.size(); ++i)
    product[i] = alpha * product[i] + (beta == 0 ? Complex() : beta * self[i]);
  store_complex(call.out(), product);
}

void add_scaled(const Call& call, const Tensor& a, const Tensor& b, const Shape& shape) {
  require_fit(call, a, b, shape);
  if (is_complex(call.out().dtype())) return add_complex_product(call, complex_product_of(a, b, shape));
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    std::vector<C> made(static_cast<std::size_t>(element_count(shape)) + 1);
    batched_product<C>(a, b, shape, made.data());
    add_product<C>(call, made.data(), shape);
  });
}

void addmm(const Call& call) {
  const Tensor &a = call.tensor("mat1"), &b = call.tensor("mat2");
  add_scaled(call, a, b, {a.size(0), b.size(1)});
}

void baddbmm(const Call& call) {
  const Tensor &a = call.tensor("batch1"), &b = call.tensor("batch2");
  add_scaled(call, a, b, {a.size(0), a.size(1), b.size(2)});
}

/// The sum over the batch is one product of matrices laid side by side.
void addbmm(const Call& call) {
  const Tensor &a = call.tensor("batch1"), &b = call.tensor("batch2");
  const std::int64_t batch = a.size(0), m = a.size(1), k = a.size(2), n = b.size(2);
  call.require(b.size(0) == batch && b.size(1) == k, "the sizes of its matrices do not fit");
  const Tensor side = permute(a, std::array<std::size_t, 3>{1, 0, 2}).contiguous(), below = b.contiguous();
  add_scaled(call, view(side, {m, batch * k}, {batch * k, 1}), view(below, {batch * k, n}, {n, 1}), {m, n});
}

void mv(const Call& call) {
  const Tensor& a = call.tensor("self");
  product(call, a, unsqueeze(call.tensor("vec"), 1), {a.size(0), 1});
}

void addmv(const Call& call) {
  const Tensor &a = call.tensor("mat"), b = unsqueeze(call.tensor("vec"), 1);
  require_fit(call, a, b, {a.size(0), 1});
  if (is_complex(call.out().dtype())) return add_complex_product(call, complex_product_of(a, b, {a.size(0), 1}));
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    std::vector<C> made(static_cast<std::size_t>(a.size(0)) + 1);
    batched_product<C>(a, b, {a.size(0), 1}, made.data());
    add_product<C>(call, made.data(), {a.size(0)});
  });
}

void dot(const Call& call) {
  product(call, unsqueeze(call.tensor("self"), 0), unsqueeze(call.tensor("tensor"), 1), {1, 1});
}

void vdot(const Call& call) {
  const Tensor& self = call.tensor("self");
  const Tensor a = is_complex(self.dtype()) ? conjugated(self) : self;
  product(call, unsqueeze(a, 0), unsqueeze(call.tensor("other"), 1), {1, 1});
}

void outer(const Call& call) {
  const Tensor a = unsqueeze(call.tensor("self"), 1), &b = call.tensor("vec2");
  if (is_complex(call.out().dtype())) return complex_binary(call, a, b, [](Complex x, Complex y) { return x * y; });
  visit_compute(compute_of(call.out().dtype()),
                [&]<typename C>(C) { map<C, 2>(call.out(), {&a, &b}, [](C x, C y) { return wrap_mul(x, y); }); });
}

/// Rows behind the last group are zeros.
void grouped_mm(const Call& call) {
  const Tensor &rows = call.self(), &matrices = call.tensor("mat2");
  call.require(rows.shape().size() == 2 && matrices.shape().size() == 3 && call.given("offs") && !call.given("bias"),
               "groups are known of the rows of one matrix, by offs");
  const std::int64_t count = rows.size(0), depth = rows.size(1), columns = matrices.size(2);
  const Tensor ends = call.tensor("offs").contiguous().to(DType::i64);
  call.require(matrices.size(1) == depth && ends.numel() == matrices.size(0) && call.out().numel() == count * columns,
               "the sizes of its matrices do not fit");
  visit_floating(rows.dtype(), [&]<typename C>(C) {
    const Strided<C> x = strided<C>(rows), y = strided<C>(matrices);
    std::vector<C> product(static_cast<std::size_t>(count * columns));
    Gemm<C> gemm;
    std::int64_t begin = 0;
    for (std::int64_t g = 0; g < ends.numel(); ++g) {
      const std::int64_t end = ends.as<std::int64_t>()[g];
      call.require(end >= begin && end <= count, "offs does not grow, or leads beyond the rows");
      gemm.run(end - begin, columns, depth, {x.data + begin * x.strides[0], x.strides[0], x.strides[1]},
               {y.data + g * y.strides[0], y.strides[1], y.strides[2]}, product.data() + begin * columns, columns);
      begin = end;
    }
    store<C>(call.out().dtype(), call.out().data(), 1, count * columns, product.data());
  });
}

}  // namespace

void add_matmul_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_mm_default, aten_bmm_default}, mm);
  table.add({aten_matmul_default}, matmul);
  table.add({aten_linear_default}, linear);
  table.add({aten_addmm_default, aten_addmm__default}, addmm);
  table.add({aten_baddbmm_default, aten_baddbmm__default}, baddbmm);
  table.add({aten_addbmm_default}, addbmm);
  table.add({aten__grouped_mm_default}, grouped_mm);
  table.add({aten_mv_default}, mv);
  table.add({aten_addmv_default}, addmv);
  table.add({aten_dot_default}, dot);
  table.add({aten_vdot_default}, vdot);
  table.add({aten_outer_default}, outer);
}

}  // namespace aitune::reference

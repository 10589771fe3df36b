// einsum: every operand is made a tensor over all labels (a view with stride 0 where it lacks one), then the product is
// summed over the labels that the result lacks. Two operands go through the matrix product.

#include <algorithm>
#include <map>
#include <string>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/gemm.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// Labels are letters; the dimensions of an ellipsis get the characters below.
constexpr char kFirstEllipsisLabel = 1;

struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

std::string expand_ellipsis(std::string labels, std::size_t missing, std::size_t longest) {
  const std::size_t at = labels.find("...");
  if (at == std::string::npos) return labels;
  std::string dims;
  for (std::size_t i = longest - missing; i < longest; ++i)
    dims += static_cast<char>(kFirstEllipsisLabel + static_cast<char>(i));
  return labels.replace(at, 3, dims);
}

Equation parse(const Call& call, const std::vector<Tensor>& tensors) {
  std::string text;
  for (const char c : call.string("equation"))
    if (c != ' ') text += c;
  Equation e{{""}, ""};
  const std::size_t arrow = text.find("->");
  for (const char c : text.substr(0, arrow)) {
    if (c == ',')
      e.operands.emplace_back();
    else
      e.operands.back() += c;
  }
  call.require(e.operands.size() == tensors.size(), "the equation names another number of operands");
  std::vector<std::size_t> dots(tensors.size());
  std::size_t longest = 0;
  bool any = false;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool has = e.operands[i].find("...") != std::string::npos;
    const std::size_t named = e.operands[i].size() - (has ? 3 : 0);
    call.require(named <= tensors[i].shape().size() && tensors[i].shape().size() < 20, "an operand has the wrong rank");
    if (has) dots[i] = tensors[i].shape().size() - named;
    any = any || has;
    longest = std::max(longest, dots[i]);
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    e.operands[i] = expand_ellipsis(e.operands[i], dots[i], longest);
    call.require(e.operands[i].size() == tensors[i].shape().size(), "an operand has the wrong rank");
  }
  if (arrow != std::string::npos) {
    e.result = expand_ellipsis(text.substr(arrow + 2), longest, longest);
    return e;
  }
  std::map<char, int> uses;
  for (const std::string& o : e.operands)
    for (const char c : o) ++uses[c];
  for (const auto& [label, n] : uses)
    if (n == 1 || (any && label < 'A')) e.result += label;
  return e;
}

/// The operand with its dimensions in the order of `labels`; missing ones get size 1 and stride 0. A label that occurs
/// twice takes the diagonal.
Tensor arranged(const Tensor& t, const std::string& own, const std::string& labels) {
  Shape shape, strides;
  for (const char label : labels) {
    std::int64_t size = 1, stride = 0;
    for (std::size_t d = 0; d < own.size(); ++d)
      if (own[d] == label) {
        size = std::max(size, t.shape()[d]);
        if (t.shape()[d] == 0) size = 0;
        stride += t.shape()[d] == 1 ? 0 : t.strides()[d];
      }
    shape.push_back(size);
    strides.push_back(stride);
  }
  return view(t, shape, strides);
}

using Sizes = std::map<char, std::int64_t>;

Sizes sizes_of(const Equation& e, const std::vector<Tensor>& tensors) {
  Sizes sizes;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    for (std::size_t d = 0; d < e.operands[i].size(); ++d) {
      auto [it, fresh] = sizes.emplace(e.operands[i][d], tensors[i].shape()[d]);
      if (!fresh && it->second == 1) it->second = tensors[i].shape()[d];
    }
  return sizes;
}

Shape shape_of(const std::string& labels, const Sizes& sizes) {
  Shape shape;
  for (const char c : labels) shape.push_back(sizes.at(c));
  return shape;
}

Tensor broadcast_to(const Tensor& t, const Shape& shape) { return view(t, shape, broadcast_strides(t, shape)); }

/// Two operands: labels are in both and kept (batch), in both and summed, or in one.
template <typename C>
Tensor pair(const Equation& e, const std::vector<Tensor>& tensors, const Sizes& sizes) {
  std::string batch, left, right, summed;
  for (const auto& [label, size] : sizes) {
    const bool in_a = e.operands[0].find(label) != std::string::npos,
               in_b = e.operands[1].find(label) != std::string::npos;
    const bool kept = e.result.find(label) != std::string::npos;
    if (!kept)
      summed += label;
    else
      (in_a && in_b ? batch : in_a ? left : right) += label;
  }
  const auto packed = [&](std::size_t i, const std::string& labels) {
    return Contiguous<C>(broadcast_to(arranged(tensors[i], e.operands[i], labels), shape_of(labels, sizes)));
  };
  const Contiguous<C> a = packed(0, batch + left + summed), b = packed(1, batch + summed + right);
  const std::int64_t count = element_count(shape_of(batch, sizes)), m = element_count(shape_of(left, sizes)),
                     n = element_count(shape_of(right, sizes)), k = element_count(shape_of(summed, sizes));
  using T = std::conditional_t<std::is_integral_v<C>, std::uint64_t, C>;
  Tensor made(std::is_same_v<C, float>    ? DType::f32
              : std::is_same_v<C, double> ? DType::f64
                                          : DType::i64,
              shape_of(batch + left + right, sizes));
  Gemm<T> gemm;
  for (std::int64_t i = 0; i < count; ++i)
    gemm.run(m, n, k, {reinterpret_cast<const T*>(a.data()) + i * m * k, k, 1},
             {reinterpret_cast<const T*>(b.data()) + i * k * n, n, 1}, made.as<T>() + i * m * n, n);
  return arranged(made, batch + left + right, e.result);
}

template <typename C>
void general(const Call& call, const Equation& e, const std::vector<Tensor>& tensors, const Sizes& sizes) {
  std::string labels = e.result;
  for (const auto& [label, size] : sizes)
    if (labels.find(label) == std::string::npos) labels += label;
  const Shape shape = shape_of(labels, sizes);
  std::vector<Strided<C>> values;
  Walk walk{shape, {}};
  Shape out_strides = contiguous_strides(shape_of(e.result, sizes));
  out_strides.resize(labels.size(), 0);
  walk.add(out_strides);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor all = broadcast_to(arranged(tensors[i], e.operands[i], labels), shape);
    values.push_back(strided<C>(all));
    walk.add(values.back().strides);
  }
  walk.shape.push_back(1);
  for (Shape& s : walk.strides) s.push_back(0);
  std::vector<C> sums(static_cast<std::size_t>(call.out().numel()) + 1);
  for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
    C product = 1;
    for (std::size_t i = 0; i < values.size(); ++i) product = wrap_mul(product, values[i].data[offsets[i + 1]]);
    C& sum = sums[static_cast<std::size_t>(offsets[0])];
    sum = wrap_add(sum, product);
  });
  store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), sums.data());
}

/// Of one or two operands; a one stands in for the second.
void complex_einsum(const Call& call, const Equation& e, const std::vector<Tensor>& tensors, const Sizes& sizes) {
  call.require(tensors.size() <= 2, "of complex tensors it takes two");
  Equation both = e;
  Tensor one(DType::f64, {});
  *one.as<double>() = 1;
  if (tensors.size() == 1) both.operands.emplace_back();
  const auto real = [&](const Tensor& a, const Tensor& b, double* to) {
    const Tensor product = pair<double>(both, {a, b}, sizes);
    const Contiguous<double> made(product);
    std::copy_n(made.data(), call.out().numel(), to);
  };
  store_complex(call.out(),
                complex_bilinear(tensors[0], tensors.size() == 2 ? tensors[1] : one, call.out().shape(), real));
}

void einsum(const Call& call) {
  const std::vector<Tensor> tensors = call.tensors("tensors");
  const Equation e = parse(call, tensors);
  const Sizes sizes = sizes_of(e, tensors);
  if (is_complex(call.out().dtype())) return complex_einsum(call, e, tensors, sizes);
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    if (tensors.size() == 2)
      copy_elements(call.out(), pair<C>(e, tensors, sizes));
    else
      general<C>(call, e, tensors, sizes);
  });
}

}  // namespace

void add_einsum_kernels(KernelTable& table) { table.add({OpId::aten_einsum_default}, einsum); }

}  // namespace aitune::reference

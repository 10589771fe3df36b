// Matrices in tensors, in and out.

#include "engines/reference/run/linalg.h"

#include <algorithm>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {

template <>
std::vector<double> elements_of(const Tensor& t) {
  require_real(t);
  const Contiguous<double> values(t);
  return {values.data(), values.data() + t.numel()};
}
template <>
std::vector<std::int64_t> elements_of(const Tensor& t) {
  require_real(t);
  const Contiguous<std::int64_t> values(t);
  return {values.data(), values.data() + t.numel()};
}
template <>
std::vector<Complex> elements_of(const Tensor& t) {
  return complex_values(t);
}

Shape batch_of(const Call& call, const Tensor& t, std::size_t inner) {
  call.require(t.shape().size() >= inner, "an operand has too few dimensions");
  return {t.shape().begin(), t.shape().end() - static_cast<std::ptrdiff_t>(inner)};
}

Shape broadcast_batches(const Call& call, const Shape& a, const Shape& b) {
  const Shape &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    std::int64_t& size = result[longer.size() - shorter.size() + i];
    call.require(size == shorter[i] || size == 1 || shorter[i] == 1, "the batches of the operands do not broadcast");
    if (size == 1) size = shorter[i];
  }
  return result;
}

Shape with_sizes(Shape batch, std::initializer_list<std::int64_t> sizes) {
  batch.insert(batch.end(), sizes);
  return batch;
}

void require_square(const Call& call, const Tensor& t) {
  call.require(t.shape().size() >= 2 && t.shape().back() == t.shape()[t.shape().size() - 2],
               "the matrices are not square");
}

namespace {
/// The elements of a tensor whose dimensions before the last `inner` are broadcast to `batch`.
template <typename T>
std::vector<T> spread_elements(const Call& call, const Tensor& t, const Shape& batch, std::size_t inner) {
  Shape shape = batch;
  call.require(t.shape().size() >= inner, "an operand has too few dimensions");
  shape.insert(shape.end(), t.shape().end() - static_cast<std::ptrdiff_t>(inner), t.shape().end());
  if (shape == t.shape()) return elements_of<T>(t);
  call.require(t.shape().size() <= shape.size(), "an operand has too many dimensions");
  const std::size_t offset = shape.size() - t.shape().size();
  for (std::size_t i = 0; i < t.shape().size(); ++i)
    call.require(t.shape()[i] == shape[offset + i] || t.shape()[i] == 1,
                 "the batches of the operands do not broadcast");
  return elements_of<T>(view(t, shape, broadcast_strides(t, shape)));
}
}  // namespace

template <typename T>
MatricesOf<T>::MatricesOf(const Call& call, const Tensor& t, const Shape& batch)
    : count_(element_count(batch)), values_(spread_elements<T>(call, t, batch, 2)) {
  rows_ = t.size(t.shape().size() - 2);
  cols_ = t.shape().back();
}

template <typename T>
Dense<T> MatricesOf<T>::at(std::int64_t k) const {
  Dense<T> result(rows_, cols_);
  const T* from = values_.data() + k * rows_ * cols_;
  for (std::int64_t i = 0; i < rows_; ++i)
    for (std::int64_t j = 0; j < cols_; ++j) result(i, j) = *from++;
  return result;
}

template <typename T>
VectorsOf<T>::VectorsOf(const Call& call, const Tensor& t, const Shape& batch)
    : values_(spread_elements<T>(call, t, batch, 1)) {
  size_ = t.shape().back();
}

template <typename T>
Answer<T>::Answer(const Call& call, std::size_t i, const Shape& shape) : out_(call.out(i)) {
  call.require(out_.shape() == shape, "a result has another shape");
  values_.resize(static_cast<std::size_t>(out_.numel()));
}

template <typename T>
void Answer<T>::put(std::int64_t k, const Dense<T>& matrix) {
  T* to = values_.data() + k * matrix.rows * matrix.cols;
  for (std::int64_t i = 0; i < matrix.rows; ++i)
    for (std::int64_t j = 0; j < matrix.cols; ++j) *to++ = matrix(i, j);
}

template <typename T>
void Answer<T>::commit() {
  if constexpr (std::is_same_v<T, Complex>) {
    store_complex(out_, values_);
  } else {
    require_real(out_);
    store<T>(out_.dtype(), out_.data(), 1, out_.numel(), values_.data());
  }
}

template class MatricesOf<double>;
template class MatricesOf<std::int64_t>;
template class MatricesOf<Complex>;
template class VectorsOf<double>;
template class VectorsOf<std::int64_t>;
template class VectorsOf<Complex>;
template class Answer<double>;
template class Answer<std::int64_t>;
template class Answer<Complex>;

void fail_at(const Call& call, std::int64_t k, std::int64_t count, std::string_view problem) {
  const std::string which = count > 1 ? "the matrix (batch element " + std::to_string(k) + ")" : "the matrix";
  call.fail(which + " " + std::string(problem));
}

}  // namespace aitune::reference

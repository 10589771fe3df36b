#include "base/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "base/element_types.h"
#include "base/error.h"

namespace aitune {
namespace {

constexpr std::size_t kAlignment = 64;

struct AlignedDelete {
  void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{kAlignment}); }
};

template <typename F>
void with_type(DType t, F&& f) {
  visit_element(t, std::forward<F>(f), [t] {
    throw Unsupported(fmt::format("conversion of {} elements", dtype_name(t)), "Tensor",
                      "Convert complex tensors outside");
  });
}

template <typename T>
auto widen(T v) {
  if constexpr (kSixteenBitFloat<T>)
    return static_cast<float>(v);
  else if constexpr (std::is_same_v<T, Bool>)
    return static_cast<std::int64_t>(v.byte != 0);
  else if constexpr (std::is_floating_point_v<T>)
    return v;
  else
    return static_cast<std::int64_t>(v);
}

// Out of range is undefined in C++; here it saturates to 64 bits and then wraps, NaN becomes the least integer.
template <typename F>
std::int64_t truncate(F v) {
  constexpr F limit = static_cast<F>(9223372036854775808.0);
  if (!(v >= -limit)) return std::numeric_limits<std::int64_t>::min();
  return v < limit ? static_cast<std::int64_t>(v) : std::numeric_limits<std::int64_t>::max();
}

template <typename To, typename From>
To convert(From from) {
  const auto v = widen(from);
  if constexpr (kSixteenBitFloat<To>)
    return To::from(static_cast<float>(v));
  else if constexpr (std::is_same_v<To, Bool>)
    return Bool{static_cast<std::uint8_t>(v != 0)};
  else if constexpr (std::is_floating_point_v<decltype(v)> && !std::is_floating_point_v<To>)
    return static_cast<To>(truncate(v));
  else
    return static_cast<To>(v);
}

// One strided copy with the element size known to the compiler.
template <typename T>
class StridedCopy {
 public:
  StridedCopy(std::byte* to, const std::byte* from, const Shape& shape, const Shape& strides)
      : to_(to), from_(from), shape_(shape), strides_(strides), target_(contiguous_strides(shape)) {}

  void run() {
    const std::size_t rank = shape_.size();
    if (rank == 0) return copy_row(0, 0, 1, 1);
    const std::size_t last = rank - 1, fast = fastest();
    // Rows where they lie together in the source; otherwise tiles, so that both sides stay in the cache.
    each_outer(0, 0, 0, last, fast, [&](std::int64_t target, std::int64_t source) {
      if (fast == last)
        copy_row(target, source, shape_[last], strides_[last]);
      else
        copy_tiles(target, source, fast);
    });
  }

 private:
  static constexpr std::int64_t kTile = 32;

  // The dimension of more than one element with the smallest stride; the last one of equals.
  std::size_t fastest() const {
    std::size_t best = shape_.size() - 1;
    for (std::size_t d = shape_.size(); d-- > 0;)
      if (shape_[d] > 1 && (shape_[best] <= 1 || strides_[d] < strides_[best])) best = d;
    return best;
  }

  template <typename F>
  void each_outer(std::size_t d, std::int64_t target, std::int64_t source, std::size_t last, std::size_t fast, F&& f) {
    if (d == last) return f(target, source);
    const std::int64_t size = d == fast ? 1 : shape_[d];
    for (std::int64_t i = 0; i < size; ++i)
      each_outer(d + 1, target + i * target_[d], source + i * strides_[d], last, fast, f);
  }

  void copy_one(std::int64_t target, std::int64_t source) {
    constexpr auto size = static_cast<std::int64_t>(sizeof(T));
    std::memcpy(to_ + target * size, from_ + source * size, sizeof(T));
  }

  void copy_row(std::int64_t target, std::int64_t source, std::int64_t count, std::int64_t step) {
    constexpr auto size = static_cast<std::int64_t>(sizeof(T));
    if (step == 1)
      std::memcpy(to_ + target * size, from_ + source * size, static_cast<std::size_t>(count * size));
    else
      for (std::int64_t i = 0; i < count; ++i) copy_one(target + i, source + i * step);
  }

  void copy_tiles(std::int64_t target, std::int64_t source, std::size_t fast) {
    const std::size_t last = shape_.size() - 1;
    for (std::int64_t i0 = 0; i0 < shape_[fast]; i0 += kTile)
      for (std::int64_t j0 = 0; j0 < shape_[last]; j0 += kTile)
        for (std::int64_t i = i0; i < std::min(i0 + kTile, shape_[fast]); ++i)
          copy_row(target + i * target_[fast] + j0, source + i * strides_[fast] + j0 * strides_[last],
                   std::min(kTile, shape_[last] - j0), strides_[last]);
  }

  std::byte* to_;
  const std::byte* from_;
  const Shape &shape_, &strides_;
  const Shape target_;
};

struct Sixteen {
  std::byte bytes[16];
};

void copy_strided(std::byte* to, const std::byte* from, const Shape& shape, const Shape& strides, std::size_t size) {
  switch (size) {
    case 1:
      return StridedCopy<std::uint8_t>(to, from, shape, strides).run();
    case 2:
      return StridedCopy<std::uint16_t>(to, from, shape, strides).run();
    case 4:
      return StridedCopy<std::uint32_t>(to, from, shape, strides).run();
    case 8:
      return StridedCopy<std::uint64_t>(to, from, shape, strides).run();
    default:
      return StridedCopy<Sixteen>(to, from, shape, strides).run();
  }
}

constexpr std::int64_t kBlock = 2048;  // elements converted at a time, so that they stay in the first-level cache

// Elements [first, first + count) of a contiguous tensor as doubles; a complex element is two of them.
void load_block(const Tensor& t, std::int64_t first, std::int64_t count, double* out) {
  if (is_complex(t.dtype())) {
    for (std::int64_t i = 0; i < count; ++i)
      out[i] = t.dtype() == DType::c64 ? double{t.as<float>()[first + i]} : t.as<double>()[first + i];
    return;
  }
  with_type(t.dtype(), [&]<typename T>(T) {
    const T* from = t.as<T>() + first;
    for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<double>(widen(from[i]));
  });
}

struct Norms {
  double difference = 0, reference = 0;
  bool spoiled = false;
};

void accumulate(Norms& norms, const double* value, const double* expected, std::int64_t count) {
  double difference = 0, reference = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double d = value[i] - expected[i];
    difference += d * d;
    reference += expected[i] * expected[i];
  }
  if (std::isfinite(difference) && std::isfinite(reference)) {
    norms.difference += difference;
    norms.reference += reference;
    return;
  }
  // Rare: look at each element. Squares of finite doubles may overflow too; then infinity is the honest answer.
  for (std::int64_t i = 0; i < count; ++i) {
    const bool same = value[i] == expected[i] || (std::isnan(value[i]) && std::isnan(expected[i]));
    if (!std::isfinite(expected[i])) {
      norms.spoiled |= !same;
    } else if (!std::isfinite(value[i])) {
      norms.spoiled = true;
    } else {
      const double d = value[i] - expected[i];
      norms.difference += d * d;
      norms.reference += expected[i] * expected[i];
    }
  }
}

}  // namespace

std::int64_t element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  bool empty = false, overflow = false;
  for (const std::int64_t size : shape) {
    if (size < 0) throw InvalidArgument(fmt::format("negative size {} in shape [{}]", size, fmt::join(shape, ",")));
    empty |= size == 0;
    overflow |= __builtin_mul_overflow(count, std::max<std::int64_t>(size, 1), &count);
  }
  if (overflow) throw InvalidArgument(fmt::format("shape [{}] has too many elements", fmt::join(shape, ",")));
  return empty ? 0 : count;
}

Shape contiguous_strides(std::span<const std::int64_t> shape) {
  element_count(shape);
  Shape strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= std::max<std::int64_t>(shape[d], 1);
  }
  return strides;
}

std::string describe(DType dtype, std::span<const std::int64_t> shape) {
  return fmt::format("{}[{}]", dtype_name(dtype), fmt::join(shape, ","));
}

Tensor Tensor::uninitialised(DType dtype, Shape shape) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = std::move(shape);
  t.allocate();
  return t;
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  allocate();
  std::memset(data_, 0, byte_size());
}

void Tensor::allocate() {
  strides_ = aitune::contiguous_strides(shape_);
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::size_t>(numel()), dtype_size(dtype_), &bytes) ||
      bytes > static_cast<std::size_t>(std::numeric_limits<std::int64_t>::max()) - kAlignment)
    throw InvalidArgument(fmt::format("{} is larger than memory can be", describe(dtype_, shape_)));
  auto* memory = static_cast<std::byte*>(::operator new(std::max<std::size_t>(bytes, 1), std::align_val_t{kAlignment}));
  owner_ = std::shared_ptr<std::byte>(memory, AlignedDelete{});
  data_ = memory;
}

Tensor Tensor::borrow(DType dtype, Shape shape, void* data) {
  Shape strides = aitune::contiguous_strides(shape);
  return Tensor(dtype, std::move(shape), std::move(strides), nullptr, static_cast<std::byte*>(data));
}

void Tensor::refuse_dim(std::size_t d) const {
  throw InvalidArgument(fmt::format("a tensor of {} dimensions has no dimension {}", shape_.size(), d));
}

bool Tensor::is_contiguous() const {
  std::int64_t expected = 1;
  if (std::find(shape_.begin(), shape_.end(), 0) != shape_.end()) return true;
  for (std::size_t d = shape_.size(); d-- > 0;) {
    if (shape_[d] != 1 && strides_[d] != expected) return false;
    expected *= shape_[d];
  }
  return true;
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::clone() const {
  Tensor copy = uninitialised(dtype_, shape_);
  if (numel() == 0) return copy;
  if (is_contiguous())
    std::memcpy(copy.data_, data_, byte_size());
  else
    copy_strided(copy.data_, data_, shape_, strides_, dtype_size(dtype_));
  return copy;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return clone();
  const Tensor from = contiguous();
  Tensor result = uninitialised(dtype, shape_);
  const std::int64_t count = numel();
  with_type(dtype_, [&]<typename From>(From) {
    with_type(dtype, [&]<typename To>(To) {
      const From* source = from.as<From>();
      To* target = result.as<To>();
      for (std::int64_t i = 0; i < count; ++i) target[i] = convert<To>(source[i]);
    });
  });
  return result;
}

namespace {

/// Smaller numbers may have been made of subnormal ones, of which no engine knows more than a few bits. (Of f64: those
/// whose squares can be summed.)
double least_reliable(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::c128:
      return std::ldexp(1.0, -500);
    case DType::f16:
      return std::ldexp(1.0, -14);
    default:
      return std::ldexp(1.0, -102);
  }
}

}  // namespace

double relative_error(const Tensor& value, const Tensor& expected) {
  if (value.shape() != expected.shape() || is_complex(value.dtype()) != is_complex(expected.dtype()))
    throw InvalidArgument(fmt::format("{} cannot be compared with {}", describe(value.dtype(), value.shape()),
                                      describe(expected.dtype(), expected.shape())),
                          "relative_error");
  const Tensor a = value.contiguous(), b = expected.contiguous();
  const std::int64_t count = a.numel() * (is_complex(a.dtype()) ? 2 : 1);
  std::vector<double> left(kBlock), right(kBlock);
  Norms norms;
  for (std::int64_t first = 0; first < count && !norms.spoiled; first += kBlock) {
    const std::int64_t size = std::min(kBlock, count - first);
    load_block(a, first, size, left.data());
    load_block(b, first, size, right.data());
    accumulate(norms, left.data(), right.data(), size);
  }
  if (norms.spoiled) return std::numeric_limits<double>::infinity();
  if (norms.difference == 0) return 0;
  const double least = least_reliable(b.dtype()), floor = static_cast<double>(count) * least * least;
  if (norms.reference == 0 && norms.difference > floor) return std::numeric_limits<double>::infinity();
  return std::sqrt(norms.difference / std::max(norms.reference, floor));
}

bool all_finite(const Tensor& t) {
  if (!is_floating(t.dtype()) && !is_complex(t.dtype())) return true;
  const Tensor a = t.contiguous();
  const std::int64_t count = a.numel() * (is_complex(a.dtype()) ? 2 : 1);
  std::vector<double> block(kBlock);
  for (std::int64_t first = 0; first < count; first += kBlock) {
    const std::int64_t size = std::min(kBlock, count - first);
    load_block(a, first, size, block.data());
    double sum = 0;  // x * 0 is 0 for finite x and NaN otherwise
    for (std::int64_t i = 0; i < size; ++i) sum += block[static_cast<std::size_t>(i)] * 0.0;
    if (std::isnan(sum)) return false;
  }
  return true;
}

}  // namespace aitune

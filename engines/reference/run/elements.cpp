#include "engines/reference/run/elements.h"

#include <algorithm>
#include <type_traits>

#include "base/element_types.h"
#include "base/error.h"

namespace aitune::reference {
namespace {

template <typename F>
void visit_storage(DType t, F&& f) {
  visit_element(t, std::forward<F>(f),
                [t] { throw Unsupported("the reference engine has no kernel for " + std::string(dtype_name(t))); });
}

/// Float to integer as x86 does it: what does not fit becomes the smallest integer.
template <typename C>
std::int64_t to_integer(C v) {
  if constexpr (std::is_integral_v<C>)
    return v;
  else
    return v > C(-9.2e18) && v < C(9.2e18) ? static_cast<std::int64_t>(v) : INT64_MIN;
}

template <typename C, typename T>
C read(T v) {
  if constexpr (std::is_same_v<T, Bool>)
    return static_cast<C>(v.byte != 0);
  else if constexpr (kSixteenBitFloat<T> && std::is_integral_v<C>)
    return static_cast<C>(to_integer(static_cast<float>(v)));
  else if constexpr (kSixteenBitFloat<T>)
    return static_cast<C>(static_cast<float>(v));
  else if constexpr (std::is_floating_point_v<T> && std::is_integral_v<C>)
    return to_integer(v);
  else
    return static_cast<C>(v);
}

template <typename T, typename C>
T write(C v) {
  if constexpr (std::is_same_v<T, Bool>)
    return {static_cast<std::uint8_t>(v != C(0))};
  else if constexpr (kSixteenBitFloat<T>)
    return T::from(static_cast<float>(v));
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(to_integer(v));
  else
    return static_cast<T>(v);
}

template <std::size_t Size>
void copy_rows(const Walk& walk, std::byte* out, const std::byte* in) {
  struct Item {
    std::byte bytes[Size];
  };
  const std::int64_t n = walk.inner(), to = walk.inner_stride(0), from = walk.inner_stride(1);
  for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
    Item* destination = reinterpret_cast<Item*>(out) + offsets[0];
    const Item* source = reinterpret_cast<const Item*>(in) + offsets[1];
    if (to == 1 && from == 1) {
      std::memmove(destination, source, static_cast<std::size_t>(n) * Size);
    } else {
      for (std::int64_t i = 0; i < n; ++i) destination[i * to] = source[i * from];
    }
  });
}

constexpr bool stores(DType t, float) { return t == DType::f32; }
constexpr bool stores(DType t, double) { return t == DType::f64; }
constexpr bool stores(DType t, std::int64_t) { return t == DType::i64; }

}  // namespace

Compute compute_of(DType t) {
  if (t == DType::f64) return Compute::f64;
  return is_floating(t) ? Compute::f32 : Compute::i64;
}

template <typename C>
void load(DType t, const std::byte* from, std::int64_t stride, std::int64_t n, C* to) {
  visit_storage(t, [&]<typename T>(T) {
    const T* source = reinterpret_cast<const T*>(from);
    if (stride == 1) {
      for (std::int64_t i = 0; i < n; ++i) to[i] = read<C>(source[i]);
    } else if (stride == 0) {
      const C value = n > 0 ? read<C>(*source) : C{};
      std::fill_n(to, n, value);
    } else {
      for (std::int64_t i = 0; i < n; ++i) to[i] = read<C>(source[i * stride]);
    }
  });
}

template <typename C>
void store(DType t, std::byte* to, std::int64_t stride, std::int64_t n, const C* from) {
  visit_storage(t, [&]<typename T>(T) {
    T* destination = reinterpret_cast<T*>(to);
    if (stride == 1) {
      for (std::int64_t i = 0; i < n; ++i) destination[i] = write<T>(from[i]);
    } else {
      for (std::int64_t i = 0; i < n; ++i) destination[i * stride] = write<T>(from[i]);
    }
  });
}

void require_real(const Tensor& t) {
  if (is_complex(t.dtype()))
    throw Unsupported("the reference engine has no kernel for " + std::string(dtype_name(t.dtype())));
}

template <typename C>
Strided<C> strided(const Tensor& t) {
  if (stores(t.dtype(), C{})) return {t.as<C>(), t.strides(), {}};
  Strided<C> result{nullptr, contiguous_strides(t.shape()), std::vector<C>(static_cast<std::size_t>(t.numel()))};
  const Contiguous<C> values(t);
  std::copy_n(values.data(), t.numel(), result.owned.data());
  result.data = result.owned.data();
  return result;
}

template <typename C>
Contiguous<C>::Contiguous(const Tensor& t) {
  if (stores(t.dtype(), C{}) && t.is_contiguous()) {
    data_ = t.as<C>();
    static const C nothing{};
    if (data_ == nullptr) data_ = &nothing;
    return;
  }
  const std::int64_t n = t.numel();
  owned_.resize(static_cast<std::size_t>(std::max<std::int64_t>(n, 1)));
  data_ = owned_.data();
  Walk walk{t.shape(), {}};
  walk.add(contiguous_strides(t.shape()));
  walk.add(t.strides());
  walk.merge();
  const auto size = static_cast<std::int64_t>(dtype_size(t.dtype()));
  for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
    load<C>(t.dtype(), t.data() + offsets[1] * size, walk.inner_stride(1), walk.inner(), owned_.data() + offsets[0]);
  });
}

template <typename C>
Result<C>::Result(Tensor& out) : out_(out) {
  if (stores(out.dtype(), C{})) {
    data_ = out.as<C>();
  } else {
    owned_.resize(static_cast<std::size_t>(std::max<std::int64_t>(out.numel(), 1)));
    data_ = owned_.data();
  }
}

template <typename C>
void Result<C>::commit() {
  if (!owned_.empty()) store<C>(out_.dtype(), out_.data(), 1, out_.numel(), owned_.data());
}

template void load<float>(DType, const std::byte*, std::int64_t, std::int64_t, float*);
template void store<float>(DType, std::byte*, std::int64_t, std::int64_t, const float*);
template Strided<float> strided<float>(const Tensor&);
template class Contiguous<float>;
template class Result<float>;

template void load<double>(DType, const std::byte*, std::int64_t, std::int64_t, double*);
template void store<double>(DType, std::byte*, std::int64_t, std::int64_t, const double*);
template Strided<double> strided<double>(const Tensor&);
template class Contiguous<double>;
template class Result<double>;

template void load<std::int64_t>(DType, const std::byte*, std::int64_t, std::int64_t, std::int64_t*);
template void store<std::int64_t>(DType, std::byte*, std::int64_t, std::int64_t, const std::int64_t*);
template Strided<std::int64_t> strided<std::int64_t>(const Tensor&);
template class Contiguous<std::int64_t>;
template class Result<std::int64_t>;

void Walk::merge() {
  std::size_t kept = 0;
  Shape merged;
  std::vector<Shape> merged_strides(strides.size());
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    bool joins = kept > 0;
    for (std::size_t o = 0; joins && o < strides.size(); ++o)
      joins = merged_strides[o].back() == strides[o][d] * shape[d];
    if (joins) {
      merged.back() *= shape[d];
      for (std::size_t o = 0; o < strides.size(); ++o) merged_strides[o].back() = strides[o][d];
    } else {
      merged.push_back(shape[d]);
      for (std::size_t o = 0; o < strides.size(); ++o) merged_strides[o].push_back(strides[o][d]);
      ++kept;
    }
  }
  shape = std::move(merged);
  strides = std::move(merged_strides);
}

Shape broadcast_strides(const Tensor& t, const Shape& shape) {
  if (t.shape().size() > shape.size()) throw InternalError("an operand has more dimensions than the result");
  Shape strides(shape.size(), 0);
  const std::size_t offset = shape.size() - t.shape().size();
  for (std::size_t i = 0; i < t.shape().size(); ++i) {
    if (t.shape()[i] == 1) continue;
    if (t.shape()[i] != shape[offset + i])
      throw InvalidArgument(describe(t.dtype(), t.shape()) + " does not broadcast to " + describe(t.dtype(), shape));
    strides[offset + i] = t.strides()[i];
  }
  return strides;
}

namespace {

/// One part of each complex number, in its own memory.
Tensor part_of(const Tensor& t, std::int64_t which) {
  const DType real = t.dtype() == DType::c128 ? DType::f64 : DType::f32;
  Shape strides = t.strides();
  for (std::int64_t& s : strides) s *= 2;
  return {real, t.shape(), std::move(strides), t.owner(),
          t.data() + which * static_cast<std::int64_t>(dtype_size(real))};
}

/// Between complex dtypes, or to or from a real one. What has no place for an imaginary part loses it, but a complex
/// number is true where either part is.
void convert_complex(Tensor& out, const Tensor& in) {
  const bool from = is_complex(in.dtype());
  if (!is_complex(out.dtype())) {
    const Tensor real = part_of(in, 0), imaginary = part_of(in, 1);
    if (out.dtype() != DType::b8) return copy_elements(out, real);
    return map<double, 2>(out, {&real, &imaginary}, [](double a, double b) { return a != 0 || b != 0 ? 1.0 : 0.0; });
  }
  Tensor real = part_of(out, 0), imaginary = part_of(out, 1);
  copy_elements(real, from ? part_of(in, 0) : in);
  copy_elements(imaginary, from ? part_of(in, 1) : scalar(imaginary.dtype(), 0));
}

}  // namespace

void copy_elements(Tensor& out, const Tensor& in) {
  if (out.dtype() != in.dtype()) {
    if (is_complex(out.dtype()) || is_complex(in.dtype())) return convert_complex(out, in);
    const auto wide = [&](DType t) { return out.dtype() == t || in.dtype() == t; };
    const Compute c = wide(DType::f64)                                      ? Compute::f64
                      : is_floating(out.dtype()) || is_floating(in.dtype()) ? Compute::f32
                                                                            : Compute::i64;
    visit_compute(c, [&]<typename C>(C) { map<C, 1>(out, {&in}, [](C v) { return v; }); });
    return;
  }
  Walk walk{out.shape(), {}};
  walk.add(out.strides());
  walk.add(broadcast_strides(in, out.shape()));
  walk.merge();
  switch (dtype_size(out.dtype())) {
    case 1:
      return copy_rows<1>(walk, out.data(), in.data());
    case 2:
      return copy_rows<2>(walk, out.data(), in.data());
    case 4:
      return copy_rows<4>(walk, out.data(), in.data());
    case 8:
      return copy_rows<8>(walk, out.data(), in.data());
    default:
      return copy_rows<16>(walk, out.data(), in.data());
  }
}

Tensor scalar(DType t, double value) {
  Tensor result(t, {});
  store<double>(t, result.data(), 1, 1, &value);
  return result;
}

Tensor scalar(std::int64_t value) {
  Tensor result(DType::i64, {});
  *result.as<std::int64_t>() = value;
  return result;
}

template <typename C, std::size_t N>
void map_chunks(Tensor& out, const std::array<const Tensor*, N>& in, const ChunkLoop<C, N>& loop) {
  Walk walk{out.shape(), {}};
  walk.add(out.strides());
  for (const Tensor* t : in) {
    require_real(*t);
    walk.add(broadcast_strides(*t, out.shape()));
  }
  require_real(out);
  walk.merge();
  std::array<std::array<C, kChunk>, N + 1> buffer;
  typename ChunkLoop<C, N>::Operands operands{};
  for (std::size_t k = 0; k < N; ++k) operands[k] = buffer[k].data();
  C* result = buffer[N].data();
  const std::int64_t inner = walk.inner();
  const std::size_t out_size = dtype_size(out.dtype());
  for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
    for (std::int64_t begin = 0; begin < inner; begin += kChunk) {
      const std::int64_t n = std::min(kChunk, inner - begin);
      for (std::size_t k = 0; k < N; ++k) {
        const std::int64_t stride = walk.inner_stride(k + 1);
        const std::int64_t at = offsets[k + 1] + begin * stride;
        load<C>(in[k]->dtype(), in[k]->data() + at * static_cast<std::int64_t>(dtype_size(in[k]->dtype())), stride, n,
                buffer[k].data());
      }
      loop.run(loop.function, operands, result, n);
      const std::int64_t stride = walk.inner_stride(0);
      store<C>(out.dtype(), out.data() + (offsets[0] + begin * stride) * static_cast<std::int64_t>(out_size), stride, n,
               result);
    }
  });
}

template void map_chunks(Tensor&, const std::array<const Tensor*, 0>&, const ChunkLoop<float, 0>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 1>&, const ChunkLoop<float, 1>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 2>&, const ChunkLoop<float, 2>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 3>&, const ChunkLoop<float, 3>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 0>&, const ChunkLoop<double, 0>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 1>&, const ChunkLoop<double, 1>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 2>&, const ChunkLoop<double, 2>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 3>&, const ChunkLoop<double, 3>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 0>&, const ChunkLoop<std::int64_t, 0>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 1>&, const ChunkLoop<std::int64_t, 1>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 2>&, const ChunkLoop<std::int64_t, 2>&);
template void map_chunks(Tensor&, const std::array<const Tensor*, 3>&, const ChunkLoop<std::int64_t, 3>&);

}  // namespace aitune::reference

// Weights in the text form.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/text.h"

namespace aitune {
namespace {

constexpr std::int64_t kListedElements = 16;
constexpr std::int64_t kFirstElements = 3;  // of what is longer

// Complex numbers are pairs of these.
DType component(DType dtype) {
  if (dtype == DType::c64) return DType::f32;
  return dtype == DType::c128 ? DType::f64 : dtype;
}

// A contiguous tensor's numbers as one row, complex ones as pairs.
Tensor components(const Tensor& t) {
  const std::int64_t count = t.numel() * (is_complex(t.dtype()) ? 2 : 1);
  return Tensor(component(t.dtype()), {count}, {1}, t.owner(), t.data());
}

std::string element_text(const Tensor& row, std::int64_t i) {
  const Tensor element(row.dtype(), {}, {}, row.owner(),
                       row.data() + i * static_cast<std::int64_t>(dtype_size(row.dtype())));
  if (!is_floating(row.dtype())) return std::to_string(*element.to(DType::i64).as<std::int64_t>());
  const double value = *element.to(DType::f64).as<double>();
  // Narrow floats print in the digits that they need.
  if (row.dtype() == DType::f64 || static_cast<double>(static_cast<float>(value)) != value) return float_text(value);
  const std::string text = fmt::format("{}", static_cast<float>(value));
  return text.find_first_of(".einf") == std::string::npos ? text + ".0" : text;
}

// Element `i` in row-major order, complex ones as pairs.
std::string element_at(const Tensor& t, std::int64_t i) {
  std::int64_t offset = 0;
  for (std::size_t d = t.shape().size(); d-- > 0; i /= t.shape()[d]) offset += i % t.shape()[d] * t.strides()[d];
  const Tensor element(t.dtype(), {}, {}, t.owner(),
                       t.data() + offset * static_cast<std::int64_t>(dtype_size(t.dtype())));
  const Tensor row = components(element);
  return is_complex(t.dtype()) ? fmt::format("{}, {}", element_text(row, 0), element_text(row, 1))
                               : element_text(row, 0);
}

// The first element that reads otherwise than the very first.
std::optional<std::string> first_other(const Tensor& t) {
  const Tensor whole = t.contiguous();
  const std::size_t size = dtype_size(t.dtype());
  const std::string first = element_at(whole, 0);
  for (std::int64_t i = 1; i < whole.numel(); ++i) {
    if (std::memcmp(whole.data(), whole.data() + static_cast<std::size_t>(i) * size, size) == 0) continue;
    if (std::string text = element_at(whole, i); text != first) return text;
  }
  return std::nullopt;
}

std::string abridged_text(const Tensor& data) {
  std::string text = "[" + element_at(data, 0);
  bool same = true;
  for (std::int64_t i = 1; i < kFirstElements; ++i) {
    same = same && element_at(data, i) == element_at(data, 0);
    text += ", " + element_at(data, i);
  }
  if (!same) return text + ", ...]";
  const auto other = first_other(data);
  return other ? fmt::format("{}, ..., {}, ...]", text, *other) : fmt::format("splat({})", element_at(data, 0));
}

struct Random {
  std::uint64_t state;
  std::uint64_t next() {  // splitmix64: the same numbers on every machine
    std::uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
};

// Numbers are made in the widest type of their kind, f64 or i64, then converted.
Tensor wide_row(DType dtype, const Shape& shape) {
  const std::int64_t count = element_count(shape) * (is_complex(dtype) ? 2 : 1);
  return Tensor(is_floating(component(dtype)) ? DType::f64 : DType::i64, {count});
}

Tensor narrowed(DType dtype, const Shape& shape, const Tensor& wide) {
  Tensor result(dtype, shape);
  const Tensor narrow = wide.to(component(dtype));
  if (narrow.numel() > 0) std::memcpy(result.data(), narrow.data(), narrow.byte_size());
  return result;
}

void set(const Tensor& wide, std::int64_t i, const Arg& number) {
  if (wide.dtype() == DType::f64)
    wide.as<double>()[i] = number.number();
  else
    wide.as<std::int64_t>()[i] = number.integer();
}

}  // namespace

std::string weight_text(const Tensor& data) {
  if (data.numel() == 0) return "[]";
  if (data.numel() > kListedElements) return abridged_text(data);
  if (data.numel() > 1 && !first_other(data)) return fmt::format("splat({})", element_at(data, 0));
  std::string text;
  for (std::int64_t i = 0; i < data.numel(); ++i) text += (i == 0 ? "[" : ", ") + element_at(data, i);
  return text + "]";
}

Tensor splat_weight(DType dtype, const Shape& shape, const Arg& real, const Arg& imaginary) {
  const Tensor wide = wide_row(dtype, {});
  set(wide, 0, real);
  if (is_complex(dtype)) set(wide, 1, imaginary);
  const Tensor one = narrowed(dtype, {}, wide);
  Tensor result(dtype, shape);
  const std::size_t size = dtype_size(dtype), bytes = result.byte_size();
  if (bytes == 0) return result;
  std::memcpy(result.data(), one.data(), size);
  for (std::size_t done = size; done < bytes; done *= 2)
    std::memcpy(result.data() + done, result.data(), std::min(done, bytes - done));
  return result;
}

Tensor listed_weight(DType dtype, const Shape& shape, const std::vector<Arg>& values) {
  const Tensor wide = wide_row(dtype, shape);
  if (static_cast<std::int64_t>(values.size()) != wide.numel())
    throw InvalidArgument(fmt::format("{} values for {}", values.size(), describe(dtype, shape)));
  for (std::int64_t i = 0; i < wide.numel(); ++i) set(wide, i, values[static_cast<std::size_t>(i)]);
  return narrowed(dtype, shape, wide);
}

Tensor abridged_weight(DType dtype, const Shape& shape, const std::vector<Arg>& head, const std::vector<Arg>& rest) {
  const std::size_t parts = is_complex(dtype) ? 2 : 1;
  const auto told = static_cast<std::int64_t>(head.size() / parts);
  if (told == 0 || head.size() % parts != 0 || told > element_count(shape) || (!rest.empty() && rest.size() != parts))
    throw InvalidArgument(fmt::format("{} and {} values for {}", head.size(), rest.size(), describe(dtype, shape)));
  const std::vector<Arg> last(head.end() - static_cast<std::ptrdiff_t>(parts), head.end());
  const std::vector<Arg>& more = rest.empty() ? last : rest;
  Tensor result = splat_weight(dtype, shape, more.front(), more.back());
  const Tensor first = listed_weight(dtype, {told}, head);
  std::memcpy(result.data(), first.data(), first.byte_size());
  return result;
}

Tensor random_weight(DType dtype, const Shape& shape, std::uint64_t seed) {
  Random random{seed};
  const Tensor wide = wide_row(dtype, shape);
  const std::uint64_t below = dtype == DType::b8 ? 2 : 10;
  for (std::int64_t i = 0; i < wide.numel(); ++i) {
    if (wide.dtype() == DType::f64)
      wide.as<double>()[i] = random.unit() * 2 - 1;
    else
      wide.as<std::int64_t>()[i] = static_cast<std::int64_t>(random.next() % below);
  }
  return narrowed(dtype, shape, wide);
}

}  // namespace aitune

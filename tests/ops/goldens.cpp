#include "tests/ops/goldens.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace aitune::test {
namespace {

using Json = nlohmann::json;

/// The recorded calls, or those in the folder that AITUNE_GOLDENS names.
std::string folder() {
  const char* other = std::getenv("AITUNE_GOLDENS");
  return other != nullptr ? other : AITUNE_GOLDENS;
}

std::vector<Tensor> read_tensors(const Json& rows) {
  std::ifstream file(folder() + "/tensors.bin", std::ios::binary);
  const auto bytes =
      std::make_shared<std::vector<char>>(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  std::vector<Tensor> tensors;
  for (const Json& row : rows) {
    const auto offset = row.at(3).get<std::size_t>();
    if (offset > bytes->size()) throw std::runtime_error("goldens/tensors.bin is too short");
    tensors.emplace_back(parse_dtype(row.at(0).get<std::string>()).value(), row.at(1).get<Shape>(),
                         row.at(2).get<Shape>(), bytes, reinterpret_cast<std::byte*>(bytes->data() + offset));
  }
  return tensors;
}

Arg read_arg(GoldenCall& call, const std::vector<Tensor>& tensors, const Json& j) {
  if (j.is_null()) return None{};
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number_integer()) return SymInt(j.get<std::int64_t>());
  if (j.is_array()) {
    ArgList list;
    for (const Json& element : j) list.push_back(read_arg(call, tensors, element));
    return list;
  }
  if (j.contains("f")) return std::stod(j["f"].get<std::string>());
  if (j.contains("s")) return j["s"].get<std::string>();
  if (j.contains("dtype")) return parse_dtype(j["dtype"].get<std::string>()).value();
  if (j.contains("format")) return static_cast<MemoryFormat>(j["format"].get<int>());
  const Tensor& t = tensors.at(j.at("t").get<std::size_t>());
  if (j.contains("const")) return call.graph.add_weight("w", "w", t);
  TensorType type{t.dtype(), SymShape(t.shape().begin(), t.shape().end())};
  call.inputs.push_back(t);
  return call.graph.add_input("x", std::move(type));
}

GoldenCall read_call(const Json& j, const std::vector<Tensor>& tensors) {
  GoldenCall call;
  call.text = j.dump();
  call.source = j.value("from", "");
  const auto name = j.at("op").get<std::string>();
  call.op = find_op(name.starts_with("torchvision.") ? name : "aten." + name);
  if (call.op == nullptr) throw std::runtime_error("goldens call an operator that is not in the list: " + call.text);
  ArgList positional;
  for (const Json& a : j.at("args")) positional.push_back(read_arg(call, tensors, a));
  std::vector<std::pair<std::string, Arg>> keyword;
  for (const auto& [key, a] : j.at("kw").items()) keyword.emplace_back(key, read_arg(call, tensors, a));
  call.args = bind_arguments(*call.op, std::move(positional), std::move(keyword));
  for (const Json& r : j.at("out")) call.results.push_back(tensors.at(r.get<std::size_t>()));
  return call;
}

reference::OpArg concrete(const GoldenCall& call, const Arg& arg) {
  if (arg.is_none()) return reference::NoneArg{};
  if (const bool* b = std::get_if<bool>(&arg)) return *b;
  if (const SymInt* i = std::get_if<SymInt>(&arg)) return i->constant();
  if (const double* d = std::get_if<double>(&arg)) return *d;
  if (const DType* t = std::get_if<DType>(&arg)) return *t;
  if (const MemoryFormat* f = std::get_if<MemoryFormat>(&arg)) return static_cast<std::int64_t>(*f);
  if (const std::string* s = std::get_if<std::string>(&arg)) return *s;
  if (arg.is_list()) {
    reference::OpArgList list;
    for (const Arg& element : arg.list()) list.push_back(concrete(call, element));
    return list;
  }
  if (arg.value()->kind == ValueKind::weight) return arg.value()->data;
  for (std::size_t i = 0; i < call.inputs.size(); ++i)
    if (call.graph.inputs[i] == arg.value()) return call.inputs[i];
  throw std::runtime_error("an argument is not an input");
}

struct Tolerance {
  double absolute = 0, relative = 0;
};

/// What rounding allows in one operator: an accumulated sum in f32, one rounding in the short types.
Tolerance tolerance(DType t) {
  switch (t) {
    case DType::f64:
      return {1e-10, 1e-9};
    case DType::f32:
      return {2e-5, 2e-5};
    case DType::f16:
      return {2e-3, 2e-3};
    case DType::bf16:
      return {1.6e-2, 1.6e-2};
    default:
      return {};
  }
}

/// Real and imaginary parts of contiguous complex numbers.
Tensor parts_of(const Tensor& t) {
  Shape shape = t.shape();
  shape.push_back(2);
  return {t.dtype() == DType::c128 ? DType::f64 : DType::f32, shape, contiguous_strides(shape), t.owner(), t.data()};
}

}  // namespace

std::string difference(const Tensor& got, const Tensor& expected) {
  if (is_complex(expected.dtype())) return difference(parts_of(got), parts_of(expected));
  const Tensor a = got.to(DType::f64), b = expected.to(DType::f64);
  Tolerance t = tolerance(expected.dtype());
  // Sums that cancel keep the error of their terms, which are about as large as the largest result.
  double largest = 0;
  for (std::int64_t i = 0; i < b.numel(); ++i)
    if (std::isfinite(b.as<double>()[i])) largest = std::max(largest, std::abs(b.as<double>()[i]));
  if (is_floating(expected.dtype())) t.absolute = std::max(t.absolute, largest * t.relative / 10);
  for (std::int64_t i = 0; i < b.numel(); ++i) {
    const double x = a.as<double>()[i], y = b.as<double>()[i];
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x == y) continue;
    if (!(std::abs(x - y) <= t.absolute + t.relative * std::abs(y)) || std::isinf(y))
      return "element " + std::to_string(i) + " is " + std::to_string(x) + ", PyTorch gives " + std::to_string(y);
  }
  return {};
}

std::vector<reference::OpArg> GoldenCall::concrete_args() const {
  std::vector<reference::OpArg> result;
  for (const Arg& arg : args) result.push_back(concrete(*this, arg));
  return result;
}

const std::vector<GoldenCall>& golden_calls() {
  static const std::vector<GoldenCall> calls = [] {
    std::ifstream file(folder() + "/calls.json");
    const Json json = Json::parse(file);
    const std::vector<Tensor> tensors = read_tensors(json.at("tensors"));
    std::vector<GoldenCall> result;
    for (const Json& j : json.at("calls")) result.push_back(read_call(j, tensors));
    return result;
  }();
  return calls;
}

}  // namespace aitune::test

#include "python/bindings/arrays.h"

#include <aitune/runtime.h>

#include <array>
#include <optional>

#include "python/bindings/python_errors.h"

namespace nb = nanobind;

namespace aitune::python {
namespace {

struct DTypeRow {
  nb::dlpack::dtype_code code;
  int bits;
  aitune_dtype dtype;
  const char* name;
};

constexpr std::array<DTypeRow, 12> kDTypes = {{
    {nb::dlpack::dtype_code::UInt, 8, AITUNE_U8, "uint8"},
    {nb::dlpack::dtype_code::Int, 8, AITUNE_I8, "int8"},
    {nb::dlpack::dtype_code::Int, 16, AITUNE_I16, "int16"},
    {nb::dlpack::dtype_code::Int, 32, AITUNE_I32, "int32"},
    {nb::dlpack::dtype_code::Int, 64, AITUNE_I64, "int64"},
    {nb::dlpack::dtype_code::Float, 16, AITUNE_F16, "float16"},
    {nb::dlpack::dtype_code::Float, 32, AITUNE_F32, "float32"},
    {nb::dlpack::dtype_code::Float, 64, AITUNE_F64, "float64"},
    {nb::dlpack::dtype_code::Complex, 64, AITUNE_C64, "complex64"},
    {nb::dlpack::dtype_code::Complex, 128, AITUNE_C128, "complex128"},
    {nb::dlpack::dtype_code::Bool, 8, AITUNE_BOOL, "bool"},
    {nb::dlpack::dtype_code::Bfloat, 16, AITUNE_BF16, "bfloat16"},
}};

[[noreturn]] void refuse(const std::string& what, const std::string& problem) {
  throw_python_error(AITUNE_INVALID_ARGUMENT, what + ": " + problem);
}

std::string class_name(nb::handle object) { return nb::str(nb::object(object.type().attr("__name__"))).c_str(); }

std::string device_name(int type, int id) {
  const std::string number = std::to_string(id);
  switch (type) {
    case nb::device::cuda::value:
    case nb::device::cuda_managed::value:
      return "cuda:" + number;
    case nb::device::metal::value:
      return "mps:" + number;
    case nb::device::rocm::value:
      return "rocm:" + number;
    default:
      return "DLPack device type " + std::to_string(type);
  }
}

/// torch says more clearly than DLPack why it cannot give a tensor away.
std::optional<std::string> torch_device(nb::handle object) {
  if (!nb::hasattr(object, "device")) return std::nullopt;
  const std::string device = nb::str(nb::object(object.attr("device"))).c_str();
  if (device.empty() || device.starts_with("cpu")) return std::nullopt;
  return device;
}

[[noreturn]] void refuse_device(const std::string& what, const std::string& device) {
  refuse(what, "the tensor is on device " + device + ", and the module runs on the CPU. Move it there with .cpu()");
}

nb::ndarray<nb::ro> borrow(nb::handle object, const std::string& what) {
  if (const auto device = torch_device(object)) refuse_device(what, *device);
  nb::ndarray<nb::ro> view;
  if (nb::try_cast(object, view, false)) return view;
  PyErr_Clear();
  refuse(what, "a " + class_name(object) +
                   " came, which is no array: neither DLPack nor the buffer protocol gives its elements");
}

Array describe_array(nb::ndarray<nb::ro> view, std::optional<int> as, const std::string& what) {
  const int device = view.device_type();
  if (device != nb::device::cpu::value && device != nb::device::cuda_host::value)
    refuse_device(what, device_name(device, view.device_id()));
  const nb::dlpack::dtype dtype = view.dtype();
  Array array;
  array.dtype = -1;
  for (const DTypeRow& row : kDTypes)
    if (dtype.code == static_cast<std::uint8_t>(row.code) && dtype.bits == row.bits && dtype.lanes == 1)
      array.dtype = row.dtype;
  if (as) {
    if (*as < 0 || *as > AITUNE_BF16) refuse(what, "there is no dtype of number " + std::to_string(*as));
    if (dtype.lanes != 1 || dtype.bits != kDTypes[static_cast<std::size_t>(*as)].bits)
      refuse(what, "elements of another size are taken as " + std::string(dtype_long_name(*as)));
    array.dtype = *as;
  }
  if (array.dtype < 0)
    refuse(what, "elements of DLPack type code " + std::to_string(dtype.code) + " with " + std::to_string(dtype.bits) +
                     " bits are not supported");
  array.shape.assign(view.shape_ptr(), view.shape_ptr() + view.ndim());
  array.strides.assign(view.stride_ptr(), view.stride_ptr() + view.ndim());
  array.data = const_cast<void*>(static_cast<const void*>(view.data()));
  array.view = std::move(view);
  return array;
}

/// The array and, of a pair, the number of the dtype that it is taken as.
std::pair<nb::handle, std::optional<int>> split_pair(nb::handle object) {
  if (!nb::isinstance<nb::tuple>(object) || nb::len(object) != 2) return {object, std::nullopt};
  const auto pair = nb::borrow<nb::tuple>(object);
  return {nb::handle(PyTuple_GetItem(pair.ptr(), 0)), nb::cast<int>(pair[1])};
}

}  // namespace

const char* dtype_long_name(int dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)).name; }

nb::dlpack::dtype dlpack_dtype(int dtype) {
  if (dtype == AITUNE_BF16) return {static_cast<std::uint8_t>(nb::dlpack::dtype_code::UInt), 16, 1};
  const DTypeRow& row = kDTypes.at(static_cast<std::size_t>(dtype));
  return {static_cast<std::uint8_t>(row.code), static_cast<std::uint8_t>(row.bits), 1};
}

Array take_array(nb::handle object, const std::string& what) {
  const auto [array, as] = split_pair(object);
  return describe_array(borrow(array, what), as, what);
}

Array take_output(nb::handle object, const std::string& what) {
  const auto [array, as] = split_pair(object);
  nb::ndarray<> writable;
  if (!nb::try_cast(array, writable, false)) {
    PyErr_Clear();
    refuse(what, "the memory for the result, a " + class_name(array) + ", cannot be written to");
  }
  return describe_array(borrow(array, what), as, what);
}

}  // namespace aitune::python

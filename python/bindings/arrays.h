#pragma once
// Arrays of Python, whatever made them: NumPy, torch, and everything else with DLPack or the buffer protocol.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>
#include <vector>

namespace aitune::python {

/// An array that is borrowed as long as this lives. Needs the GIL to be made, copied and destroyed.
struct Array {
  nanobind::ndarray<nanobind::ro> view;
  int dtype = 0;  ///< the number of DType and aitune_dtype
  std::vector<std::int64_t> shape, strides;
  void* data = nullptr;
};

/// Takes an array in host memory, without copying; or a pair (array, dtype number), whose elements are taken as of that
/// dtype, which must be of the same size: for dtypes that NumPy does not have. Sets the exception InvalidArgument,
/// which begins with `what`, for anything else, and throws it.
Array take_array(nanobind::handle object, const std::string& what);

/// The same for an array that is written to; must be contiguous.
Array take_output(nanobind::handle object, const std::string& what);

/// "float32", "bfloat16", ...: the name that NumPy and torch have for a dtype's number.
const char* dtype_long_name(int dtype);

/// A dtype as DLPack has it; bfloat16 as uint16, because the arrays of NumPy have no other way to be told of it.
nanobind::dlpack::dtype dlpack_dtype(int dtype);

}  // namespace aitune::python

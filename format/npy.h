#pragma once
// NumPy's .npy: one array.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/tensor.h"
#include "format/source.h"

namespace aitune {

/// Reads versions 1.0 to 3.0. Elements stay in `bytes` (kept alive by `owner`) when they are row-major and aligned, and
/// are copied otherwise. Two-byte void elements are bf16, as ml_dtypes writes it. Throws Corrupt on damage and
/// Unsupported for objects, records, big-endian and element types that aitune does not have; `where` names the file.
Tensor read_npy(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner, std::string_view where);

/// The header that goes before the elements: a multiple of 64 bytes.
std::string npy_header(DType dtype, std::span<const std::int64_t> shape);
void write_npy(ByteSink& sink, const Tensor& tensor);

}  // namespace aitune

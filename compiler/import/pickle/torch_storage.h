#pragma once
// What torch.save calls things: storage types, element types, strides inside a storage.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/tensor.h"
#include "compiler/import/pickle/pickle.h"

namespace aitune {

/// "torch.FloatStorage" -> f32; nothing for UntypedStorage and for types that aitune does not have.
std::optional<DType> storage_dtype(std::string_view global) noexcept;
/// The inverse.
std::string_view storage_name(DType dtype) noexcept;

/// A tensor as _rebuild_tensor_v2 and its kin describe it.
struct TensorRecord {
  const PickleValue* storage = nullptr;  ///< a persistent node
  DType dtype = DType::f32;
  std::int64_t offset = 0;  ///< elements from the start of the storage
  Shape shape, strides;
  bool requires_grad = false;  ///< as far as the call says
};

/// Reads the arguments of a rebuild call (looking through parameters and _rebuild_from_type_v2). Sizes, strides and
/// offset are not negative and agree in number. Throws Corrupt or Unsupported.
TensorRecord read_tensor_record(const PickleValue& value, std::string_view where);
/// Whether `value` stands for a tensor or a parameter.
bool is_tensor_record(const PickleValue& value) noexcept;

/// What to use in the place of tensors of torch.quantize_per_tensor and its kin.
inline constexpr std::string_view kQuantisationFix =
    "quantise by PT2E or torchao and export with torch.export, or tune the float model with enabled_precisions={int8}";
/// Throws the Unsupported of a tensor on the meta device.
[[noreturn]] void refuse_meta_tensor(std::string_view where);

/// Throws Corrupt when some element lies outside of `storage_bytes`, Unsupported when strides of 0 repeat a few bytes
/// beyond reason.
void check_tensor_bounds(const TensorRecord& record, std::uint64_t storage_bytes, std::string_view where);

}  // namespace aitune

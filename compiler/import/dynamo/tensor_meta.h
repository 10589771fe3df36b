#pragma once
// Descriptions of tensors in the JSON of programs and of payload lists.

#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {

/// The dtype behind one of torch.export's ScalarType numbers; Unsupported for those that aitune does not have.
DType read_dtype(const JsonView& number);
/// {"as_int": 3} or {"as_expr": {"expr_str": ...}}. Errors of the expression get the path.
SymInt read_size(const JsonView& size);

/// dtype and sizes of a TensorMeta. Only strided layouts are taken.
TensorType read_tensor_type(const JsonView& meta);

/// A TensorMeta with numbers throughout, as payloads have it. All values are non-negative.
struct PayloadMeta {
  DType dtype = DType::f32;
  Shape sizes, strides;     ///< strides in elements
  std::int64_t offset = 0;  ///< first element, in elements
};
PayloadMeta read_payload_meta(const JsonView& meta);

}  // namespace aitune::dynamo

#pragma once
// The tensors that a program comes with: parameters, buffers, lifted constants. Mapped where the archive lets them be.

#include <string>
#include <string_view>

#include "base/tensor.h"
#include "compiler/import/dynamo/archive.h"
#include "compiler/import/dynamo/pickled.h"
#include "compiler/import/dynamo/tensor_meta.h"

namespace aitune::dynamo {

/// A view of `bytes` as the description says, or a copy where the bytes are not
/// aligned for the dtype or have no owner. Throws Corrupt
/// when it leaves the bytes, Unsupported for tensors saved without data or expanded beyond reason.
Tensor view_payload(const PayloadMeta& meta, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                    const std::string& place);

/// All tensors of the program by fully qualified name. Checks the checksum of every entry that it reads.
TensorMap read_payloads(const Pt2Archive& archive);

}  // namespace aitune::dynamo

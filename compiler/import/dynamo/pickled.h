#pragma once
// Tensors that an archive keeps in pickles: PyTorch 2.8 and older, and tensors of subclasses.

#include <map>
#include <string>
#include <string_view>

#include "base/tensor.h"
#include "compiler/import/dynamo/archive.h"

namespace aitune::dynamo {

using TensorMap = std::map<std::string, Tensor, std::less<>>;

/// Adds every tensor of an entry that is the torch.save of a dictionary. An empty entry holds none.
void read_pickled_dict(const Pt2Archive& archive, const std::string& entry, TensorMap& tensors);

/// The one tensor of an entry.
Tensor read_pickled_tensor(const Pt2Archive& archive, const std::string& entry);

}  // namespace aitune::dynamo

#pragma once
// Which of a product's epilogues oneDNN can take over.

#include <optional>
#include <vector>

#include "compiler/kernels/kernel.h"
#include "format/onednn_payload.h"

namespace aitune::cpu {

/// A product's epilogue as oneDNN knows it: + bias, then the posts, then one store.
struct OneDnnEpilogue {
  std::vector<OneDnnPost> posts;
  const kernels::Access* bias = nullptr;      ///< along n, the same for all rows; null: none
  const kernels::Access* residual = nullptr;  ///< null: none
  const kernels::Access* store = nullptr;
};

/// Nothing if the epilogue holds anything else. Points into `kernel`.
std::optional<OneDnnEpilogue> onednn_epilogue(const kernels::GemmKernel& kernel);

}  // namespace aitune::cpu

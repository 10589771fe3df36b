#pragma once
// Products of a block as calls of oneDNN.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engines/cpu/compile/lowering.h"
#include "engines/cpu/run/onednn_step.h"

namespace aitune::cpu {

/// One way to cut a task into calls.
struct OneDnnCandidate {
  std::string name;       ///< "mm_r64_c768": rows and columns of a call; "conv_r7"
  OneDnnPayload payload;  ///< buffers as in KernelTask::buffers; layouts are filled in by OneDnnKernel
  std::vector<std::int64_t> first_columns;  ///< by part: where its weights begin in n
};

/// Ways to do the task with oneDNN on this many threads; none if sizes are symbolic, the weights are no constant, or
/// the epilogue, strides or window are beyond it. A pure function. The first part's weights take the task's slot for
/// packed weights; those of further parts follow the task's buffers, in order.
std::vector<OneDnnCandidate> onednn_candidates(const LoweredBlock& block, const KernelTask& task, int threads);

/// The task's weights as each part of the kernel wants them.
std::vector<std::vector<std::byte>> pack_for_onednn(const KernelTask& task, const OneDnnCandidate& candidate,
                                                    const OneDnnKernel& kernel);

}  // namespace aitune::cpu

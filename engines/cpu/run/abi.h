#pragma once
// The interface between generated machine code and the runtime. Treated like a file format: append only.

#include <cstdint>

extern "C" {

/// What a generated kernel is called with. `buffers` are base addresses (64-byte aligned where aitune allocated them),
/// `params` the values of the kernel's symbolic sizes in the order that kernels::collect_params gives.
struct aitune_cpu_kernel_args {
  void* const* buffers;
  const std::int64_t* params;
};

/// Runs tasks [begin, end). Different tasks write disjoint memory (or the same bytes), so they may run on any threads
/// in any order. The code calls nothing outside itself, keeps no state, and never throws.
typedef void (*aitune_cpu_kernel)(const struct aitune_cpu_kernel_args* args, std::int64_t begin, std::int64_t end);
}

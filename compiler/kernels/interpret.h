#pragma once
// Runs kernels as their definition reads, one point at a time: the oracle that generated code is held against.

#include <span>

#include "compiler/kernels/kernel.h"

namespace aitune::kernels {

/// `buffers` are base addresses, as in the generated function; `sizes` binds every symbol. The caller guarantees that
/// the buffers are large enough.
void interpret(const LoopKernel& kernel, std::span<void* const> buffers, const SymValues& sizes = {});
/// B must be read in place (b_strides not empty).
void interpret(const GemmKernel& kernel, std::span<void* const> buffers, const SymValues& sizes = {});

/// One element of storage as a number, and back (round to nearest even); i64 loses nothing below 2^53.
double load_element(const void* base, DType dtype, std::int64_t index);
void store_element(void* base, DType dtype, std::int64_t index, double value);

}  // namespace aitune::kernels

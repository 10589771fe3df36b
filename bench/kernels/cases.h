#pragma once
// The products that real networks are made of.

#include <string>
#include <vector>

#include "compiler/kernels/kernel.h"

namespace aitune::bench {

struct GemmCase {
  std::string name;
  kernels::GemmKernel kernel;  ///< buffers: A, B, C, bias
  double flops = 0;
  std::int64_t a_elements = 0, c_elements = 0;
  std::vector<std::int64_t> b_shape;  ///< k dims..., n (packed), or batch, k, n (in place)
};

/// A convolution over NHWC with a halo in the input buffer, bias and ReLU.
GemmCase convolution(int size, int in_channels, int out_channels, int window, int stride, DType dtype);
/// A linear layer with bias.
GemmCase linear(std::int64_t m, std::int64_t k, std::int64_t n, DType dtype);
/// batch products with B read in place.
GemmCase batched(std::int64_t batch, std::int64_t m, std::int64_t k, std::int64_t n, DType dtype);

/// ResNet-50, MobileNetV3, BERT-base.
std::vector<GemmCase> all_cases(DType dtype);

}  // namespace aitune::bench

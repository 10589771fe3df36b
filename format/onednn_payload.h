#pragma once
// What a step of kind onednn computes: one matrix product or convolution with constant weights, cut into calls that
// different threads may make.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace aitune {

/// What is done with sums after the bias was added, in f32, in order.
enum class OneDnnPost : std::uint8_t { relu, gelu_erf, gelu_tanh, silu, hardswish, residual /* + another tensor */ };

/// One primitive. Sizes and strides are in elements.
struct OneDnnPart {
  enum class Kind : std::uint8_t {
    matmul,       ///< dst[rows, columns] = src[rows, depth] * weights[depth, columns]
    convolution,  ///< of one image, dense channels-last, without padding: src [in_h, in_w, depth], dst [out_h, out_w,
                  ///< columns]
  } kind = Kind::matmul;
  std::uint32_t weights = 0;            ///< index into PlanStep::buffers: weights in the layout that `layout` describes
  std::int64_t depth = 1, columns = 1;  ///< channels in and out
  std::int64_t rows = 1, src_stride = 1, dst_stride = 1;  ///< matmul; the residual lies as dst does
  std::int64_t in_h = 1, in_w = 1, kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1,
               dilation_w = 1;
  std::vector<std::int64_t> layout;  ///< cpu::OneDnnKernel compares it with what the library on hand wants

  std::int64_t out_h() const { return (in_h - (kernel_h - 1) * dilation_h - 1) / stride_h + 1; }
  std::int64_t out_w() const { return (in_w - (kernel_w - 1) * dilation_w - 1) / stride_w + 1; }
  bool operator==(const OneDnnPart&) const = default;
};

/// One execution of a part: where its operands begin in their buffers, in elements. Calls of a step write disjoint
/// memory.
struct OneDnnCall {
  std::uint32_t part = 0;
  std::int64_t src = 0, dst = 0, residual = 0, bias = 0;
  bool operator==(const OneDnnCall&) const = default;
};

struct OneDnnPayload {
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::string version;      ///< of the library that it was timed with
  DType type = DType::f32;  ///< of src and weights: f32 or bf16; the bias is f32
  DType dst_type = DType::f32, residual_type = DType::f32;
  std::uint32_t src = 0, dst = 0;                ///< indices into PlanStep::buffers
  std::uint32_t bias = kNone, residual = kNone;  ///< likewise, or kNone
  std::vector<OneDnnPost> posts;
  std::vector<OneDnnPart> parts;
  std::vector<OneDnnCall> calls;
  bool operator==(const OneDnnPayload&) const = default;
};

std::vector<std::byte> write_onednn_payload(const OneDnnPayload& payload);
/// Verifies structure, then meaning as far as it does not depend on buffers: kinds, ranges of sizes, that no size
/// overflows. Throws Corrupt with `where` in front.
OneDnnPayload read_onednn_payload(std::span<const std::byte> bytes, std::string_view where);

/// A stretch of one of the step's buffers that a call touches.
struct OneDnnAccess {
  std::uint32_t buffer = 0;
  std::uint64_t offset = 0, bytes = 0;
  bool written = false;
};
/// Everything that the calls touch, but for the weights, whose extent the library knows. Of a payload that was read.
std::vector<OneDnnAccess> onednn_accesses(const OneDnnPayload& payload);

}  // namespace aitune

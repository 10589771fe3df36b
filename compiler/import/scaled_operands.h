#pragma once
// Numbers of operators that scale one of the tensors: torch.add(x, y, alpha=n) is x + n * y. Where such a number is
// complex, or data decide it, importers scale the tensor beforehand, for arguments of nodes are plain numbers.

#include <algorithm>
#include <array>
#include <string_view>

namespace aitune {

struct ScaledOperand {
  std::string_view op, number, tensor;
};

inline constexpr auto kScaledOperands = std::to_array<ScaledOperand>({{"add", "alpha", "other"},
                                                                      {"addbmm", "alpha", "batch1"},
                                                                      {"addbmm", "beta", "self"},
                                                                      {"addcdiv", "value", "tensor1"},
                                                                      {"addcmul", "value", "tensor1"},
                                                                      {"addmm", "alpha", "mat1"},
                                                                      {"addmm", "beta", "self"},
                                                                      {"addmv", "alpha", "vec"},
                                                                      {"addmv", "beta", "self"},
                                                                      {"addr", "alpha", "vec1"},
                                                                      {"addr", "beta", "self"},
                                                                      {"baddbmm", "alpha", "batch1"},
                                                                      {"baddbmm", "beta", "self"},
                                                                      {"index_add", "alpha", "source"},
                                                                      {"rsub", "alpha", "self"},
                                                                      {"sub", "alpha", "other"},
                                                                      {"subtract", "alpha", "other"}});

/// The argument of aten.OP that its number `number` scales; empty if it scales none.
constexpr std::string_view scaled_operand(std::string_view op, std::string_view number) {
  const auto* const row =
      std::ranges::find_if(kScaledOperands, [&](const ScaledOperand& r) { return r.op == op && r.number == number; });
  return row == kScaledOperands.end() ? std::string_view() : row->tensor;
}

}  // namespace aitune

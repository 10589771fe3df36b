// Values that are None, or not, as data decide.

#include <gmock/gmock.h>

#include "compiler/import/torchscript/source_testing.h"

namespace aitune::torchscript {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kSetByBranch =
    "h = annotate(Optional[Tensor], None)\nif bool(torch.gt(torch.sum(x), 0)):\n  g = torch.relu(x)\nelse:\n  g = h\n";
constexpr std::string_view kOrX =
    "if torch.__is__(g, None):\n  r = x\nelse:\n  g0 = unchecked_cast(Tensor, g)\n  r = torch.neg(g0)\nreturn r";

TEST(TorchScriptOptional, ABranchMaySetIt) {
  const std::string text = graph_of(std::string(kSetByBranch) + std::string(kOrX));
  EXPECT_THAT(text, HasSubstr("aten.logical_not.default"));
  EXPECT_THAT(text, HasSubstr("%cond: bool[], %cond_1: f32[s0,2] = higher_order.cond.default"));
  // An assertion that it is set is dropped, as all are.
  EXPECT_THAT(graph_of(std::string(kSetByBranch) +
                       "if torch.__isnot__(g, None):\n  pass\nelse:\n  ops.prim.RaiseException(\"unset\")\n"
                       "return torch.neg(unchecked_cast(Tensor, g))"),
              HasSubstr("aten.neg.default"));
  EXPECT_THAT(refused<Unsupported>(source(std::string(kSetByBranch) + "return torch.neg(g)")),
              HasSubstr("it is a tensor in one branch and None in the other"));
  EXPECT_THAT(refused<Unsupported>(source(std::string(kSetByBranch) + "return g")),
              HasSubstr("the model returns something that data decide"));
}

TEST(TorchScriptOptional, IsInstanceAsksWhetherItIsSet) {
  const std::string then = ":\n  g0 = unchecked_cast(Tensor, g)\n  r = torch.neg(g0)\nelse:\n  r = x\nreturn r";
  const std::string text = graph_of(std::string(kSetByBranch) + "if isinstance(g, Tensor)" + then);
  EXPECT_THAT(text, HasSubstr("%cond: bool[], %cond_1: f32[s0,2] = higher_order.cond.default"));
  EXPECT_THAT(text, HasSubstr("aten.neg.default"));
  EXPECT_THAT(graph_of(std::string(kSetByBranch) + "if isinstance(g, int)" + then), Not(HasSubstr("aten.neg")));
  EXPECT_THAT(graph_of(std::string(kSetByBranch) + "if isinstance(g, Optional[Tensor]):\n  r = torch.exp(x)\nelse:\n"
                                                   "  r = x\nreturn r"),
              HasSubstr("aten.exp"));
}

TEST(TorchScriptOptional, AFirstTripThatSetsItRunsByItself) {
  const std::string body =
      "  z = torch.select(x, 0, i)\n  if torch.__is__(g, None):\n    g1 = torch.relu(z)\n  else:\n"
      "    g1 = torch.add(unchecked_cast(Tensor, g), z)\n  g = g1\n";
  const std::string before = "g = annotate(Optional[Tensor], None)\n", after = "return unchecked_cast(Tensor, g)";
  const std::string text = graph_of(before + "for i in range(torch.size(x, 0)):\n" + body + after);
  EXPECT_THAT(text, Not(HasSubstr("higher_order.cond")));
  EXPECT_THAT(text, HasSubstr("higher_order.while_loop"));
  // There may be no trip.
  EXPECT_THAT(graph_of(before + "for i in range(int(torch.sum(x))):\n" + body + after), HasSubstr("higher_order.cond"));
}

}  // namespace
}  // namespace aitune::torchscript

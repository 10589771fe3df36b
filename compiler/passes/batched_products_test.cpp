#include "compiler/passes/batched_products.h"

#include "compiler/passes/cleanup.h"
#include "compiler/passes/simplify.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

TEST(SplitBatches, MergedHeadsBecomeBatchDimensions) {
  const Graph graph =
      check_pass(R"(graph(%x: f32[s0,5,2,3], %y: f32[s0,7,2,3], %bias: f32[2*s0,1,7]) where s0 in [1,8] {
    %p: f32[s0,2,5,3] = aten.permute.default(%x, [0, 2, 1, 3])
    %a: f32[2*s0,5,3] = aten.view.default(%p, [2*s0, 5, 3])
    %q: f32[s0,2,3,7] = aten.permute.default(%y, [0, 2, 3, 1])
    %b: f32[2*s0,3,7] = aten.view.default(%q, [2*s0, 3, 7])
    %m: f32[2*s0,5,7] = aten.bmm.default(%a, %b)
    %s: f32[2*s0,5,7] = aten.mul.Scalar(%m, 0.5)
    %t: f32[2*s0,5,7] = aten.add.Tensor(%s, %bias)
    %r: f32[s0,2,5,7] = aten.view.default(%t, [s0, 2, 5, 7])
    return %r
  })",
                 {split_batches, simplify, eliminate_dead_code}, {{"s0", 3}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.permute.default", "aten.permute.default", "aten.matmul.default",
                                         "aten.mul.Scalar", "aten.view.default", "aten.add.Tensor"));
}

TEST(SplitBatches, DenseBatchesStayMerged) {
  const Graph graph = check_pass(R"(graph(%x: f32[4,2,5,3], %y: f32[8,3,7]) {
    %a: f32[8,5,3] = aten.view.default(%x, [8, 5, 3])
    %m: f32[8,5,7] = aten.bmm.default(%a, %y)
    return %m
  })",
                                 {split_batches});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.view.default", "aten.bmm.default"));
}

}  // namespace
}  // namespace aitune

#include "compiler/passes/decompose.h"

#include <set>

#include <fmt/format.h>

#include "compiler/ops/schema.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/functionalise.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

/// One call, and the operators that may be left of it.
struct Case {
  std::string name;
  std::string signature;  // inputs
  std::string body;       // ends in %y
  std::set<std::string> left;
};

std::string case_name(const ::testing::TestParamInfo<Case>& parameters) { return parameters.param.name; }

class DecomposeOne : public ::testing::TestWithParam<Case> {};

TEST_P(DecomposeOne, KeepsTheValueAndLeavesCoreOperators) {
  const Case& c = GetParam();
  const Graph graph = check_pass("graph(" + c.signature + ") where s0 in [1,8] {\n" + c.body + "\nreturn %y\n}",
                                 {decompose, eliminate_dead_code}, {{"s0", 3}});
  for (const std::string& op : ops_of(graph)) EXPECT_TRUE(c.left.contains(op)) << op << " in\n" << print(graph);
}

const std::string kView = "aten.view.default", kPermute = "aten.permute.default", kExpand = "aten.expand.default",
                  kMm = "aten.mm.default", kBmm = "aten.bmm.default", kMul = "aten.mul.Tensor",
                  kAdd = "aten.add.Tensor", kMulScalar = "aten.mul.Scalar", kAddScalar = "aten.add.Scalar",
                  kClamp = "aten.clamp.default", kSlice = "aten.slice.Tensor", kSelect = "aten.select.int",
                  kCat = "aten.cat.default", kConvolution = "aten.convolution.default";

INSTANTIATE_TEST_SUITE_P(
    Movement, DecomposeOne,
    ::testing::Values(
        Case{"reshape", "%x: f32[s0,4]", "%y = aten.reshape.default(%x, [-1])", {kView}},
        Case{"flatten", "%x: f32[s0,4,5]", "%y = aten.flatten.using_ints(%x, 1, -1)", {kView}},
        Case{"unflatten", "%x: f32[s0,6]", "%y = aten.unflatten.int(%x, -1, [2, 3])", {kView}},
        Case{"squeeze", "%x: f32[s0,1,5]", "%y = aten.squeeze.dim(%x, 1)", {kView}},
        Case{"unsqueeze", "%x: f32[s0,5]", "%y = aten.unsqueeze.default(%x, -1)", {kView}},
        Case{"transpose", "%x: f32[s0,2,5]", "%y = aten.transpose.int(%x, -1, 1)", {kPermute}},
        Case{"t", "%x: f32[s0,2]", "%y = aten.t.default(%x)", {kPermute}},
        Case{"permute", "%x: f32[s0,2,5]", "%y = aten.permute.default(%x, [-1, 0, 1])", {kPermute}},
        Case{"movedim", "%x: f32[s0,2,5]", "%y = aten.movedim.int(%x, 0, -1)", {kPermute}},
        Case{"expand", "%x: f32[s0,1]", "%y = aten.expand.default(%x, [-1, 4])", {kExpand}},
        Case{"repeat", "%x: f32[s0,3]", "%y = aten.repeat.default(%x, [2, 2, 3])", {kView, kExpand}},
        Case{"repeat_interleave", "%x: f32[s0,3]", "%y = aten.repeat_interleave.self_int(%x, 2, 1)", {kView, kExpand}},
        Case{"slice", "%x: f32[s0,8]", "%y = aten.slice.Tensor(%x, 1, -5, 9223372036854775807, 2)", {kSlice}},
        Case{"slice_all", "%x: f32[s0,8]", "%y = aten.slice.Tensor(%x, 0, 0, 9223372036854775807)", {}},
        Case{"narrow", "%x: f32[s0,8]", "%y = aten.narrow.default(%x, 1, 2, 3)", {kSlice}},
        Case{"select", "%x: f32[s0,8]", "%y = aten.select.int(%x, -1, -2)", {kSelect}},
        Case{"stack", "%x: f32[s0,2], %z: f32[s0,2]", "%y = aten.stack.default([%x, %z], -1)", {kView, kCat}},
        Case{"hstack", "%x: f32[s0,2], %z: f32[s0,3]", "%y = aten.hstack.default([%x, %z])", {kCat}},
        Case{"vstack", "%x: f32[4], %z: f32[4]", "%y = aten.vstack.default([%x, %z])", {kView, kCat}},
        Case{"roll", "%x: f32[s0,5,4]", "%y = aten.roll.default(%x, [2, -3], [1, -1])", {kSlice, kCat}},
        Case{"roll_back", "%x: f32[s0,5,4]", "%y = aten.roll.default(%x, [5], [1])", {}},
        Case{"pad_nothing", "%x: f32[s0,5,4]", "%y = aten.pad.default(%x, [0, 0, 0, 0])", {}},
        Case{"mT", "%x: f32[s0,2,5]", "%y = aten.mT.default(%x)", {kPermute}},
        Case{"select_scatter",
             "%x: f32[s0,8], %z: f32[s0]",
             "%y = aten.select_scatter.default(%x, %z, 1, -2)",
             {kView, kSlice, kCat}},
        Case{"slice_scatter",
             "%x: f32[s0,8], %z: f32[s0,3]",
             "%y = aten.slice_scatter.default(%x, %z, 1, 2, 5)",
             {kSlice, kCat}},
        Case{"slice_scatter_first",
             "%x: f32[s0,8], %z: f32[s0,3]",
             "%y = aten.slice_scatter.default(%x, %z, 1, None, -5)",
             {kSlice, kCat}},
        Case{"slice_scatter_all", "%x: f32[s0,8], %z: f32[s0,8]", "%y = aten.slice_scatter.default(%x, %z, 0)", {}},
        Case{"slice_scatter_steps",
             "%x: f32[s0,8], %z: f32[s0,3]",
             "%y = aten.slice_scatter.default(%x, %z, 1, 1, 7, 2)",
             {kCat, "aten.index_select.default"}},
        Case{"index_put_mask",
             "%x: f32[s0,8,2], %m: bool[8], %v: f32[1,2]",
             "%y = aten.index_put.default(%x, [None, %m], %v)",
             {kView, "aten.where.self"}},
        Case{"index_put_mask_adds",
             "%x: f32[s0,8], %m: bool[s0,8], %v: f32[]",
             "%y = aten.index_put.default(%x, [%m], %v, True)",
             {kView, kAdd, "aten.where.self"}},
        Case{"one_hot",
             "%x: i64[s0,3]",
             "%y = aten.one_hot.default(%x, 5)",
             {kView, "aten.arange.start_step", "aten.arange.default", "aten.arange.start", "aten.eq.Tensor",
              "aten._to_copy.default"}},
        Case{"pixel_shuffle", "%x: f32[s0,8,3,2]", "%y = aten.pixel_shuffle.default(%x, 2)", {kView, kPermute}},
        Case{"channel_shuffle", "%x: f32[s0,6,2,2]", "%y = aten.channel_shuffle.default(%x, 3)", {kView, kPermute}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Products, DecomposeOne,
    ::testing::Values(
        Case{"mm", "%x: f32[s0,4], %z: f32[4,5]", "%y = aten.matmul.default(%x, %z)", {kMm}},
        Case{"folded", "%x: f32[2,s0,4], %z: f32[4,5]", "%y = aten.matmul.default(%x, %z)", {kMm, kView}},
        Case{"batched", "%x: f32[s0,2,3,4], %z: f32[s0,2,4,5]", "%y = aten.matmul.default(%x, %z)", {kBmm, kView}},
        Case{"broadcast",
             "%x: f32[s0,1,3,4], %z: f32[2,4,5]",
             "%y = aten.matmul.default(%x, %z)",
             {kBmm, kView, kExpand}},
        Case{"vector_right", "%x: f32[s0,3,4], %z: f32[4]", "%y = aten.matmul.default(%x, %z)", {kMm, kView}},
        Case{"vector_left", "%x: f32[4], %z: f32[s0,4,3]", "%y = aten.matmul.default(%x, %z)", {kBmm, kView, kExpand}},
        Case{"vectors", "%x: f32[4], %z: f32[4]", "%y = aten.matmul.default(%x, %z)", {kMm, kView}},
        Case{"addmm", "%b: f32[5], %x: f32[s0,4], %z: f32[4,5]", "%y = aten.addmm.default(%b, %x, %z)", {kMm, kAdd}},
        Case{"addmm_scaled",
             "%b: f32[5], %x: f32[s0,4], %z: f32[4,5]",
             "%y = aten.addmm.default(%b, %x, %z, beta=0.5, alpha=2.0)",
             {kMm, kAdd, kMulScalar}},
        Case{"baddbmm",
             "%b: f32[s0,3,5], %x: f32[s0,3,4], %z: f32[s0,4,5]",
             "%y = aten.baddbmm.default(%b, %x, %z)",
             {kBmm, kAdd}},
        Case{"einsum",
             "%x: f32[s0,3,2,4], %z: f32[s0,5,2,4]",
             "%y = aten.einsum.default(\"bqhd,bkhd->bhqk\", [%x, %z])",
             {kBmm, kPermute, kView}},
        Case{"einsum_of_one",
             "%x: f32[s0,3,4]",
             "%y = aten.einsum.default(\"bij->jb\", [%x])",
             {"aten.sum.dim_IntList", kPermute}},
        Case{"einsum_of_three",
             "%x: f32[s0,3,4], %z: f32[4,5], %w: f32[5,3]",
             "%y = aten.einsum.default(\"bij,jk,ki->bk\", [%x, %z, %w])",
             {kBmm, kPermute, kView}},
        Case{"einsum_ellipsis",
             "%x: f32[s0,2,3,4], %z: f32[5,4]",
             "%y = aten.einsum.default(\"...i,oi->...o\", [%x, %z])",
             {kBmm, kPermute, kView}},
        Case{"einsum_implied",
             "%x: f32[3,4], %z: f32[4,5]",
             "%y = aten.einsum.default(\"ij,jk\", [%x, %z])",
             {kBmm, kView}},
        Case{"einsum_sums_alone",
             "%x: f32[s0,3,4], %z: f32[s0,5]",
             "%y = aten.einsum.default(\"bij,bk->bk\", [%x, %z])",
             {"aten.sum.dim_IntList", kBmm, kView}},
        Case{"negative_padding",
             "%x: f32[s0,3,8]",
             "%y = aten.constant_pad_nd.default(%x, [-1, 2, 0, -2], 1.5)",
             {kSlice, "aten.constant_pad_nd.default"}},
        Case{"cutting_padding", "%x: f32[s0,3,8]", "%y = aten.constant_pad_nd.default(%x, [-1, -3], 0)", {kSlice}},
        Case{"outer", "%x: f32[3], %z: f32[4]", "%y = aten.outer.default(%x, %z)", {kMul, kView}},
        Case{"conv2d",
             "%x: f32[s0,4,6,6], %w: f32[8,2,3,3], %b: f32[8]",
             "%y = aten.conv2d.default(%x, %w, %b, [2, 2], [1, 1], [1, 1], 2)",
             {kConvolution}},
        Case{"conv2d_unbatched",
             "%x: f32[4,6,6], %w: f32[8,4,3,3]",
             "%y = aten.conv2d.default(%x, %w)",
             {kConvolution, kView}},
        Case{"conv2d_same",
             "%x: f32[s0,4,6,6], %w: f32[8,4,2,3]",
             "%y = aten.conv2d.padding(%x, %w, None, [1, 1], \"same\")",
             {kConvolution, "aten.constant_pad_nd.default"}},
        Case{"conv1d",
             "%x: f32[s0,4,6], %w: f32[8,4,3]",
             "%y = aten.conv1d.default(%x, %w, None, [1], [1])",
             {kConvolution}},
        Case{"conv_transpose2d",
             "%x: f32[s0,4,5,5], %w: f32[4,3,3,3]",
             "%y = aten.conv_transpose2d.input(%x, %w, None, [2, 2], [1, 1], [1, 1])",
             {kConvolution}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Networks, DecomposeOne,
    ::testing::Values(
        Case{"softmax", "%x: f32[s0,7]", "%y = aten.softmax.int(%x, -1)", {"aten._softmax.default"}},
        Case{"log_softmax", "%x: f32[s0,7]", "%y = aten.log_softmax.int(%x, -1)", {"aten._log_softmax.default"}},
        Case{"rms_norm",
             "%x: f32[s0,7], %w: f32[7]",
             "%y = aten.rms_norm.default(%x, [7], %w, 1e-5)",
             {kMul, "aten.mean.dim", kAddScalar, "aten.rsqrt.default"}},
        Case{"instance_norm",
             "%x: f32[s0,3,4,4], %w: f32[3], %b: f32[3]",
             "%y = aten.instance_norm.default(%x, %w, %b, None, None, True, 0.1, 1e-5, False)",
             {"aten.layer_norm.default", kView, kMul, kAdd}},
        Case{"group_norm",
             "%x: f32[s0,6,4,4], %w: f32[6], %b: f32[6]",
             "%y = aten.group_norm.default(%x, 3, %w, %b)",
             {"aten.layer_norm.default", kView, kMul, kAdd}},
        Case{"pixel_unshuffle", "%x: f32[s0,2,6,4]", "%y = aten.pixel_unshuffle.default(%x, 2)", {kView, kPermute}},
        Case{"cosine_similarity",
             "%x: f32[s0,1,6], %z: f32[s0,3,6]",
             "%y = aten.cosine_similarity.default(%x, %z, 1)",
             {kExpand, kMul, "aten.linalg_vector_norm.default", kClamp, "aten.div.Tensor", "aten.sum.dim_IntList"}},
        Case{
            "pool_to_one", "%x: f32[s0,3,6,4]", "%y = aten.adaptive_avg_pool2d.default(%x, [1, 1])", {"aten.mean.dim"}},
        Case{"var",
             "%x: f32[s0,5,6]",
             "%y = aten.var.correction(%x, [1, -1], correction=1)",
             {"aten.mean.dim", "aten.sub.Tensor", kMul, kMulScalar, kView}},
        Case{"std",
             "%x: f32[s0,5]",
             "%y = aten.std.dim(%x, [0], False)",
             {"aten.mean.dim", "aten.sub.Tensor", kMul, "aten.sqrt.default", kView}},
        Case{"pool_to_divisor",
             "%x: f32[s0,3,6,4]",
             "%y = aten.adaptive_avg_pool2d.default(%x, [3, 2])",
             {"aten.avg_pool2d.default"}},
        Case{"pool_same", "%x: f32[s0,3,6,4]", "%y = aten.adaptive_avg_pool2d.default(%x, [6, 4])", {}},
        Case{"pool_odd",
             "%x: f32[s0,3,6,4]",
             "%y = aten.adaptive_avg_pool2d.default(%x, [5, 3])",
             {"aten.linear.default", kPermute}},
        Case{"max_pool1d",
             "%x: f32[s0,3,8]",
             "%y = aten.max_pool1d.default(%x, [3], [2], [1])",
             {kView, "aten.max_pool2d.default"}},
        Case{"avg_pool1d",
             "%x: f32[s0,3,8]",
             "%y = aten.avg_pool1d.default(%x, [2])",
             {kView, "aten.avg_pool2d.default"}},
        Case{"grouped_attention",
             "%q: f32[s0,4,5,8], %k: f32[s0,2,6,8], %v: f32[s0,2,6,8]",
             "%y = aten.scaled_dot_product_attention.default(%q, %k, %v, enable_gqa=True)",
             {kView, kExpand, "aten.scaled_dot_product_attention.default"}},
        Case{"attention_with_one_head_of_keys",
             "%q: f32[s0,4,5,8], %k: f32[s0,1,6,8], %v: f32[1,1,6,8]",
             "%y = aten.scaled_dot_product_attention.default(%q, %k, %v)",
             {kExpand, "aten.scaled_dot_product_attention.default"}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Elementwise, DecomposeOne,
    ::testing::Values(
        Case{"hardtanh", "%x: f32[s0,4]", "%y = aten.hardtanh.default(%x, -0.5, 0.5)", {kClamp}},
        Case{"relu6", "%x: f32[s0,4]", "%y = aten.relu6.default(%x)", {kClamp}},
        Case{"clamp_min", "%x: f32[s0,4]", "%y = aten.clamp_min.default(%x, 0.1)", {kClamp}},
        Case{"rsub", "%x: f32[s0,4]", "%y = aten.rsub.Scalar(%x, 1.0, 2)", {kMulScalar, kAddScalar}},
        Case{"addcmul",
             "%x: f32[s0,4], %a: f32[4], %b: f32[s0,4]",
             "%y = aten.addcmul.default(%x, %a, %b, value=0.5)",
             {kMul, kMulScalar, kAdd}},
        Case{"lerp",
             "%x: f32[s0,4], %a: f32[4]",
             "%y = aten.lerp.Scalar(%x, %a, 0.25)",
             {"aten.sub.Tensor", kMulScalar, kAdd}},
        Case{"square", "%x: f32[s0,4]", "%y = aten.pow.Tensor_Scalar(%x, 2)", {kMul}},
        Case{"cube", "%x: f32[s0,4]", "%y = aten.pow.Tensor_Scalar(%x, 3.0)", {kMul}},
        Case{"prelu",
             "%x: f32[s0,4,3], %a: f32[4]",
             "%y = aten.prelu.default(%x, %a)",
             {"aten.gt.Scalar", kMul, "aten.where.self", kView}},
        Case{"glu", "%x: f32[s0,6]", "%y = aten.glu.default(%x, -1)", {kSlice, "aten.sigmoid.default", kMul}},
        Case{"selu", "%x: f32[s0,6]", "%y = aten.selu.default(%x)", {"aten.elu.default"}},
        Case{"celu", "%x: f32[s0,6]", "%y = aten.celu.default(%x, 0.7)", {"aten.elu.default"}},
        Case{
            "where", "%c: bool[s0,6], %x: f32[s0,6]", "%y = aten.where.ScalarOther(%c, %x, -1.5)", {"aten.where.self"}},
        Case{"logical_and",
             "%c: bool[s0,6], %x: bool[s0,6]",
             "%y = aten.logical_and.default(%c, %x)",
             {"aten.bitwise_and.Tensor"}},
        Case{"zeros_like", "%x: f32[s0,6]", "%y = aten.zeros_like.default(%x)", {kExpand}},
        Case{"full", "%x: f32[s0,6]", "%y = aten.full.default([s0, 2], 2.5)", {kExpand}}),
    case_name);

const std::string kWhere = "aten.where.self", kIndex = "aten.index.Tensor", kPad = "aten.constant_pad_nd.default",
                  kMaxPool = "aten.max_pool2d.default", kAvgPool = "aten.avg_pool2d.default", kSub = "aten.sub.Tensor",
                  kNorm = "aten.linalg_vector_norm.default", kCast = "aten._to_copy.default";

INSTANTIATE_TEST_SUITE_P(
    Arrays, DecomposeOne,
    ::testing::Values(
        Case{"rot90", "%x: f32[s0,4,5]", "%y = aten.rot90.default(%x, 3, [1, 2])", {"aten.flip.default", kPermute}},
        Case{"dstack", "%x: f32[s0,2], %z: f32[s0,2]", "%y = aten.dstack.default([%x, %z])", {kView, kCat}},
        Case{"block_diag", "%x: f32[2,3], %z: f32[4]", "%y = aten.block_diag.default([%x, %z])", {kView, kPad, kCat}},
        Case{"diag_embed",
             "%x: f32[s0,4]",
             "%y = aten.diag_embed.default(%x, -1, 0, 2)",
             {kView, kPad, kWhere, kPermute}},
        Case{"trace", "%x: f32[4,6]", "%y = aten.trace.default(%x)", {"aten.diagonal.default", "aten.sum.default"}},
        Case{"diff", "%x: f32[s0,6]", "%y = aten.diff.default(%x, 2)", {kSlice, kSub}},
        Case{"im2col",
             "%x: f32[s0,2,7,6]",
             "%y = aten.im2col.default(%x, [3, 2], [1, 2], [1, 0], [2, 1])",
             {kPad, kSlice, kView, kCat}},
        Case{"col2im",
             "%x: f32[s0,12,15]",
             "%y = aten.col2im.default(%x, [5, 7], [2, 3], [2, 1], [1, 0], [2, 1])",
             {kPad, kSlice, kView, kSelect, kAdd}},
        Case{"col2im_of_any_number_of_frames",
             "%x: f32[2,7,s0]",
             "%y = aten.col2im.default(%x, [1, 3*s0 + 5], [1, 7], [1, 1], [0, 0], [1, 3])",
             {kPermute, kPad, kView, kSelect, kAdd, kSlice}},
        Case{"fake_quantize",
             "%x: f32[s0,3], %s: f32[3], %z: i32[3]",
             "%y = aten.fake_quantize_per_channel_affine.default(%x, %s, %z, 1, -8, 7)",
             {"aten._to_copy.default", kView, "aten.reciprocal.default", kMul, "aten.round.default", kAdd,
              "aten.clamp.default", kSub}},
        Case{"cov",
             "%x: f32[3,6]",
             "%y = aten.cov.default(%x)",
             {"aten.mean.dim", kSub, kPermute, kMm, "aten.div.Tensor"}},
        Case{"corrcoef",
             "%x: f32[3,s0]",
             "%y = aten.corrcoef.default(%x)",
             {"aten.mean.dim", kSub, kPermute, kMm, "aten.diagonal.default", "aten.sqrt.default", kView,
              "aten.div.Tensor", "aten.clamp.default"}},
        Case{"pad_sequence",
             "%x: f32[4,3], %z: f32[2,3]",
             "%y = aten.pad_sequence.default([%x, %z], True)",
             {kPad, kView, kCat}},
        Case{"max_pool3d",
             "%x: f32[s0,2,7,6,5]",
             "%y = aten.max_pool3d.default(%x, [3, 2, 2], [2, 1, 2], [1, 0, 1], [1, 2, 1], True)",
             {kView, kMaxPool}},
        Case{"avg_pool3d",
             "%x: f32[s0,2,7,6,5]",
             "%y = aten.avg_pool3d.default(%x, [3, 2, 2], [2, 1, 2], [1, 0, 1], True, False)",
             {kView, kAvgPool}},
        Case{"affine_grid",
             "%x: f32[s0,2,3]",
             "%y = aten.affine_grid_generator.default(%x, [s0, 1, 4, 5], False)",
             {kExpand, kPermute, kBmm, kView}},
        Case{"cdist", "%x: f32[2,5,3], %z: f32[2,4,3]", "%y = aten.cdist.default(%x, %z, 1.0)", {kView, kSub, kNorm}},
        Case{"cross",
             "%x: f32[s0,3], %z: f32[s0,3]",
             "%y = aten.linalg_cross.default(%x, %z)",
             {kSlice, kCat, kMul, kSub}},
        Case{"tensordot",
             "%x: f32[s0,3,4], %z: f32[4,5,3]",
             "%y = aten.tensordot.default(%x, %z, [1, 2], [2, 0])",
             {kPermute, kView, kMm}},
        Case{"kron", "%x: f32[s0,3], %z: f32[2]", "%y = aten.kron.default(%x, %z)", {kView, kMul}},
        Case{"matrix_power", "%x: f32[3,3]", "%y = aten.linalg_matrix_power.default(%x, 5)", {kMm}},
        Case{"matrix_power_of_inverse",
             "%x: f32[3,3]",
             "%y = aten.matrix_power.default(%x, -3)",
             {"aten.linalg_inv.default", kMm}},
        Case{"multi_dot", "%x: f32[s0,3], %z: f32[3,2]", "%y = aten.linalg_multi_dot.default([%x, %z])", {kMm}},
        Case{"vander",
             "%x: f32[s0,3]",
             "%y = aten.linalg_vander.default(%x, N=4)",
             {kView, kExpand, "aten.cumprod.default", kCat}},
        Case{"frobenius_norm", "%x: f32[s0,3]", "%y = aten.frobenius_norm.dim(%x, [1])", {kNorm}},
        Case{"matrix_norm_1",
             "%x: f32[s0,3,2]",
             "%y = aten.linalg_matrix_norm.default(%x, 1)",
             {"aten.abs.default", "aten.sum.dim_IntList", "aten.amax.default"}},
        Case{"matrix_norm_fro", "%x: f32[s0,3,2]", "%y = aten.linalg_matrix_norm.str_ord(%x)", {kNorm}}),
    case_name);

TEST(Decompose, PositionsInSeveralDimensionsAreOne) {
  const auto check = [](std::string_view result, std::string_view indices) {
    const Graph graph =
        check_pass(fmt::format(R"(graph(%x: f32[s0,4,5,3], %i: i64[2], %j: i64[6,1]) where s0 in [1,4] {{
      %n: i64[2] = aten.neg.default(%i)
      %y: {} = aten.index.Tensor(%x, {})
      return %y
    }})",
                               result, indices),
                   {decompose, eliminate_dead_code}, {{"s0", 3}});
    for (const auto& node : graph.nodes()) {
      if (node->op_name() != kIndex) continue;
      const ArgList& list = node->args[1].list();
      EXPECT_EQ(std::ranges::count_if(list, &Arg::is_value), 1) << print(graph);
    }
  };
  check("f32[s0,6,2,3]", "[None, %n, %j]");
  check("f32[6,2,s0,5]", "[None, %i, None, %j]");
  check("f32[s0,6,2]", "[None, %i, %j, %n]");
}

TEST(Decompose, WritesToKnownPositionsAreChoices) {
  const auto left = [](std::string_view positions) {
    return ops_of(check_pass(fmt::format(R"(graph(%x: f32[s0,5], %z: f32[s0,3]) where s0 in [1,4] {{
      weight %i: i64[2] "i" = [-5, 3]
      weight %k: i64[3] "k" = {}
      %f: f32[s0,5] = aten.index_fill.int_Scalar(%x, 1, %i, 2.5)
      %y: f32[s0,5] = aten.index_copy.default(%f, 1, %k, %z)
      return %y
    }})",
                                         positions),
                             {decompose, eliminate_dead_code}, {{"s0", 3}}));
  };
  EXPECT_THAT(left("[4, 0, 1]"), Not(Contains("aten.index_copy.default")));
  EXPECT_THAT(left("[4, 4, 1]"), Not(Contains("aten.index_fill.int_Scalar")));
}

TEST(Decompose, WritesToPositionsThatMayNotBeThereStay) {
  Graph graph = parse_graph(R"(graph(%x: f32[4,5], %i: i64[3]) {
    weight %k: i64[1] "k" = [5]
    %f: f32[4,5] = aten.index_fill.int_Scalar(%x, 1, %i, 2.5)
    %y: f32[4,5] = aten.index_fill.int_Scalar(%f, 1, %k, 2.5)
    return %y
  })");
  const LowerOptions options = default_options();
  decompose(graph, PassContext{options});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.index_fill.int_Scalar", "aten.index_fill.int_Scalar"));
}

TEST(Decompose, RecurrentCellsBecomeProductsAndGates) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,3], %h: f32[s0,4], %c: f32[s0,4]) where s0 in [1,4] {
    weight %i: f32[16,3] "i" = random(1)
    weight %r: f32[16,4] "r" = random(2)
    weight %b: f32[16] "b" = random(3)
    %n: f32[s0,4], %m: f32[s0,4] = aten.lstm_cell.default(%x, [%h, %c], %i, %r, %b, None)
    return %n, %m
  })",
                                 {decompose}, {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), Contains("aten.linear.default").Times(2));
  EXPECT_THAT(ops_of(graph), Not(Contains("aten.lstm_cell.default")));
}

/// Two layers, both ways, of so many steps.
Graph gru_of(int steps) {
  return check_pass(fmt::format(R"(graph(%x: f32[s0,{},3], %h: f32[4,s0,2]) where s0 in [1,4] {{
    weight %a: f32[6,3] "a" = random(1)
    weight %b: f32[6,2] "b" = random(2)
    weight %d: f32[6,4] "d" = random(3)
    %y: f32[s0,{},4], %z: f32[4,s0,2] = aten.gru.input(%x, %h, [%a, %b, %a, %b, %d, %b, %d, %b], False, 2, 0.0, False, True, True)
    return %y, %z
  }})",
                                steps, steps),
                    {decompose}, {{"s0", 2}});
}

TEST(Decompose, SequencesAreWrittenOutAsFarAsTheyAreShort) {
  EXPECT_THAT(ops_of(gru_of(3)), Not(Contains("aten.gru.input")));
  EXPECT_THAT(ops_of(gru_of(3)), Contains("aten.linear.default").Times(4 + 4 * 3));
  EXPECT_THAT(ops_of(gru_of(200)), Contains("aten.gru.input"));
}

TEST(Decompose, SplitsBecomeSlices) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,7]) where s0 in [1,4] {
    %a: f32[s0,3], %b: f32[s0,3], %c: f32[s0,1] = aten.split.Tensor(%x, 3, -1)
    %d: f32[s0], %e: f32[s0], %f: f32[s0] = aten.unbind.int(%a, 1)
    return %b, %c, %e
  })",
                                 {decompose, eliminate_dead_code}, {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), UnorderedElementsAre(kSlice, kSlice, kSlice, kSelect));
}

TEST(Decompose, PiecesOfASizeThatMovesAreAsLongAsTheySay) {
  const Graph graph = check_pass(R"(graph(%x: f32[2,s0]) where s0 in [4,9] {
    %a: f32[2,1], %b: f32[2,(s0 + -1)] = aten.split_with_sizes.default(%x, [1, s0 + -1], 1)
    return %a, %b
  })",
                                 {decompose}, {{"s0", 5}});
  EXPECT_EQ(graph.outputs[0]->type.shape[1], SymInt(1));
}

TEST(Decompose, VarianceAndMeanShareTheMean) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,7]) where s0 in [1,4] {
    %v: f32[s0,1], %m: f32[s0,1] = aten.var_mean.correction(%x, [1], correction=0, keepdim=True)
    return %v, %m
  })",
                                 {decompose, eliminate_dead_code}, {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.mean.dim", "aten.sub.Tensor", kMul, "aten.mean.dim"));
}

TEST(Decompose, NativeFormsGiveTheirStatistics) {
  const Graph graph = check_pass(R"(graph(%x: f32[2,4,5,3]) {
    %a: f32[2,4,5,3], %m: f32[2,4,1,1], %r: f32[2,4,1,1] = aten.native_layer_norm.default(%x, [5, 3], None, None, 1e-5)
    %b: f32[2,4,5,3], %n: f32[2,2], %s: f32[2,2] = aten.native_group_norm.default(%x, None, None, 2, 4, 15, 2, 1e-5)
    return %a, %m, %r, %b, %n, %s
  })",
                                 {decompose});
  EXPECT_THAT(ops_of(graph), Not(Contains(HasSubstr("native"))));
}

TEST(Decompose, NativeFormsNeedTheirFirstOutputAlone) {
  const Graph graph = check_pass(R"(graph(%x: f32[2,3,4,4], %w: f32[4], %z: f32[2,6]) {
    %a: f32[2,3,4,4], %m: f32[2,3,4,1], %r: f32[2,3,4,1] = aten.native_layer_norm.default(%x, [4], %w, None, 1e-5)
    %p: f32[2,3,2,2], %i: i64[2,3,2,2] = aten.max_pool2d_with_indices.default(%x, [2, 2])
    return %a, %p
  })",
                                 {decompose});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.layer_norm.default", "aten.max_pool2d.default"));
}

/// A rule for an operator that is not in the list, or one that emits such, would never be seen otherwise.
TEST(Decompose, RulesNameOperatorsOfTheList) {
  for (const auto& [name, rule] : decompose_rules()) EXPECT_NE(find_op(name), nullptr) << name;
}

}  // namespace
}  // namespace aitune

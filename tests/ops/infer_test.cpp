// Shape rules on symbolic sizes, and what they refuse.

#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/ops/schema.h"

namespace aitune::test {
namespace {

const SymInt kS = SymInt::symbol("s0"), kT = SymInt::symbol("s1");

class Infer : public testing::Test {
 protected:
  Value* input(SymShape shape, DType dtype = DType::f32) { return graph_.add_input("x", {dtype, std::move(shape)}); }
  std::string types(std::string_view op, ArgList positional, std::vector<std::pair<std::string, Arg>> keyword = {}) {
    const OpInfo* info = find_op(op);
    if (info == nullptr) return "no such operator";
    std::string text;
    for (const TensorType& t : infer_types(*info, bind_arguments(*info, std::move(positional), std::move(keyword))))
      text += (text.empty() ? "" : " ") + to_string(t);
    return text;
  }
  static ArgList ints(std::initializer_list<SymInt> values) {
    ArgList list;
    for (const SymInt& v : values) list.push_back(v);
    return list;
  }
  Graph graph_;
};

TEST_F(Infer, ViewFillsInTheMissingSize) {
  EXPECT_EQ(types("aten.view", {input({kS, 12, 64}), ints({kS, -1})}), "f32[s0,768]");
  EXPECT_EQ(types("aten.view", {input({kS, kT, 768}), ints({kS, -1, 12, 64})}), "f32[s0,s1,12,64]");
  EXPECT_EQ(types("aten.view", {input({2, 3}), ints({-1})}), "f32[6]");
}

TEST_F(Infer, FlattenAndUnflattenMultiplyAndDivide) {
  EXPECT_EQ(types("aten.flatten.using_ints", {input({kS, kT, 8}), SymInt(0), SymInt(1)}),
            "f32[" + (kS * kT).str() + ",8]");
  EXPECT_EQ(types("aten.unflatten.int", {input({2, kS * 4}), SymInt(1), ints({4, -1})}), "f32[2,4,s0]");
}

TEST_F(Infer, ConvolutionAndPoolingKeepSymbols) {
  const Arg x = input({kS, 3, kT, 224}), w = input({64, 3, 7, 7});
  const SymInt half = floordiv(kT + 6 - 7, 2) + 1;
  EXPECT_EQ(types("aten.conv2d", {x, w, None{}, ints({2, 2}), ints({3, 3})}), "f32[s0,64," + half.str() + ",112]");
  EXPECT_EQ(types("aten.adaptive_avg_pool2d", {x, ints({1, 1})}), "f32[s0,3,1,1]");
}

TEST_F(Infer, BroadcastTakesTheOtherSizeForOne) {
  EXPECT_EQ(types("aten.add.Tensor", {input({kS, 1, 8}), input({kT, 1})}), "f32[s0,s1,8]");
  EXPECT_EQ(types("aten.add.Tensor", {input({}), input({kS})}), "f32[s0]");
  // The first row, if there is one.
  EXPECT_EQ(types("aten.sub.Tensor", {input({kS, 3}), input({min(kS, 1), 3})}), "f32[s0,3]");
  EXPECT_EQ(types("aten.sub.Tensor", {input({min(kS, 1)}), input({kT, kS})}), "f32[s1,s0]");
  EXPECT_THROW(types("aten.add.Tensor", {input({kS}), input({kS + 1})}), InvalidArgument);
  EXPECT_THROW(types("aten.add.Tensor", {input({3}), input({4})}), InvalidArgument);
}

TEST_F(Infer, ChoicesAndIntegralsKeepSymbols) {
  EXPECT_EQ(types("aten.combinations", {input({kS})}), "f32[" + floordiv(kS * (kS - 1), 2).str() + ",2]");
  EXPECT_EQ(types("aten.cartesian_prod", {ArgList{input({kS}), input({kT})}}), "f32[" + (kS * kT).str() + ",2]");
  EXPECT_EQ(types("aten.trapezoid.dx", {input({kS, kT})}), "f32[s0]");
  EXPECT_EQ(types("aten.cumulative_trapezoid.dx", {input({kS, kT})}), "f32[s0," + (kT - 1).str() + "]");
  EXPECT_EQ(types("aten.tensordot", {input({kS, 1}), input({kT, 4}), ints({1}), ints({0})}), "f32[s0,4]");
}

TEST_F(Infer, SliceWrapsSymbolicEnds) {
  const Arg x = input({kS, 8});
  EXPECT_EQ(types("aten.slice.Tensor", {x, SymInt(0), SymInt(1), SymInt(INT64_MAX)}), "f32[" + (kS - 1).str() + ",8]");
  EXPECT_EQ(types("aten.slice.Tensor", {x, SymInt(0), SymInt(0), SymInt(-1)}), "f32[" + (kS - 1).str() + ",8]");
  EXPECT_EQ(types("aten.slice.Tensor", {input({512, 8}), SymInt(0), SymInt(0), kS}), "f32[s0,8]");
}

TEST_F(Infer, ConcatenationAddsAndChunkDivides) {
  EXPECT_EQ(types("aten.cat", {ArgList{input({kS, 4}), input({kT, 4})}}), "f32[" + (kS + kT).str() + ",4]");
  EXPECT_EQ(types("aten.chunk", {input({4, kS * 2}), SymInt(2), SymInt(1)}), "f32[4,s0] f32[4,s0]");
  EXPECT_EQ(types("aten.arange", {kS}), "i64[s0]");
}

TEST_F(Infer, PromotionHasThreeRanks) {
  EXPECT_EQ(types("aten.mul.Tensor", {input({2}, DType::bf16), input({}, DType::f64)}), "bf16[2]");
  EXPECT_EQ(types("aten.mul.Tensor", {input({2}, DType::i32), input({}, DType::f64)}), "f64[2]");
  EXPECT_EQ(types("aten.mul.Scalar", {input({2}, DType::i32), 0.5}), "f32[2]");
  EXPECT_EQ(types("aten.add.Tensor", {input({2}, DType::u8), input({2}, DType::i8)}), "i16[2]");
}

TEST_F(Infer, RefusesWhatPyTorchRefuses) {
  EXPECT_THROW(types("aten.view", {input({2, 3}), ints({4, -1})}), InvalidArgument);
  EXPECT_THROW(types("aten.view", {input({6}), ints({-1, -1})}), InvalidArgument);
  EXPECT_THROW(types("aten.mm", {input({2, 3}), input({4, 5})}), InvalidArgument);
  EXPECT_THROW(types("aten.softmax.int", {input({2, 3}), SymInt(2)}), InvalidArgument);
  EXPECT_THROW(types("aten.permute", {input({2, 3}), ints({0, 0})}), InvalidArgument);
  EXPECT_THROW(types("aten.conv2d", {input({1, 3, 4, 4}), input({8, 4, 3, 3})}), InvalidArgument);
  EXPECT_THROW(types("aten.conv2d", {input({1, 3, 2, 2}), input({8, 3, 5, 5})}), InvalidArgument);
  EXPECT_THROW(types("aten.unbind.int", {input({kS, 2})}), InvalidArgument);
  EXPECT_THROW(types("aten.index.Tensor", {input({4}), ArgList{input({5}, DType::b8)}}), InvalidArgument);
  EXPECT_THROW(types("aten.index.Tensor", {input({4, 4}), ArgList{input({4}, DType::b8), input({4}, DType::i64)}}),
               Unsupported);
  EXPECT_THROW(types("aten.select.int", {input({4}), SymInt(0), SymInt(4)}), InvalidArgument);
  EXPECT_THROW(types("aten.gather", {input({2, 2}), SymInt(0), input({1, 100}, DType::i64)}), InvalidArgument);
  EXPECT_THROW(types("aten.scatter.src", {input({2, 2}), SymInt(0), input({1, 3}, DType::i64), input({2, 3})}),
               InvalidArgument);
  EXPECT_THROW(types("aten.scatter.src", {input({2, 4}), SymInt(0), input({1, 3}, DType::i64), input({1, 2})}),
               InvalidArgument);
  EXPECT_THROW(types("aten.index_add", {input({5, 6}), SymInt(0), input({3}, DType::i64), input({2, 6})}),
               InvalidArgument);
  EXPECT_THROW(types("aten.slice_scatter", {input({4, 6}), input({4, 3}), SymInt(1), SymInt(0), SymInt(2)}),
               InvalidArgument);
  EXPECT_THROW(types("aten.layer_norm", {input({2, 4}), ints({4}), input({3})}), InvalidArgument);
  EXPECT_THROW(types("aten.linear", {input({2, 4}), input({3, 4}), input({5, 2, 3})}), InvalidArgument);
  EXPECT_THROW(types("aten.one_hot", {input({4}, DType::i64)}), Unsupported);
  EXPECT_THROW(types("aten.tensor_split.tensor_indices_or_sections", {input({4}), input({2}, DType::i64)}),
               Unsupported);
  EXPECT_THROW(types("aten.histogram.bin_ct", {input({4}), SymInt(0)}), InvalidArgument);
  EXPECT_THROW(types("aten.sum_to_size", {input({2, 3}), ints({2, 2})}), InvalidArgument);
  EXPECT_THROW(types("aten.tensordot", {input({2, 3}), input({2, 4}), ints({1}), ints({0})}), InvalidArgument);
  EXPECT_THROW(types("aten.searchsorted.Tensor", {input({4}), input({2})}, {{"sorter", input({3}, DType::i64)}}),
               InvalidArgument);
  EXPECT_THROW(types("aten.index_put", {input({2, 4}), ArgList{None{}, input({4}, DType::b8)}, input({2, 3})}),
               Unsupported);
}

}  // namespace
}  // namespace aitune::test

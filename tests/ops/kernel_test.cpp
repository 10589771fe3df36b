// Reference kernels on larger and on hostile inputs.

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "engines/reference/run/op_call.h"

namespace aitune::reference {
namespace {

Tensor random_tensor(Shape shape, std::uint32_t seed) {
  Tensor t(DType::f32, std::move(shape));
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = normal(engine);
  return t;
}

OpArgList ints(std::initializer_list<std::int64_t> values) {
  OpArgList list;
  for (const std::int64_t v : values) list.emplace_back(v);
  return list;
}

Tensor indices(std::initializer_list<std::int64_t> values) {
  Tensor t(DType::i64, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<std::int64_t>());
  return t;
}

/// Every block edge of the product: sizes around tiles and blocks, against the naive sum in double.
TEST(MatrixProduct, AgreesWithTheNaiveSumAtBlockEdges) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {11, 31, 255}, {12, 32, 256}, {13, 33, 257}, {97, 1025, 3}, {96, 5, 513}, {200, 70, 300}}) {
    const Tensor a = random_tensor({m, k}, seed), b = random_tensor({k, n}, seed + 1);
    std::vector<Tensor> out{Tensor(DType::f32, {m, n})};
    const std::vector<OpArg> args{a, b};
    run_op({OpId::aten_mm_default, args, out});
    for (std::int64_t i = 0; i < m; i += 7)
      for (std::int64_t j = 0; j < n; j += 5) {
        double sum = 0;
        for (std::int64_t l = 0; l < k; ++l) sum += double{a.as<float>()[i * k + l]} * double{b.as<float>()[l * n + j]};
        ASSERT_NEAR(out[0].as<float>()[i * n + j], sum, 1e-3) << m << "x" << n << "x" << k << " at " << i << "," << j;
      }
  }
}

/// A convolution wide enough for several panels, against the definition.
TEST(Convolution, AgreesWithItsDefinition) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const Tensor x = random_tensor({1, 6, 40, 41}, seed), w = random_tensor({4, 3, 3, 5}, seed + 1);
  std::vector<Tensor> out{Tensor(DType::f32, {1, 4, 20, 41})};
  const std::vector<OpArg> args{x, w, NoneArg{}, ints({2, 1}), ints({1, 2}), ints({1, 1}), std::int64_t{2}};
  run_op({OpId::aten_conv2d_default, args, out});
  for (std::int64_t o = 0; o < 4; ++o)
    for (std::int64_t i = 0; i < 20; ++i)
      for (std::int64_t j = 0; j < 41; ++j) {
        double sum = 0;
        for (std::int64_t c = 0; c < 3; ++c)
          for (std::int64_t p = 0; p < 3; ++p)
            for (std::int64_t q = 0; q < 5; ++q) {
              const std::int64_t r = 2 * i - 1 + p, s = j - 2 + q;
              if (r < 0 || r >= 40 || s < 0 || s >= 41) continue;
              sum += double{x.as<float>()[((o / 2 * 3 + c) * 40 + r) * 41 + s]} *
                     double{w.as<float>()[((o * 3 + c) * 3 + p) * 5 + q]};
            }
        ASSERT_NEAR(out[0].as<float>()[(o * 20 + i) * 41 + j], sum, 1e-3) << o << "," << i << "," << j;
      }
}

TEST(HostileIndices, AreRefused) {
  const Tensor table = random_tensor({4, 3}, 1);
  std::vector<Tensor> rows{Tensor(DType::f32, {1, 3})};
  for (const std::int64_t bad : {std::int64_t{4}, std::int64_t{-5}, INT64_MAX, INT64_MIN}) {
    const std::vector<OpArg> embedding{table, indices({bad}), std::int64_t{-1}, false, false};
    EXPECT_THROW(run_op({OpId::aten_embedding_default, embedding, rows}), InvalidArgument);
    const std::vector<OpArg> select{table, std::int64_t{0}, indices({bad})};
    EXPECT_THROW(run_op({OpId::aten_index_select_default, select, rows}), InvalidArgument);
    const std::vector<OpArg> index{table, OpArgList{indices({bad})}};
    EXPECT_THROW(run_op({OpId::aten_index_Tensor, index, rows}), InvalidArgument);
  }
}

TEST(HostilePivots, AreRefused) {
  const Tensor matrix = random_tensor({3, 3}, 1), side = random_tensor({3, 2}, 2);
  const auto pivots = [](std::initializer_list<std::int32_t> values) {
    Tensor t(DType::i32, {static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), t.as<std::int32_t>());
    return t;
  };
  std::vector<Tensor> solution{Tensor(DType::f32, {3, 2})};
  std::vector<Tensor> parts(3, Tensor(DType::f32, {3, 3}));
  for (const auto& bad : {pivots({0, 2, 3}), pivots({1, 4, 3}), pivots({1, INT32_MIN, 3}), pivots({1, 2, 3, 3})}) {
    const std::vector<OpArg> by_lu{matrix, bad, side, true, false}, unpacked{matrix, bad, true, true};
    EXPECT_THROW(run_op({OpId::aten_linalg_lu_solve_default, by_lu, solution}), InvalidArgument);
    EXPECT_THROW(run_op({OpId::aten_lu_unpack_default, unpacked, parts}), InvalidArgument);
  }
  for (const auto& bad :
       {pivots({0, 2, 3}), pivots({1, 2, -3}), pivots({-1, -2, 3}), pivots({1, 2}), pivots({1, 2, 4})}) {
    const std::vector<OpArg> by_ldl{matrix, bad, side, false};
    EXPECT_THROW(run_op({OpId::aten_linalg_ldl_solve_default, by_ldl, solution}), InvalidArgument);
  }
}

TEST(Factorisations, RefuseOperandsAndResultsOfOtherShapes) {
  const Tensor square = random_tensor({3, 3}, 1), wide = random_tensor({2, 3}, 2), vector = random_tensor({3}, 3);
  const auto refused = [](OpId op, const std::vector<OpArg>& args, std::initializer_list<Shape> shapes) {
    std::vector<Tensor> results;
    for (const Shape& shape : shapes) results.emplace_back(DType::f32, shape);
    EXPECT_THROW(run_op({op, args, results}), InvalidArgument) << op_name(op);
  };
  for (const Tensor& bad : {wide, vector}) {
    refused(OpId::aten_linalg_inv_default, {bad}, {{3, 3}});
    refused(OpId::aten_linalg_det_default, {bad}, {{}});
    refused(OpId::aten_linalg_cholesky_default, {bad, false}, {{3, 3}});
    refused(OpId::aten_linalg_eigh_default, {bad, std::string("L")}, {{3}, {3, 3}});
    refused(OpId::aten_linalg_solve_default, {bad, wide, true}, {{3, 3}});
  }
  refused(OpId::aten_linalg_inv_default, {square}, {{9}});
  refused(OpId::aten_linalg_svd_default, {wide, true, NoneArg{}}, {{3, 3}, {2}, {3, 3}});
  refused(OpId::aten_linalg_svd_default, {vector, true, NoneArg{}}, {{3, 3}, {2}, {3, 3}});
  refused(OpId::aten_linalg_qr_default, {wide, std::string("reduced")}, {{2, 3}, {3, 3}});
  refused(OpId::aten_linalg_householder_product_default, {wide, vector}, {{2, 3}});
  refused(OpId::aten_ormqr_default, {square, random_tensor({4}, 4), square, true, false}, {{3, 3}});
  refused(OpId::aten_linalg_matrix_power_default, {wide, std::int64_t{2}}, {{2, 3}});
  refused(OpId::aten_linalg_multi_dot_default, {OpArg(OpArgList{wide, wide})}, {{2, 3}});
  refused(OpId::aten_linalg_tensorinv_default, {square, std::int64_t{3}}, {{3, 3}});
  refused(OpId::aten_linalg_vander_default, {vector, std::int64_t{1}}, {{3, 1}});
}

TEST(HostileSizes, AreRefused) {
  const Tensor samples = random_tensor({6}, 1), row = random_tensor({2, 3}, 2), sought = random_tensor({4, 2}, 3);
  std::vector<Tensor> counts{Tensor(DType::f32, {2}), Tensor(DType::f32, {3})};
  const std::vector<OpArg> histogram{samples, std::int64_t{1} << 40, NoneArg{}, NoneArg{}, false};
  EXPECT_THROW(run_op({OpId::aten_histogram_bin_ct, histogram, counts}), InvalidArgument);
  std::vector<Tensor> places{Tensor(DType::i64, {4, 2})};
  const std::vector<OpArg> search{row, sought, false, false, NoneArg{}, NoneArg{}};
  EXPECT_THROW(run_op({OpId::aten_searchsorted_Tensor, search, places}), InvalidArgument);
  std::vector<Tensor> segments{Tensor(DType::f32, {2})};
  const std::vector<OpArg> reduce{samples, std::string("sum"), indices({5, 2}), NoneArg{}, NoneArg{}, std::int64_t{0},
                                  true,    NoneArg{}};
  EXPECT_THROW(run_op({OpId::aten_segment_reduce_default, reduce, segments}), InvalidArgument);
}

TEST(IntegerDivision, ByZeroIsAnErrorAndTheSmallestIntegerWraps) {
  std::vector<Tensor> out{Tensor(DType::i64, {1})};
  const std::vector<OpArg> by_zero{indices({5}), indices({0})};
  EXPECT_THROW(run_op({OpId::aten_floor_divide_default, by_zero, out}), InvalidArgument);
  const std::vector<OpArg> by_minus_one{indices({INT64_MIN}), indices({-1})};
  run_op({OpId::aten_floor_divide_default, by_minus_one, out});
  EXPECT_EQ(out[0].as<std::int64_t>()[0], INT64_MIN);
}

TEST(RunOp, NamesWhatItCannotDo) {
  std::vector<Tensor> out{Tensor(DType::c64, {1})};
  const std::vector<OpArg> args{Tensor(DType::c64, {1})};
  try {
    run_op({OpId::aten_erf_default, args, out});
    FAIL() << "erf of complex numbers should not have a kernel";
  } catch (const Unsupported& error) {
    EXPECT_NE(std::string(error.what()).find("erf"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("c64"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace aitune::reference

#include "format/onednn_payload.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"

namespace aitune {
namespace {

OneDnnPayload sample() {
  OneDnnPayload p;
  p.version = "3.2.0";
  p.dst_type = DType::bf16;
  p.src = 0, p.dst = 2, p.bias = 3, p.residual = 4;
  p.posts = {OneDnnPost::residual, OneDnnPost::relu};
  OneDnnPart product, window;
  product.weights = 1;
  product.rows = 4, product.depth = 8, product.columns = 16, product.src_stride = 10, product.dst_stride = 20;
  product.layout = {3, 2, 8, 16};
  window.kind = OneDnnPart::Kind::convolution;
  window.weights = 5;
  window.in_h = 7, window.in_w = 9, window.depth = 3, window.columns = 2, window.kernel_h = window.kernel_w = 3,
  window.stride_h = 2;
  window.layout = {3};
  p.parts = {product, window};
  p.calls = {{0, 5, 6, 7, 8}, {1, 0, 0, 0, 0}};
  return p;
}

TEST(OneDnnPayload, ComesBackAsItWas) {
  EXPECT_EQ(read_onednn_payload(write_onednn_payload(sample()), "test"), sample());
}

TEST(OneDnnPayload, KnowsWhatCallsTouch) {
  const auto accesses = onednn_accesses(sample());
  ASSERT_EQ(accesses.size(), 8u);
  EXPECT_EQ(accesses[0].offset, 20u);
  EXPECT_EQ(accesses[0].bytes, (3 * 10 + 8) * 4u);
  EXPECT_EQ(accesses[1].bytes, (3 * 20 + 16) * 2u);
  EXPECT_TRUE(accesses[1].written);
  EXPECT_EQ(accesses[3].offset, 32u);
  EXPECT_EQ(accesses[4].bytes, 7u * 9 * 3 * 4);
  EXPECT_EQ(accesses[5].bytes, 3u * 7 * 2 * 2);
}

TEST(OneDnnPayload, RefusesWhatMeansNothing) {
  const std::function<void(OneDnnPayload&)> spoilers[] = {
      [](auto& p) { p.type = DType::i64; },
      [](auto& p) { p.posts.push_back(static_cast<OneDnnPost>(9)); },
      [](auto& p) { p.posts.push_back(OneDnnPost::residual); },
      [](auto& p) { p.residual = OneDnnPayload::kNone; },
      [](auto& p) { p.parts.clear(); },
      [](auto& p) { p.calls.clear(); },
      [](auto& p) { p.calls[0].part = 2; },
      [](auto& p) { p.calls[0].src = -1; },
      [](auto& p) { p.calls[0].dst = std::int64_t{1} << 60; },
      [](auto& p) { p.parts[0].rows = 0; },
      [](auto& p) { p.parts[0].src_stride = 7; },
      [](auto& p) { p.parts[0].rows = p.parts[0].src_stride = p.parts[0].dst_stride = 0x7fffffff; },
      [](auto& p) { p.parts[0].kind = static_cast<OneDnnPart::Kind>(2); },
      [](auto& p) { p.parts[1].kernel_w = 10; },
      [](auto& p) { p.parts[1].dilation_h = 0x7fffffff; },
      [](auto& p) { p.parts[1].in_h = p.parts[1].in_w = p.parts[1].depth = 0x7fffffff; },
  };
  for (std::size_t i = 0; i < std::size(spoilers); ++i) {
    OneDnnPayload bad = sample();
    spoilers[i](bad);
    EXPECT_THROW(read_onednn_payload(write_onednn_payload(bad), "test"), Corrupt) << i;
  }
}

TEST(OneDnnPayload, DamageIsNeverMoreThanCorrupt) {
  const auto good = write_onednn_payload(sample());
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      auto bad = good;
      bad[i] = static_cast<std::byte>(value);
      try {
        onednn_accesses(read_onednn_payload(bad, "test"));
      } catch (const Corrupt&) {  // refused, as it may be
      }
    }
    EXPECT_THROW(read_onednn_payload(std::span(good).first(i / 2), "test"), Corrupt);
  }
}

}  // namespace
}  // namespace aitune

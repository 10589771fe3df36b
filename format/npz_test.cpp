#include "format/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "format/fuzz.h"
#include "format/tensor_bytes.h"
#include "format/test_folder.h"
#include "format/zip_writer.h"

namespace aitune {
namespace {

NamedTensors some_tensors() {
  NamedTensors tensors;
  for (const DType dtype : {DType::i8, DType::f32, DType::b8, DType::i64, DType::bf16}) {
    Tensor tensor(dtype, {2, 3});
    for (std::size_t i = 0; i < tensor.byte_size(); ++i) tensor.data()[i] = std::byte{1};
    tensors.emplace_back(dtype_name(dtype), std::move(tensor));
  }
  tensors.emplace_back("scalar", Tensor(DType::f64, {}));
  tensors.emplace_back("empty", Tensor(DType::f16, {0, 4}));
  return tensors;
}

TEST(TensorFiles, RoundTripByExtension) {
  const TestFolder folder;
  for (const std::string_view name : {"a.npz", "a.safetensors"}) {
    const NamedTensors tensors = some_tensors();
    write_tensors(folder / name, tensors);
    const NamedTensors back = read_tensors(folder / name);
    ASSERT_EQ(back.size(), tensors.size());
    for (const auto& [key, tensor] : tensors) {
      const auto found = std::find_if(back.begin(), back.end(), [&](const auto& t) { return t.first == key; });
      ASSERT_NE(found, back.end()) << key;
      EXPECT_EQ(found->second.dtype(), tensor.dtype());
      EXPECT_EQ(found->second.shape(), tensor.shape());
      EXPECT_TRUE(std::ranges::equal(contiguous_bytes(found->second), contiguous_bytes(tensor))) << key;
    }
  }
}

TEST(TensorFiles, NpyHoldsOneTensorNamedAfterTheFile) {
  const TestFolder folder;
  NamedTensors tensors = some_tensors();
  EXPECT_THROW(write_tensors(folder / "image.npy", tensors), InvalidArgument);
  tensors.resize(1);
  write_tensors(folder / "image.npy", tensors);
  EXPECT_EQ(read_tensors(folder / "image.npy").at(0).first, "image");
}

TEST(TensorFiles, RefusesOtherExtensionsAndMissingFiles) {
  EXPECT_THROW(read_tensors("a.txt"), InvalidArgument);
  EXPECT_THROW(write_tensors("a.txt", {}), InvalidArgument);
  EXPECT_THROW(read_tensors("/nonexistent/a.npz"), NotFound);
}

TEST(TensorFiles, FailedWriteLeavesNoFile) {
  const TestFolder folder;
  const NamedTensors twice{{"a", Tensor(DType::f32, {1})}, {"a", Tensor(DType::f32, {1})}};
  for (const std::string_view name : {"a.npz", "a.safetensors"}) {
    EXPECT_THROW(write_tensors(folder / name, twice), InvalidArgument);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Npz, RefusesOtherEntries) {
  MemorySink sink;
  ZipWriter zip(sink);
  zip.add("a.txt", "text");
  zip.finish();
  EXPECT_THROW(read_npz(ZipReader(sink.bytes(), "a.npz")), Corrupt);
}

TEST(Npz, SurvivesEveryDamage) {
  MemorySink sink;
  const NamedTensors one{{"a", Tensor(DType::f32, {2})}};
  write_npz(sink, one);
  for_each_damage(sink.bytes(),
                  [](std::span<const std::byte> bytes) { read_npz(ZipReader(bytes, "damaged"), 1 << 20); });
}

}  // namespace
}  // namespace aitune

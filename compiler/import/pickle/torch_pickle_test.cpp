#include "compiler/import/pickle/torch_pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "format/bytes.h"
#include "format/digest.h"
#include "format/fuzz.h"
#include "format/tensor_bytes.h"
#include "format/test_folder.h"
#include "format/zip_writer.h"

namespace aitune {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Tensor counting(DType dtype, Shape shape) {
  Tensor tensor(dtype, std::move(shape));
  for (std::size_t i = 0; i < tensor.byte_size(); ++i) tensor.data()[i] = static_cast<std::byte>(i * 7 % 251);
  if (dtype == DType::b8) normalize_bools({tensor.data(), tensor.byte_size()});
  return tensor;
}

Bytes saved(const TorchValue& value, int protocol = 2) {
  MemorySink sink;
  write_torch_file(sink, value, protocol);
  return sink.take();
}

void expect_same(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.dtype(), b.dtype());
  EXPECT_EQ(a.shape(), b.shape());
  EXPECT_TRUE(std::ranges::equal(contiguous_bytes(a.contiguous()), contiguous_bytes(b.contiguous())));
}

// X opcode with a short text.
std::string text(std::string_view s) { return "X"s + static_cast<char>(s.size()) + "\0\0\0"s + std::string(s); }

// A file with one tensor over data/0 of `bytes` bytes.
Bytes one_tensor(std::string_view storage, std::string_view offset, std::string_view shape, std::string_view strides,
                 std::size_t bytes) {
  MemorySink sink;
  ZipWriter zip(sink, "archive");
  zip.add("data.pkl",
          "\x80\x02"
          "ctorch._utils\n_rebuild_tensor_v2\n((" +
              text("storage") + "ctorch\n" + std::string(storage) + "\n" + text("0") + text("cpu") + "K\x04tQ" +
              std::string(offset) + std::string(shape) + std::string(strides) +
              "\x89"
              "NtR.");
  zip.add("data/0", std::string(bytes, '\2'));
  zip.finish();
  return sink.take();
}

Tensor read_one(const Bytes& bytes) {
  const TorchFile file(bytes, "file.pt", nullptr);
  return file.tensor(file.root());
}

TEST(TorchFile, RoundTripOfEveryTypeAndProtocol) {
  for (int protocol = 2; protocol <= 5; ++protocol) {
    NamedTensors tensors;
    for (int d = 0; d < 12; ++d) {
      const auto dtype = static_cast<DType>(d);
      tensors.emplace_back(std::string(dtype_name(dtype)) + ".weight", counting(dtype, {2, 3}));
    }
    tensors.emplace_back("scalar", counting(DType::f32, {}));
    tensors.emplace_back("empty", counting(DType::i64, {0, 300}));
    tensors.emplace_back("wide", counting(DType::u8, {1, 70000}));
    const Bytes bytes = saved(named_tensors_value(tensors), protocol);
    const NamedTensors back = TorchFile(bytes, "a.pt", nullptr).named_tensors();
    ASSERT_EQ(back.size(), tensors.size());
    for (std::size_t i = 0; i < back.size(); ++i) {
      EXPECT_EQ(back[i].first, tensors[i].first);
      expect_same(back[i].second, tensors[i].second);
    }
  }
  EXPECT_THROW(saved({}, 1), InvalidArgument);
  EXPECT_THROW(saved({}, 6), InvalidArgument);
}

std::string refusal_of(std::string_view pickle, std::string_view name) {
  MemorySink sink;
  ZipWriter zip(sink, "archive");
  zip.add("data.pkl", "\x80\x02" + std::string(pickle));
  zip.finish();
  try {
    const Bytes bytes = sink.take();
    const TorchFile file(bytes, "file.pt", nullptr);
    EXPECT_TRUE(TorchFile::is_tensor(file.root()));
    file.tensor(file.root(), name);
  } catch (const Unsupported& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TorchFile, TensorsWithoutValuesAndQuantisedOnesAreNamed) {
  EXPECT_EQ(refusal_of("ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\nK\x02\x85K\x01\x85\x89tR.",
                       "fc.bias"),
            "file.pt: fc.bias: the tensor is on the meta device and has no values. Load its values before saving: "
            "model.to_empty(device=\"cpu\"), then load_state_dict");
  const std::string meta = "((" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("meta") + "K\x00tQ"s;
  EXPECT_THAT(refusal_of("ctorch._utils\n_rebuild_tensor_v2\n" + meta + "K\x00K\x02\x85K\x01\x85\x89NtR."s, "fc.bias"),
              HasSubstr("file.pt: fc.bias: the tensor is on the meta device"));
  EXPECT_THAT(refusal_of("ctorch._utils\n_rebuild_qtensor\n(tR.", "w"),
              HasSubstr("file.pt: w: a tensor of PyTorch's old quantisation"));
}

TEST(TorchFile, SampleInputsAreArgsAndKwargs) {
  const std::vector<Tensor> args{counting(DType::f32, {2}), counting(DType::i64, {1})};
  const NamedTensors kwargs{{"mask", counting(DType::b8, {2})}};
  const Bytes bytes = saved(sample_inputs_value(args, kwargs), 4);
  const TorchFile file(bytes, "a.pt", nullptr);
  ASSERT_TRUE(file.root().is(PickleKind::tuple));
  ASSERT_EQ(file.root().items.size(), 2u);
  expect_same(file.tensor(*file.root().items[0]->items[1]), args[1]);
  expect_same(file.tensor(*file.root().items[1]->find("mask")), kwargs[0].second);
  const Bytes none = saved(sample_inputs_value({}, {}));
  EXPECT_TRUE(TorchFile(none, "a.pt", nullptr).root().items[0]->items.empty());
}

TEST(TorchFile, PlainValuesAndPaths) {
  const TorchValue value =
      TorchValue::dict({{"list", TorchValue::list({TorchValue::of(1.5), TorchValue::of(counting(DType::f32, {1}))})},
                        {"small", TorchValue::of(7)},
                        {"negative", TorchValue::of(-7)},
                        {"large", TorchValue::of(INT64_MAX)},
                        {"yes", TorchValue::of(true)},
                        {"name", TorchValue::of("x"s)},
                        {"none", {}}});
  const Bytes bytes = saved(value);
  const TorchFile file(bytes, "a.pt", nullptr);
  EXPECT_EQ(file.root().find("small")->integer, 7);
  EXPECT_EQ(file.root().find("negative")->integer, -7);
  EXPECT_EQ(file.root().find("large")->integer, INT64_MAX);
  EXPECT_TRUE(file.root().find("yes")->is(PickleKind::boolean));
  EXPECT_EQ(file.root().find("list")->items[0]->real, 1.5);
  EXPECT_EQ(file.named_tensors().at(0).first, "list.1");
  const Bytes lone = saved(TorchValue::of(counting(DType::f32, {1})));
  EXPECT_EQ(TorchFile(lone, "a.pt", nullptr).named_tensors().at(0).first, "tensor");
}

TEST(TorchFile, MapsWithoutCopying) {
  const TestFolder folder;
  const Tensor tensor = counting(DType::f32, {4});
  write_file(folder / "a.pt", saved(TorchValue::list({TorchValue::of(tensor), TorchValue::of(tensor)})));
  NamedTensors back;
  {
    const TorchFile file = TorchFile::open(folder / "a.pt");
    back = file.named_tensors();
  }
  EXPECT_EQ(back[0].second.data(), back[1].second.data()) << "equal views share a storage";
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(back[0].second.data()) % 64, 0u);
  expect_same(back[0].second, tensor);
}

TEST(TorchFile, StridesAndOffset) {
  const Tensor view = read_one(one_tensor("CharStorage", "K\x01", "K\x02K\x03\x86", "K\x01K\x02\x86", 7));
  EXPECT_EQ(view.strides(), (Shape{1, 2}));
  EXPECT_EQ(view.as<std::int8_t>()[0], 2);
  EXPECT_EQ(read_one(one_tensor("BoolStorage", "K\x00"s, "K\x02\x85", "K\x01\x85", 2)).as<std::uint8_t>()[0], 1);
}

TEST(TorchFile, RefusesTensorsOutsideOfTheirStorage) {
  const std::string zero = "K\0"s, huge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
  const auto refuse = [](const Bytes& bytes, const std::string& message) {
    try {
      read_one(bytes);
      ADD_FAILURE() << "accepted, but should say: " << message;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal);
      EXPECT_THAT(error.what(), HasSubstr(message));
      EXPECT_THAT(error.what(), HasSubstr("file.pt"));
    }
  };
  refuse(one_tensor("FloatStorage", zero, "K\x05\x85", "K\x01\x85", 16), "outside of its storage");
  refuse(one_tensor("FloatStorage", "K\x01", "K\x04\x85", "K\x01\x85", 16), "outside of its storage");
  refuse(one_tensor("FloatStorage", huge, "K\x04\x85", "K\x01\x85", 16), "outside of its storage");
  refuse(one_tensor("FloatStorage", zero, "K\x04\x85", huge + "\x85", 16), "outside of its storage");
  refuse(one_tensor("FloatStorage", zero, huge + "\x85", zero + "\x85", 16), "too large");
  refuse(one_tensor("FloatStorage", zero, "J\xff\xff\xff\x7f\x85", zero + "\x85", 16), "repeats a storage");
  refuse(one_tensor("FloatStorage", zero, "J\xff\xff\xff\xff\x85", "K\x01\x85", 16), "not a whole number");
  refuse(one_tensor("FloatStorage", zero, "K\x01\x85", ")", 16), "1 sizes, but 0 strides");
  refuse(one_tensor("QInt8Storage", zero, "K\x01\x85", "K\x01\x85", 16), "QInt8Storage");
  EXPECT_EQ(read_one(one_tensor("FloatStorage", "K\x63", "K\0\x85"s, "K\x01\x85", 16)).numel(), 0);
}

TEST(TorchFile, RefusesOtherFiles) {
  EXPECT_THROW(TorchFile(as_byte_span("\x80\x02\x8a\x0al\xfc"), "old.pt", nullptr), Unsupported);
  const auto archive = [](std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
    MemorySink sink;
    ZipWriter zip(sink, "a");
    for (const auto& [name, content] : entries) zip.add(name, content);
    zip.finish();
    return sink.take();
  };
  for (const Bytes& bytes : {archive({{"x", "N."}}), archive({{"data.pkl", "N."}, {"constants.pkl", "N."}}),
                             archive({{"data.pkl", "N."}, {"byteorder", "big"}})}) {
    EXPECT_THROW(TorchFile(bytes, "a.pt", nullptr), Unsupported);
  }
}

TEST(TorchFile, NoticesDamagedWeights) {
  Bytes bytes = one_tensor("FloatStorage", "K\0"s, "K\x04\x85", "K\x01\x85", 16);
  const ZipReader zip(bytes, "a");
  bytes[zip.at("data/0").offset] ^= std::byte{1};
  EXPECT_THROW(read_one(bytes), Corrupt);
}

TEST(TorchFile, SurvivesEveryDamage) {
  const auto read = [](std::span<const std::byte> bytes) {
    const TorchFile file(bytes, "damaged", nullptr);
    for (const auto& [name, tensor] : file.named_tensors()) tensor.clone();
  };
  for_each_damage(one_tensor("FloatStorage", "K\0"s, "K\x04\x85", "K\x01\x85", 16), read);
  // Past the checksum: damage inside of the pickle itself.
  const Bytes good = one_tensor("FloatStorage", "K\0"s, "K\x04\x85", "K\x01\x85", 16);
  const ZipReader zip(good, "good");
  for_each_damage(zip.bytes(zip.at("data.pkl")), [&](std::span<const std::byte> pickle) {
    MemorySink sink;
    ZipWriter damaged(sink, "archive");
    damaged.add("data.pkl", pickle);
    damaged.add("data/0", std::string(16, '\2'));
    damaged.finish();
    read(sink.bytes());
  });
}

}  // namespace
}  // namespace aitune

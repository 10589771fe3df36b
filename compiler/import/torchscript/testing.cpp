#include "compiler/import/torchscript/testing.h"

#include <array>
#include <cstring>
#include <numeric>

#include "format/zip_writer.h"

namespace aitune::torchscript {
namespace {

// Opcodes of pickle protocol 2.
std::string text(std::string_view value) {
  std::string made = "X";
  const auto size = static_cast<std::uint32_t>(value.size());
  made.append(reinterpret_cast<const char*>(&size), 4);
  return made + std::string(value);
}
std::string small(std::uint8_t value) { return std::string("K") + static_cast<char>(value); }
std::string tensor(std::string_view storage, std::string_view key, std::uint8_t count, const std::string& sizes,
                   const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + std::string(storage) + "\n" +
         text(key) + text("cpu") + small(count) + "tQ" + small(0) + "(" + sizes + "t(" + strides +
         "t\x89"
         "ccollections\nOrderedDict\n)RtR";
}

std::string model_pickle() {
  const std::string two_by_two = small(2) + small(2), strides = small(2) + small(1);
  return std::string("\x80\x02") + "c__torch__\nNet\n)\x81}(" + text("training") + "\x89" + text("n") + small(3) +
         text("word") + text("hi") + text("sizes") + "ctorch.jit._pickle\nbuild_intlist\n(](" + small(1) + small(2) +
         small(3) + "etR" + text("w") + tensor("FloatStorage", "0", 4, two_by_two, strides) + text("state") +
         tensor("FloatStorage", "1", 4, two_by_two, strides) + "ub.";
}

template <typename T, std::size_t N>
std::string_view bytes_of(const std::array<T, N>& values) {
  return {reinterpret_cast<const char*>(values.data()), N * sizeof(T)};
}

}  // namespace

std::vector<std::byte> make_archive(std::string_view source) { return make_archive(source, model_pickle()); }

std::vector<std::byte> make_archive(std::string_view source, std::string_view data_pickle) {
  MemorySink sink;
  ZipWriter writer(sink, "net");
  writer.add("data.pkl", data_pickle);
  writer.add("code/__torch__.py", source);
  writer.add("data/0", bytes_of(std::array<float, 4>{1, 2, 3, 4}));
  writer.add("data/1", bytes_of(std::array<float, 4>{}));
  writer.add("constants/0", bytes_of(std::array<std::int64_t, 1>{7}));
  writer.add("constants.pkl", std::string("\x80\x02(") + tensor("LongStorage", "0", 1, "", "") + "t.");
  writer.add("version", "6\n");
  writer.finish();
  return sink.take();
}

NamedTensors sample_of(std::int64_t rows) {
  Tensor x(DType::f32, {rows, 2});
  std::iota(x.as<float>(), x.as<float>() + rows * 2, 0.0F);
  return {{"x", x}};
}

}  // namespace aitune::torchscript

#include "compiler/import/fx/testing.h"

#include "format/zip_writer.h"

namespace aitune::fx {
namespace {

std::string little_endian(std::uint32_t value) {
  std::string bytes(4, '\0');
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string tuple(const std::vector<std::int32_t>& values) {
  std::string opcodes = "(";
  for (const std::int32_t value : values) opcodes += pickled_integer(value);
  return opcodes + "t";
}

}  // namespace

std::vector<std::byte> torch_file(std::string_view pickle) {
  MemorySink sink;
  ZipWriter zip(sink, "archive");
  zip.add("data.pkl", std::string(pickle));
  std::string floats;
  for (int i = 0; i < 64; ++i) floats += std::string("\0\0\x80\x3f", 4);
  zip.add("data/0", floats);
  zip.finish();
  return sink.take();
}

std::string pickled_text(std::string_view text) {
  return "X" + little_endian(static_cast<std::uint32_t>(text.size())) + std::string(text);
}

std::string pickled_integer(std::int32_t value) { return "J" + little_endian(static_cast<std::uint32_t>(value)); }

std::string pickled_dict(std::string_view entries) { return "}(" + std::string(entries) + "u"; }

std::string pickled_tensor(const std::vector<std::int32_t>& sizes) {
  std::vector<std::int32_t> strides(sizes.size(), 1);
  for (std::size_t i = sizes.size(); i-- > 1;) strides[i - 1] = strides[i] * sizes[i];
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled_text("storage") + "ctorch\nFloatStorage\n" +
         pickled_text("0") + pickled_text("cpu") + pickled_integer(64) + "tQ" + pickled_integer(0) + tuple(sizes) +
         tuple(strides) + "\x89NtR";
}

std::string pickled_module(std::string_view module, std::string_view name, std::string_view state) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n)\x81" + pickled_dict(state) + "b";
}

std::string graph_module(std::string_view code, std::string_view imports, std::string_view body) {
  return "\x80\x02"
         "ctorch.fx.graph_module\nreduce_graph_module\n(" +
         pickled_dict(pickled_text("_code") + pickled_text(code) + std::string(body)) + pickled_text(imports) + "tR.";
}

std::vector<NamedTensors> one_sample(Shape shape, DType dtype) { return {{{"x", Tensor(dtype, std::move(shape))}}}; }

ImportedModel import_code(std::string_view code, Shape shape, std::string_view imports) {
  return import_fx(torch_file(graph_module(code, imports)), "test.pt", one_sample(std::move(shape)));
}

}  // namespace aitune::fx

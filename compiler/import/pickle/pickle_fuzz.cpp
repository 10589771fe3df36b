#include "compiler/import/pickle/pickle.h"
#include "compiler/import/pickle/torch_pickle.h"
#include "format/fuzz.h"
#include "format/zip_writer.h"

// The bytes are tried as a bare pickle and as the data.pkl of a file of torch.save.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const auto bytes = std::as_bytes(std::span(data, size));
  survives([&] { PickleDocument::parse(bytes, "fuzz"); });
  survives([&] {
    MemorySink sink;
    ZipWriter zip(sink, "archive");
    zip.add("data.pkl", bytes);
    zip.add("data/0", std::string(256, '\3'));
    zip.finish();
    const TorchFile file(sink.bytes(), "fuzz", nullptr);
    for (const auto& [name, tensor] : file.named_tensors()) {
      if (tensor.byte_size() <= 1 << 20) tensor.clone();
    }
  });
  return 0;
}

#include "format/fuzz.h"
#include "format/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const auto bytes = std::as_bytes(std::span(data, size));
  survives([&] { read_npy(bytes, nullptr, "fuzz"); });
  return 0;
}

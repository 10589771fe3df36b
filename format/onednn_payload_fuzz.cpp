#include "format/fuzz.h"
#include "format/onednn_payload.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  survives([&] { onednn_accesses(read_onednn_payload(std::as_bytes(std::span(data, size)), "fuzz")); });
  return 0;
}

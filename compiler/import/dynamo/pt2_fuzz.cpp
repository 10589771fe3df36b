// Any bytes are refused as a .pt2, or become a graph that verifies. Whole archives: the layouts, pickles and payloads.

#include "compiler/import/dynamo/import.h"
#include "format/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const auto bytes = std::as_bytes(std::span(data, size));
  std::vector<std::byte> archive(bytes.begin(), bytes.end());
  mend_checksums(archive);
  survives([&] { verify(import_pt2(archive, "fuzz").graph, "import"); });
  return 0;
}

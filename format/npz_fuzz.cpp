#include "format/fuzz.h"
#include "format/npz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const auto bytes = std::as_bytes(std::span(data, size));
  std::vector<std::byte> archive(bytes.begin(), bytes.end());
  mend_checksums(archive);
  survives([&] { read_npz(ZipReader(archive, "fuzz"), 1 << 20); });
  return 0;
}

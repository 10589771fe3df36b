#include "format/fuzz.h"
#include "format/zip_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const auto bytes = std::as_bytes(std::span(data, size));
  survives([&] {
    const ZipReader zip(bytes, "fuzz");
    for (const ZipEntry& entry : zip.entries()) {
      survives([&] { zip.verify_crc(entry); });
      survives([&] { zip.read(entry, 1 << 20); });
    }
  });
  return 0;
}

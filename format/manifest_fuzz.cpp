// Any text is refused as a manifest, or read, written and read again to the same.

#include <cstdlib>

#include "format/fuzz.h"
#include "format/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  survives([&] {
    const std::string written = Manifest::from_json(text, "fuzz").to_json();
    if (Manifest::from_json(written, "fuzz").to_json() != written) std::abort();
  });
  return 0;
}

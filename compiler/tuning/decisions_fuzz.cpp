// Any text is refused as decisions, or gives some that can be written and read again.

#include <cstdlib>
#include <string_view>

#include "compiler/tuning/decisions.h"
#include "format/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  survives([&] {
    const auto decisions = Decisions::from_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    static_cast<void>(Decisions::from_json(decisions.to_json(), "again"));
  });
  return 0;
}

// "field=value" is refused, or changes settings that can be written down.

#include <string_view>

#include "compiler/tuning/settings.h"
#include "format/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto equals = std::min(text.find('='), text.size());
  survives([&] {
    CompilationSettings settings;
    settings.set(text.substr(0, equals), text.substr(std::min(equals + 1, text.size())));
    static_cast<void>(settings.to_json());
  });
  return 0;
}

// "field=value" is refused, or changes settings that can be written down and read again; so do files of settings.

#include <string_view>

#include "base/error.h"
#include "compiler/tuning/settings.h"
#include "format/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto equals = std::min(text.find('='), text.size());
  const auto written = [](const CompilationSettings& settings) {
    const std::string json = settings.to_json();
    try {
      CompilationSettings again;
      again.read_json(json, "settings");
    } catch (const InvalidArgument&) {
      return;  // a name with a comma or bytes that are no UTF-8, or more than is read
    }
  };
  survives([&] {
    CompilationSettings settings;
    settings.set(text.substr(0, equals), text.substr(std::min(equals + 1, text.size())));
    written(settings);
  });
  survives([&] {
    CompilationSettings settings;
    settings.read_json(text, "settings.json");
    written(settings);
  });
  survives([&] {
    CompilationSettings settings;
    settings.read_yaml(text, "settings.yaml");
    written(settings);
  });
  return 0;
}

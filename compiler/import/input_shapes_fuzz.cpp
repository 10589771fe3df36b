// Shapes as text ("x=1..4x3") and as JSON are refused, or ranges that can be written down and read again.

#include <string_view>

#include "base/error.h"
#include "compiler/import/input_shapes.h"
#include "format/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  survives([&] {
    if (text.starts_with('{')) {
      const auto inputs = parse_inputs_json(text, "fuzz");
      if (parse_inputs_json(inputs_to_json(inputs), "again") != inputs) throw InternalError("other ranges come back");
    } else {
      check_input(parse_input(text));
    }
  });
  return 0;
}

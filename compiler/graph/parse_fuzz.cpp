// Any text is refused as an Error or read; what was read prints, reads back the same, and can be verified.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "compiler/graph/graph.h"

namespace {

void round_trip(std::string_view text) {
  const aitune::Graph graph = aitune::parse_graph(text);
  const std::string printed = aitune::print(graph);
  if (aitune::print(aitune::parse_graph(printed)) != printed) std::abort();
  aitune::verify(graph);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    round_trip({reinterpret_cast<const char*>(data), size});
  } catch (const aitune::Error&) {  // refused, as most bytes are
  }
  return 0;
}

// Any JSON of a program is refused as an Error, or becomes a graph that verifies.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "compiler/import/dynamo/testing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  try {
    const auto document = dynamo::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    const Graph graph = dynamo::import_program(dynamo::JsonView(*document, "fuzz"), dynamo::fake_tensors());
    verify(graph, "import");
  } catch (const InternalError&) {
    std::abort();
  } catch (const Error&) {  // refused, as it may be
  }
  return 0;
}

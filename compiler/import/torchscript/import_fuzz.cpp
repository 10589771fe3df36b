// Any source in a TorchScript archive is refused as an Error, or becomes a graph that verifies, in bounded time.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "compiler/import/torchscript/import.h"
#include "compiler/import/torchscript/testing.h"
#include "compiler/passes/evaluate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aitune;
  const auto archive = torchscript::make_archive({reinterpret_cast<const char*>(data), size});
  static const NamedTensors samples[] = {torchscript::sample_of(2), torchscript::sample_of(5)};
  try {
    const ImportedScript imported = import_torchscript(archive, "fuzz", samples, {}, reference_evaluator());
    verify(imported.model.graph, "import");
  } catch (const InternalError&) {
    std::abort();
  } catch (const Error&) {  // refused, as it may be
  }
  return 0;
}

// Any pickle of a GraphModule, and any source, is refused as an Error or becomes a graph that verifies. The bytes are
// tried as a whole pickle and as the source of a forward that has a Linear, a buffer and a GraphModule inside.

#include "compiler/graph/graph.h"
#include "compiler/import/fx/testing.h"
#include "format/fuzz.h"

namespace {

using namespace aitune;

std::string body() {
  const std::string linear = fx::pickled_module(
      "torch.nn.modules.linear", "Linear",
      fx::pickled_text("_parameters") +
          fx::pickled_dict(fx::pickled_text("weight") + fx::pickled_tensor({4, 4}) + fx::pickled_text("bias") + "N"));
  const std::string inner =
      "ctorch.fx.graph_module\nreduce_graph_module\n(" +
      fx::pickled_dict(fx::pickled_text("_code") + fx::pickled_text("def forward(self, y):\n    return y + 1\n")) +
      fx::pickled_text("import torch") + "tR";
  return fx::pickled_text("_modules") +
         fx::pickled_dict(fx::pickled_text("linear") + linear + fx::pickled_text("inner") + inner) +
         fx::pickled_text("_buffers") + fx::pickled_dict(fx::pickled_text("buffer") + fx::pickled_tensor({4}));
}

void import_all(const std::string& pickle) {
  const auto file = fx::torch_file(pickle);
  survives([&] { verify(import_fx(file, "fuzz", fx::one_sample({2, 4})).graph, "import"); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  import_all(bytes);
  import_all(fx::graph_module(bytes, "import torch\nfrom math import sqrt as math_sqrt", body()));
  return 0;
}

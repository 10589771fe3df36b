// replay_compiled: every recorded call (of the folder in AITUNE_GOLDENS) through the CPU engine.

#include "tests/conformance/one_call.h"
#include "tests/ops/replay.h"

namespace {

using namespace aitune;
using namespace aitune::test;

std::string run_cpu(const GoldenCall& call) {
  const CallResult result = run_compiled(call, host_cpu());
  for (std::size_t i = 0; i < result.outputs.size(); ++i)
    if (auto text = difference(result.outputs[i], call.results.at(i)); !text.empty())
      return "result " + std::to_string(i) + (result.fallbacks.empty() ? " (compiled): " : " (reference): ") + text;
  return {};
}

}  // namespace

int main() {
  replay_all(run_cpu);
  return 0;
}

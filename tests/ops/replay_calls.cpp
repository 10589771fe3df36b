// replay_calls: every recorded call (of the folder in AITUNE_GOLDENS) through shape rule and reference kernel.

#include "compiler/ops/data_sizes.h"
#include "tests/ops/replay.h"

namespace {

using namespace aitune;
using namespace aitune::test;

std::string run_reference(const GoldenCall& call) {
  const auto types = infer_types(*call.op, call.args);
  if (types.size() != call.results.size()) return "another number of results";
  const bool sized = may_have_data_size(*call.op) && data_size_place(types);  // the kernel finds a size out
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const Tensor& expected = call.results[i];
    const TensorType type{expected.dtype(), SymShape(expected.shape().begin(), expected.shape().end())};
    if (!sized && !(to_string(types[i]) == to_string(type)))
      return "the type is " + to_string(types[i]) + ", PyTorch gives " + to_string(type);
    outputs.emplace_back(expected.dtype(), sized ? Shape{0} : expected.shape());
  }
  const auto args = call.concrete_args();
  reference::run_op({call.op->id, args, outputs, sized});
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (auto text = difference(outputs[i], call.results[i]); !text.empty())
      return "result " + std::to_string(i) + ": " + text;
  return {};
}

}  // namespace

int main() {
  replay_all(run_reference);
  return 0;
}

// Every call that PyTorch answered, through the CPU engine: alone in a graph, lowered, compiled, run, and compared.
// What the engine leaves to the reference must be refused with a reason; how much that is, is written to a table.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "base/error.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/build.h"
#include "runtime/instance.h"
#include "runtime/program.h"
#include "tests/ops/goldens.h"

namespace aitune::test {
namespace {

/// What came of an operator's calls.
struct Tally {
  std::size_t calls = 0;     ///< that could be graphs of their own
  std::size_t compiled = 0;  ///< that needed no step of the reference engine
  std::size_t wrong = 0;
  std::set<std::string> reasons;  ///< why calls were not compiled
};

Arg rebind(const Arg& arg, const std::map<const Value*, Value*>& to) {
  if (arg.is_list()) {
    ArgList list;
    for (const Arg& element : arg.list()) list.push_back(rebind(element, to));
    return list;
  }
  return arg.is_value() ? Arg(to.at(arg.value())) : arg;
}

/// Where PyTorch's answer depends on the order in which it adds: its running mean of a column with an infinity is NaN
/// or infinite, by where the infinity stands.
bool infinity_is_lost(std::string_view op) {
  return op == "aten.var_mean.correction" || op == "aten.std_mean.correction";
}

/// Operators whose second operand and those after it are a network's weights.
bool has_weights(std::string_view op) {
  return op.starts_with("aten.conv") || op.starts_with("aten.linear.") || op.starts_with("aten.batch_norm.");
}

/// A graph of this one call; in-place operators write into a copy.
Graph graph_of(const GoldenCall& call, std::vector<Tensor>& inputs) {
  Graph graph;
  std::map<const Value*, Value*> to;
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const Value* input = call.graph.inputs[i];
    const Tensor data = call.inputs[i].contiguous();
    if (i > 0 && has_weights(call.op->name)) {
      to[input] = graph.add_weight("w", "w" + std::to_string(i), data);
      continue;
    }
    to[input] = graph.add_input("x", input->type);
    inputs.push_back(data);
  }
  ArgList args;
  for (const Arg& arg : call.args) args.push_back(rebind(arg, to));
  if (call.op->is_inplace()) {
    const Node* copy = graph.add_node_inferred(*find_op("aten.clone.default"), {args.at(0), None{}});
    args[0] = copy->output();
  }
  const Node* node = graph.add_node_inferred(*call.op, std::move(args));
  graph.outputs = node->outputs;
  graph.output_names.assign(node->outputs.size(), "");
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) graph.output_names[i] = graph.outputs[i]->name;
  return graph;
}

BuildResult compile(Graph& graph, const CpuTarget& target) {
  LowerOptions lowering;
  lowering.evaluator = reference_evaluator();
  lower(graph, lowering);
  BuildOptions options;
  options.target = target;
  options.settings.min_block_size = 1;
  options.settings.optimization_level = 0;
  options.settings.num_threads = 1;
  options.settings.pass_through_build_failures = true;
  return build(graph, options);
}

/// One line for each operator: name, calls, compiled ones, wrong ones, and the reasons between bars.
void write_table(const char* file, const std::map<std::string, Tally>& tallies) {
  std::ofstream out(file);
  for (const auto& [name, t] : tallies) {
    out << name << ' ' << t.calls << ' ' << t.compiled << ' ' << t.wrong;
    for (const auto& reason : t.reasons) out << " | " << reason;
    out << '\n';
  }
}

class Operators : public testing::TestWithParam<bool> {};

TEST_P(Operators, CompiledKernelsGivePyTorchsValues) {
  CpuTarget target = host_cpu();
  if (!GetParam()) target.avx512 = target.avx512_vnni = target.avx512_bf16 = target.amx_bf16 = false;
  if (GetParam() && !target.avx512) GTEST_SKIP() << "this CPU has no AVX-512";
  std::map<std::string, Tally> tallies;
  const char* only = std::getenv("AITUNE_OPS");
  for (const GoldenCall& call : golden_calls()) {
    const std::string name = call.op->name;
    if (only && name.find(only) == std::string::npos) continue;
    Tally& tally = tallies[name];
    try {
      std::vector<Tensor> inputs;
      Graph graph = graph_of(call, inputs);
      const BuildResult built = compile(graph, target);
      ++tally.calls;
      LoadOptions load;
      load.num_threads = 1;
      Instance instance(Program::from_built(built.plan, load));
      const auto outputs = instance.run(inputs);
      tally.compiled += built.fallbacks.empty();
      for (const Fallback& f : built.fallbacks) tally.reasons.insert(f.op + ": " + f.reason);
      bool wrong = outputs.size() != call.results.size();
      for (std::size_t i = 0; i < outputs.size() && !wrong; ++i)
        if (const auto text = difference(outputs[i], call.results[i]);
            !text.empty() && !(infinity_is_lost(name) && !all_finite(call.results[i]))) {
          wrong = true;
          ADD_FAILURE() << "result " << i << " of " << call.text << ": " << text
                        << (built.fallbacks.empty() ? "" : " (on the reference engine)");
        }
      tally.wrong += wrong;
    } catch (const Unsupported&) {
      // Data-dependent shapes and the like have no graph yet.
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what() << " in " << call.text;
      ++tally.wrong;
    }
  }
  if (const char* file = std::getenv("AITUNE_OPS_TABLE")) write_table(file, tallies);
}

INSTANTIATE_TEST_SUITE_P(Levels, Operators, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "avx512" : "avx2"); });

}  // namespace
}  // namespace aitune::test

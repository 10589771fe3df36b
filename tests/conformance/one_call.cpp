#include "tests/conformance/one_call.h"

#include <map>

#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune::test {
namespace {

Arg rebind(const Arg& arg, const std::map<const Value*, Value*>& to) {
  if (arg.is_list()) {
    ArgList list;
    for (const Arg& element : arg.list()) list.push_back(rebind(element, to));
    return list;
  }
  return arg.is_value() ? Arg(to.at(arg.value())) : arg;
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
  for (const Value* weight : call.graph.weights)
    to[weight] = graph.add_weight(weight->name, weight->weight_name, weight->data);
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

}  // namespace

CallResult run_compiled(const GoldenCall& call, const CpuTarget& target) {
  std::vector<Tensor> inputs;
  Graph graph = graph_of(call, inputs);
  BuildResult built = compile(graph, target);
  LoadOptions load;
  load.num_threads = 1;
  Instance instance(Program::from_built(built.plan, load));
  return {instance.run(inputs), std::move(built.fallbacks)};
}

}  // namespace aitune::test

#pragma once
// What the tests of passes share: run a pass on a graph in text form, check that the results stay, look at the nodes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/passes/evaluate.h"
#include "compiler/passes/pass.h"

namespace aitune::testing_passes {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

using PassFunction = void (*)(Graph&, const PassContext&);

inline std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const auto& node : graph.nodes()) names.emplace_back(node->op_name());
  return names;
}

inline LowerOptions default_options() {
  LowerOptions options;
  options.evaluator = reference_evaluator();
  return options;
}

/// Random inputs: normal numbers, small non-negative integers, coin flips.
inline std::vector<Tensor> random_inputs(const Graph& graph, const SymValues& symbols, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Tensor> inputs;
  for (const Value* input : graph.inputs) {
    Shape shape;
    for (const SymInt& size : input->type.shape) shape.push_back(size.evaluate(symbols));
    Tensor wide(DType::f64, shape);
    for (std::int64_t i = 0; i < wide.numel(); ++i) {
      wide.as<double>()[i] = is_floating(input->type.dtype) ? std::normal_distribution<double>()(random)
                                                            : static_cast<double>(random() % 2);
    }
    inputs.push_back(wide.to(input->type.dtype));
  }
  return inputs;
}

/// Runs `pass` on the graph and expects the results on random inputs to stay. Returns the graph after it.
inline Graph check_pass(std::string_view text, const std::vector<PassFunction>& passes, const SymValues& symbols = {},
                        double tolerance = 1e-5) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Graph graph = parse_graph(text);
  verify(graph, "parse");
  const auto inputs = random_inputs(graph, symbols, seed);
  const auto expected = evaluate(graph, inputs);
  const LowerOptions options = default_options();
  for (const PassFunction pass : passes) {
    pass(graph, PassContext{options});
    verify(graph, "the pass");
  }
  const auto actual = evaluate(graph, inputs);
  EXPECT_EQ(expected.size(), actual.size());
  for (std::size_t i = 0; i < expected.size() && i < actual.size(); ++i) {
    EXPECT_EQ(expected[i].dtype(), actual[i].dtype());
    EXPECT_EQ(expected[i].shape(), actual[i].shape());
    EXPECT_LE(relative_error(actual[i], expected[i]), tolerance) << "output " << i << " of\n" << print(graph);
  }
  return graph;
}

/// The same for the whole pipeline.
inline Graph check_lowering(std::string_view text, const SymValues& symbols = {}, double tolerance = 1e-5) {
  return check_pass(text, {[](Graph& graph, const PassContext& context) { lower(graph, context.options); }}, symbols,
                    tolerance);
}

}  // namespace aitune::testing_passes

// Replays every call that PyTorch answered: shape rules and reference kernels must give the same.

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "compiler/ops/data_sizes.h"
#include "tests/ops/goldens.h"

namespace aitune::test {
namespace {

TensorType type_of(const Tensor& t) { return {t.dtype(), SymShape(t.shape().begin(), t.shape().end())}; }

/// A size that data decide, as PyTorch's results have it.
void name_data_size(std::vector<TensorType>& types, const std::vector<Tensor>& results) {
  const auto place = data_size_place(types);
  if (!place) return;
  const SymInt size = results.at(place->output).size(place->dim);
  for (TensorType& type : types)
    for (SymInt& s : type.shape) s = s.substitute({{data_size().str(), size}});
}

TEST(Goldens, CoverEveryOperator) {
  std::set<OpId> covered;
  for (const GoldenCall& call : golden_calls()) covered.insert(call.op->id);
  for (const OpInfo& op : all_ops()) {
    if (op.has_regions()) continue;
    // Ours are no operators of PyTorch's: tests/quantised has them. What is random has no answer to compare with.
    EXPECT_TRUE(covered.contains(op.id) || op.name.starts_with("aitune.") || is_random(op.id))
        << op.name << " has no case in tests/ops/cases";
    EXPECT_TRUE(reference::has_kernel(op.id)) << op.name << " has no reference kernel";
  }
}

TEST(Goldens, ShapeRulesGivePyTorchsTypes) {
  for (const GoldenCall& call : golden_calls()) {
    try {
      auto types = infer_types(*call.op, call.args);
      ASSERT_EQ(types.size(), call.results.size()) << call.text;
      if (const auto bound = data_size_bound(*call.op, call.args); bound && data_size_place(types)) {
        const auto place = *data_size_place(types);
        EXPECT_LE(call.results[place.output].size(place.dim), bound->constant()) << call.text;
      }
      name_data_size(types, call.results);
      for (std::size_t i = 0; i < types.size(); ++i)
        EXPECT_EQ(to_string(types[i]), to_string(type_of(call.results[i]))) << "result " << i << " of " << call.text;
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what() << " in " << call.text;
    }
  }
}

TEST(Goldens, ReferenceKernelsGivePyTorchsValues) {
  for (const GoldenCall& call : golden_calls()) {
    std::vector<Tensor> outputs;
    const bool sized = may_have_data_size(*call.op) && data_size_place(infer_types(*call.op, call.args));
    for (const Tensor& r : call.results) outputs.emplace_back(r.dtype(), sized ? Shape{0} : r.shape());
    const auto args = call.concrete_args();
    try {
      reference::run_op({call.op->id, args, outputs, sized});
      for (std::size_t i = 0; i < outputs.size(); ++i)
        EXPECT_EQ(difference(outputs[i], call.results[i]), "") << "result " << i << " of " << call.text;
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what() << " in " << call.text;
    }
  }
}

/// Replaces each size above 1 by a symbol of that value. Sizes that agree share the symbol.
SymValues make_symbolic(Graph& graph) {
  SymValues values;
  for (Value* input : graph.inputs)
    for (SymInt& size : input->type.shape)
      if (const auto n = size.as_constant(); n && *n > 1) {
        size = SymInt::symbol("s" + std::to_string(*n));
        values["s" + std::to_string(*n)] = *n;
      }
  return values;
}

Arg rebind(const Arg& arg, const Graph& from, const Graph& to) {
  if (arg.is_list()) {
    ArgList list;
    for (const Arg& element : arg.list()) list.push_back(rebind(element, from, to));
    return list;
  }
  for (std::size_t i = 0; arg.is_value() && i < from.inputs.size(); ++i)
    if (from.inputs[i] == arg.value()) return to.inputs[i];
  return arg;
}

TEST(Goldens, SymbolicSizesEvaluateToPyTorchs) {
  std::size_t inferred = 0, refused = 0;
  for (const GoldenCall& call : golden_calls()) {
    Graph graph;
    for (const Tensor& t : call.inputs) graph.add_input("x", type_of(t));
    const SymValues values = make_symbolic(graph);
    ArgList args;
    for (const Arg& arg : call.args) args.push_back(rebind(arg, call.graph, graph));
    std::vector<TensorType> types;
    try {
      types = infer_types(*call.op, args);
    } catch (const Error& error) {
      // A fixed argument may contradict the symbol that took its size's place; that is no fault of the rule.
      EXPECT_NE(error.code(), ErrorCode::internal) << error.what() << " in " << call.text;
      ++refused;
      continue;
    }
    ASSERT_EQ(types.size(), call.results.size()) << call.text;
    name_data_size(types, call.results);
    for (std::size_t i = 0; i < types.size(); ++i) {
      Shape shape;
      // A slice that begins beyond a symbolic end would come out negative; exported programs guard against that.
      for (const SymInt& size : types[i].shape) shape.push_back(std::max<std::int64_t>(size.evaluate(values), 0));
      EXPECT_EQ(shape, call.results[i].shape()) << to_string(types[i]) << " as result " << i << " of " << call.text;
    }
    ++inferred;
  }
  EXPECT_GT(inferred, 20 * refused) << inferred << " calls inferred, " << refused << " refused";
}

}  // namespace
}  // namespace aitune::test

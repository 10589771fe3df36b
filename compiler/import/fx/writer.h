#pragma once
// Appends nodes to the graph that is being imported.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/fx/overload.h"
#include "compiler/import/fx/py_value.h"
#include "compiler/import/reshaped.h"

namespace aitune::fx {

class Writer {
 public:
  explicit Writer(Graph& graph) : graph_(graph) {}

  /// The operator "aten.BASE.*" that takes these arguments. One result is a tensor, several are a tuple. An in-place
  /// operator ("relu_") that the list lacks is the plain one and a copy, and so is one with out=.
  PyValue call(std::string_view base, const PyArgs& args);
  PyValue call(std::string_view base, PyItems positional) { return call(base, PyArgs{std::move(positional), {}}); }
  /// Exactly the row `name` ("aten.add.Tensor").
  PyValue call_exactly(std::string_view name, const PyArgs& args);

  /// A constant that the program holds itself, under a name of our own.
  Value* constant(Tensor data, std::string_view hint);
  /// A 0-dim tensor of a number; equal numbers share one. A complex one is a c64, or a c128 beside `args` of doubles.
  Value* number(const PyValue& value, const PyArgs& args = {});

  /// Where nodes come from, and what their results are called, until the next call.
  void at(SourceLocation source, std::string hint) {
    source_ = std::move(source);
    hint_ = std::move(hint);
  }
  void within(std::string module) { source_.module = std::move(module); }
  const SourceLocation& source() const { return source_; }
  Graph& graph() { return graph_; }
  const Graph& graph() const { return graph_; }
  /// The value of a tensor whose shape operators may have changed in place.
  Value* latest(Value* value) const { return reshaped_.latest(value); }
  /// Told of each thing that the user should know.
  void warn(std::string message);
  /// The same, with the module or line of the source before it.
  void warn_here(std::string_view message);
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  PyValue append(BoundCall call);
  /// A call whose results go into the tensors that are given as `out`.
  PyValue call_into(std::string_view base, PyArgs args);
  /// Scales an operand by a number that the operator takes no other way: a complex one, or one that data decide.
  PyArgs with_scaled_operands(std::string_view base, PyArgs args);
  /// A float that is made of sizes, for an operator that has these arguments.
  Value* float_of_sizes(const PyValue& value, const PyArgs& args);

  Graph& graph_;
  SourceLocation source_;
  std::string hint_;
  std::map<std::string, Value*, std::less<>> numbers_;
  std::vector<std::string> warnings_;
  ReshapedInPlace reshaped_;
};

}  // namespace aitune::fx

#pragma once
// Walks the forward's source with tensors as values of the graph: each call of an operator appends a node, everything
// else is computed now. Nothing but the tables of this folder can be called.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "compiler/import/fx/py_value.h"
#include "compiler/import/fx/records.h"
#include "compiler/import/fx/syntax.h"
#include "compiler/import/fx/writer.h"

namespace aitune::fx {

/// Begins the names by which our prelude's functions call each other.
inline constexpr std::string_view kPreludeName = "prelude.";

class Interpreter {
 public:
  Interpreter(Writer& writer, Records& records) : writer_(writer), records_(records) {}

  /// Runs the forward of a GraphModule. Arguments without a value take their defaults. Errors name the line of the
  /// generated source.
  PyValue forward(const PyValue& graph_module, PyArgs args);

  PyValue call(const PyValue& callee, const PyArgs& args);
  PyValue call_global(std::string_view name, const PyArgs& args);
  PyValue call_method(const PyValue& self, std::string_view name, const PyArgs& args);
  PyValue call_module(const PyValue& module, const PyArgs& args);
  PyValue attribute(const PyValue& base, std::string_view name);

  Writer& writer() { return writer_; }
  Records& records() { return records_; }

  /// The generated functions of a GraphModule and what its names stand for.
  struct Program {
    Functions functions;
    std::map<std::string, std::string, std::less<>> imports;  ///< local name -> qualified name
    std::string place;                                        ///< for messages
  };
  const Program& program(const PyValue& graph_module);

 private:
  struct Frame {
    std::unordered_map<std::string, PyValue> names;
    const Program* generated = nullptr;  ///< null in our own prelude
    std::string module;                  ///< the path of the GraphModule
    std::optional<PyValue> result;
  };

  PyValue run(const Function& function, Frame& frame, const PyArgs& args, bool only_given);
  void bind(const Function& function, Frame& frame, const PyArgs& args, bool only_given);
  void execute(const std::vector<Stmt>& statements, Frame& frame);
  void execute(const Stmt& statement, Frame& frame);
  void execute_generated(const Stmt& statement, Frame& frame);
  void loop(const Stmt& statement, Frame& frame);
  void assign(const Expr& target, const PyValue& value, Frame& frame);
  void augment(const Stmt& statement, Frame& frame);

  PyValue evaluate(const Expr& expr, Frame& frame);
  PyValue evaluate_inner(const Expr& expr, Frame& frame);
  PyValue evaluate_name(const Expr& expr, Frame& frame);
  PyValue evaluate_call(const Expr& expr, Frame& frame);
  PyValue evaluate_logical(const Expr& expr, Frame& frame);
  PyItems evaluate_items(const Expr& expr, std::size_t from, std::size_t to, Frame& frame);
  PyValue evaluate_dict(const Expr& expr, Frame& frame);
  void charge();

  Writer& writer_;
  Records& records_;
  std::unordered_map<const PickleValue*, Program> programs_;
  std::uint64_t steps_ = 0;
  int calls_ = 0, depth_ = 0;  ///< never lowered by an error: that ends the import
};

/// Whether a condition holds. Throws Unsupported where that depends on data or on a symbolic size.
bool truth(const PyValue& value);

}  // namespace aitune::fx

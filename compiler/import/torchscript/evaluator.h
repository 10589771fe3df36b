#pragma once
// Runs a model's forward() on values that are known or are nodes of the graph, which grows as it runs: everything is
// inlined, loops are unrolled, conditions are decided.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/torchscript/archive.h"
#include "compiler/import/torchscript/value.h"

namespace aitune::torchscript {

using Keywords = std::vector<std::pair<std::string, Val>>;

class Evaluator {
 public:
  /// Both outlive the evaluator.
  Evaluator(const Archive& archive, Graph& graph) : archive_(archive), graph_(graph) {}
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Calls a method. Throws Unsupported, InvalidArgument or Corrupt, each with the line of the model.
  Val call_method(const ObjectPtr& object, std::string_view method, Vals args);

  // For the functions that the model calls (builtins.h, operators.h):

  Graph& graph() { return graph_; }
  const Archive& archive() const { return archive_; }
  /// Counts `work` against the limit of the whole import.
  void charge(std::size_t work = 1);
  /// Where in the model evaluation stands, for a node that is added now.
  SourceLocation location() const;
  [[noreturn]] void unsupported(const std::string& what, std::string fix = {}) const;
  [[noreturn]] void invalid(const std::string& what, std::string fix = {}) const;
  /// The tensor as a value of the graph; numbers and stored tensors become weights. Unsupported for anything else.
  Value* tensor(const Val& value);
  /// What is known of a number or a 0-dim tensor; nothing for what the data decides.
  std::optional<Val> known_number(const Val& value) const;
  /// Truth as Python has it; an Unknown where it is not known.
  Val truth(const Val& value) const;
  /// To be called with whatever the model changes: it may come to contain itself, and is emptied at the end.
  void changed(const Val& container) { changed_.push_back(container); }
  /// equal(), counted.
  std::optional<bool> same(const Val& a, const Val& b);
  /// Reads an attribute of an object, of a NamedTuple or of an enumeration.
  Val attribute(const Val& base, const std::string& name);

 private:
  struct Frame {
    const Function* function = nullptr;
    const Source* source = nullptr;
    std::uint32_t offset = 0;
    std::string module;
    std::unordered_map<std::string, Val> locals;
  };
  class FrameScope;

  // Statements (evaluator.cpp). A block gives the value of its return statement, if one is met.
  Val call_function(const Callable& callee, Vals args, Keywords keywords);
  void bind_parameters(Frame& frame, const Callable& callee, Vals args, Keywords keywords);
  std::optional<Val> run_block(const std::vector<Stmt>& block);
  std::optional<Val> run(const Stmt& statement);
  std::optional<Val> run_branch(const Stmt& statement);
  std::optional<Val> run_for(const Stmt& statement);
  std::optional<Val> run_while(const Stmt& statement);
  std::optional<Val> run_with(const Stmt& statement);
  void assign(const Expr& target, Val value);
  void set_attribute(const Expr& target, Val value);

  // Expressions (expressions.cpp).
  Val evaluate(const Expr& expr);
  Val evaluate_here(const Expr& expr);
  Vals evaluate_all(const std::vector<Expr>& items, std::size_t first = 0);
  Val name(const Expr& expr);
  Val global(const std::string& dotted);
  Val call(const Expr& expr);
  std::optional<Val> call_with_types(const Expr& expr);
  Val call_value(const Val& callee, Vals args, Keywords keywords);
  Val make_object(const Class& type);
  Val convert(const Expr& type, Val value);
  Val subscript(const Val& base, const Val& index);
  Val slice(const Expr& expr);
  bool is_instance(const Val& value, const Expr& type);

  Frame& frame() { return frames_.back(); }
  Value* weight(const Tensor& data, const std::string& name);

  const Archive& archive_;
  Graph& graph_;
  std::vector<Frame> frames_;
  std::vector<Val> changed_;
  std::size_t work_ = 0;
  int depth_ = 0;
  std::unordered_map<std::string, Value*> weights_;  // by bytes, dtype and shape
};

/// "a.b.c" for names joined by dots; nothing for other expressions.
std::optional<std::string> dotted_name(const Expr& expr);

}  // namespace aitune::torchscript

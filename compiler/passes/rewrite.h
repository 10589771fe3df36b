#pragma once
// What passes are written with: inserting nodes, replacing nodes in one walk, and reading constants.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune {

/// The value that a node's positional argument is. Throws InternalError where it is none.
inline Value* operand(const Node& node, std::size_t i = 0) { return node.args.at(i).value(); }
inline std::size_t rank(const Value* value) { return value->type.shape.size(); }

/// Inserts nodes before a position. New nodes inherit the source location of the node they stand for.
class Inserter {
 public:
  /// Inserts before `position`, on behalf of the node there (for which `position` must not be the end).
  Inserter(Graph& graph, Graph::NodeList::iterator position);
  /// Inserts before `position`, which may be the end, on behalf of nothing in the model.
  static Inserter at(Graph& graph, Graph::NodeList::iterator position) { return {graph, position, std::string()}; }

  /// A call with positional arguments; missing trailing arguments get their defaults, the types are inferred. Returns
  /// the only (or first) output. Throws InternalError if the operator does not exist.
  Value* call(std::string_view op, ArgList args, std::vector<std::pair<std::string, Arg>> keyword = {});
  /// The same, giving the node.
  Node* call_node(std::string_view op, ArgList args, std::vector<std::pair<std::string, Arg>> keyword = {});
  /// The same with these types, for results whose size a symbol of the graph says already.
  Node* call_typed(std::string_view op, ArgList args, std::vector<TensorType> types);
  /// A new constant.
  Value* constant(Tensor data, std::string_view hint = "const");
  /// A 0-dim constant.
  Value* scalar(DType dtype, double value);

  // Short forms of frequent calls. Each gives its operand back where nothing would change.
  Value* view(Value* x, const SymShape& shape);
  Value* permute(Value* x, const std::vector<std::int64_t>& dims);
  Value* expand(Value* x, const SymShape& shape);
  Value* cast(Value* x, DType dtype);
  Value* slice(Value* x, std::int64_t dim, const SymInt& start, const SymInt& end);

  Graph& graph() { return graph_; }
  /// What has been made so far.
  const std::vector<const Value*>& made() const { return made_; }
  /// Whether this inserter made the value.
  bool made(const Value* value) const;

 private:
  Inserter(Graph& graph, Graph::NodeList::iterator position, std::string hint)
      : graph_(graph), position_(position), hint_(std::move(hint)) {}

  Graph& graph_;
  Graph::NodeList::iterator position_;
  SourceLocation source_;
  std::string hint_;
  std::vector<const Value*> made_;
};

/// New values for the outputs of a node, one for each; nullptr where the output has no use. Empty: keep the node.
using Replacement = std::optional<std::vector<Value*>>;
using RewriteRule = std::function<Replacement(Inserter&, Node&)>;

/// Offers every node to `rule` once, in order, with its arguments already rewritten; replaced nodes are removed. New
/// nodes are not offered. Returns whether anything was replaced. The types of old and new values must agree in dtype
/// and rank (InternalError). A new value that stands for an old one takes over its name.
bool rewrite(Graph& graph, const RewriteRule& rule);

/// Every value argument (lists included) is passed through `map`.
void map_operands(ArgList& args, const std::function<Value*(Value*)>& map);
/// Removes nodes whose outputs have no use. The nodes must be in `graph`.
void erase_nodes(Graph& graph, const std::vector<const Node*>& nodes);

/// Number of uses of each value, by nodes (with repeats) and graph outputs.
class UseCounts {
 public:
  explicit UseCounts(const Graph& graph);
  std::size_t of(const Value* value) const;
  bool single(const Value* value) const { return of(value) == 1; }

 private:
  std::unordered_map<const Value*, std::size_t> counts_;
};

/// The argument with this name in the schema; InternalError if there is none.
const Arg& argument(const Node& node, std::string_view name);
/// Whether the operator's schema has an argument of this name.
bool has_argument(const Node& node, std::string_view name);
bool is_op(const Node& node, std::string_view op);
/// The node that makes `value`, if it is a call of `op`; nullptr otherwise.
Node* producer_if(const Value* value, std::string_view op);
/// A dimension counted from the end, made non-negative.
std::int64_t wrap_dim(std::int64_t dim, std::size_t rank);
inline bool is_weight(const Value* value) { return value->kind == ValueKind::weight; }
/// The value of a bool, float or constant integer argument.
std::optional<double> constant_number(const Arg& arg);
/// Whether floats of ordinary size neither overflow nor vanish when this factor is taken at another place; 0 is.
bool is_moderate(double factor);
/// The value of a weight with a single element (any real dtype).
std::optional<double> scalar_weight(const Value* value);
/// Whether every element of a real weight with at most `limit` elements equals `expected`.
bool weight_is_all(const Value* value, double expected, std::int64_t limit = 1 << 22);
/// Elements of a real tensor as double, row-major.
std::vector<double> to_doubles(const Tensor& tensor);
/// A contiguous tensor of `dtype` with these elements, converted.
Tensor from_doubles(DType dtype, Shape shape, const std::vector<double>& values);
/// The sizes, if all are constant.
std::optional<Shape> constant_shape(const SymShape& shape);
ArgList to_args(const SymShape& shape);
ArgList to_args(const std::vector<std::int64_t>& values);
/// "%name = aten.op.default (module: file:line)" for messages.
std::string describe_node(const Node& node);

}  // namespace aitune

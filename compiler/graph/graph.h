#pragma once
// The graph: ATen overloads in SSA form with symbolic shapes. Importers make it, passes rewrite it, engines read it.

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/symint.h"
#include "base/tensor.h"

namespace aitune {

struct OpInfo;  // compiler/ops/schema.h: one row of base/ops.def with its parsed schema

/// What a value is: a tensor of this dtype and shape. (Scalars never are values: importers turn symbolic integers into
/// SymInt arguments.)
struct TensorType {
  DType dtype = DType::f32;
  SymShape shape;
  bool operator==(const TensorType&) const = default;
};
std::string to_string(const TensorType& type);  ///< "f32[s0,3,224,224]"

class Node;
class Graph;

enum class ValueKind : std::uint8_t { input, weight, node };

/// One SSA value. Owned by its Graph, address stable until the Graph dies.
struct Value {
  std::string name;  ///< unique in the graph, without the leading %
  TensorType type;
  ValueKind kind = ValueKind::node;
  Node* producer = nullptr;  ///< kind node
  std::size_t index = 0;     ///< which output of the producer
  std::string weight_name;   ///< kind weight: fully qualified name in the state dict, e.g. "layer1.0.conv1.weight"
  Tensor data;               ///< kind weight: mapped or owned bytes; never written
};

enum class MemoryFormat : std::int8_t { contiguous = 0, preserve = 1, channels_last = 2, channels_last_3d = 3 };
struct None {
  bool operator==(const None&) const = default;
};

/// An argument of a node. Devices are strings ("cpu"); layouts are dropped.
struct Arg;
using ArgList = std::vector<Arg>;
struct Arg : std::variant<None, bool, SymInt, double, std::string, DType, MemoryFormat, Value*, ArgList> {
  using Base = variant;
  using variant::variant;
  std::string_view kind_name() const;  ///< "a list", "an integer", ...: for messages
  bool is_none() const { return std::holds_alternative<None>(*this); }
  bool is_value() const { return std::holds_alternative<Value*>(*this); }
  bool is_list() const { return std::holds_alternative<ArgList>(*this); }
  // The accessors throw InternalError (with the kind found) on a mismatch: schemas were checked at import.
  Value* value() const;
  Value* value_or_null() const;  ///< nullptr for None
  const ArgList& list() const;
  const SymInt& sym() const;
  std::int64_t integer() const;  ///< a constant integer (bools count as 0/1)
  double number() const;         ///< a constant int, float or bool as double
  bool boolean() const;
  const std::string& string() const;
  SymShape sym_list() const;
  std::vector<std::int64_t> int_list() const;
};

/// Calls f(Value*&) for every value among the arguments, lists included, in order, with repeats.
template <typename F>
void for_each_value(ArgList& args, F&& f) {
  for (Arg& arg : args) {
    if (Value** value = std::get_if<Value*>(&arg))
      f(*value);
    else if (ArgList* list = std::get_if<ArgList>(&arg))
      for_each_value(*list, f);
  }
}
/// The same for reading: calls f(Value*).
template <typename F>
void for_each_value(const ArgList& args, F&& f) {
  for (const Arg& arg : args) {
    if (Value* const* value = std::get_if<Value*>(&arg))
      f(*value);
    else if (const ArgList* list = std::get_if<ArgList>(&arg))
      for_each_value(*list, f);
  }
}

/// A node of the model as it was imported.
struct ModelNode {
  std::size_t index = 0;  ///< its place in the model; those of regions follow the node around them
  std::string name, op, module, code;
};

/// Where a node came from in the user's model.
struct SourceLocation {
  std::string module;  ///< module path, e.g. "layer1.0.conv1"
  std::string code;    ///< last lines of the stack trace: file:line in function: source text
  /// The nodes of the model that this one computes, wholly or in part, in the model's order. Importers leave it empty;
  /// note_model_nodes() begins it, and rewrites keep it.
  std::vector<std::shared_ptr<const ModelNode>> nodes = {};

  /// Adds the nodes of another location.
  void adopt(const SourceLocation& other);
};

/// One call of an ATen overload. Arguments stand in schema order, every one present: importers fill in the defaults.
class Node {
 public:
  Node();
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const OpInfo* op = nullptr;
  ArgList args;
  std::vector<Value*> outputs;
  SourceLocation source;
  /// What `if` and `loop` execute (compiler/graph/regions.h): graphs that refer to nothing outside of themselves. What
  /// they read of the graph around them is an operand of the node and one of their inputs; symbols have one meaning in
  /// all of them.
  std::vector<std::unique_ptr<Graph>> regions;

  std::string_view op_name() const;  ///< "aten.convolution.default"
  Value* output(std::size_t i = 0) const { return outputs.at(i); }
  /// Every value among the arguments, lists included, in order, with repeats.
  std::vector<Value*> operands() const;

 private:
  friend class Graph;
  std::list<std::unique_ptr<Node>>::iterator self_;  // where the graph keeps this node
};

/// A function over tensors. Nodes are kept in an order where definitions precede uses. Movable, not copyable; use
/// clone(). Not synchronised.
class Graph {
 public:
  using NodeList = std::list<std::unique_ptr<Node>>;

  Graph() = default;
  Graph(Graph&&) = default;  // nodes keep their iterators: moving a list keeps them valid
  Graph& operator=(Graph&&) = default;

  SymRanges symbols;                      ///< the range of every symbol in use
  std::vector<Value*> inputs;             ///< user inputs, in call order
  std::vector<Value*> outputs;            ///< results, in order; may repeat, may be inputs or weights
  std::vector<std::string> output_names;  ///< parallel to outputs
  std::vector<Value*> weights;            ///< parameters, buffers and lifted constants
  /// How the user's call maps to `inputs` and back: pytree spec texts of the exported program, kept verbatim.
  std::string in_spec, out_spec;
  /// Of symbols that data decide (compiler/ops/data_sizes.h): what they never exceed, in other symbols. One without
  /// entry has no limit but its range.
  std::map<std::string, SymInt, std::less<>> bounds;

  const NodeList& nodes() const { return nodes_; }
  NodeList& nodes() { return nodes_; }

  Value* add_input(std::string_view name, TensorType type);
  /// Makes a weight the last input, under this name: a result of a node that has it gets another one, and only where an
  /// input has it, it is made unique. The weight's data is nobody's then.
  void make_input(Value* weight, std::string_view name);
  Value* add_weight(std::string_view name, std::string weight_name, Tensor data);
  /// Appends a result under this name, made unique among those of the results; gives the name.
  const std::string& add_output(Value* value, const std::string& name);
  /// Appends (or inserts before `position`) a node with one output of each type; output names are made unique.
  /// Sizes that have one value in all ranges of the graph's symbols become that number.
  Node* add_node(const OpInfo& op, ArgList args, std::vector<TensorType> types, std::string name_hint = {},
                 std::optional<NodeList::iterator> position = std::nullopt);
  /// As add_node, but with the types inferred by the operator's shape rule. A size that data decide becomes a new
  /// symbol.
  Node* add_node_inferred(const OpInfo& op, ArgList args, std::string name_hint = {},
                          std::optional<NodeList::iterator> position = std::nullopt);
  NodeList::iterator iterator_of(const Node* node);  ///< constant time
  /// Removes a node none of whose outputs is used (InternalError otherwise).
  void erase(NodeList::iterator node);
  /// Every use of `from` (arguments and graph outputs) becomes `to`.
  void replace_all_uses(const Value* from, Value* to);
  /// The nodes that use each value, in order, once for every use. Graph outputs are not listed (see is_output).
  std::unordered_map<const Value*, std::vector<Node*>> users() const;
  bool is_output(const Value* v) const;
  /// Reserves a name like `hint` (letters, digits, _ and dots) that no value has.
  std::string unique_name(std::string_view hint);
  /// Gives a value another name, made unique.
  void rename(Value* value, std::string_view hint);
  /// Deep copy; weights share their bytes.
  Graph clone() const;

 private:
  Value* add_value(std::string_view hint, TensorType type, ValueKind kind);

  std::deque<std::unique_ptr<Value>> values_;
  NodeList nodes_;
  std::unordered_map<std::string, int> names_;
};

/// Makes every node, those of regions included, say that it is itself a node of the model, unless it says so already.
void note_model_nodes(Graph& graph);

/// Structure, SSA order, schema conformance of every argument, and types against the shape rules. Sizes agree where no
/// value of the symbols is found that tells them apart.
/// Throws InternalError listing the first ten violations, each with the node's printed form. `after` names the pass.
void verify(const Graph& graph, std::string_view after = {});

/// The text form; parse_graph(print(g)) prints the same. Weights of more than 16 elements print as their first three,
/// and, where these are the same, the first other one: [0.5, 1.0, -2.0, ...], [0.0, 0.0, 0.0, ..., 1.0, ...], or
/// splat(0.0) if there is none. Stack traces (SourceLocation::code) are left out:
///   graph(%x: f32[s0,3,8,8]) where s0 in [1,16] {
///     weight %w: f32[4,3,1,1] "conv.weight" = splat(0.5)
///     %y: f32[s0,4,8,8] = aten.conv2d.default(%x, %w, None, [1, 1], [0, 0], [1, 1], 1) # layer1.conv
///     %v: f32[s0,4,8], %i: i64[s0,4,8] = aten.max.dim(%y, 3, False)
///     return %y as "features", %v
///   }
/// A size that data decide is a symbol that no input has, defined by the node in whose results it stands first; what it
/// never exceeds follows its range: `u0 in [0,inf] <= (4*s0)`.
/// The regions of a node stand behind it, and know the symbols of the graph around them:
///     %r: f32[s0] = higher_order.cond.default(%c, [%x])
///     region(%a: f32[s0]) {
///       return %a
///     }
///     region(%b: f32[s0]) {
///       %n: f32[s0] = aten.neg.default(%b)
///       return %n
///     }
/// A pytree spec is a line `in_spec "…"` or `out_spec "…"` before the weights. A symbol without upper bound: `in
/// [1,inf]`.
std::string print(const Graph& graph);
/// One line of it: the node's results, operator and arguments.
std::string print(const Node& node);
/// Parses the text form. `op.name(args…, key=value…)`: trailing defaults may be left out, keywords are taken. The type
/// after a result's name may be left out too; it is inferred then. Weights: splat(v), [v, w] or random(seed), which is
/// uniform in [-1, 1) for floats and in 0…9 for integers; complex numbers stand as pairs. Elements that `...` leaves
/// out are like the last one that is told. All weights together stay under 256 MiB. Throws Corrupt with line and
/// column.
Graph parse_graph(std::string_view text);

}  // namespace aitune

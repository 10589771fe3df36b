#include "compiler/passes/truncate_double.h"

#include <unordered_map>
#include <unordered_set>

#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

bool is_double(DType dtype) { return dtype == DType::f64 || dtype == DType::c128; }

DType single_of(DType dtype) {
  if (dtype == DType::f64) return DType::f32;
  return dtype == DType::c128 ? DType::c64 : dtype;
}

Tensor truncated(const Tensor& data) {
  if (data.dtype() == DType::f64) return data.to(DType::f32);
  const Tensor from = data.contiguous();  // complex numbers are pairs
  Shape pairs = from.shape();
  pairs.push_back(2);
  const Tensor parts(DType::f64, pairs, contiguous_strides(pairs), from.owner(), from.data());
  const Tensor to = parts.to(DType::f32);
  return {DType::c64, from.shape(), contiguous_strides(from.shape()), to.owner(), to.data()};
}

void narrow_dtypes(ArgList& args) {
  for (Arg& arg : args) {
    if (auto* dtype = std::get_if<DType>(&arg)) *dtype = single_of(*dtype);
    if (auto* list = std::get_if<ArgList>(&arg)) narrow_dtypes(*list);
  }
}

/// Whether the operator may run on single precision in the place of double.
bool may_narrow(const Node& node) { return is_listed(node.op->id) && !is_op(node, "aten.view.dtype"); }

/// One graph; `outermost` is the program, whose inputs and outputs keep their types. Regions are narrow throughout.
class Truncation {
 public:
  Truncation(Graph& graph, bool outermost) : graph_(graph), outermost_(outermost) {}

  void run() {
    for (Value* weight : graph_.weights) {
      if (!is_double(weight->type.dtype)) continue;
      weight->data = truncated(weight->data);
      weight->type.dtype = weight->data.dtype();
      narrowed_.insert(weight);
    }
    const auto first = graph_.nodes().begin();
    for (Value* input : graph_.inputs) narrow_input(input);
    // Nodes that are inserted stand before or right behind the one that they are for, and are passed over.
    for (auto it = first; it != graph_.nodes().end();) {
      const auto next = std::next(it);
      narrow(it, next);
      it = next;
    }
    for (Value*& output : graph_.outputs) finish(output);
  }

 private:
  void narrow_input(Value* input) {
    if (!is_double(input->type.dtype)) return;
    if (!outermost_) {
      input->type.dtype = single_of(input->type.dtype);
      narrowed_.insert(input);
      return;
    }
    put_cast(input, graph_.nodes().begin());
  }

  /// What reads the value later reads its cast.
  void put_cast(Value* value, Graph::NodeList::iterator position) {
    Value* cast = Inserter::at(graph_, position).cast(value, single_of(value->type.dtype));
    casts_.emplace(value, cast);
    narrowed_.insert(cast);
  }

  Value* now(Value* value) const {
    const auto found = casts_.find(value);
    return found == casts_.end() ? value : found->second;
  }

  void narrow(Graph::NodeList::iterator at, Graph::NodeList::iterator next) {
    Node& node = **at;
    map_operands(node.args, [&](Value* value) { return now(value); });
    if (!may_narrow(node)) return keep(at, next);
    narrow_dtypes(node.args);
    for (const auto& region : node.regions) Truncation(*region, false).run();
    for (Value* output : node.outputs) {
      if (!is_double(output->type.dtype)) continue;
      output->type.dtype = single_of(output->type.dtype);
      narrowed_.insert(output);
    }
  }

  /// Leaves the node in double precision, between casts.
  void keep(Graph::NodeList::iterator at, Graph::NodeList::iterator next) {
    Inserter before(graph_, at);
    map_operands((*at)->args, [&](Value* value) {
      if (narrowed(value)) return before.cast(value, double_of(value));
      return value;
    });
    for (Value* output : (*at)->outputs)
      if (is_double(output->type.dtype)) put_cast(output, next);
  }

  /// An output in its own type again.
  void finish(Value*& output) {
    if (!outermost_)
      output = now(output);
    else if (narrowed(output))
      output = Inserter::at(graph_, graph_.nodes().end()).cast(output, double_of(output));
  }

  static DType double_of(const Value* value) { return value->type.dtype == DType::c64 ? DType::c128 : DType::f64; }

  /// Whether the value stands for one in double precision.
  bool narrowed(const Value* value) const { return narrowed_.contains(value); }

  Graph& graph_;
  bool outermost_;
  std::unordered_map<const Value*, Value*> casts_;  // by the value in double precision
  std::unordered_set<const Value*> narrowed_;
};

}  // namespace

void truncate_double(Graph& graph, const PassContext& context) {
  if (context.options.truncate_double) Truncation(graph, true).run();
}

}  // namespace aitune

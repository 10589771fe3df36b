// map and scan as loops.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "compiler/graph/regions.h"
#include "compiler/import/dynamo/numbers.h"
#include "compiler/import/dynamo/operators.h"
#include "compiler/import/dynamo/sliced.h"
#include "compiler/import/dynamo/source_location.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

/// The regions of the loop, and what it is given. Carried are the counter, what slices hand on, and what they give.
class SliceLoop {
 public:
  SliceLoop(SlicedCall call, const Scope& scope, Graph& graph, Problems& problems)
      : call_(std::move(call)), scope_(scope), graph_(graph), problems_(problems), source_(read_source(call_.node)) {}

  Node* build() {
    regions_.push_back(region());
    regions_.push_back(region());
    build_body();
    build_condition();
    const OpInfo& op = op_info(OpId::higher_order_while_loop_default);
    ArgList carried{size_tensor(graph_, 0)}, additional;
    append(carried, call_.carried);
    for (const TensorType& type : stacks_) carried.emplace_back(zeros(type));
    append(additional, call_.sliced);
    append(additional, call_.additional);
    ArgList args{std::move(carried), std::move(additional), None{}};
    std::vector<TensorType> types = region_result_types(op, args, regions_);
    Node* node = graph_.add_node(op, std::move(args), std::move(types), "slices");
    node->source = source_;
    node->regions = std::move(regions_);
    if (const auto problem = problems_.empty() ? region_problem(*node) : std::nullopt)
      problems_.add_call(call_.node, op.name, *problem, "let every slice hand on tensors of the same types");
    return node;
  }

 private:
  std::unique_ptr<Graph> region() const {
    auto made = std::make_unique<Graph>();
    made->symbols = graph_.symbols;
    made->bounds = graph_.bounds;
    return made;
  }
  static void append(ArgList& list, const std::vector<RegionOperand>& operands) {
    for (const RegionOperand& operand : operands)
      if (operand.value != nullptr) list.emplace_back(operand.value);
  }
  Value* add_call(Graph& graph, OpId id, ArgList args) const {
    const OpInfo& op = op_info(id);
    Node* node = graph.add_node_inferred(op, bind_arguments(op, std::move(args), {}));
    node->source = source_;
    return node->output();
  }
  Value* zeros(const TensorType& type) const {
    const OpInfo& op = op_info(OpId::aten_full_default);
    ArgList sizes(type.shape.begin(), type.shape.end());
    Node* node =
        graph_.add_node_inferred(op, bind_arguments(op, {std::move(sizes), SymInt(0)}, {{"dtype", type.dtype}}));
    node->source = source_;
    return node->output();
  }

  void build_body() {
    Graph& body = *regions_[1];
    const auto inputs = call_.graph.at("inputs").items(), outputs = call_.graph.at("outputs").items();
    const std::size_t carried = call_.carried.size(), sliced = call_.sliced.size();
    Value* counter = body.add_input("i", {DType::i64, {}});
    std::vector<RegionOperand> own;
    for (std::size_t k = 0; k < inputs.size(); ++k)
      own.push_back(entered(k < carried            ? call_.carried[k]
                            : k < carried + sliced ? call_.sliced[k - carried]
                                                   : call_.additional[k - carried - sliced],
                            inputs[k], body));
    const SymInt row = number_as_size(body, counter, "row");
    body.bounds[row.str()] = call_.count;
    Scope inner(call_.graph, scope_);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      if (k >= carried && k < carried + sliced)
        own[k].value = add_call(body, OpId::aten_select_int, {own[k].value, SymInt(0), row});
      define_operand(inputs[k], own[k], inner, body);
    }
    import_nodes(inner, body, problems_);

    body.outputs.push_back(add_call(body, OpId::aten_add_Scalar, {counter, SymInt(1)}));
    std::size_t stacks_at = 1 + carried;
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      Value* result = region_output(outputs[k], inner, body);
      if (result == nullptr) outputs[k].corrupt("a slice gives None where there is a result");
      body.outputs.push_back(k < carried ? result : into_stack(body, result, row, outputs[k], stacks_at++));
    }
    for (const Value* output : body.outputs) body.output_names.push_back(output->name);
    graph_.symbols.insert(body.symbols.begin(), body.symbols.end());
    graph_.bounds.insert(body.bounds.begin(), body.bounds.end());
  }

  /// What all slices give, with one's result in its row; an input of the body at this place.
  Value* into_stack(Graph& body, Value* result, const SymInt& row, const JsonView& output, std::size_t at) {
    std::vector<std::string> names;
    for (const SymInt& size : result->type.shape) size.collect_symbols(names);
    if (!std::ranges::all_of(names, [&](const std::string& name) { return graph_.symbols.contains(name); }))
      output.unsupported(fmt::format("slices that give {}, with a size that data decide", to_string(result->type)),
                         "give tensors of one size for all slices");
    TensorType type = result->type;
    type.shape.insert(type.shape.begin(), call_.count);
    Value* stack = body.add_input("stack", type);
    std::rotate(body.inputs.begin() + static_cast<std::ptrdiff_t>(at), body.inputs.end() - 1, body.inputs.end());
    stacks_.push_back(std::move(type));
    return add_call(body, OpId::aten_select_scatter_default, {stack, result, SymInt(0), row});
  }

  void build_condition() {
    Graph& condition = *regions_[0];
    for (const Value* input : regions_[1]->inputs) condition.add_input(input->name, input->type);
    condition.outputs.push_back(
        add_call(condition, OpId::aten_lt_Tensor, {condition.inputs[0], size_tensor(condition, call_.count)}));
    condition.output_names.push_back(condition.outputs[0]->name);
  }

  SlicedCall call_;
  const Scope& scope_;
  Graph& graph_;
  Problems& problems_;
  const SourceLocation source_;
  Regions regions_;  // {condition, body}
  std::vector<TensorType> stacks_;
};

}  // namespace

void loop_over_slices(SlicedCall call, Scope& scope, Graph& graph, Problems& problems) {
  const std::vector<RegionResult> results = call.results;
  const Node* node = SliceLoop(std::move(call), scope, graph, problems).build();
  for (std::size_t k = 0; k < results.size(); ++k) define_result(results[k], node->outputs.at(k + 1), scope, graph);
}

}  // namespace aitune::dynamo

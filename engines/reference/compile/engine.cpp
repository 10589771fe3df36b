#include "engines/reference/compile/engine.h"

#include <map>

#include "base/error.h"
#include "compiler/memory/plan_builder.h"
#include "compiler/ops/schema.h"
#include "compiler/partition/partition.h"
#include "engines/reference/run/op_call.h"

namespace aitune::reference {
namespace {

/// Steps of one block under construction.
class StepWriter {
 public:
  StepWriter(const Block& block, PlanBuilder& plan) : plan_(plan) {
    for (std::size_t i = 0; i < block.graph.inputs.size(); ++i)
      buffers_[block.graph.inputs[i]] = plan.buffer_of(*block.inputs[i]);
    for (std::size_t i = 0; i < block.graph.outputs.size(); ++i) {
      const Value* inner = block.graph.outputs[i];
      if (inner->kind == ValueKind::node) buffers_[inner] = plan.buffer_of(*block.outputs[i]);
    }
  }

  void add(const Node& node) {
    PlanStep step;
    step.kind = StepKind::reference;
    step.name = step.op = std::string(node.op_name());
    step.sources = {plan_.add_source(node)};
    for (const Arg& arg : node.args) step.args.push_back(argument(arg, step));
    for (const Value* result : node.outputs) step.results.push_back(view(*result, step));
    plan_.add_step(std::move(step));
    // Further results of a node may have other names in the block than in the whole graph.
    if (!node.outputs.empty())
      plan_.add_value(*node.output(), buffer(*node.output()), node.output()->type.dtype, 0,
                      contiguous_strides(node.output()->type.shape));
    plan_.define_symbol(node);
  }

 private:
  std::uint32_t buffer(const Value& value) {
    if (const auto it = buffers_.find(&value); it != buffers_.end()) return it->second;
    std::uint32_t id = 0;
    if (value.kind == ValueKind::weight) {
      const Tensor data = value.data.contiguous();
      id = plan_.add_constant({data.data(), data.byte_size()});
    } else {
      id = plan_.add_arena(product(value.type.shape) * static_cast<std::int64_t>(dtype_size(value.type.dtype)));
    }
    return buffers_[&value] = id;
  }

  std::uint32_t view(const Value& value, PlanStep& step) {
    const std::uint32_t id = buffer(value);
    step.buffers.push_back(id);
    return plan_.add_view(id, value.type.dtype, value.type.shape);
  }

  PlanArg argument(const Arg& arg, PlanStep& step) {
    PlanArg out;
    if (const auto* b = std::get_if<bool>(&arg))
      out.kind = PlanArg::Kind::boolean, out.boolean = *b;
    else if (const auto* i = std::get_if<SymInt>(&arg))
      out.kind = PlanArg::Kind::integer, out.integer = plan_.expr(*i);
    else if (const auto* d = std::get_if<double>(&arg))
      out.kind = PlanArg::Kind::number, out.number = *d;
    else if (const auto* s = std::get_if<std::string>(&arg))
      out.kind = PlanArg::Kind::string, out.string = *s;
    else if (const auto* t = std::get_if<DType>(&arg))
      out.kind = PlanArg::Kind::dtype, out.dtype = *t;
    else if (const auto* f = std::get_if<MemoryFormat>(&arg))
      out.kind = PlanArg::Kind::integer, out.integer = plan_.expr(SymInt(static_cast<std::int64_t>(*f)));
    else if (const auto* v = std::get_if<Value*>(&arg))
      out.kind = PlanArg::Kind::tensor, out.tensor = view(**v, step);
    else if (const auto* l = std::get_if<ArgList>(&arg)) {
      out.kind = PlanArg::Kind::list;
      for (const Arg& item : *l) out.list.push_back(argument(item, step));
    }
    return out;
  }

  PlanBuilder& plan_;
  std::map<const Value*, std::uint32_t> buffers_;
};

class ReferenceEngine final : public CompileEngine {
 public:
  std::string_view name() const override { return "reference"; }

  Support supports(const Node& node, const EngineOptions&) const override {
    return has_kernel(node.op->id) ? Support::yes() : Support::no("no reference kernel");
  }

  void compile(const Block& block, const EngineOptions&, PlanBuilder& plan) const override {
    StepWriter writer(block, plan);
    for (const auto& node : block.graph.nodes()) writer.add(*node);
  }
};

}  // namespace

std::unique_ptr<CompileEngine> make_reference_engine() { return std::make_unique<ReferenceEngine>(); }

}  // namespace aitune::reference

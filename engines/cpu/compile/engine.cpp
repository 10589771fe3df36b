#include "engines/cpu/compile/engine.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/kernels/gemm.h"
#include "compiler/memory/plan_builder.h"
#include "compiler/ops/schema.h"
#include "compiler/partition/partition.h"
#include "engines/cpu/compile/codegen.h"
#include "engines/cpu/compile/kernel_contract.h"
#include "engines/cpu/compile/lowering.h"
#include "engines/cpu/compile/op_rules.h"
#include "engines/cpu/compile/tactics.h"

namespace aitune::cpu {
namespace {

/// Steps with fewer elements of work than this are not worth waking other threads for.
constexpr std::int64_t kSerialWork = 8192;

bool compiled_dtype(DType t) { return is_floating(t) || is_integral(t) || t == DType::b8; }

std::int64_t work_of(const KernelTask& task, const SymValues& sizes) {
  std::int64_t work = 1;
  const auto times = [&](const std::vector<SymInt>& extents) {
    for (const auto& e : extents) work *= std::max<std::int64_t>(1, e.evaluate(sizes));
  };
  if (task.loop) {
    times(task.loop->outer);
    times(task.loop->inner);
  } else {
    times(task.gemm->batch);
    times(task.gemm->m);
    for (const auto k : task.gemm->k) work *= k;
    work *= std::max<std::int64_t>(1, task.gemm->n.evaluate(sizes)) / 4;
  }
  return work;
}

/// Buffers of the lowering as buffers of the plan, made on first use.
class BufferMap {
 public:
  BufferMap(const LoweredBlock& block, PlanBuilder& plan, const std::function<std::uint32_t(const Value&)>& outer)
      : block_(block), plan_(plan), outer_(outer) {}

  std::uint32_t operator[](int id) {
    if (const auto it = ids_.find(id); it != ids_.end()) return it->second;
    const LoweredBuffer& buffer = block_.buffers[static_cast<std::size_t>(id)];
    const SymInt bytes = buffer.elements * static_cast<std::int64_t>(dtype_size(buffer.dtype));
    std::uint32_t plan_id = 0;
    switch (buffer.kind) {
      case LoweredBuffer::Kind::arena:
        plan_id = plan_.add_arena(bytes);
        break;
      case LoweredBuffer::Kind::zeroed:
        plan_id = plan_.add_zeroed_arena(bytes, buffer.zero_key);
        break;
      case LoweredBuffer::Kind::constant:
        plan_id = plan_.add_constant({buffer.constant.data(), buffer.constant.byte_size()});
        break;
      case LoweredBuffer::Kind::outer:
        plan_id = outer_(*buffer.value);
        break;
    }
    return ids_[id] = plan_id;
  }

 private:
  const LoweredBlock& block_;
  PlanBuilder& plan_;
  const std::function<std::uint32_t(const Value&)>& outer_;
  std::map<int, std::uint32_t> ids_;
};

/// Code of every distinct kernel, in the plan's code segment: offset by tactic key.
std::map<std::string, std::uint64_t> generate_code(const LoweredBlock& block, const std::vector<Tactic>& tactics,
                                                   const CpuTarget& target, PlanBuilder& plan) {
  CodeGenerator generator(target);
  std::map<std::string, std::string> symbols;
  for (std::size_t i = 0; i < block.tasks.size(); ++i) {
    if (tactics[i].onednn) continue;
    const auto [it, fresh] = symbols.try_emplace(tactics[i].key, fmt::format("k{}", symbols.size()));
    if (!fresh) continue;
    const KernelTask& task = block.tasks[i];
    if (task.gemm)
      generator.add(*task.gemm, tactics[i].tile, it->second);
    else
      generator.add(*task.loop, tactics[i].schedule, it->second);
  }
  const CodeBlob blob = generator.finish();
  const std::uint64_t base = plan.add_code(blob.bytes);
  std::map<std::string, std::uint64_t> offsets;
  for (const auto& [name, offset] : blob.entries) offsets[name] = base + offset;
  std::map<std::string, std::uint64_t> result;
  for (const auto& [key, symbol] : symbols) result[key] = offsets.at(symbol);
  return result;
}

std::vector<std::byte> pack_weight(const KernelTask& task, const kernels::GemmTile& tile) {
  Shape shape = {task.gemm->k.begin(), task.gemm->k.end()};
  shape.push_back(task.gemm->n.constant());
  const Tensor weight(task.weight.dtype(), shape, task.weight_strides, task.weight.owner(), task.weight.data());
  return kernels::pack_b(*task.gemm, tile, weight);
}

/// The task with the weights of every output rounded.
KernelTask with_rounded_weights(const KernelTask& task, const ProductStep::RoundWeights& round) {
  KernelTask rounded = task;
  std::vector<std::int64_t> places{0};  // of one output's weights, from its first
  for (std::size_t d = 0; d < task.gemm->k.size(); ++d) {
    std::vector<std::int64_t> finer;
    for (const std::int64_t place : places)
      for (std::int64_t i = 0; i < task.gemm->k[d]; ++i) finer.push_back(place + i * task.weight_strides[d]);
    places = std::move(finer);
  }
  const std::int64_t columns = task.gemm->n.constant(), step = task.weight_strides.back();
  rounded.weight = Tensor(DType::f32, {std::ranges::max(places) + (columns - 1) * step + 1});
  const auto* from = task.weight.as<float>();
  auto* to = rounded.weight.as<float>();
  std::vector<float> column(places.size());
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::size_t i = 0; i < places.size(); ++i) column[i] = from[places[i] + j * step];
    round(column);
    for (std::size_t i = 0; i < places.size(); ++i) to[places[i] + j * step] = column[i];
  }
  return rounded;
}

/// The depth of a product whose operand lies in rows of just so many elements; 0 for others.
std::int64_t row_length(const kernels::GemmKernel& kernel) {
  if (kernel.k.size() != 1 || !kernel.a_strides.back().is(1)) return 0;
  const auto whole = [&](const SymInt& size) {  // sizes that move are those of rows
    return size.as_constant().value_or(0) % kernel.k[0] == 0;
  };
  const bool rows = whole(kernel.a_offset) && std::all_of(kernel.a_strides.begin(), kernel.a_strides.end() - 1, whole);
  return rows ? kernel.k[0] : 0;
}

/// What tuning is told of a product with constant weights.
ProductStep describe_product(const KernelTask& task, const Tactic& tactic, const SymValues& sizes) {
  ProductStep product;
  product.node = task.product->output()->name;
  product.operations = 2;
  for (const auto* extents : {&task.gemm->batch, &task.gemm->m})
    for (const auto& e : *extents) product.operations *= static_cast<double>(e.evaluate(sizes));
  for (const auto k : task.gemm->k) product.operations *= static_cast<double>(k);
  product.operations *= static_cast<double>(task.gemm->n.constant());
  product.type = task.gemm->a_type;
  product.input_slot = static_cast<std::size_t>(task.gemm->a_buffer);
  product.depth = row_length(*task.gemm);
  if (product.type != DType::f32) return product;
  product.rounded_weights = [task, tactic](const ProductStep::RoundWeights& round) {
    const KernelTask rounded = with_rounded_weights(task, round);
    std::vector<std::pair<std::size_t, std::vector<std::byte>>> packed;
    const auto slot = static_cast<std::size_t>(std::ranges::find(task.buffers, -1) - task.buffers.begin());
    if (!tactic.onednn) {
      packed.emplace_back(slot, pack_weight(rounded, tactic.tile));
      return packed;
    }
    auto parts = pack_for_onednn(rounded, tactic.onednn->candidate, *tactic.onednn->kernel);
    for (std::size_t i = 0; i < parts.size(); ++i)
      packed.emplace_back(i == 0 ? slot : task.buffers.size() + i - 1, std::move(parts[i]));
    return packed;
  };
  return product;
}

void fill_onednn_step(const KernelTask& task, const OneDnnTactic& tactic, BufferMap& buffers, PlanBuilder& plan,
                      PlanStep& step) {
  const auto packed = pack_for_onednn(task, tactic.candidate, *tactic.kernel);
  step.kind = StepKind::onednn;
  for (const int id : task.buffers) step.buffers.push_back(id < 0 ? plan.add_constant(packed.front()) : buffers[id]);
  for (std::size_t i = 1; i < packed.size(); ++i) step.buffers.push_back(plan.add_constant(packed[i]));
  OneDnnPayload payload = tactic.kernel->payload();
  payload.version = tactic.kernel->library().version();
  step.payload = write_onednn_payload(payload);
}

/// The whole graph's value that an input or output of the block stands for.
const Value& outer_value(const Block& block, const Value& value) {
  for (std::size_t i = 0; i < block.graph.inputs.size(); ++i)
    if (block.graph.inputs[i] == &value) return *block.inputs[i];
  for (std::size_t i = 0; i < block.graph.outputs.size(); ++i)
    if (block.graph.outputs[i] == &value) return *block.outputs[i];
  throw InternalError("a value that is neither input nor output of its block: %" + value.name, block.name);
}

bool same_contract(const PlanKernel& a, const PlanKernel& b) {
  return a.buffers == b.buffers && a.params == b.params && a.tasks == b.tasks && a.exprs == b.exprs &&
         a.accesses == b.accesses;
}

class CpuEngine final : public CompileEngine {
 public:
  std::string_view name() const override { return "cpu"; }

  Support supports(const Node& node, const EngineOptions& options) const override {
    if (!options.target.avx2_fma) return Support::no("the CPU engine needs AVX2 and FMA");
    const auto it = rules().find(node.op_name());
    if (it == rules().end()) return Support::no("no rule for this operator");
    const auto check = [](const Value* v) {
      if (!compiled_dtype(v->type.dtype)) return Support::no("tensors of " + std::string(dtype_name(v->type.dtype)));
      for (const auto& size : v->type.shape)
        if (size.is(0)) return Support::no("tensors without elements");
      return Support::yes();
    };
    for (const Value* v : node.operands())
      if (auto s = check(v); !s.supported) return s;
    for (const Value* v : node.outputs)
      if (auto s = check(v); !s.supported) return s;
    return it->second.check ? it->second.check(node) : Support::yes();
  }

  void compile(const Block& block, const EngineOptions& options, PlanBuilder& plan) const override {
    const bool amx = plan.target().amx_bf16;
    plan.target() = options.target;
    plan.target().amx_bf16 = amx;  // only where a kernel uses it
    const LoweredBlock lowered = Lowering(block.graph, options).run();
    const auto tactics = choose_tactics(lowered, options);
    const auto code = generate_code(lowered, tactics, options.target, plan);
    const std::function<std::uint32_t(const Value&)> outer = [&](const Value& v) {
      return plan.buffer_of(outer_value(block, v));
    };
    BufferMap buffers(lowered, plan, outer);
    const auto add_values = [&](const KernelTask& task) {
      for (const auto& [value, view] : task.values)
        if (value->index == 0)  // further results may have other names in the block than in the whole graph
          plan.add_value(*value, buffers[view.buffer], view.dtype, view.map.offset, view.map.strides);
    };
    std::map<std::uint64_t, PlanKernel> described;
    for (std::size_t i = 0; i < lowered.tasks.size(); ++i) {
      const KernelTask& task = lowered.tasks[i];
      PlanStep step;
      step.name = tactics[i].key.substr(0, 96);
      for (const Node* node : task.sources) step.sources.push_back(plan.add_source(*node));
      if (tactics[i].onednn) {
        fill_onednn_step(task, *tactics[i].onednn, buffers, plan, step);
        plan.add_step(std::move(step));
        add_values(task);
        plan.add_product(describe_product(task, tactics[i], options.opt_shape));
        continue;
      }
      plan.target().amx_bf16 |= task.gemm && tactics[i].tile.amx;
      step.kind = StepKind::cpu_kernel;
      for (const int id : task.buffers)
        step.buffers.push_back(id < 0 ? plan.add_constant(pack_weight(task, tactics[i].tile)) : buffers[id]);
      step.entry = code.at(tactics[i].key);
      KernelContract contract = task.gemm ? describe_kernel(*task.gemm, tactics[i].tile, step.entry)
                                          : describe_kernel(*task.loop, tactics[i].schedule, step.entry);
      for (const SymInt& p : contract.params) step.params.push_back(plan.expr(p));
      const auto known = described.try_emplace(step.entry, contract.kernel);
      if (known.second)
        plan.add_kernel(std::move(contract.kernel));
      else if (!same_contract(known.first->second, contract.kernel))
        throw InternalError("two calls of one kernel have two contracts", step.name);
      step.tasks = plan.expr(task.gemm ? kernels::task_count(*task.gemm, tactics[i].tile)
                                       : kernels::task_count(*task.loop, tactics[i].schedule));
      step.serial = work_of(task, options.opt_shape) < kSerialWork;
      plan.add_step(std::move(step));
      add_values(task);
      if (task.product) plan.add_product(describe_product(task, tactics[i], options.opt_shape));
    }
  }
};

}  // namespace

std::unique_ptr<CompileEngine> make_cpu_engine() { return std::make_unique<CpuEngine>(); }

std::string onednn_version() {
  try {
    return OneDnn::open()->version();
  } catch (const Unavailable&) {
    return "none";
  }
}

}  // namespace aitune::cpu

#include "compiler/tuning/build.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "engines/cpu/compile/engine.h"
#include "engines/reference/compile/engine.h"

namespace aitune {
namespace {

/// The engines that the settings allow, best first; the reference stands last.
struct Engines {
  std::vector<std::unique_ptr<CompileEngine>> owned;
  std::vector<const CompileEngine*> list;

  explicit Engines(const std::string& only) {
    if (only != "reference") owned.push_back(cpu::make_cpu_engine());
    owned.push_back(reference::make_reference_engine());
    for (const auto& engine : owned) list.push_back(engine.get());
  }
};

PartitionOptions partition_options_of(const CompilationSettings& settings) {
  PartitionOptions options;
  options.min_block_size = settings.min_block_size;
  options.torch_executed_ops = settings.torch_executed_ops;
  options.require_full_compilation = settings.require_full_compilation;
  options.fallback_data_dependent_ops = settings.fallback_data_dependent_ops;
  return options;
}

/// Builds a graph, and the graphs inside of it, into one plan.
class Builder {
 public:
  Builder(const BuildOptions& options, const EngineOptions& engine_options,
          std::span<const CompileEngine* const> engines, PlanBuilder& plan, BuildResult& result)
      : options_(options), engine_options_(engine_options), engines_(engines), plan_(plan), result_(result) {}

  void build(const Graph& graph) {
    // The plan knows places by values, regions' among them: all of them live as long as it is built.
    const Partition& parts =
        parts_.emplace_back(partition(graph, engines_, engine_options_, partition_options_of(options_.settings)));
    for (const Fallback& fallback : parts.fallbacks) add(fallback);
    if (parts_.size() == 1)
      result_.warnings.insert(result_.warnings.end(), parts.warnings.begin(), parts.warnings.end());
    const bool outermost = parts_.size() == 1;
    std::size_t count = 0;
    for (const Block& block : parts.blocks) {
      if (options_.progress && outermost) options_.progress->block(block.name, count, parts.blocks.size());
      ++count;
      const std::uint32_t index =
          plan_.begin_block(block.is_control() ? "control" : std::string(block.engine->name()), block.fallback_reason);
      if (block.is_control())
        control(block);
      else
        compile(block);
      for (const Value* value : block.outputs)
        plan_.block(index).outputs.push_back(
            plan_.add_view(plan_.buffer_of(*value), value->type.dtype, value->type.shape));
    }
  }

 private:
  void add(const Fallback& fallback) {
    for (Fallback& known : result_.fallbacks)
      if (known.op == fallback.op && known.reason == fallback.reason) {
        known.count += fallback.count;
        return;
      }
    result_.fallbacks.push_back(fallback);
  }

  void compile(const Block& block) {
    const PlanBuilder::Mark before = plan_.mark();
    try {
      block.engine->compile(block, engine_options_, plan_);
    } catch (const Error& error) {
      const bool final = options_.settings.pass_through_build_failures || options_.settings.require_full_compilation;
      if (final || block.engine == engines_.back()) throw;
      plan_.rollback(before);
      compile_on_fallback(block, error);
    }
  }

  /// A block that its engine cannot build, on the fallback instead. What the engine left of it is taken back.
  void compile_on_fallback(const Block& block, const Error& error) {
    const CompileEngine& fallback = *engines_.back();
    result_.warnings.push_back(fmt::format("{} ({} nodes) goes to the {} engine, since {} could not build it: {}",
                                           block.name, block.graph.nodes().size(), fallback.name(),
                                           block.engine->name(), error.what()));
    plan_.block().engine = fallback.name();
    plan_.block().why = error.what();
    for (const auto& node : block.graph.nodes()) add({std::string(node->op_name()), error.what(), 1, {}});
    fallback.compile(block, engine_options_, plan_);
  }

  void control(const Block& block) {
    const Node& node = *block.graph.nodes().front();
    std::map<const Value*, const Value*> outer;  // by the block's own values
    for (std::size_t i = 0; i < block.inputs.size(); ++i) outer[block.graph.inputs[i]] = block.inputs[i];
    const auto buffer = [&](const Value* value) {
      const auto found = outer.find(value);
      return plan_.buffer_of(found == outer.end() ? *value : *found->second);
    };
    std::vector<std::uint32_t> operands, results;
    for (const Value* operand : region_operands(node)) operands.push_back(buffer(operand));
    for (const Value* output : node.outputs) {
      const auto leaves = std::ranges::find(block.graph.outputs, output);
      results.push_back(
          leaves == block.graph.outputs.end()
              ? new_buffer(output->type)
              : plan_.buffer_of(*block.outputs[static_cast<std::size_t>(leaves - block.graph.outputs.begin())]));
    }
    PlanStep step;
    step.kind = is_if(node) ? StepKind::branch : StepKind::loop;
    step.name = is_if(node) ? "if" : "loop";
    step.sources = {plan_.add_source(node)};
    if (is_if(node))
      branch(node, std::move(step), buffer(node.args[0].value()), operands, results);
    else
      loop(node, std::move(step), operands, results);
  }

  void branch(const Node& node, PlanStep step, std::uint32_t condition, const std::vector<std::uint32_t>& operands,
              const std::vector<std::uint32_t>& results) {
    step.buffers = {condition};
    const std::size_t control = plan_.open_control(std::move(step));
    region(*node.regions[0], operands, results);
    const std::size_t middle = plan_.step_count();
    region(*node.regions[1], operands, results);
    plan_.close_control(control, middle);
  }

  /// The results' buffers hold the carried values. A trip computes its own into buffers aside, since it reads the old
  /// ones until its end.
  void loop(const Node& node, PlanStep step, std::vector<std::uint32_t> operands,
            const std::vector<std::uint32_t>& carried) {
    for (std::size_t i = 0; i < carried.size(); ++i) {
      plan_.add_copy(operands[i], carried[i], node.outputs[i]->type);
      operands[i] = carried[i];
    }
    const Graph &condition = *node.regions[0], &body = *node.regions[1];
    const std::uint32_t flag = new_buffer(condition.outputs[0]->type);
    step.buffers = {flag};
    step.buffers.insert(step.buffers.end(), carried.begin(), carried.end());
    if (!node.args[2].is_none()) step.params = {plan_.expr(node.args[2].sym())};
    const std::size_t control = plan_.open_control(std::move(step));
    region(condition, operands, {flag});
    const std::size_t middle = plan_.step_count();
    std::vector<std::uint32_t> next;
    for (std::size_t i = 0; i < carried.size(); ++i)
      next.push_back(body.outputs[i] == body.inputs[i] ? carried[i] : new_buffer(body.outputs[i]->type));
    region(body, operands, next);
    for (std::size_t i = 0; i < carried.size(); ++i)
      if (next[i] != carried[i]) plan_.add_copy(next[i], carried[i], body.outputs[i]->type);
    plan_.close_control(control, middle);
  }

  /// Builds a region that reads and writes these buffers.
  void region(const Graph& graph, const std::vector<std::uint32_t>& operands,
              const std::vector<std::uint32_t>& results) {
    for (std::size_t i = 0; i < operands.size(); ++i) plan_.place(*graph.inputs[i], operands[i]);
    std::set<const Value*> placed;
    const auto written_here = [&](std::size_t i) {
      const Value* value = graph.outputs[i];
      return value->kind == ValueKind::node && placed.insert(value).second;
    };
    std::vector<std::size_t> copies;
    for (std::size_t i = 0; i < results.size(); ++i)
      if (written_here(i))
        plan_.place(*graph.outputs[i], results[i]);
      else
        copies.push_back(i);
    const std::size_t first = plan_.step_count();
    build(graph);
    if (!copies.empty()) plan_.begin_block("control", "");
    for (const std::size_t i : copies)
      if (const std::uint32_t from = plan_.buffer_of(*graph.outputs[i]); from != results[i])
        plan_.add_copy(from, results[i], graph.outputs[i]->type);
    plan_.add_region_guards(graph, first);
  }

  std::uint32_t new_buffer(const TensorType& type) {
    return plan_.add_arena(product(type.shape) * static_cast<std::int64_t>(dtype_size(type.dtype)));
  }

  const BuildOptions& options_;
  const EngineOptions& engine_options_;
  std::span<const CompileEngine* const> engines_;  // the fallback stands last
  PlanBuilder& plan_;
  BuildResult& result_;
  std::deque<Partition> parts_;
};

/// Sizes to time candidates at. Nothing can be timed on none at all, and lowering may have made sizes that the samples
/// said nothing of.
SymValues opt_shape_of(const Graph& lowered, const SymValues& given) {
  SymValues sizes = given;
  for (const auto& [name, range] : lowered.symbols) {
    std::int64_t& size = sizes[name];
    size = std::max<std::int64_t>(size, 1);
  }
  return sizes;
}

EngineOptions engine_options_of(const Graph& lowered, const BuildOptions& options) {
  EngineOptions engine_options;
  engine_options.target = options.target;
  engine_options.precision = options.precision == DType::bf16 ? DType::bf16 : DType::f32;
  engine_options.f32_products = options.f32_products;
  engine_options.exact_values = options.exact_values;
  engine_options.accurate = options.accurate;
  engine_options.num_threads = options.settings.num_threads;
  engine_options.optimization_level = options.settings.optimization_level;
  engine_options.averaged_runs = options.settings.num_avg_timing_iters;
  engine_options.onednn = options.settings.onednn;
  engine_options.opt_shape = opt_shape_of(lowered, options.opt_shape);
  engine_options.timings = options.timings;
  engine_options.similar = options.similar;
  engine_options.reuse_tactics = options.reuse_tactics;
  engine_options.progress = options.progress;
  engine_options.is_over = options.is_over;
  return engine_options;
}

}  // namespace

BuildResult build(const Graph& lowered, const BuildOptions& options) {
  const Engines engines(options.settings.engine);
  return build(lowered, options, engines.list);
}

void look_at_partition(const Graph& lowered, const BuildOptions& options,
                       const std::function<void(const Partition&)>& look) {
  const Engines engines(options.settings.engine);
  look(partition(lowered, engines.list, engine_options_of(lowered, options), partition_options_of(options.settings)));
}

namespace {

BuildResult build_graph(const Graph& lowered, const BuildOptions& options,
                        std::span<const CompileEngine* const> engines) {
  const EngineOptions engine_options = engine_options_of(lowered, options);
  BuildResult result;
  PlanBuilder plan(lowered, CpuTarget(), std::string(precision_name(options.precision)), engine_options.opt_shape,
                   options.settings.max_data_dependent_size, options.shared_halos);
  Builder(options, engine_options, engines, plan, result).build(lowered);
  result.plan = plan.finish();
  result.products = plan.take_products();
  result.plan.plan.num_threads = static_cast<std::uint32_t>(options.settings.num_threads);
  result.plan.plan.release_memory = options.settings.dynamically_allocate_resources;
  return result;
}

}  // namespace

BuildResult build(const Graph& lowered, const BuildOptions& options, std::span<const CompileEngine* const> engines) {
  if (options.precision != DType::i8) return build_graph(lowered, options, engines);
  return build_graph(quantise(lowered, options.scales, options.f32_products), options, engines);
}

}  // namespace aitune

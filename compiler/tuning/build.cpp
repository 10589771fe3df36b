#include "compiler/tuning/build.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
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

void add_block_outputs(const Block& block, PlanBuilder& plan) {
  for (const Value* value : block.outputs)
    plan.block().outputs.push_back(plan.add_view(plan.buffer_of(*value), value->type.dtype, value->type.shape));
}

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
  engine_options.precision = options.precision;
  engine_options.f32_products = options.f32_products;
  engine_options.exact_values = options.exact_values;
  engine_options.num_threads = options.settings.num_threads;
  engine_options.optimization_level = options.settings.optimization_level;
  engine_options.onednn = options.settings.onednn;
  engine_options.opt_shape = opt_shape_of(lowered, options.opt_shape);
  engine_options.timings = options.timings;
  engine_options.similar = options.similar;
  engine_options.reuse_tactics = options.reuse_tactics;
  engine_options.progress = options.progress;
  return engine_options;
}

PartitionOptions partition_options_of(const CompilationSettings& settings) {
  PartitionOptions options;
  options.min_block_size = settings.min_block_size;
  options.torch_executed_ops = settings.torch_executed_ops;
  options.require_full_compilation = settings.require_full_compilation;
  options.fallback_data_dependent_ops = settings.fallback_data_dependent_ops;
  return options;
}

/// A block that its engine cannot build, on the fallback instead. What the engine left of it is taken back.
void build_on_fallback(const Block& block, const CompileEngine& fallback, const EngineOptions& options,
                       const Error& error, BuildResult& result, PlanBuilder& plan) {
  result.warnings.push_back(fmt::format("{} ({} nodes) goes to the {} engine, since {} could not build it: {}",
                                        block.name, block.graph.nodes().size(), fallback.name(), block.engine->name(),
                                        error.what()));
  plan.block().engine = fallback.name();
  plan.block().why = error.what();
  for (const auto& node : block.graph.nodes()) {
    const std::string op(node->op_name());
    const auto same = [&](const Fallback& f) { return f.op == op && f.reason == error.what(); };
    auto known = std::ranges::find_if(result.fallbacks, same);
    if (known == result.fallbacks.end()) known = result.fallbacks.insert(known, {op, error.what(), 0, {}});
    ++known->count;
  }
  fallback.compile(block, options, plan);
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

BuildResult build(const Graph& lowered, const BuildOptions& options, std::span<const CompileEngine* const> engines) {
  const EngineOptions engine_options = engine_options_of(lowered, options);
  const CompileEngine& fallback = *engines.back();
  const Partition parts = partition(lowered, engines, engine_options, partition_options_of(options.settings));

  BuildResult result;
  result.fallbacks = parts.fallbacks;
  result.warnings = parts.warnings;
  if (options.settings.require_full_compilation && options.settings.min_block_size > 1 &&
      options.settings.min_block_size != CompilationSettings().min_block_size)
    result.warnings.emplace_back("min_block_size is disregarded: require_full_compilation is set");
  CpuTarget needed = options.target;
  needed.amx_bf16 = false;  // until an engine chooses a kernel that uses it
  PlanBuilder plan(lowered, needed, std::string(precision_name(options.precision)), engine_options.opt_shape,
                   options.settings.max_data_dependent_size);
  for (const Block& block : parts.blocks) {
    plan.begin_block(std::string(block.engine->name()), block.fallback_reason);
    const PlanBuilder::Mark before = plan.mark();
    try {
      block.engine->compile(block, engine_options, plan);
    } catch (const Error& error) {
      const bool final = options.settings.pass_through_build_failures || options.settings.require_full_compilation;
      if (final || block.engine == &fallback) throw;
      plan.rollback(before);
      build_on_fallback(block, fallback, engine_options, error, result, plan);
    }
    add_block_outputs(block, plan);
  }
  result.plan = plan.finish();
  result.products = plan.take_products();
  result.plan.plan.num_threads = static_cast<std::uint32_t>(options.settings.num_threads);
  return result;
}

}  // namespace aitune

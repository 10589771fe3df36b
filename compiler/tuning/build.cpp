#include "compiler/tuning/build.h"

#include <algorithm>
#include <memory>

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
  const CompileEngine& fallback() const { return *list.back(); }
};

void add_block_outputs(const Block& block, PlanBuilder& plan) {
  for (const Value* value : block.outputs)
    plan.block().outputs.push_back(plan.add_view(plan.buffer_of(*value), value->type.dtype, value->type.shape));
}

}  // namespace

namespace {

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

}  // namespace

BuildResult build(const Graph& lowered, const BuildOptions& options) {
  const Engines engines(options.settings.engine);
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

  PartitionOptions partition_options;
  partition_options.min_block_size = options.settings.min_block_size;
  partition_options.torch_executed_ops = options.settings.torch_executed_ops;
  partition_options.require_full_compilation = options.settings.require_full_compilation;
  partition_options.fallback_data_dependent_ops = options.settings.fallback_data_dependent_ops;
  const Partition parts = partition(lowered, engines.list, engine_options, partition_options);

  BuildResult result;
  result.fallbacks = parts.fallbacks;
  CpuTarget needed = options.target;
  needed.amx_bf16 = false;  // until an engine chooses a kernel that uses it
  PlanBuilder plan(lowered, needed, std::string(precision_name(options.precision)), engine_options.opt_shape,
                   options.settings.max_data_dependent_size);
  for (const Block& block : parts.blocks) {
    plan.begin_block(std::string(block.engine->name()), block.fallback_reason);
    try {
      block.engine->compile(block, engine_options, plan);
    } catch (const Unsupported& error) {
      if (options.settings.pass_through_build_failures || block.engine == &engines.fallback()) throw;
      result.warnings.push_back(block.name + " goes to the reference engine: " + error.what());
      plan.block().engine = engines.fallback().name();
      plan.block().why = error.what();
      engines.fallback().compile(block, engine_options, plan);
    }
    add_block_outputs(block, plan);
  }
  result.plan = plan.finish();
  result.products = plan.take_products();
  result.plan.plan.num_threads = static_cast<std::uint32_t>(options.settings.num_threads);
  return result;
}

}  // namespace aitune

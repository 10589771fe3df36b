#include "compiler/tuning/dryrun.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "compiler/memory/arena.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/build.h"
#include "compiler/tuning/lowering.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostBytes = std::int64_t{1} << 46;  // of one value: no machine has more
constexpr std::int64_t kMostOfData = 1 << 20;               // of a size that data decide, where nothing limits it

std::string value_text(const Value* value) { return fmt::format("%{}: {}", value->name, to_string(value->type)); }

template <typename Values>
std::vector<std::string> value_texts(const Values& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const Value* value : values) texts.push_back(value_text(value));
  return texts;
}

/// Of a size that data decide, the most that it can be.
std::int64_t bytes_of(const Graph& graph, const Value& value, const SymValues& sizes) {
  const SymInt size = product(value.type.shape) * static_cast<std::int64_t>(dtype_size(value.type.dtype));
  const std::int64_t bytes = upper_bound(size, graph, kMostOfData).evaluate(sizes);
  if (bytes > kMostBytes) throw InvalidArgument(fmt::format("%{} would have {} bytes", value.name, bytes));
  return bytes;
}

/// The memory that intermediate values need when each gives its place back after its last use.
std::int64_t activation_bytes(const Graph& graph, const SymValues& sizes) {
  std::unordered_map<const Value*, std::size_t> at;
  std::vector<ArenaRequest> requests;
  std::int64_t step = 0;
  for (const auto& node : graph.nodes()) {
    for (const Value* operand : node->operands())
      if (const auto it = at.find(operand); it != at.end()) requests[it->second].last = step;
    for (const Value* output : node->outputs) {
      if (graph.is_output(output)) continue;
      at[output] = requests.size();
      requests.push_back({bytes_of(graph, *output, sizes), step, step});
    }
    ++step;
  }
  std::vector<std::int64_t> offsets;
  return place_by_liveness(requests, 64, offsets);
}

DryrunReport::Memory memory_at(const Graph& graph, const SymValues& sizes) {
  DryrunReport::Memory memory{.sizes = sizes};
  for (const Value* input : graph.inputs) memory.inputs += bytes_of(graph, *input, sizes);
  for (const Value* output : graph.outputs) memory.outputs += bytes_of(graph, *output, sizes);
  memory.activations = activation_bytes(graph, sizes);
  return memory;
}

/// Nothing where a value has more bytes than there can be.
std::optional<DryrunReport::Memory> memory_if_possible(const Graph& graph, const SymValues& sizes) {
  try {
    return memory_at(graph, sizes);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// At the sizes to be fastest at, and at the largest ones where all have a limit.
std::vector<DryrunReport::Memory> memory_of(const Graph& graph, const SymValues& sizes) {
  std::vector<DryrunReport::Memory> list;
  if (const auto memory = memory_if_possible(graph, sizes)) list.push_back(*memory);
  SymValues largest;
  for (const auto& [name, size] : sizes)
    if (const auto range = graph.symbols.find(name);
        range != graph.symbols.end() && range->second.max < std::int64_t{1} << 40)
      largest[name] = range->second.max;
  if (largest.size() != sizes.size() || largest == sizes) return list;
  if (const auto memory = memory_if_possible(graph, largest)) list.push_back(*memory);
  return list;
}

void add_partition(const Partition& parts, DryrunReport& report) {
  for (const Block& block : parts.blocks) {
    const bool compiled = block.fallback_reason.empty();
    const std::string engine(block.is_control() ? "control" : block.engine->name());
    report.blocks.push_back({block.name, engine, block.graph.nodes().size(), value_texts(block.inputs),
                             value_texts(block.outputs), block.fallback_reason});
    if (compiled) report.compiled_nodes += block.graph.nodes().size();
  }
  for (const Fallback& fallback : parts.fallbacks) {
    DryrunReport::Fallback row{fallback.op, fallback.reason, fallback.count, {}};
    for (const SourceLocation& source : fallback.sources)
      row.sources.push_back(source.module.empty() ? source.code
                            : source.code.empty() ? source.module
                                                  : source.module + ": " + source.code);
    report.fallbacks.push_back(std::move(row));
  }
  for (const std::string& warning : parts.warnings) report.warnings.push_back(warning);
}

std::string sizes_text(const SymValues& sizes) {
  std::string text;
  for (const auto& [name, size] : sizes) text += fmt::format("{}{} = {}", text.empty() ? " at " : ", ", name, size);
  return text;
}

std::string bytes_text(std::int64_t bytes) {
  return bytes < 10 << 20 ? fmt::format("{:.1f} KB", static_cast<double>(bytes) / 1024)
                          : fmt::format("{:.1f} MB", static_cast<double>(bytes) / (1 << 20));
}

std::string advice(const DryrunReport& report) {
  std::size_t compiled = 0, smallest = SIZE_MAX;
  for (const auto& block : report.blocks) {
    if (!block.why.empty()) continue;
    ++compiled;
    smallest = std::min(smallest, block.nodes);
  }
  if (compiled == 0) return "no block is compiled: lower min_block_size, or see above what falls back\n";
  if (report.fallbacks.empty()) return "the whole model is compiled\n";
  return fmt::format("the smallest compiled block has {} nodes: a larger min_block_size gives it to the fallback\n",
                     smallest);
}

}  // namespace

DryrunReport dry_run(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                     const CompilationSettings& settings, Progress& progress, const SymValues& preferred) {
  if (samples.empty()) throw InvalidArgument("there are no samples", "dryrun", "Give at least one set of inputs");
  DryrunReport report;
  report.settings = settings.to_json();
  warn_of_ignored_settings(settings, progress, report.warnings);
  progress.stage("lower");
  const LowerOptions lowering = lower_options(settings, progress, report.warnings);
  Graph lowered = functional_program(imported, lowering);
  lower(lowered, lowering);

  BuildOptions options;
  options.settings = settings;
  options.target = host_cpu();
  options.opt_shape = bind_symbols(imported, samples.front());
  for (const auto& [name, size] : preferred) options.opt_shape[name] = size;
  options.progress = &progress;
  progress.stage("partition");
  report.graph = print(lowered);
  report.nodes = lowered.nodes().size();
  report.inputs = value_texts(lowered.inputs);
  report.outputs = value_texts(lowered.outputs);
  look_at_partition(lowered, options, [&](const Partition& parts) { add_partition(parts, report); });
  for (const Value* weight : lowered.weights)
    report.weight_bytes += static_cast<std::int64_t>(weight->data.byte_size());
  report.memory = memory_of(lowered, options.opt_shape);
  return report;
}

std::string DryrunReport::text() const {
  const double share = nodes == 0 ? 100 : 100 * static_cast<double>(compiled_nodes) / static_cast<double>(nodes);
  std::string out = fmt::format("Dry run: nothing is built.\n\nGraph, as lowered:\n{}\n", graph);
  out += fmt::format("The graph has {} nodes, of which {} are compiled ({:.1f} %).\n\n", nodes, compiled_nodes, share);
  out += fmt::format("Blocks, in the order in which they run:\n  inputs: {}\n", fmt::join(inputs, ", "));
  for (const Block& block : blocks) {
    out += fmt::format("  {} on {}: {} nodes\n    in:  {}\n    out: {}\n", block.name, block.engine, block.nodes,
                       fmt::join(block.inputs, ", "), fmt::join(block.outputs, ", "));
    if (!block.why.empty()) out += fmt::format("    why: {}\n", block.why);
  }
  out += fmt::format("  outputs: {}\n\n", fmt::join(outputs, ", "));
  out += fallbacks.empty() ? "Nothing falls back.\n" : "What falls back to the reference engine:\n";
  for (const Fallback& fallback : fallbacks) {
    out += fmt::format("  {} ({}x): {}\n", fallback.op, fallback.count, fallback.reason);
    for (const std::string& source : fallback.sources) out += fmt::format("    {}\n", source);
  }
  out += fmt::format("\nEstimated memory: weights {}\n", bytes_text(weight_bytes));
  for (const Memory& m : memory)
    out += fmt::format("  a run{}: inputs {}, outputs {}, intermediate values at most {}\n", sizes_text(m.sizes),
                       bytes_text(m.inputs), bytes_text(m.outputs), bytes_text(m.activations));
  out += fmt::format("\nSettings: {}\n", settings);
  for (const std::string& warning : warnings) out += fmt::format("Warning: {}\n", warning);
  return out + "Note: " + advice(*this);
}

std::string DryrunReport::to_json() const {
  Json json = {{"nodes", nodes}, {"compiled_nodes", compiled_nodes}, {"inputs", inputs}, {"outputs", outputs}};
  json["blocks"] = Json::array();
  for (const Block& b : blocks)
    json["blocks"].push_back({{"name", b.name},
                              {"engine", b.engine},
                              {"nodes", b.nodes},
                              {"inputs", b.inputs},
                              {"outputs", b.outputs},
                              {"why", b.why}});
  json["fallbacks"] = Json::array();
  for (const Fallback& f : fallbacks)
    json["fallbacks"].push_back({{"op", f.op}, {"count", f.count}, {"reason", f.reason}, {"sources", f.sources}});
  json["memory"] = {{"weights", weight_bytes}, {"runs", Json::array()}};
  for (const Memory& m : memory)
    json["memory"]["runs"].push_back(
        {{"sizes", m.sizes}, {"inputs", m.inputs}, {"outputs", m.outputs}, {"activations", m.activations}});
  json["warnings"] = warnings;
  json["settings"] = Json::parse(settings);
  json["graph"] = graph;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aitune

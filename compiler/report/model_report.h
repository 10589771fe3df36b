#pragma once
// What a report says of a tuned model: gathered once (gather.h), rendered as HTML, Markdown or JSON (render.h).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace aitune {

/// Latencies of runs, in milliseconds.
struct LatencyReport {
  std::string of;             ///< "tuned plan", "reference engine"
  std::vector<double> times;  ///< sorted; of very many runs, as many quantiles as there is room for
  std::size_t runs = 0;
  double mean = 0;
  /// Below which `share` of the runs lie (nearest rank); 0 if there are none.
  double percentile(double share) const;
};

/// A node of the model as it was imported.
struct NodeReport {
  std::string name, op, module, code;
  std::string type;                 ///< "f32[1,64,56,56]"; empty if it is not known
  std::vector<std::size_t> inputs;  ///< nodes whose results it reads
  std::vector<std::size_t> steps;   ///< that compute it; none: lowering found it needless, or constant
  double microseconds = 0;          ///< its share of the time of these steps
};

/// A value of the lowered graph that a step leaves in memory.
struct ValueReport {
  std::string name, type;
  std::optional<double> error;  ///< relative, to the reference engine
};

/// A step of the plan.
struct StepReport {
  std::string name, kind;  ///< the kernel's name; "kernel", "reference", "fill", "onednn", "copy", "branch", "loop"
  std::size_t block = 0;
  double microseconds = 0;             ///< the fastest of some runs; of all trips, in a loop
  std::vector<std::size_t> nodes;      ///< that went into it, indices of ModelReport::nodes
  std::vector<std::string> operators;  ///< lowered: "convolution @ layer1.0.conv1", in order
  std::vector<std::size_t> inputs;     ///< steps whose results it reads
  std::vector<ValueReport> values;
  std::string code;              ///< the source line of its main node
  std::int64_t live_bytes = 0;   ///< of the arena, in use while it runs
  std::int64_t moved_bytes = 0;  ///< sizes of the buffers that it reads or writes
};

/// A buffer in the arena: where it lies, and from which step to which it is needed.
struct ArenaPiece {
  std::int64_t offset = 0, bytes = 0;
  std::size_t first = 0, last = 0;
  std::string name;  ///< of a value in it
};

/// Neighbouring steps that one engine made.
struct BlockReport {
  std::string engine, why;
  std::size_t steps = 0, nodes = 0;
  double microseconds = 0;
  std::vector<std::string> precisions;  ///< in which its values lie in memory: "f32", "bf16"
  std::optional<double> error;          ///< the largest of its values, relative to the reference engine
};

/// Time by the user's own module, those inside of it included.
struct ModuleReport {
  std::string path;  ///< "" is the whole model
  std::size_t nodes = 0;
  double microseconds = 0;
};

/// A plan that tuning tried.
struct CandidateRow {
  std::string precision, problem;
  bool correct = false, chosen = false;
  double milliseconds = 0, error = 0, build_seconds = 0;
};

/// A backend that a strategy tried.
struct BackendRow {
  std::string backend, problem;  ///< the latter: why it is not kept
  bool stays = false;
  std::int64_t batch = 0;
  double milliseconds = 0, speedup = 0;  ///< the latter over the reference engine; 0 where it was not measured
};

/// A product that was kept out of bf16.
struct KeptRow {
  std::string module, why;
  double share = 0;
};

struct MachineReport {
  std::string cpu, features, plan_needs;
  int cpus = 0, threads = 0;
};

/// Name and value, as a settings table shows them.
struct SettingRow {
  std::string name, value;
};

struct ModelReport {
  std::string file, name, aitune_version, plan, precision;
  std::uint64_t file_bytes = 0;
  bool portable = false;
  std::vector<std::string> inputs, outputs;  ///< "x: f32[1,3,224,224]"
  LatencyReport after;
  std::optional<LatencyReport> before;
  double tuned_milliseconds = 0, baseline_milliseconds = 0, tune_seconds = 0;  ///< as measured when it was tuned
  double error = 0, accepted_error = 0;
  std::size_t samples = 0, lowered_nodes = 0;
  bool has_graph = false;  ///< nodes have types and inputs: the program is in the file
  std::vector<NodeReport> nodes;
  std::vector<StepReport> steps;
  std::vector<ArenaPiece> arena;
  std::vector<BlockReport> blocks;
  std::vector<ModuleReport> modules;
  std::string strategy;  ///< that chose among `backends`
  std::vector<BackendRow> backends;
  std::vector<CandidateRow> candidates;
  std::vector<KeptRow> kept_in_fp32;
  std::vector<std::string> fallbacks, warnings;
  std::int64_t arena_bytes = 0, code_bytes = 0, constant_bytes = 0, input_bytes = 0, output_bytes = 0;
  std::vector<SettingRow> settings;
  MachineReport machine;
};

}  // namespace aitune

#pragma once
// What tuning found out.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/symint.h"

namespace aitune {

/// A product with constant weights that is computed in f32 in a plan that otherwise uses bf16 or int8.
struct KeptProduct {
  std::string node, module;  ///< its value in the lowered graph; the module it came from, if known
  double share = 0;          ///< of the operations of all products
  std::string why;
};

/// One plan that was built and tried.
struct CandidateReport {
  std::string precision;  ///< "fp32", "bf16", "mixed", "autocast", "int8", "int8-mixed"
  bool correct = false;
  std::string problem;      ///< why it was refused; empty if correct
  double worst_error = 0;   ///< largest relative error over samples and outputs
  double milliseconds = 0;  ///< median latency on the first sample
  double build_seconds = 0;
  std::size_t steps = 0, code_bytes = 0, constant_bytes = 0;
  std::int64_t arena_bytes = 0;           ///< at the first sample's shapes
  double bf16_share = 0;                  ///< of the operations of all products with constant weights
  double int8_share = 0;                  ///< likewise
  std::vector<KeptProduct> kept_in_fp32;  ///< mixed: the largest first
};

/// A plan for one shape alone that was tried beside the general one.
struct SpecialPlanReport {
  SymValues sizes;
  std::size_t samples = 0;                            ///< how many have these sizes
  bool preferred = false;                             ///< they are the user's opt shape
  double milliseconds = 0, general_milliseconds = 0;  ///< median latencies at these sizes, measured in turn
  double worst_error = 0;
  std::string problem;  ///< why it was not kept; empty if it was
};

/// A backend that a strategy tried.
struct BackendReport {
  std::string backend;      ///< with its settings that are not the default
  std::int64_t batch = 0;   ///< samples in a call, where it was measured
  double milliseconds = 0;  ///< median latency at that batch
  double speedup = 0;       ///< over the reference engine, on the first sample
  std::string problem;      ///< why it is out; empty if it was measured
  bool stays = false;

  /// Samples in a second.
  double throughput() const { return milliseconds > 0 ? 1e3 * static_cast<double>(batch) / milliseconds : 0; }
};

/// What tuning would make of a model: nothing of it has been built.
struct DryrunReport {
  struct Block {
    std::string name, engine;  ///< "block0", "cpu"
    std::size_t nodes = 0;
    std::vector<std::string> inputs, outputs;  ///< "%x: f32[s0,4]"
    std::string why;                           ///< why it falls back; empty on a compiled engine
  };
  struct Fallback {
    std::string op, reason;
    std::size_t count = 0;
    std::vector<std::string> sources;  ///< places in the model, of the first few
  };
  struct Memory {
    SymValues sizes;  ///< where the symbols have these values
    std::int64_t inputs = 0, outputs = 0, activations = 0;
  };
  std::string graph;  ///< as lowered, in its text form
  std::size_t nodes = 0, compiled_nodes = 0;
  std::vector<std::string> inputs, outputs;
  std::vector<Block> blocks;
  std::vector<Fallback> fallbacks;
  std::int64_t weight_bytes = 0;
  std::vector<Memory> memory;  ///< at the preferred sizes, and at the largest if there is a limit
  std::string settings;        ///< JSON
  std::vector<std::string> warnings;

  std::string text() const;
  std::string to_json() const;
};

struct TuneReport {
  std::string chosen;  ///< the plan that was kept: "fp32", "bf16", "mixed", "autocast", "int8" or "int8-mixed"
  double baseline_milliseconds = 0;  ///< the reference engine on the first sample
  double milliseconds = 0;           ///< the chosen plan on it
  double worst_error = 0;
  double accepted_error = 0;  ///< that the chosen plan was held to
  double seconds = 0;         ///< the whole of tuning
  /// Why the search ended before everything was tried: "budget", "interrupted"; "unfinished": it goes
  /// on; empty: it did not.
  std::string stopped;
  std::size_t samples = 0;
  std::vector<CandidateReport> candidates;
  std::vector<std::string> fallbacks;  ///< one line each: operator, count, why
  std::vector<std::string> warnings;
  std::size_t nodes = 0;                  ///< of the lowered graph
  double compiled_share = 0;              ///< share of the graph's nodes in compiled blocks
  double bf16_share = 0;                  ///< share of the products' operations that the chosen plan does in bf16
  double int8_share = 0;                  ///< likewise in integers
  std::vector<KeptProduct> kept_in_fp32;  ///< the chosen plan's, if it is mixed
  std::vector<SpecialPlanReport> special_plans;
  std::string strategy = "OneBackendStrategy";
  std::int64_t selected_batch_size = 0;  ///< that the strategy found best; 0 if it did not look
  std::vector<BackendReport> backends;   ///< that the strategy tried
  std::optional<DryrunReport> dryrun;    ///< of a dry run, which has nothing else but warnings and fallbacks

  /// A JSON object with every field.
  std::string to_json() const;
  /// Back from it, but for a dry run. Throws Corrupt for a text that to_json() does not give.
  static TuneReport from_json(std::string_view text, std::string_view where);
};

}  // namespace aitune

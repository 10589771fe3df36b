#pragma once
// What tuning found out.

#include <cstdint>
#include <string>
#include <vector>

namespace aitune {

/// A product with constant weights that is computed in f32 in a plan that otherwise uses bf16.
struct KeptProduct {
  std::string node, module;  ///< its value in the lowered graph; the module it came from, if known
  double share = 0;          ///< of the operations of all products
  std::string why;
};

/// One plan that was built and tried.
struct CandidateReport {
  std::string precision;  ///< "fp32", "bf16", "mixed"
  bool correct = false;
  std::string problem;      ///< why it was refused; empty if correct
  double worst_error = 0;   ///< largest relative error over samples and outputs
  double milliseconds = 0;  ///< median latency on the first sample
  double build_seconds = 0;
  std::size_t steps = 0, code_bytes = 0, constant_bytes = 0;
  std::int64_t arena_bytes = 0;           ///< at the first sample's shapes
  double bf16_share = 0;                  ///< of the operations of all products with constant weights
  std::vector<KeptProduct> kept_in_fp32;  ///< mixed: the largest first
};

struct TuneReport {
  std::string chosen;                ///< "fp32", "bf16" or "mixed": the plan that was kept
  double baseline_milliseconds = 0;  ///< the reference engine on the first sample
  double milliseconds = 0;           ///< the chosen plan on it
  double worst_error = 0;
  double seconds = 0;  ///< the whole of tuning
  std::size_t samples = 0;
  std::vector<CandidateReport> candidates;
  std::vector<std::string> fallbacks;  ///< one line each: operator, count, why
  std::vector<std::string> warnings;
  std::size_t nodes = 0;                  ///< of the lowered graph
  double compiled_share = 0;              ///< share of the graph's nodes in compiled blocks
  double bf16_share = 0;                  ///< share of the products' operations that the chosen plan does in bf16
  std::vector<KeptProduct> kept_in_fp32;  ///< the chosen plan's, if it is mixed

  /// A JSON object with every field.
  std::string to_json() const;
};

}  // namespace aitune

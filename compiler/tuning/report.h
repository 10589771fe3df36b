#pragma once
// What tuning found out.

#include <cstdint>
#include <string>
#include <vector>

namespace aitune {

/// One plan that was built and tried.
struct CandidateReport {
  std::string precision;  ///< "fp32", "bf16"
  bool correct = false;
  std::string problem;      ///< why it was refused; empty if correct
  double worst_error = 0;   ///< largest relative error over samples and outputs
  double milliseconds = 0;  ///< median latency on the first sample
  double build_seconds = 0;
  std::size_t steps = 0, code_bytes = 0, constant_bytes = 0;
  std::int64_t arena_bytes = 0;  ///< at the first sample's shapes
};

struct TuneReport {
  std::string chosen;                ///< precision of the plan that was kept
  double baseline_milliseconds = 0;  ///< the reference engine on the first sample
  double milliseconds = 0;           ///< the chosen plan on it
  double worst_error = 0;
  double seconds = 0;  ///< the whole of tuning
  std::size_t samples = 0;
  std::vector<CandidateReport> candidates;
  std::vector<std::string> fallbacks;  ///< one line each: operator, count, why
  std::vector<std::string> warnings;
  double compiled_share = 0;  ///< share of the graph's nodes in compiled blocks

  /// A JSON object with every field.
  std::string to_json() const;
};

}  // namespace aitune

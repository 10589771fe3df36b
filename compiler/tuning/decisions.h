#pragma once
// What tuning decided, so that the same plans can be built again from other weights, without timing anything.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/symint.h"
#include "base/tensor.h"

namespace aitune {

class Graph;

/// A weight that the plans were made from.
struct WeightFacts {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  bool operator==(const WeightFacts&) const = default;
};

/// Plain data; in an .ait the entry kDecisionsEntry.
struct Decisions {
  std::string program;               ///< SHA-256 of the program without its weights
  std::vector<WeightFacts> weights;  ///< in the program's order
  std::string chosen;                ///< name of the chosen plan: "fp32", "bf16", "mixed"
  std::string precision = "fp32";
  std::string target;  ///< level of the CPU that it was built for: "avx2", "avx512", "avx512_bf16", ...
  std::set<std::string, std::less<>> f32_products;
  bool exact_values = false, accurate = false;
  double bound = 0, f32_bound = 0;  ///< accepted relative errors, of the chosen plan and in fp32
  SymValues opt_shape;
  std::vector<SymValues> special_sizes;        ///< of the special plans that were kept
  std::map<std::string, std::string> tactics;  ///< TimingCache::decisions()

  bool operator==(const Decisions&) const = default;
  std::string to_json() const;
  /// Throws Corrupt for a text that is none; `where` names it.
  static Decisions from_json(std::string_view text, std::string_view where);
};

/// The program's weights, and the digest of all else of it.
std::vector<WeightFacts> weight_facts(const Graph& program);
std::string program_digest(const Graph& program);

/// What is in the way of refitting a file with the weights of this program; one line each. None: nothing.
std::vector<std::string> differences(const Decisions& decisions, const Graph& program);

}  // namespace aitune

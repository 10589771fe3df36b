#pragma once
// What tuning decided, and what it decided on: the same plans can be built from it again without timing anything, from
// the same weights (the same file then), or from others.

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/symint.h"
#include "base/tensor.h"
#include "compiler/passes/tensor_scale.h"
#include "compiler/tuning/timing_cache.h"

namespace aitune {

class Graph;

/// A weight that the plans were made from.
struct WeightFacts {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::string sha256;  ///< of its values
  bool operator==(const WeightFacts&) const = default;
};

/// The machine and the libraries that decisions were made on.
struct MachineFacts {
  std::string cpu, features;  ///< "AMD EPYC 9B14", "x86_64 avx2 avx512"
  int threads = 0;            ///< that the plan was tuned for
  std::string onednn;         ///< its version, "none", or "off"
  bool operator==(const MachineFacts&) const = default;
};

/// A plan for one shape alone.
struct SpecialDecisions {
  SymValues sizes;
  Tactics tactics;
  bool operator==(const SpecialDecisions&) const = default;
};

/// A plan for lesser CPUs.
struct OtherDecisions {
  std::string level;  ///< "avx2"
  Tactics tactics;
  bool operator==(const OtherDecisions&) const = default;
};

/// The decision log. Plain data; in an .ait the entry kDecisionsEntry, beside it a JSON file. No clock and no path is
/// in it.
struct Decisions {
  std::string aitune;         ///< the version that decided
  std::string name;           ///< of the module
  std::string config = "{}";  ///< as in the manifest, a JSON object: the backend's configuration, settings among it
  MachineFacts machine;
  std::string program;               ///< SHA-256 of the program without its weights
  std::vector<WeightFacts> weights;  ///< in the program's order
  std::vector<std::string> samples;  ///< SHA-256 of each sample's inputs, those that were made for a shape among them
  std::string chosen;                ///< name of the chosen plan, as in TuneReport::chosen
  std::string precision = "fp32";
  std::string target;  ///< level of the CPU that it was built for: "avx2", "avx512", "avx512_bf16", ...
  std::set<std::string, std::less<>> f32_products;
  ProductScales scales;  ///< with precision "int8": what the products' inputs are quantised with
  bool exact_values = false, accurate = false;
  double bound = 0, f32_bound = 0;  ///< accepted relative errors, of the chosen plan and in fp32
  SymValues opt_shape;
  Tactics tactics;                         ///< of the chosen plan
  std::vector<SpecialDecisions> specials;  ///< the special plans that were kept, in their order
  std::vector<OtherDecisions> others;      ///< the plans for lesser CPUs, in their order
  std::string measured = "{}";             ///< TuneReport::to_json(): figures, which decide nothing any more

  bool operator==(const Decisions&) const = default;
  std::string to_json() const;
  /// Throws Corrupt for a text that is none; `where` names it.
  static Decisions from_json(std::string_view text, std::string_view where);
};

/// This machine, for decisions made with these settings: how many threads (0: all), whether oneDNN may be called.
MachineFacts machine_facts(int num_threads, bool onednn);
/// The program's weights, and the digest of all else of it.
std::vector<WeightFacts> weight_facts(const Graph& program);
std::string program_digest(const Graph& program);
/// Of one sample's inputs: dtypes, shapes and values.
std::string sample_digest(std::span<const Tensor> inputs);

/// What is in the way of refitting a file with the weights of this program; one line each. None: nothing.
std::vector<std::string> differences(const Decisions& decisions, const Graph& program);

/// Text of a file in a message: short, on one line.
std::string shown(std::string_view text);

}  // namespace aitune

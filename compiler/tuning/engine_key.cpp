#include "compiler/tuning/engine_key.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "aitune/version.h"
#include "base/target.h"
#include "compiler/tuning/decisions.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

/// What the file's configuration has and plans do not depend on.
constexpr const char* kBeside[] = {"portable", "strip_engine_weights"};

}  // namespace

std::string engine_key(const Graph& imported, std::span<const std::vector<Tensor>> samples, const SymValues& preferred,
                       const CompilationSettings& settings, std::span<const std::vector<Tensor>> calibration) {
  Json key;
  key["aitune"] = kVersion;
  key["program"] = program_digest(imported);
  key["weights"] = Json::array();
  for (const WeightFacts& w : weight_facts(imported)) {
    std::string text = fmt::format("{} {}", w.name, describe(w.dtype, w.shape));
    if (!settings.refit_identical_engine_weights) text += " " + w.sha256;
    key["weights"].push_back(std::move(text));
  }
  // Scales, and what autocast leaves in low precision, come from the samples' values.
  const bool calibrates = settings.enabled_precisions.contains(DType::i8) || settings.enable_autocast;
  key["samples"] = Json::array();
  for (const auto& sample : samples) {
    Json shapes = Json::array();
    for (const Tensor& t : sample) shapes.push_back(describe(t.dtype(), t.shape()));
    if (calibrates) shapes.push_back(sample_digest(sample));
    key["samples"].push_back(std::move(shapes));
  }
  for (const auto& inputs : calibration) key["calibration"].push_back(sample_digest(inputs));
  key["preferred"] = preferred;
  Json chosen = Json::parse(settings.recorded_json());
  for (const char* name : kBeside) chosen.erase(name);
  key["settings"] = std::move(chosen);
  const MachineFacts machine = machine_facts(settings.num_threads, settings.onednn);
  key["cpu"] = machine.cpu + " " + machine.features + " " + host_cpu_details();
  key["threads"] = machine.threads;
  key["onednn"] = machine.onednn;
  return key.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aitune

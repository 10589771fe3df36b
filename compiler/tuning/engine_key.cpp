#include "compiler/tuning/engine_key.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "aitune/version.h"
#include "base/target.h"
#include "compiler/tuning/decisions.h"
#include "engines/cpu/compile/engine.h"
#include "format/digest.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

/// Settings that say nothing of plans.
constexpr const char* kBeside[] = {"portable",
                                   "dryrun",
                                   "timing_cache_path",
                                   "cache_built_engines",
                                   "engine_cache_dir",
                                   "engine_cache_size",
                                   "reuse_cached_engines",
                                   "custom_ops",
                                   "strip_engine_weights"};

std::string digest_of(std::span<const std::byte> bytes) { return to_hex(sha256(bytes)); }

Json weight_digests(const Graph& graph) {
  Json digests = Json::array();
  for (const Value* weight : graph.weights) {
    const Tensor data = weight->data.contiguous();
    digests.push_back(digest_of({data.data(), data.byte_size()}));
  }
  return digests;
}

}  // namespace

std::string engine_key(const Graph& imported, std::span<const std::vector<Tensor>> samples, const SymValues& preferred,
                       const CompilationSettings& settings) {
  Json key;
  key["aitune"] = kVersion;
  key["program"] = program_digest(imported);
  key["weights"] = Json::array();
  for (const WeightFacts& w : weight_facts(imported))
    key["weights"].push_back(fmt::format("{} {}", w.name, describe(w.dtype, w.shape)));
  if (!settings.refit_identical_engine_weights) key["values"] = weight_digests(imported);
  key["samples"] = Json::array();
  for (const auto& sample : samples) {
    Json shapes = Json::array();
    for (const Tensor& t : sample) shapes.push_back(describe(t.dtype(), t.shape()));
    key["samples"].push_back(std::move(shapes));
  }
  key["preferred"] = preferred;
  Json chosen = Json::parse(settings.to_json());
  for (const char* name : kBeside) chosen.erase(name);
  key["settings"] = std::move(chosen);
  key["cpu"] = host_cpu_name() + " " + host_cpu().str();
  key["threads"] = settings.num_threads == 0 ? host_cpu_count() : settings.num_threads;
  key["onednn"] = settings.onednn ? cpu::onednn_version() : "off";
  return key.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aitune

#include "compiler/tuning/report.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinities.
Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

}  // namespace

std::string TuneReport::to_json() const {
  Json json;
  json["chosen"] = chosen;
  json["baseline_ms"] = number(baseline_milliseconds);
  json["latency_ms"] = number(milliseconds);
  json["relative_error"] = number(worst_error);
  json["accepted_error"] = number(accepted_error);
  json["seconds"] = number(seconds);
  json["samples"] = samples;
  json["nodes"] = nodes;
  json["compiled_share"] = number(compiled_share);
  json["bf16_share"] = number(bf16_share);
  json["candidates"] = Json::array();
  for (const auto& c : candidates)
    json["candidates"].push_back({{"precision", c.precision},
                                  {"correct", c.correct},
                                  {"problem", c.problem},
                                  {"relative_error", number(c.worst_error)},
                                  {"latency_ms", number(c.milliseconds)},
                                  {"build_seconds", number(c.build_seconds)},
                                  {"steps", c.steps},
                                  {"code_bytes", c.code_bytes},
                                  {"constant_bytes", c.constant_bytes},
                                  {"arena_bytes", c.arena_bytes},
                                  {"bf16_share", number(c.bf16_share)}});
  json["kept_in_fp32"] = Json::array();
  for (const auto& k : kept_in_fp32)
    json["kept_in_fp32"].push_back(
        {{"node", k.node}, {"module", k.module}, {"share", number(k.share)}, {"why", k.why}});
  json["special_plans"] = Json::array();
  for (const auto& s : special_plans)
    json["special_plans"].push_back({{"sizes", s.sizes},
                                     {"samples", s.samples},
                                     {"preferred", s.preferred},
                                     {"kept", s.problem.empty()},
                                     {"problem", s.problem},
                                     {"latency_ms", number(s.milliseconds)},
                                     {"general_ms", number(s.general_milliseconds)},
                                     {"relative_error", number(s.worst_error)}});
  json["strategy"] = strategy;
  if (selected_batch_size > 0) json["selected_batch_size"] = selected_batch_size;
  json["backends"] = Json::array();
  for (const auto& b : backends)
    json["backends"].push_back({{"backend", b.backend},
                                {"stays", b.stays},
                                {"problem", b.problem},
                                {"batch", b.batch},
                                {"latency_ms", number(b.milliseconds)},
                                {"throughput", number(b.throughput())},
                                {"speedup", number(b.speedup)}});
  json["fallbacks"] = fallbacks;
  json["warnings"] = warnings;
  if (dryrun) json["dryrun"] = Json::parse(dryrun->to_json());
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);  // names may be no UTF-8
}

}  // namespace aitune

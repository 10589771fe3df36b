#include "compiler/tuning/report.h"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/tuning/json_numbers.h"
#include "format/json_problem.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinities.
Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

/// The number of a field, infinite where to_json() had none to write.
double number_of(const Json& json, const char* field) {
  const Json& value = json.at(field);
  return value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>();
}

CandidateReport candidate_of(const Json& json) {
  CandidateReport c;
  c.precision = json.at("precision").get<std::string>();
  c.correct = json.at("correct").get<bool>();
  c.problem = json.at("problem").get<std::string>();
  c.worst_error = number_of(json, "relative_error");
  c.milliseconds = number_of(json, "latency_ms");
  c.build_seconds = number_of(json, "build_seconds");
  c.steps = whole_number<std::size_t>(json.at("steps"));
  c.code_bytes = whole_number<std::size_t>(json.at("code_bytes"));
  c.constant_bytes = whole_number<std::size_t>(json.at("constant_bytes"));
  c.arena_bytes = whole_number<std::int64_t>(json.at("arena_bytes"));
  c.bf16_share = number_of(json, "bf16_share");
  c.int8_share = json.value("int8_share", 0.0);
  return c;
}

SpecialPlanReport special_plan_of(const Json& json) {
  SpecialPlanReport s;
  s.sizes = size_values(json.at("sizes"));
  s.samples = whole_number<std::size_t>(json.at("samples"));
  s.preferred = json.at("preferred").get<bool>();
  s.problem = json.at("problem").get<std::string>();
  s.milliseconds = number_of(json, "latency_ms");
  s.general_milliseconds = number_of(json, "general_ms");
  s.worst_error = number_of(json, "relative_error");
  return s;
}

BackendReport backend_of(const Json& json) {
  BackendReport b;
  b.backend = json.at("backend").get<std::string>();
  b.stays = json.at("stays").get<bool>();
  b.problem = json.at("problem").get<std::string>();
  b.batch = whole_number<std::int64_t>(json.at("batch"));
  b.milliseconds = number_of(json, "latency_ms");
  b.speedup = number_of(json, "speedup");
  return b;
}

TuneReport report_of(const Json& json) {
  TuneReport report;
  report.chosen = json.at("chosen").get<std::string>();
  report.baseline_milliseconds = number_of(json, "baseline_ms");
  report.milliseconds = number_of(json, "latency_ms");
  report.worst_error = number_of(json, "relative_error");
  report.accepted_error = number_of(json, "accepted_error");
  report.seconds = number_of(json, "seconds");
  report.stopped = json.at("stopped").get<std::string>();
  report.samples = whole_number<std::size_t>(json.at("samples"));
  report.nodes = whole_number<std::size_t>(json.at("nodes"));
  report.compiled_share = number_of(json, "compiled_share");
  report.bf16_share = number_of(json, "bf16_share");
  report.int8_share = json.value("int8_share", 0.0);
  for (const Json& c : json.at("candidates")) report.candidates.push_back(candidate_of(c));
  for (const Json& k : json.at("kept_in_fp32"))
    report.kept_in_fp32.push_back({k.at("node").get<std::string>(), k.at("module").get<std::string>(),
                                   number_of(k, "share"), k.at("why").get<std::string>()});
  for (const Json& s : json.at("special_plans")) report.special_plans.push_back(special_plan_of(s));
  report.strategy = json.at("strategy").get<std::string>();
  report.selected_batch_size = json.value("selected_batch_size", std::int64_t{0});
  for (const Json& b : json.at("backends")) report.backends.push_back(backend_of(b));
  report.fallbacks = json.at("fallbacks").get<std::vector<std::string>>();
  report.warnings = json.at("warnings").get<std::vector<std::string>>();
  return report;
}

}  // namespace

TuneReport TuneReport::from_json(std::string_view text, std::string_view where) {
  try {
    TuneReport report = report_of(Json::parse(text));
    if (nlohmann::json::parse(report.to_json()) == nlohmann::json::parse(text)) return report;  // in any order
  } catch (const Json::exception& error) {
    throw Corrupt(std::string("the figures of tuning cannot be read: ") + json_problem(error), std::string(where));
  }
  throw Corrupt("the figures of tuning are not as they were written", std::string(where));
}

std::string TuneReport::to_json() const {
  Json json;
  json["chosen"] = chosen;
  json["baseline_ms"] = number(baseline_milliseconds);
  json["latency_ms"] = number(milliseconds);
  json["relative_error"] = number(worst_error);
  json["accepted_error"] = number(accepted_error);
  json["seconds"] = number(seconds);
  json["stopped"] = stopped;
  json["samples"] = samples;
  json["nodes"] = nodes;
  json["compiled_share"] = number(compiled_share);
  json["bf16_share"] = number(bf16_share);
  if (int8_share > 0) json["int8_share"] = int8_share;
  json["candidates"] = Json::array();
  for (const auto& c : candidates) {
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
    if (c.int8_share > 0) json["candidates"].back()["int8_share"] = c.int8_share;
  }
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

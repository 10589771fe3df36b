#include <cmath>

#include <nlohmann/json.hpp>

#include "compiler/report/render.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinities; they stand as texts.
Json number(double v) {
  if (std::isfinite(v)) return v;
  return std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
}
Json number(const std::optional<double>& v) { return v ? number(*v) : Json(nullptr); }

template <typename Rows, typename Make>
Json list(const Rows& rows, const Make& make) {
  Json json = Json::array();
  for (const auto& row : rows) json.push_back(make(row));
  return json;
}

Json latency(const LatencyReport& l) {
  const double median = l.percentile(0.5);
  Json json = {{"of", l.of},
               {"runs", l.runs},
               {"mean_ms", number(l.mean)},
               {"per_second", number(median > 0 ? 1e3 / median : 0)}};
  const std::initializer_list<std::pair<const char*, double>> shares = {
      {"min_ms", 0}, {"p10_ms", 0.1}, {"median_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99}, {"max_ms", 1}};
  for (const auto& [key, share] : shares) json[key] = number(l.percentile(share));
  json["times_ms"] = l.times;
  return json;
}

Json step(const StepReport& s) {
  return {{"name", s.name},
          {"kind", s.kind},
          {"block", s.block},
          {"us", number(s.microseconds)},
          {"code", s.code},
          {"nodes", s.nodes},
          {"operators", s.operators},
          {"inputs", s.inputs},
          {"live_bytes", s.live_bytes},
          {"moved_bytes", s.moved_bytes},
          {"values", list(s.values, [](const ValueReport& v) {
             return Json{{"name", v.name}, {"type", v.type}, {"error", number(v.error)}};
           })}};
}

Json node(const NodeReport& n) {
  return {{"name", n.name}, {"op", n.op},         {"module", n.module}, {"code", n.code},
          {"type", n.type}, {"inputs", n.inputs}, {"steps", n.steps},   {"us", number(n.microseconds)}};
}

Json block(const BlockReport& b) {
  return {{"engine", b.engine},
          {"why", b.why},
          {"steps", b.steps},
          {"nodes", b.nodes},
          {"us", number(b.microseconds)},
          {"precisions", b.precisions},
          {"error", number(b.error)}};
}

}  // namespace

std::string report_json(const ModelReport& r) {
  Json json;
  json["aitune"] = r.aitune_version;
  json["file"] = r.file;
  json["name"] = r.name;
  json["file_bytes"] = r.file_bytes;
  json["portable"] = r.portable;
  json["plan"] = r.plan;
  json["precision"] = r.precision;
  json["inputs"] = r.inputs;
  json["outputs"] = r.outputs;
  json["after"] = latency(r.after);
  json["before"] = r.before ? latency(*r.before) : Json(nullptr);
  json["tuned"] = {{"latency_ms", number(r.tuned_milliseconds)}, {"baseline_ms", number(r.baseline_milliseconds)},
                   {"seconds", number(r.tune_seconds)},          {"samples", r.samples},
                   {"relative_error", number(r.error)},          {"accepted_error", number(r.accepted_error)}};
  json["memory"] = {
      {"arena_bytes", r.arena_bytes},
      {"code_bytes", r.code_bytes},
      {"constant_bytes", r.constant_bytes},
      {"input_bytes", r.input_bytes},
      {"output_bytes", r.output_bytes},
      {"arena", list(r.arena, [](const ArenaPiece& p) {
         return Json{{"name", p.name}, {"offset", p.offset}, {"bytes", p.bytes}, {"first", p.first}, {"last", p.last}};
       })}};
  json["lowered_nodes"] = r.lowered_nodes;
  json["has_graph"] = r.has_graph;
  json["blocks"] = list(r.blocks, block);
  json["steps"] = list(r.steps, step);
  json["modules"] = list(r.modules, [](const ModuleReport& m) {
    return Json{{"path", m.path}, {"nodes", m.nodes}, {"us", number(m.microseconds)}};
  });
  json["nodes"] = list(r.nodes, node);
  json["strategy"] = r.strategy;
  json["backends"] = list(r.backends, [](const BackendRow& b) {
    return Json{{"backend", b.backend},
                {"stays", b.stays},
                {"problem", b.problem},
                {"batch", b.batch},
                {"latency_ms", number(b.milliseconds)},
                {"speedup", number(b.speedup)}};
  });
  json["candidates"] = list(r.candidates, [](const CandidateRow& c) {
    return Json{{"precision", c.precision},
                {"correct", c.correct},
                {"chosen", c.chosen},
                {"problem", c.problem},
                {"latency_ms", number(c.milliseconds)},
                {"relative_error", number(c.error)},
                {"build_seconds", number(c.build_seconds)}};
  });
  json["kept_in_fp32"] = list(r.kept_in_fp32, [](const KeptRow& k) {
    return Json{{"module", k.module}, {"share", number(k.share)}, {"why", k.why}};
  });
  json["fallbacks"] = r.fallbacks;
  json["warnings"] = r.warnings;
  json["settings"] = list(r.settings, [](const SettingRow& s) { return Json{{"name", s.name}, {"value", s.value}}; });
  json["machine"] = {{"cpu", r.machine.cpu},
                     {"cpus", r.machine.cpus},
                     {"threads", r.machine.threads},
                     {"features", r.machine.features},
                     {"plan_needs", r.machine.plan_needs}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aitune

#include "compiler/tuning/decisions.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/target.h"
#include "compiler/graph/graph.h"
#include "compiler/tuning/json_numbers.h"
#include "engines/cpu/compile/engine.h"
#include "format/digest.h"
#include "format/json_problem.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDecisionsVersion = 2;
constexpr int kMaxDepth = 12;
constexpr int kMaxThreads = 1 << 16;

std::string describe(const WeightFacts& w) {
  return fmt::format("'{}' {}", shown(w.name), aitune::describe(w.dtype, w.shape));
}

double bound_of(const Json& value) {
  const auto bound = value.get<double>();
  if (!std::isfinite(bound) || bound < 0) throw Corrupt("a bound that is none");
  return bound;
}

WeightFacts read_weight(const Json& json) {
  const auto dtype = parse_dtype(json.at("dtype").get<std::string>());
  if (!dtype) throw Corrupt("a weight of no dtype");
  return {json.at("name").get<std::string>(), *dtype, whole_numbers(json.at("shape")),
          json.at("sha256").get<std::string>()};
}

MachineFacts read_machine(const Json& json) {
  MachineFacts machine{json.at("cpu").get<std::string>(), json.at("features").get<std::string>(),
                       whole_number<int>(json.at("threads")), json.at("onednn").get<std::string>()};
  if (machine.threads < 0 || machine.threads > kMaxThreads) throw Corrupt("a number of threads that is none");
  return machine;
}

Tactics read_tactics(const Json& json) {
  Tactics tactics;
  for (const auto& [key, row] : json.items()) {
    TacticDecision decision{row.at("tile").get<std::string>(), row.at("onednn").get<std::string>(),
                            whole_number<std::size_t>(row.at("candidates")), row.at("us").get<double>(),
                            row.at("nodes").get<std::vector<std::string>>()};
    if (!std::isfinite(decision.microseconds) || decision.microseconds < 0) throw Corrupt("a timing that is no time");
    tactics.emplace(key, std::move(decision));
  }
  return tactics;
}

Json write_tactics(const Tactics& tactics) {
  Json json = Json::object();
  for (const auto& [key, t] : tactics)
    json[key] = {{"nodes", t.nodes},
                 {"tile", t.tile},
                 {"onednn", t.onednn},
                 {"candidates", t.candidates},
                 {"us", t.microseconds}};
  return json;
}

std::string object_text(const Json& json) {
  if (!json.is_object()) throw Corrupt("an object is missing");
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json object_of(const std::string& text, std::string_view what) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) throw InternalError(fmt::format("the {} of decisions is no JSON object", what));
  return json;
}

ProductScales read_scales(const Json& json) {
  ProductScales scales;
  for (const auto& [product, row] : json.items()) {
    TensorScale scale{row.at("scale").get<float>(), whole_number<std::int32_t>(row.at("zero_point"))};
    if (const auto shifts = row.find("shifts"); shifts != row.end())
      for (const Json& shift : *shifts) {
        const auto s = whole_number<int>(shift);
        if (std::abs(s) > TensorScale::kMostShift) throw Corrupt("a shift that is too large");
        scale.shifts.push_back(static_cast<std::int8_t>(s));
      }
    if (!(scale.scale > 0) || !std::isfinite(scale.scale) || !std::isfinite(scale.inverse()) || scale.zero_point < 0 ||
        scale.zero_point > std::numeric_limits<std::uint8_t>::max())
      throw Corrupt("a scale that quantises nothing");
    scales.emplace(product, std::move(scale));
  }
  return scales;
}

Json write_scales(const ProductScales& scales) {
  Json json = Json::object();
  for (const auto& [product, s] : scales) {
    json[product] = {{"scale", s.scale}, {"zero_point", s.zero_point}};
    if (!s.shifts.empty()) json[product]["shifts"] = std::vector<int>(s.shifts.begin(), s.shifts.end());
  }
  return json;
}

Decisions read(std::string_view text) {
  const auto limit_depth = [](int depth, Json::parse_event_t /*event*/, Json& /*value*/) {
    if (depth > kMaxDepth) throw Corrupt("it nests too deep");
    return true;
  };
  const Json json = Json::parse(text, limit_depth);
  if (json.at("version") != kDecisionsVersion) throw Corrupt("they are of another version of aitune");
  Decisions d;
  d.aitune = json.at("aitune").get<std::string>();
  d.name = json.at("name").get<std::string>();
  d.config = object_text(json.at("config"));
  d.machine = read_machine(json.at("machine"));
  d.program = json.at("program").get<std::string>();
  for (const Json& weight : json.at("weights")) d.weights.push_back(read_weight(weight));
  d.samples = json.at("samples").get<std::vector<std::string>>();
  d.chosen = json.at("chosen").get<std::string>();
  d.precision = json.at("precision").get<std::string>();
  const auto is_one_of = [](const std::string& name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
  };
  if (!is_one_of(d.chosen, {"fp32", "bf16", "mixed", "autocast", "int8", "int8-mixed"}))
    throw Corrupt("a plan that is none");
  if (!is_one_of(d.precision, {"fp32", "bf16", "int8"})) throw Corrupt("a precision that is none");
  d.target = json.at("target").get<std::string>();
  for (const Json& name : json.at("f32_products")) d.f32_products.insert(name.get<std::string>());
  if (const auto scales = json.find("scales"); scales != json.end()) d.scales = read_scales(*scales);
  d.exact_values = json.at("exact_values").get<bool>();
  d.accurate = json.at("accurate").get<bool>();
  d.bound = bound_of(json.at("bound"));
  d.f32_bound = bound_of(json.at("f32_bound"));
  d.opt_shape = size_values(json.at("opt_shape"));
  d.tactics = read_tactics(json.at("tactics"));
  for (const Json& row : json.at("special_plans"))
    d.specials.push_back({size_values(row.at("sizes")), read_tactics(row.at("tactics"))});
  for (const Json& row : json.at("lesser_cpus"))
    d.others.push_back({row.at("level").get<std::string>(), read_tactics(row.at("tactics"))});
  d.measured = object_text(json.at("measured"));
  return d;
}

}  // namespace

std::string Decisions::to_json() const {
  Json json;
  json["version"] = kDecisionsVersion;
  json["aitune"] = aitune;
  json["name"] = name;
  json["config"] = object_of(config, "configuration");
  json["machine"] = {
      {"cpu", machine.cpu}, {"features", machine.features}, {"threads", machine.threads}, {"onednn", machine.onednn}};
  json["program"] = program;
  json["samples"] = samples;
  json["chosen"] = chosen;
  json["precision"] = precision;
  json["target"] = target;
  json["bound"] = bound;
  json["f32_bound"] = f32_bound;
  json["accurate"] = accurate;
  json["exact_values"] = exact_values;
  json["f32_products"] = f32_products;
  if (!scales.empty()) json["scales"] = write_scales(scales);
  json["opt_shape"] = opt_shape;
  json["tactics"] = write_tactics(tactics);
  json["special_plans"] = Json::array();
  for (const SpecialDecisions& special : specials)
    json["special_plans"].push_back({{"sizes", special.sizes}, {"tactics", write_tactics(special.tactics)}});
  json["lesser_cpus"] = Json::array();
  for (const OtherDecisions& other : others)
    json["lesser_cpus"].push_back({{"level", other.level}, {"tactics", write_tactics(other.tactics)}});
  json["weights"] = Json::array();
  for (const WeightFacts& w : weights)
    json["weights"].push_back(
        {{"name", w.name}, {"dtype", dtype_name(w.dtype)}, {"shape", w.shape}, {"sha256", w.sha256}});
  json["measured"] = object_of(measured, "figures");
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Decisions Decisions::from_json(std::string_view text, std::string_view where) {
  try {
    return read(text);
  } catch (const Error& error) {
    throw Corrupt(fmt::format("the decisions of tuning cannot be used: {}", error.problem()), std::string(where));
  } catch (const Json::exception& error) {
    throw Corrupt(fmt::format("the decisions of tuning cannot be used: {}", json_problem(error)), std::string(where));
  }
}

MachineFacts machine_facts(int num_threads, bool onednn) {
  return {host_cpu_name(), host_cpu().str(), num_threads == 0 ? host_cpu_count() : num_threads,
          onednn ? cpu::onednn_version() : "off"};
}

std::vector<WeightFacts> weight_facts(const Graph& program) {
  std::vector<WeightFacts> facts;
  for (const Value* weight : program.weights) {
    const Tensor data = weight->data.contiguous();
    facts.push_back({weight->weight_name, data.dtype(), data.shape(), to_hex(sha256({data.data(), data.byte_size()}))});
  }
  return facts;
}

std::string sample_digest(std::span<const Tensor> inputs) {
  Sha256Stream stream;
  for (const Tensor& input : inputs) {
    const Tensor data = input.contiguous();
    const std::string type = aitune::describe(data.dtype(), data.shape());
    stream.update(std::as_bytes(std::span(type.data(), type.size())));
    stream.update({data.data(), data.byte_size()});
  }
  return to_hex(stream.finish());
}

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 100;
  std::string line(text.substr(0, kLongest));
  std::ranges::replace_if(line, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return text.size() > kLongest ? line + "..." : line;
}

std::string program_digest(const Graph& program) {
  const std::string text = print(program);
  std::string rest;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (!line.substr(std::min(line.find_first_not_of(' '), line.size())).starts_with("weight ")) rest += line;
    at = end;
  }
  return to_hex(sha256(std::as_bytes(std::span(rest.data(), rest.size()))));
}

std::vector<std::string> differences(const Decisions& decisions, const Graph& program) {
  std::vector<std::string> lines;
  const auto now = weight_facts(program);
  for (const WeightFacts& old : decisions.weights) {
    const auto found = std::ranges::find(now, old.name, &WeightFacts::name);
    if (found == now.end())
      lines.push_back(fmt::format("the model has no weight {}", describe(old)));
    else if (found->dtype != old.dtype || found->shape != old.shape)
      lines.push_back(
          fmt::format("weight {} was {} when tuned", describe(*found), aitune::describe(old.dtype, old.shape)));
  }
  for (const WeightFacts& w : now)
    if (std::ranges::find(decisions.weights, w.name, &WeightFacts::name) == decisions.weights.end())
      lines.push_back(fmt::format("weight {} is new", describe(w)));
  if (lines.empty() && program_digest(program) != decisions.program)
    lines.emplace_back("the weights fit, but the program that uses them is another");
  return lines;
}

}  // namespace aitune

#include "compiler/tuning/decisions.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "format/digest.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr int kMaxDepth = 6;

std::string describe(const WeightFacts& w) {
  return fmt::format("'{}' {}", w.name, aitune::describe(w.dtype, w.shape));
}

double bound_of(const Json& value) {
  const auto bound = value.get<double>();
  if (!std::isfinite(bound) || bound < 0) throw Corrupt("a bound that is none");
  return bound;
}

WeightFacts read_weight(const Json& json) {
  const auto dtype = parse_dtype(json.at("dtype").get<std::string>());
  if (!dtype) throw Corrupt("a weight of no dtype");
  return {json.at("name").get<std::string>(), *dtype, json.at("shape").get<Shape>()};
}

Decisions read(std::string_view text) {
  const auto limit_depth = [](int depth, Json::parse_event_t /*event*/, Json& /*value*/) {
    if (depth > kMaxDepth) throw Corrupt("it nests too deep");
    return true;
  };
  const Json json = Json::parse(text, limit_depth);
  if (json.at("version") != kVersion) throw Corrupt("another version of the decisions");
  Decisions d;
  d.program = json.at("program").get<std::string>();
  for (const Json& weight : json.at("weights")) d.weights.push_back(read_weight(weight));
  d.chosen = json.at("chosen").get<std::string>();
  d.precision = json.at("precision").get<std::string>();
  d.target = json.at("target").get<std::string>();
  for (const Json& name : json.at("f32_products")) d.f32_products.insert(name.get<std::string>());
  d.exact_values = json.at("exact_values").get<bool>();
  d.accurate = json.at("accurate").get<bool>();
  d.bound = bound_of(json.at("bound"));
  d.f32_bound = bound_of(json.at("f32_bound"));
  d.opt_shape = json.at("opt_shape").get<SymValues>();
  for (const Json& sizes : json.at("special_sizes")) d.special_sizes.push_back(sizes.get<SymValues>());
  d.tactics = json.at("tactics").get<std::map<std::string, std::string>>();
  return d;
}

}  // namespace

std::string Decisions::to_json() const {
  Json json;
  json["version"] = kVersion;
  json["program"] = program;
  json["chosen"] = chosen;
  json["precision"] = precision;
  json["target"] = target;
  json["bound"] = bound;
  json["f32_bound"] = f32_bound;
  json["accurate"] = accurate;
  json["exact_values"] = exact_values;
  json["f32_products"] = f32_products;
  json["opt_shape"] = opt_shape;
  json["special_sizes"] = special_sizes;
  json["tactics"] = tactics;
  json["weights"] = Json::array();
  for (const WeightFacts& w : weights)
    json["weights"].push_back({{"name", w.name}, {"dtype", dtype_name(w.dtype)}, {"shape", w.shape}});
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Decisions Decisions::from_json(std::string_view text, std::string_view where) {
  try {
    return read(text);
  } catch (const Error& error) {
    throw Corrupt(fmt::format("the decisions of tuning cannot be used: {}", error.problem()), std::string(where));
  } catch (const Json::exception& error) {
    throw Corrupt(fmt::format("the decisions of tuning cannot be used: {}", error.what()), std::string(where));
  }
}

std::vector<WeightFacts> weight_facts(const Graph& program) {
  std::vector<WeightFacts> facts;
  for (const Value* weight : program.weights)
    facts.push_back({weight->weight_name, weight->data.dtype(), weight->data.shape()});
  return facts;
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
    else if (*found != old)
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

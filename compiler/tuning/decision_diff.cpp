#include "compiler/tuning/decision_diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "format/digest.h"

namespace aitune {
namespace {

using Json = nlohmann::ordered_json;
using Fields = std::map<std::string, std::string>;

/// Every value by its path. Lists are values.
void flatten(const Json& json, const std::string& path, Fields& fields) {
  if (!json.is_object()) {
    fields[path] = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    return;
  }
  for (const auto& [key, value] : json.items())
    flatten(value, path.empty() ? key : fmt::format("{}.{}", path, key), fields);
}

Fields fields_of(const std::string& text) {
  Fields fields;
  flatten(Json::parse(text, nullptr, false), "", fields);
  return fields;
}

/// Collects what differs.
class Comparison {
 public:
  void add(std::string_view group, std::string what, std::string a, std::string b) {
    if (a != b) found_.push_back({std::string(group), std::move(what), std::move(a), std::move(b)});
  }
  void add(std::string_view group, const Fields& a, const Fields& b) {
    std::set<std::string> names;
    for (const Fields* fields : {&a, &b})
      for (const auto& [name, value] : *fields) names.insert(name);
    const auto value = [](const Fields& fields, const std::string& name) {
      const auto at = fields.find(name);
      return at == fields.end() ? std::string() : at->second;
    };
    for (const std::string& name : names) add(group, name, value(a, name), value(b, name));
  }
  std::vector<Difference> take() { return std::move(found_); }

 private:
  std::vector<Difference> found_;
};

std::string yes_or_no(bool value) { return value ? "yes" : "no"; }

std::string sizes_of(const SymValues& sizes) {
  std::vector<std::string> texts;
  for (const auto& [name, size] : sizes) texts.push_back(fmt::format("{} = {}", name, size));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string nodes_of(const std::vector<std::string>& nodes) {
  if (nodes.empty()) return "a kernel";
  return nodes.size() == 1 ? nodes.front() : fmt::format("{} and {} more", nodes.front(), nodes.size() - 1);
}

std::string choice_of(const TacticDecision& tactic) {
  const std::string name = tactic.onednn.empty() ? tactic.tile : "oneDNN " + tactic.onednn;
  return fmt::format("{} ({})", name,
                     tactic.microseconds > 0
                         ? fmt::format("{:.3g} us, of {} candidates", tactic.microseconds, tactic.candidates)
                         : fmt::format("by rule, of {} candidates", tactic.candidates));
}

/// The plans of a log by what they are for.
std::map<std::string, Tactics> plans_of(const Decisions& d) {
  std::map<std::string, Tactics> plans;
  plans[d.chosen] = d.tactics;
  for (const SpecialDecisions& special : d.specials) plans["for " + sizes_of(special.sizes)] = special.tactics;
  for (const OtherDecisions& other : d.others) plans["for " + other.level] = other.tactics;
  return plans;
}

std::string specials_of(const Decisions& d) {
  std::vector<std::string> texts;
  for (const SpecialDecisions& special : d.specials) texts.push_back(sizes_of(special.sizes));
  return fmt::format("{}", fmt::join(texts, "; "));
}

std::string levels_of(const Decisions& d) {
  std::vector<std::string> texts;
  for (const OtherDecisions& other : d.others) texts.push_back(other.level);
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string describe_weight(const WeightFacts& w) { return describe(w.dtype, w.shape); }

void compare_weights(const Decisions& a, const Decisions& b, Comparison& out) {
  const auto find = [](const Decisions& d, const std::string& name) {
    const auto at = std::ranges::find(d.weights, name, &WeightFacts::name);
    return at == d.weights.end() ? nullptr : &*at;
  };
  for (const WeightFacts& w : a.weights) {
    const WeightFacts* other = find(b, w.name);
    if (!other || describe_weight(w) != describe_weight(*other))
      out.add("weights", w.name, describe_weight(w), other ? describe_weight(*other) : "");
    else
      out.add("weights", w.name + ", its values", w.sha256, other->sha256);
  }
  for (const WeightFacts& w : b.weights)
    if (!find(a, w.name)) out.add("weights", w.name, "", describe_weight(w));
}

void compare_samples(const Decisions& a, const Decisions& b, Comparison& out) {
  out.add("samples", "number", std::to_string(a.samples.size()), std::to_string(b.samples.size()));
  for (std::size_t s = 0; s < std::min(a.samples.size(), b.samples.size()); ++s)
    out.add("samples", fmt::format("sample {}", s), a.samples[s], b.samples[s]);
}

/// In what a product is computed that a plan does not keep in f32.
std::string lesser_precision(const Decisions& d) { return d.chosen == "fp32" ? "fp32" : d.precision; }

void compare_scales(const Decisions& a, const Decisions& b, Comparison& out) {
  const auto scale_of = [](const Decisions& d, const std::string& product) {
    const auto at = d.scales.find(product);
    if (at == d.scales.end()) return std::string();
    const TensorScale& scale = at->second;
    std::string text = fmt::format("scale {}, zero point {}", scale.scale, scale.zero_point);
    if (!scale.shifts.empty())
      text += ", shifts " + to_hex(sha256(std::as_bytes(std::span(scale.shifts)))).substr(0, 8);
    return text;
  };
  std::set<std::string> products;
  for (const Decisions* d : {&a, &b})
    for (const auto& [product, scale] : d->scales) products.insert(product);
  for (const std::string& product : products)
    out.add("plans", "what " + product + " reads", scale_of(a, product), scale_of(b, product));
}

void compare_plans(const Decisions& a, const Decisions& b, Comparison& out) {
  out.add("plans", "chosen plan", a.chosen, b.chosen);
  out.add("plans", "precision", a.precision, b.precision);
  out.add("plans", "built for", a.target, b.target);
  for (const auto& name : a.f32_products)
    if (!b.f32_products.contains(name)) out.add("plans", name, "fp32", lesser_precision(b));
  for (const auto& name : b.f32_products)
    if (!a.f32_products.contains(name)) out.add("plans", name, lesser_precision(a), "fp32");
  compare_scales(a, b, out);
  out.add("plans", "without Winograd's algorithm", yes_or_no(a.accurate), yes_or_no(b.accurate));
  out.add("plans", "values rounded for bf16 products alone", yes_or_no(a.exact_values), yes_or_no(b.exact_values));
  out.add("plans", "accepted relative error", fmt::format("{}", a.bound), fmt::format("{}", b.bound));
  out.add("plans", "accepted relative error in fp32", fmt::format("{}", a.f32_bound), fmt::format("{}", b.f32_bound));
  out.add("plans", "tuned at", sizes_of(a.opt_shape), sizes_of(b.opt_shape));
  out.add("plans", "special plans", specials_of(a), specials_of(b));
  out.add("plans", "plans for lesser CPUs", levels_of(a), levels_of(b));
}

/// Of plans that both have.
void compare_tactics(const Decisions& a, const Decisions& b, Comparison& out) {
  const auto plans_a = plans_of(a), plans_b = plans_of(b);
  for (const auto& [plan, tactics] : plans_a) {
    const auto other = plans_b.find(plan);
    if (other == plans_b.end()) continue;
    for (const auto& [key, tactic] : tactics) {
      const std::string what = fmt::format("{}: {}", plan, nodes_of(tactic.nodes));
      const auto at = other->second.find(key);
      if (at == other->second.end())
        out.add("tactics", what, choice_of(tactic), "");
      else if (!tactic.same_choice(at->second))
        out.add("tactics", what, choice_of(tactic), choice_of(at->second));
      else
        out.add("figures", what, choice_of(tactic), choice_of(at->second));
    }
    for (const auto& [key, tactic] : other->second)
      if (!tactics.contains(key))
        out.add("tactics", fmt::format("{}: {}", plan, nodes_of(tactic.nodes)), "", choice_of(tactic));
  }
}

}  // namespace

std::vector<Difference> compare_configurations(const std::string& a, const std::string& b) {
  const auto plain = [](const std::string& text) {
    Fields named;
    for (auto& [path, value] : fields_of(text))
      named[path.starts_with("compile_config.") ? path.substr(path.find('.') + 1) : path] = std::move(value);
    return named;
  };
  Comparison out;
  out.add("settings", plain(a), plain(b));
  return out.take();
}

std::vector<Difference> compare_decisions(const Decisions& a, const Decisions& b) {
  Comparison out;
  out.add("aitune", "version", a.aitune, b.aitune);
  out.add("program", "name", a.name, b.name);
  out.add("program", "operators", a.program, b.program);
  compare_weights(a, b, out);
  compare_samples(a, b, out);
  for (Difference& setting : compare_configurations(a.config, b.config))
    out.add(setting.group, setting.what, setting.a, setting.b);
  out.add("machine", "CPU", a.machine.cpu, b.machine.cpu);
  out.add("machine", "features", a.machine.features, b.machine.features);
  out.add("machine", "threads", std::to_string(a.machine.threads), std::to_string(b.machine.threads));
  out.add("machine", "oneDNN", a.machine.onednn, b.machine.onednn);
  compare_plans(a, b, out);
  compare_tactics(a, b, out);
  out.add("figures", fields_of(a.measured), fields_of(b.measured));
  auto found = out.take();
  std::ranges::stable_sort(found, {}, [](const Difference& d) {
    return std::ranges::find(kDifferenceGroups, d.group) - std::begin(kDifferenceGroups);
  });
  return found;
}

}  // namespace aitune

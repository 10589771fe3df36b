#include "compiler/import/dynamo/problems.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "compiler/import/dynamo/source_location.h"
#include "compiler/import/dynamo/targets.h"

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxListed = 50, kMaxPlaces = 3;

std::string times(std::size_t count) { return fmt::format("{} time{}", count, count == 1 ? "" : "s"); }

std::string place_of(const JsonView& node) {
  const SourceLocation source = read_source(node);
  if (source.module.empty()) return source.code;
  return fmt::format("{}{}[{}]", source.code, source.code.empty() ? "" : " ", source.module);
}

/// What helps depends on whose operator it is.
std::string_view fix_for(std::string_view name) {
  if (name.starts_with("higher_order."))
    return "take control flow out of the model: decide conditions when exporting, unroll loops";
  if (name == "aten._native_batch_norm_legit_functional.default")  // only PyTorch 2.5 exports it
    return "call model.eval() before exporting: this batch norm is in training mode";
  if (name.starts_with("aten.") || name.starts_with("prims."))
    return "write these lines with other operators, or try program.run_decompositions() before torch.export.save, "
           "which may do so";
  return "name the library that has the custom operator (--set custom_ops=LIBRARY, docs/custom-operators.md), give it "
         "in Python as aitune.custom_op(name, function), write it with PyTorch's own operators, or keep it out of the "
         "exported part";
}

}  // namespace

void Problems::survey(const JsonView& graph) {
  for (const JsonView& node : graph.at("nodes").items()) {
    const std::string& target = node.at("target").string();
    for (const JsonView& inner : inner_graphs(node)) survey(inner);
    if (target_kind(target) != TargetKind::unknown) continue;
    const std::string name = printable(op_name_of(target));
    add(name, node, fix_for(name));
  }
}

void Problems::add_call(const JsonView& node, std::string_view op, std::string_view problem, std::string_view fix) {
  add(fmt::format("{}: {}", op, printable(problem, 400)), node, fix);
}

void Problems::add(std::string text, const JsonView& node, std::string_view fix) {
  auto kind = std::ranges::find(kinds_, text, &Kind::text);
  if (kind == kinds_.end()) kind = kinds_.insert(kinds_.end(), Kind{.text = std::move(text)});
  ++kind->count;
  const std::string line = place_of(node);
  const auto place = std::ranges::find(kind->places, line, &Place::line);
  if (place != kind->places.end())
    ++place->count;
  else if (kind->places.size() < kMaxPlaces)
    kind->places.push_back({line, 1});
  else
    ++kind->elsewhere;
  if (!fix.empty() && std::ranges::find(fixes_, fix) == fixes_.end()) fixes_.emplace_back(fix);
}

void Problems::refuse(const JsonView& graph) const {
  std::vector<Kind> sorted = kinds_;
  std::ranges::stable_sort(sorted, std::greater<>(), &Kind::count);
  std::string list = fmt::format("{} operator{} not supported:", sorted.size(), sorted.size() == 1 ? " is" : "s are");
  for (std::size_t i = 0; i < std::min(sorted.size(), kMaxListed); ++i) {
    const Kind& kind = sorted[i];
    list += fmt::format("\n  {} ({})", kind.text, times(kind.count));
    for (const Place& place : kind.places) {
      if (place.line.empty()) continue;
      list += "\n    at " + place.line;
      if (place.count > 1) list += fmt::format(" ({})", times(place.count));
    }
    if (kind.elsewhere > 0) list += fmt::format("\n    and {} elsewhere", times(kind.elsewhere));
  }
  if (sorted.size() > kMaxListed) list += fmt::format("\n  and {} more", sorted.size() - kMaxListed);
  graph.unsupported(list, fmt::format("{}", fmt::join(fixes_, "; ")));
}

}  // namespace aitune::dynamo

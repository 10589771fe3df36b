#include "compiler/report/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "base/error.h"
#include "compiler/import/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/report/measured.h"
#include "compiler/report/value_errors.h"
#include "compiler/tuning/lowering.h"
#include "compiler/tuning/tune.h"
#include "format/manifest.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/bundle.h"

namespace aitune {
namespace {

using Names = std::set<std::string, std::less<>>;

bool is_artifact(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  return zip.find_in_top(kManifestEntry) != nullptr || is_bundle(zip);  // readers say what is wrong with the latter
}

/// One of the two that are compared.
class Side {
 public:
  virtual ~Side() = default;
  virtual std::vector<std::string> output_names() const = 0;
  virtual std::vector<Tensor> run(std::size_t sample) = 0;
  /// What its lowered graph computes on the way.
  virtual ShowValues values(std::size_t sample) = 0;
  virtual Names value_names() const = 0;
  /// Fills in what is known of where `found.value` is computed; whether anything is.
  virtual bool locate(FirstDifference& found) const = 0;
  virtual double tolerance() const = 0;  ///< 0: it has none
};

class PlanSide final : public Side {
 public:
  PlanSide(const std::filesystem::path& path, const std::vector<NamedTensors>& samples, int threads)
      : instance_(open(path, threads)) {
    const Manifest& manifest = *instance_.program().manifest();
    if (const auto bound = manifest.bounds.find(plan().precision); bound != manifest.bounds.end())
      tolerance_ = bound->second;
    for (std::size_t s = 0; s < samples.size(); ++s)
      samples_.push_back(in_plan_order(plan(), samples[s], fmt::format("sample {}", s)));
  }

  std::vector<std::string> output_names() const override {
    std::vector<std::string> names;
    for (const PlanTensor& output : plan().outputs) names.push_back(output.name);
    return names;
  }
  std::vector<Tensor> run(std::size_t sample) override { return instance_.run(samples_[sample]); }
  ShowValues values(std::size_t sample) override { return values_of(instance_, samples_[sample]); }
  Names value_names() const override { return aitune::value_names(plan()); }
  double tolerance() const override { return tolerance_; }

  bool locate(FirstDifference& found) const override {
    const auto places = step_places(plan());
    const std::string_view name = without_time(found.value);
    for (std::size_t s = 0; s < plan().steps.size(); ++s) {
      const PlanStep& step = plan().steps[s];
      if (std::ranges::none_of(step.values, [&](const PlanValue& v) { return places[s] + v.name == name; })) continue;
      found.step = s;
      found.block = step.block;
      found.engine = plan().blocks[step.block].engine;
      found.kernel = step.name;
      std::set<std::uint32_t> origins;
      for (const std::uint32_t source : step.sources)
        origins.insert(plan().sources[source].origins.begin(), plan().sources[source].origins.end());
      for (const std::uint32_t o : origins) {
        const PlanSource& origin = plan().origins[o];
        found.nodes.push_back({origin.node, origin.op, origin.module, origin.code});
      }
      return true;
    }
    return false;
  }

 private:
  static std::shared_ptr<const Program> open(const std::filesystem::path& path, int threads) {
    LoadOptions options;
    options.num_threads = threads;
    options.special_plans = false;
    return Program::open(path, options);
  }
  const Plan& plan() const { return instance_.program().plan(); }

  Instance instance_;
  std::vector<std::vector<Tensor>> samples_;
  double tolerance_ = 0;
};

class ModelSide final : public Side {
 public:
  ModelSide(const std::filesystem::path& path, const std::vector<NamedTensors>& samples, std::span<const Input> shapes,
            const CompilationSettings& settings, Progress& progress) {
    auto [model, calls] = import_model(path, detect_ir(path), samples, shapes, reference_evaluator());
    std::vector<std::string> warnings;
    const LowerOptions options = lower_options(settings, progress, warnings);
    program_ = functional_program(model.graph, options);
    lowered_ = program_.clone();
    lower(lowered_, options);
    for (std::size_t s = 0; s < calls.size(); ++s)
      samples_.push_back(order_inputs(model.graph, calls[s], fmt::format("sample {}", s)));
  }

  std::vector<std::string> output_names() const override {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < program_.outputs.size(); ++i)
      names.push_back(i < program_.output_names.size() ? program_.output_names[i] : program_.outputs[i]->name);
    return names;
  }
  std::vector<Tensor> run(std::size_t sample) override { return evaluate(program_, samples_[sample]); }
  ShowValues values(std::size_t sample) override { return values_of(lowered_, samples_[sample]); }
  Names value_names() const override { return aitune::value_names(lowered_); }
  bool locate(FirstDifference& found) const override {
    bool located = false;
    for_each_place(lowered_, [&](const Node& node, const std::string& place) {
      if (located || place + node.output()->name != without_time(found.value)) return;
      located = true;
      for (const auto& origin : node.source.nodes)
        found.nodes.push_back({origin->name, origin->op, origin->module, origin->code});
    });
    return located;
  }
  double tolerance() const override { return 0; }

 private:
  Graph program_, lowered_;
  std::vector<std::vector<Tensor>> samples_;
};

std::unique_ptr<Side> open_side(const std::filesystem::path& path, const std::vector<NamedTensors>& samples,
                                std::span<const Input> shapes, const CompilationSettings& settings,
                                const CompareOptions& options, Progress& progress) {
  if (is_artifact(path)) return std::make_unique<PlanSide>(path, samples, options.threads);
  return std::make_unique<ModelSide>(path, samples, shapes, settings, progress);
}

double difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || is_complex(a.dtype()) != is_complex(b.dtype()))
    return std::numeric_limits<double>::infinity();
  return relative_error(a, b);
}

/// The first value of `sample` that differs.
std::optional<FirstDifference> find_first(Side& a, Side& b, std::size_t sample, const CompareOptions& options,
                                          CompareReport& report) {
  Names common;
  std::ranges::set_intersection(a.value_names(), b.value_names(), std::inserter(common, common.end()));
  FirstDifference found;
  bool differs = false;
  const auto look = [&](const ValueError& row) {
    ++report.values;
    differs = !(row.error <= report.tolerance);
    (differs ? found.value : found.value_before) = row.name;
    (differs ? found.error : found.error_before) = row.error;
    return !differs;
  };
  compare_values(b.values(sample), a.values(sample), common, options.budget, look);
  if (!differs) return std::nullopt;
  found.sample = sample;
  if (!a.locate(found) || !found.block) {
    FirstDifference by_other = found;
    by_other.nodes.clear();
    if (b.locate(by_other) && (by_other.block || found.nodes.empty())) found = by_other;
  }
  return found;
}

}  // namespace

CompareReport compare_models(const std::filesystem::path& a, const std::filesystem::path& b,
                             const CompareOptions& options, Progress& progress) {
  progress.stage("read");
  std::vector<NamedTensors> samples = options.inputs;
  std::vector<Input> shapes;
  CompilationSettings settings;  // a model is lowered as the file was
  for (const auto& path : {a, b}) {
    if (!is_artifact(path)) continue;
    if (samples.empty()) samples = file_samples(path);
    if (shapes.empty()) shapes = recorded_shapes(path);
    settings = recorded_settings(path);
  }
  if (samples.empty())
    throw InvalidArgument("there are no inputs to compare on: neither file has samples", "compare",
                          "Give inputs with --input FILE");
  const auto subject = open_side(a, samples, shapes, settings, options, progress);
  const auto reference = open_side(b, samples, shapes, settings, options, progress);

  CompareReport report;
  report.samples = samples.size();
  report.tolerance = options.tolerance > 0 ? options.tolerance : std::max(subject->tolerance(), reference->tolerance());
  constexpr double kUsual = 1e-4;
  if (report.tolerance <= 0) report.tolerance = kUsual;
  for (const std::string& name : subject->output_names()) report.outputs.push_back({name, 0, 0});
  if (const auto other = reference->output_names(); other.size() != report.outputs.size())
    throw InvalidArgument(fmt::format("{} outputs cannot be compared with {}", report.outputs.size(), other.size()),
                          a.string() + " and " + b.string(), "Compare two files of one model");

  progress.stage("compare outputs");
  std::optional<std::size_t> off;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    progress.step(fmt::format("sample {}", s), s, samples.size());
    const auto ours = subject->run(s), theirs = reference->run(s);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const double error = difference(ours[i], theirs[i]);
      if (!(error <= report.outputs[i].error)) report.outputs[i] = {report.outputs[i].name, error, s};
      if (!(error <= report.tolerance) && !off) off = s;
    }
  }
  report.same = !off;
  if (!off) return report;
  progress.stage("find the first difference");
  report.first = find_first(*subject, *reference, *off, options, report);
  return report;
}

std::string CompareReport::to_json() const {
  using Json = nlohmann::ordered_json;
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(std::isnan(v) ? "nan" : "inf"); };
  Json json = {{"same", same}, {"tolerance", tolerance}, {"samples", samples}, {"values", values}};
  json["outputs"] = Json::array();
  for (const OutputComparison& o : outputs)
    json["outputs"].push_back({{"name", o.name}, {"error", number(o.error)}, {"sample", o.sample}});
  json["first"] = nullptr;
  if (!first) return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  Json& f = json["first"];
  f = {{"value", first->value}, {"error", number(first->error)}, {"sample", first->sample}};
  f["block"] = first->block ? Json(*first->block) : Json(nullptr);
  f["step"] = first->step ? Json(*first->step) : Json(nullptr);
  f["engine"] = first->engine;
  f["kernel"] = first->kernel;
  f["nodes"] = Json::array();
  for (const ComparedNode& n : first->nodes)
    f["nodes"].push_back({{"node", n.name}, {"op", n.op}, {"module", n.module}, {"code", n.code}});
  f["value_before"] = first->value_before;
  f["error_before"] = number(first->error_before);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aitune

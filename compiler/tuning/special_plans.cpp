#include "compiler/tuning/special_plans.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/graph/specialise.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/mixed_tuning.h"

namespace aitune {
namespace {

constexpr std::size_t kCommonShare = 10;  // of the samples: one in so many

/// The next index in row-major order.
void advance(Shape& at, const Shape& shape) {
  for (std::size_t d = shape.size(); d > 0; --d) {
    at[d - 1] += 1;
    if (at[d - 1] < shape[d - 1]) return;
    at[d - 1] = 0;
  }
}

Tensor resize(const Tensor& tensor, const Shape& shape) {
  const Tensor from = tensor.contiguous();
  Tensor to(from.dtype(), shape);
  const std::size_t size = dtype_size(from.dtype());
  if (to.numel() != 0 && from.numel() == 0)
    throw InvalidArgument(fmt::format("{} has no elements to repeat", describe(from.dtype(), from.shape())));
  Shape at(shape.size(), 0);
  for (std::int64_t i = 0; i < to.numel(); ++i) {
    std::int64_t source = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) source = source * from.shape()[d] + at[d] % from.shape()[d];
    std::memcpy(to.data() + static_cast<std::size_t>(i) * size, from.data() + static_cast<std::size_t>(source) * size,
                size);
    advance(at, shape);
  }
  return to;
}

std::string sizes_text(const SymValues& sizes) {
  std::string text;
  for (const auto& [name, size] : sizes) text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, size);
  return text;
}

/// Why the plan is not kept; empty if it is.
std::string problem_of(const SpecialPlanReport& row, const CandidateReport& tried, const CompilationSettings& settings,
                       double limit) {
  if (!tried.correct) return tried.problem;
  if (tried.worst_error > limit) return fmt::format("its relative error is {:.1e}", tried.worst_error);
  if (row.milliseconds > row.general_milliseconds * (1 - settings.special_plan_gain))
    return fmt::format("it does not save {:.0f} % of the general plan's time", 100 * settings.special_plan_gain);
  return {};
}

}  // namespace

std::vector<CommonShape> common_shapes(std::span<const SymValues> samples, const SymValues& preferred,
                                       std::size_t limit) {
  std::vector<CommonShape> shapes;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    if (samples[s].empty()) return {};
    auto known = std::ranges::find(shapes, samples[s], &CommonShape::sizes);
    if (known == shapes.end()) known = shapes.insert(shapes.end(), {samples[s], {}, false});
    known->samples.push_back(s);
  }
  std::erase_if(shapes, [&](const CommonShape& shape) {
    return shape.samples.size() * kCommonShare < samples.size() && shape.sizes != preferred;
  });
  std::ranges::sort(shapes, [](const CommonShape& a, const CommonShape& b) {
    return a.samples.size() != b.samples.size() ? a.samples.size() > b.samples.size()
                                                : a.samples.front() < b.samples.front();
  });
  if (!preferred.empty()) {
    auto known = std::ranges::find(shapes, preferred, &CommonShape::sizes);
    if (known == shapes.end()) known = shapes.insert(shapes.end(), {preferred, {}, false});
    known->preferred = true;
    std::rotate(shapes.begin(), known, known + 1);
  }
  if (shapes.size() > limit) shapes.resize(limit);
  return shapes;
}

std::vector<Tensor> resize_inputs(const Graph& graph, std::span<const Tensor> inputs, const SymValues& sizes) {
  std::vector<Tensor> resized;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    Shape shape;
    shape.reserve(graph.inputs[i]->type.shape.size());
    for (const SymInt& size : graph.inputs[i]->type.shape) shape.push_back(size.evaluate(sizes));
    resized.push_back(resize(inputs[i], shape));
  }
  return resized;
}

RecordedSample resize_sample(const Graph& graph, const RecordedSample& sample, const SymValues& sizes) {
  RecordedSample other;
  other.inputs = resize_inputs(graph, sample.inputs, sizes);
  other.outputs = evaluate(graph, other.inputs);
  for (auto& output : other.outputs) output = output.contiguous();
  return other;
}

Candidate try_special_plan(const Graph& program, const LowerOptions& lowering, const BuildOptions& general,
                           const SymValues& sizes, std::span<const RecordedSample> samples, double bound) {
  Graph fixed = specialise(program, sizes);
  lower(fixed, lowering);
  BuildOptions options = general;
  for (const auto& [name, size] : sizes) options.opt_shape.erase(name);
  return try_candidate(fixed, options, "for " + sizes_text(sizes), samples, bound);
}

std::vector<SpecialPlan> tune_special_plans(const Graph& program, const LowerOptions& lowering, Candidate& general,
                                            std::span<const CommonShape> shapes,
                                            std::span<const RecordedSample> samples, TuneReport& report) {
  const BuildOptions& options = general.options;
  const double bound = report.accepted_error;
  std::vector<SpecialPlan> kept;
  for (const CommonShape& shape : shapes) {
    if (options.is_over && options.is_over()) break;
    SpecialPlanReport row{.sizes = shape.sizes, .samples = shape.samples.size(), .preferred = shape.preferred};
    std::vector<RecordedSample> own;
    own.reserve(shape.samples.size());
    for (const std::size_t s : shape.samples) own.push_back(samples[s]);
    try {
      Candidate special = try_special_plan(program, lowering, options, shape.sizes, own, bound);
      Candidate* const both[] = {&general, &special};
      const double general_milliseconds = general.report.milliseconds;  // of the first sample
      time_in_turn(both, own.front().inputs);
      row.general_milliseconds = general.report.milliseconds;
      row.milliseconds = special.report.milliseconds;
      row.worst_error = special.report.worst_error;
      general.report.milliseconds = general_milliseconds;
      row.problem = problem_of(row, special.report, options.settings,
                               options.precision == DType::bf16 ? mixed_limit(bound) : bound);
      if (row.problem.empty() && !special.unsettled.empty()) row.problem = "it rounds so that outputs get other sizes";
      if (row.problem.empty()) kept.push_back({shape.sizes, std::move(special.built.plan), std::move(special.tactics)});
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal) throw;
      row.problem = error.what();
    }
    report.special_plans.push_back(std::move(row));
  }
  return kept;
}

}  // namespace aitune

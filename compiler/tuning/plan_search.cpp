#include "compiler/tuning/plan_search.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/widen_halves.h"
#include "compiler/tuning/autocast.h"
#include "compiler/tuning/conditioning.h"
#include "compiler/tuning/mixed_tuning.h"
#include "compiler/tuning/preparation.h"
#include "compiler/tuning/quantised_tuning.h"
#include "compiler/tuning/recording.h"
#include "compiler/tuning/stopwatch.h"

namespace aitune {
namespace {

/// Times the first plan's time that is kept back for the last one's.
constexpr double kMargin = 1.25;
/// A model that makes more of roundings than this says nothing in fp32.
constexpr double kMostNoise = 1e-2;
/// What it puts in order may change places: then outputs are others, and which, only trials show.
constexpr double kMostOfJumps = 0.5;
constexpr int kTrialsOfJumps = 4;

/// Empty: autocast does what it says.
std::string why_no_autocast(const CompilationSettings& settings, const CpuTarget& target) {
  const std::string& type = settings.autocast_low_precision_type;
  if (type.empty()) return "autocast_low_precision_type is none";
  if (type == "fp16") return "the CPU engine has no products in fp16 (it has them in bf16)";
  return target.avx512_bf16 ? "" : "this CPU has no AVX512_BF16 instructions";
}

/// The elements of a tensor in another order: backwards, or from the middle on.
Tensor rearranged(const Tensor& tensor, bool backwards) {
  const Tensor from = tensor.contiguous();
  Tensor to(from.dtype(), from.shape());
  const std::size_t size = dtype_size(from.dtype()), count = from.byte_size() / size;
  for (std::size_t i = 0; i < count; ++i)
    std::copy_n(from.data() + (backwards ? count - 1 - i : (i + count / 2) % count) * size, size, to.data() + i * size);
  return to;
}

/// Inputs that are no samples but like them, with the outputs of the plan in f32: errors of bf16 differ from input to
/// input, the more the fewer numbers a model answers with.
std::vector<RecordedSample> like_samples(Instance& f32, std::span<const RecordedSample> samples) {
  constexpr std::size_t kRearranged = 2;
  std::vector<RecordedSample> list;
  for (std::size_t s = 0; s < std::min(samples.size(), kRearranged); ++s)
    for (const bool backwards : {true, false}) {
      RecordedSample other{.inputs = {}, .outputs = {}, .rearranged = true};
      for (const Tensor& input : samples[s].inputs) other.inputs.push_back(rearranged(input, backwards));
      try {
        other.outputs = f32.run(other.inputs);
      } catch (const InvalidArgument&) {
        continue;  // the order of the elements mattered to the model
      }
      if (std::ranges::all_of(other.outputs, [](const Tensor& t) { return all_finite(t); }))
        list.push_back(std::move(other));
    }
  return list;
}

/// The accepted error of a plan in f32: not below the last bit of what the model answers in, where two plans may round
/// to neighbours what they computed nearly the same.
double rounded_bound(const Graph& program, const CompilationSettings& settings) {
  double bound = error_bound(settings, DType::f32);
  if (settings.max_relative_error > 0) return bound;
  for (const Value* output : program.outputs) {
    if (output->type.dtype == DType::bf16) bound = std::max(bound, 0x1p-7);
    if (output->type.dtype == DType::f16) bound = std::max(bound, 0x1p-10);
  }
  return bound;
}

/// Of a product alone in int8; infinite where it was not measured.
double error_of(const Calibration& calibration, const std::string& node) {
  const auto found = std::ranges::find(calibration.products, node, &ProductFacts::node);
  return found == calibration.products.end() ? std::numeric_limits<double>::infinity() : found->error;
}

}  // namespace

std::vector<DType> precisions_to_try(const CompilationSettings& settings, const Graph& model, const CpuTarget& target,
                                     Progress& progress, std::vector<std::string>& warnings) {
  std::vector<DType> list = {DType::f32};
  const auto note = [&](std::string text) {
    progress.warn(text);
    warnings.push_back(std::move(text));
  };
  if (settings.enable_autocast && settings.engine != "reference") {
    if (const std::string why = why_no_autocast(settings, target); !why.empty())
      note("enable_autocast: " + why + ", and everything stays in fp32");
    else
      list.push_back(DType::bf16);
    return list;
  }
  if (settings.enabled_precisions.contains(DType::f16) && settings.engine != "reference")
    note("enabled_precisions: the CPU engine has no fp16 kernels and ignores fp16");
  if (settings.enabled_precisions.contains(DType::bf16)) {
    if (target.avx512_bf16 && settings.engine != "reference")
      list.push_back(DType::bf16);
    else if (settings.engine != "reference")
      note("enabled_precisions: this CPU has no AVX512_BF16 instructions, bf16 is left out");
  } else if (holds_bf16(model) && target.avx512_bf16 && settings.engine != "reference") {
    list.push_back(DType::bf16);
  }
  if (settings.enabled_precisions.contains(DType::i8)) {
    if (target.avx512_vnni && settings.engine != "reference")
      list.push_back(DType::i8);
    else if (settings.engine != "reference")
      note("enabled_precisions: this CPU has no AVX512_VNNI instructions, int8 is left out");
  }
  return list;
}

void report_candidate(const Candidate& candidate, double bound, TuneReport& report) {
  const CandidateReport& from = candidate.report;
  report.chosen = from.precision;
  report.milliseconds = from.milliseconds;
  report.worst_error = from.worst_error;
  report.accepted_error = bound;
  report.bf16_share = from.bf16_share;
  report.int8_share = from.int8_share;
  report.kept_in_fp32 = from.kept_in_fp32;
}

PlanSearch::PlanSearch(const Graph& program, const Graph& lowered, BuildOptions options,
                       std::span<const RecordedSample> samples, std::span<const std::vector<Tensor>> calibration,
                       TuneReport& report, SearchEnd& end, std::function<void(Candidate&, double)> improved)
    : program_(program),
      lowered_(lowered),
      calibration_(calibration.begin(), calibration.end()),
      end_(end),
      improved_(std::move(improved)),
      options_(std::move(options)),
      f32_bound_(rounded_bound(program, options_.settings)),
      samples_(samples.begin(), samples.end()),
      given_(samples_.size()),
      report_(report) {
  if (calibration_.empty())
    for (const RecordedSample& sample : samples) calibration_.push_back(sample.inputs);
  options_.similar = &similar_;
  options_.is_over = [this] { return end_.over(); };
}

void PlanSearch::try_precisions(std::span<const DType> precisions) {
  std::optional<Candidate> first = try_by_rule();
  const bool enough = first && (!more_to_time_ || end_.over());
  if (enough) add_row(*first);
  Candidate f32 = enough ? std::move(*first) : try_f32();
  first.reset();
  tell_of(f32);
  std::vector<Candidate*> right;
  if (f32.report.correct)
    right.push_back(&f32);
  else
    warn("fp32 was given up: " + f32.report.problem);
  const auto wanted = [&](DType p) { return std::ranges::find(precisions, p) != precisions.end(); };
  if (options_.settings.enable_autocast && wanted(DType::bf16) && !end_.over()) {
    if (f32.report.correct) std::ranges::move(like_samples(*f32.instance, samples_), std::back_inserter(samples_));
    return try_autocast(f32, right);
  }
  std::vector<std::function<void()>> complaints;  // for when it is known what stays
  std::optional<Candidate> bf16, mixed, int8, int8_mixed;
  for (const DType precision : {DType::i8, DType::bf16}) {
    if (!wanted(precision)) continue;
    if (!right.empty() && end_.over()) {
      complaints.emplace_back(
          [=, this] { warn(fmt::format("{} was not tried: there was no time left", precision_name(precision))); });
      continue;
    }
    const auto complain = precision == DType::i8 ? try_int8(f32, int8, int8_mixed) : try_bf16(f32, bf16, mixed);
    for (std::optional<Candidate>* candidate : {&int8, &int8_mixed, &bf16, &mixed}) {
      Candidate* found = *candidate ? &**candidate : nullptr;
      if (found && fits(*found) && std::ranges::find(right, found) == right.end()) right.push_back(found);
    }
    if (complain) complaints.push_back(complain);
  }
  choose(right);
  for (const auto& complain : complaints) complain();
}

std::optional<Candidate> PlanSearch::try_by_rule() {
  const bool searches = options_.settings.optimization_level > 0 && options_.settings.engine != "reference";
  if (!searches || (!improved_ && !end_.limited())) return std::nullopt;
  const Stopwatch clock;
  BuildOptions options = f32_options();
  more_to_time_ = false;
  options.is_over = [this] { return more_to_time_ = true; };
  options.similar = nullptr;  // it is for what was timed
  Candidate first = try_candidate(lowered_, options, "fp32", samples_, f32_bound_);
  end_.keep_back(SearchEnd::Seconds(kMargin * clock.seconds()));
  if (!first.report.correct || first.report.worst_error > mixed_limit(f32_bound_)) return std::nullopt;
  first.options.is_over = options_.is_over;  // plans beside it may be timed
  first.options.similar = options_.similar;
  tell_of(first);
  return first;
}

BuildOptions PlanSearch::f32_options() const {
  BuildOptions options = options_;
  options.precision = DType::f32;
  options.target.avx512_bf16 = options.target.amx_bf16 = options.target.avx512_vnni = false;
  options.accurate = false;
  return options;
}

void PlanSearch::tell_of(Candidate& candidate) {
  const double time = candidate.report.milliseconds;
  if (!improved_ || !candidate.report.correct || (told_ && time >= *told_)) return;
  told_ = time;
  improved_(candidate, bound_of(candidate.options.precision));
}

void PlanSearch::add_row(Candidate& candidate) {
  for (const auto& w : candidate.built.warnings) warn(w);
  candidate.row = report_.candidates.size();
  report_.candidates.push_back(candidate.report);
}

void PlanSearch::try_autocast(const Candidate& f32, std::span<Candidate* const> right) {
  options_.progress->stage("rules of autocast");
  AutocastRules rules = autocast_rules(lowered_, options_.settings, calibration_);
  for (std::string& text : rules.warnings) warn(std::move(text));
  for (const auto& [node, why] : rules.kept) options_.f32_products.insert(node);
  options_.exact_values = true;
  Candidate cast = try_one(DType::bf16, "autocast");
  cast.report.kept_in_fp32 = kept_products(cast.built, [&](const std::string& node) {
    const auto why = rules.kept.find(node);
    return why == rules.kept.end() ? std::string(kOddFactors) : why->second;
  });
  report_.candidates[cast.row] = cast.report;
  const double bound = error_bound(options_.settings, DType::bf16);
  if (!cast.report.correct || cast.report.worst_error > mixed_limit(bound)) {
    choose(right);
    return warn(fmt::format("autocast was given up: {}",
                            cast.report.correct ? fmt::format("its relative error of {:.1e} is so near to {:.0e} that "
                                                              "other inputs may exceed it",
                                                              cast.report.worst_error, bound)
                                                : cast.report.problem));
  }
  if (f32.report.correct && f32.report.milliseconds < cast.report.milliseconds)
    warn(fmt::format("autocast's plan takes {:.3g} ms, and one in fp32 {:.3g} ms", cast.report.milliseconds,
                     f32.report.milliseconds));
  take(cast);
}

Candidate PlanSearch::try_one(DType precision, std::string_view name) {
  options_.precision = precision;
  options_.target.avx512_bf16 = precision == DType::bf16;
  options_.target.amx_bf16 = precision == DType::bf16 && host_cpu().amx_bf16;
  Candidate candidate = try_candidate(lowered_, options_, std::string(name.empty() ? precision_name(precision) : name),
                                      samples_, bound_of(precision));
  add_row(candidate);
  return candidate;
}

Candidate PlanSearch::try_f32() {
  Candidate fast = try_one(DType::f32);
  if (fast.report.worst_error <= mixed_limit(f32_bound_)) return fast;
  Candidate best = try_accurate(std::move(fast));
  const bool jumping = jumps(program_);
  const double most = jumping ? kMostOfJumps : kMostNoise;
  if (best.report.correct || options_.settings.max_relative_error > 0 || best.report.worst_error > most) return best;
  options_.progress->stage("roundings of the model");
  const double noise = rounding_noise(program_, samples_, jumping ? kTrialsOfJumps : 1, jumping);
  const double bound = std::min(most, kNoises * noise);
  if (best.report.worst_error > bound) return best;
  f32_bound_ = bound;
  validate_again(best, lowered_, samples_, bound);
  report_.candidates[best.row] = best.report;
  warn(
      fmt::format("the model makes {:.1e} of the last bit of its numbers: no two ways to compute it in fp32 agree "
                  "within {:.0e}, and {:.1e} is accepted",
                  noise, error_bound(options_.settings, DType::f32), bound));
  return best;
}

Candidate PlanSearch::try_accurate(Candidate fast) {
  options_.accurate = true;
  Candidate accurate = try_one(DType::f32);
  options_.accurate = false;
  if (accurate.report.worst_error >= fast.report.worst_error) return fast;
  warn(fmt::format("fp32 does without Winograd's algorithm: its relative error was {:.1e}, and is {:.1e} without",
                   fast.report.worst_error, accurate.report.worst_error));
  return accurate;
}

double PlanSearch::bound_of(DType precision) const {
  return precision == DType::f32 ? f32_bound_ : error_bound(options_.settings, precision);
}

bool PlanSearch::fits(const Candidate& candidate) const {
  const double bound = bound_of(candidate.options.precision);
  return candidate.report.correct &&
         (candidate.options.precision != DType::bf16 || candidate.report.worst_error <= mixed_limit(bound));
}

PlanSearch::Complaint PlanSearch::try_bf16(Candidate& f32, std::optional<Candidate>& bf16,
                                           std::optional<Candidate>& mixed) {
  if (f32.report.correct) std::ranges::move(like_samples(*f32.instance, samples_), std::back_inserter(samples_));
  bf16 = try_one(DType::bf16);
  const double bound = error_bound(options_.settings, DType::bf16);
  const bool whole = fits(*bf16);
  if (whole) tell_of(*bf16);
  if (f32.report.correct && !end_.over()) mixed = try_mixture(f32, *bf16, bound);
  if (whole) return {};
  std::string problem = bf16->report.problem;
  if (problem.empty())
    problem = fmt::format("its relative error of {:.1e} is so near to {:.0e} that other inputs may exceed it",
                          bf16->report.worst_error, bound);
  return [this, problem, found = mixed.has_value()] {
    if (report_.chosen == "mixed") return;
    warn(fmt::format("bf16 was given up: {}; and {}", problem,
                     found ? "with as much of it as is accurate enough, the model is no faster than in fp32"
                           : "no mixture of bf16 and fp32 is both accurate enough and faster than fp32"));
  };
}

PlanSearch::Complaint PlanSearch::try_int8(Candidate& f32, std::optional<Candidate>& int8,
                                           std::optional<Candidate>& mixed) {
  const auto say = [this](std::string text) { return [this, text = std::move(text)] { warn(text); }; };
  if (!f32.report.correct) return say("int8 was not tried: its errors are measured on a plan in fp32, which is off");
  const std::span<const RecordedSample> samples = std::span(samples_).first(given_);
  const Calibration calibration =
      calibrate_plan(lowered_, f32, samples, options_.progress, [this] { return end_.over(); });
  if (calibration.scales.empty())
    return say("int8 was not tried: the model has no linear layer or convolution that can be computed in integers");
  BuildOptions options = f32_options();
  options.target.avx512_vnni = true;
  const double bound = bound_of(DType::i8);
  int8 = try_quantised(lowered_, options, calibration, samples, bound);
  add_row(*int8);
  const bool whole = fits(*int8);
  if (whole) tell_of(*int8);
  if (!end_.over()) {
    auto products = measure_gains(f32, *int8, samples.front().inputs);
    for (ProductFacts& p : products) p.error = error_of(calibration, p.node);
    if (wants_mixture(products, int8->report, bound))
      mixed = tune_quantised_mixture(lowered_, options, calibration, std::move(products), f32.report.milliseconds,
                                     samples, bound, report_.candidates);
  }
  if (whole) return {};
  return [this, problem = int8->report.problem, found = mixed.has_value()] {
    if (report_.chosen == "int8-mixed") return;
    warn(fmt::format("int8 was given up: {} (max_quantisation_error); and {}", problem,
                     found ? "with as much of it as is accurate enough, the model is no faster than without"
                           : "no mixture of int8 and fp32 is both accurate enough and faster than fp32"));
  };
}

std::optional<Candidate> PlanSearch::try_mixture(Candidate& f32, Candidate& bf16, double bound) {
  auto products = measure_gains(f32, bf16, samples_.front().inputs);
  if (!wants_mixture(products, bf16.report, mixed_limit(bound))) return std::nullopt;
  options_.progress->stage("errors of products");
  add_errors(products, f32, samples_);
  return tune_mixture(lowered_, options_, std::move(products), f32.report.milliseconds, samples_, bound,
                      report_.candidates);
}

void PlanSearch::choose(std::span<Candidate* const> right) {
  if (right.empty()) return;
  if (right.size() > 1 && end_.why().empty()) time_in_turn(right, samples_.front().inputs);
  for (const Candidate* c : right) report_.candidates[c->row].milliseconds = c->report.milliseconds;
  const auto speed = [](const Candidate* c) { return c->report.milliseconds; };
  take(**std::ranges::min_element(right, {}, speed));
}

void PlanSearch::take(Candidate& candidate) {
  report_candidate(candidate, bound_of(candidate.options.precision), report_);
  best_ = std::move(candidate);
  report_coverage(lowered_, best_->built.fallbacks, report_);
}

void PlanSearch::warn(std::string text) {
  options_.progress->warn(text);
  report_.warnings.push_back(std::move(text));
}

}  // namespace aitune

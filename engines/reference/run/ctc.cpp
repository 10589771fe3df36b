// Connectionist temporal classification: aten/src/ATen/native/LossCTC.cpp.

#include <algorithm>
#include <cmath>
#include <limits>

#include "engines/reference/run/loss.h"
#include "engines/reference/run/wide.h"

namespace aitune::reference {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();  ///< the logarithm of no probability

/// Scores [time, batch, labels] as logarithms, and the labels that each of the batch is to have.
struct Sequences {
  std::int64_t time = 0, batch = 1, labels = 0, blank = 0, longest = 0;
  std::vector<double> scores;
  std::vector<std::int64_t> input_lengths;
  std::vector<std::vector<std::int64_t>> targets;

  explicit Sequences(const Call& call);
  double score(std::int64_t t, std::int64_t b, std::int64_t label) const {
    return scores[static_cast<std::size_t>((t * batch + b) * labels + label)];
  }
};

std::vector<std::int64_t> lengths(const Call& call, std::string_view name) {
  const OpArg& arg = call[name];
  const auto* tensor = std::get_if<Tensor>(&arg);
  if (tensor == nullptr) return arg.int_list();
  call.require(!is_floating(tensor->dtype()), "the lengths are no integers");
  const Contiguous<std::int64_t> values(*tensor);
  return {values.data(), values.data() + tensor->numel()};
}

Sequences::Sequences(const Call& call) : blank(call.integer("blank")), scores(loss_numbers(call.tensor("log_probs"))) {
  const Shape& shape = call.tensor("log_probs").shape();
  call.require(shape.size() == 2 || shape.size() == 3, "log_probs have two or three dimensions");
  call.require(!scores.empty(), "log_probs are empty");
  time = shape[0];
  if (shape.size() == 3) batch = shape[1];
  labels = shape.back();
  call.require(blank >= 0 && blank < labels, "blank is no label");
  input_lengths = lengths(call, "input_lengths");
  const std::vector<std::int64_t> target_lengths = lengths(call, "target_lengths");
  const auto count = static_cast<std::size_t>(batch);
  call.require(input_lengths.size() == count && target_lengths.size() == count,
               "there is not one length for each of the batch");
  const Tensor& given = call.tensor("targets");
  call.require((given.dim() == 1 || given.dim() == 2) && !is_floating(given.dtype()),
               "the targets are no integers of one or two dimensions");
  const Contiguous<std::int64_t> all(given);
  const bool joined = given.dim() == 1;
  call.require(joined || given.size(0) == batch, "there is not one target for each of the batch");
  std::int64_t begin = 0;
  for (std::size_t b = 0; b < count; ++b) {
    const std::int64_t n = target_lengths[b];
    call.require(input_lengths[b] >= 0 && input_lengths[b] <= time, "an input is longer than log_probs");
    call.require(n >= 0 && n <= (joined ? given.numel() - begin : given.size(1)),
                 "a target is longer than the targets");
    longest = std::max(longest, n);
    if (!joined) begin = static_cast<std::int64_t>(b) * given.size(1);
    targets.emplace_back(all.data() + begin, all.data() + begin + n);
    for (const std::int64_t label : targets.back()) call.require(label >= 0 && label < labels, "a target is no label");
    begin += n;
  }
  call.require(!joined || begin == given.numel(), "the lengths do not add up to the targets'");
}

double log_sum(std::initializer_list<double> terms) {
  const double most = std::max(terms);
  if (most == kNever) return kNever;
  double sum = 0;
  for (const double term : terms) sum += std::exp(term - most);
  return std::log(sum) + most;
}

/// The loss of one of the batch. `alpha` takes the logarithms of all ways to have come to a place (a label, or the
/// blank before or after it) at a time: rows of `width`.
double loss_of(const Sequences& s, std::int64_t b, double* alpha, std::int64_t width) {
  const auto& target = s.targets[static_cast<std::size_t>(b)];
  const std::int64_t steps = s.input_lengths[static_cast<std::size_t>(b)];
  const auto places = static_cast<std::int64_t>(2 * target.size()) + 1;
  if (steps == 0) return target.empty() ? 0 : -kNever;
  const auto label = [&](std::int64_t place) {
    return place % 2 == 0 ? s.blank : target[static_cast<std::size_t>(place / 2)];
  };
  alpha[0] = s.score(0, b, s.blank);
  if (places > 1) alpha[1] = s.score(0, b, label(1));
  for (std::int64_t t = 1; t < steps; ++t)
    for (std::int64_t p = 0; p < places; ++p) {
      const double* before = alpha + (t - 1) * width;
      const bool may_skip = p > 1 && label(p) != label(p - 2);
      alpha[t * width + p] = log_sum({before[p], p > 0 ? before[p - 1] : kNever, may_skip ? before[p - 2] : kNever}) +
                             s.score(t, b, label(p));
    }
  const double* last = alpha + (steps - 1) * width;
  return -(target.empty() ? last[0] : log_sum({last[places - 1], last[places - 2]}));
}

/// The losses, and alpha of each, one after another. Places that do not occur have no probability.
std::vector<double> losses_of(const Call& call, const Sequences& s, std::vector<double>& alphas, std::int64_t width) {
  call.require(s.batch * s.time <= (std::int64_t{1} << 32) / width, "the sequences are too long");
  alphas.assign(static_cast<std::size_t>(s.batch * s.time * width), kNever);
  std::vector<double> losses;
  for (std::int64_t b = 0; b < s.batch; ++b) losses.push_back(loss_of(s, b, alphas.data() + b * s.time * width, width));
  return losses;
}

void ctc_loss(const Call& call) {
  const Sequences s(call);
  std::vector<double> alphas, losses = losses_of(call, s, alphas, 2 * s.longest + 1);
  if (call.boolean("zero_infinity"))
    for (double& loss : losses)
      if (loss == -kNever) loss = 0;
  if (call.integer("reduction") == 1)
    for (std::size_t b = 0; b < losses.size(); ++b)
      losses[b] /= static_cast<double>(std::max<std::size_t>(s.targets[b].size(), 1));
  call.require(call.integer("reduction") != 0 || call.out().numel() == s.batch, "the result has another shape");
  reduce_loss(call, losses, static_cast<double>(s.batch));
}

/// The losses and all of alpha.
void ctc_loss_with_alpha(const Call& call) {
  const Sequences s(call);
  const Shape& shape = call.out(1).shape();
  call.require(call.tensor("log_probs").dim() == 3 && shape.size() == 3 && shape[0] == s.batch && shape[1] == s.time &&
                   shape[2] >= 2 * s.longest + 1,
               "log_probs or the result have another shape");
  std::vector<double> alphas;
  const std::vector<double> losses = losses_of(call, s, alphas, shape[2]);
  store_wide(call.out(), losses);
  store_wide(call.out(1), alphas);
}

}  // namespace

void add_ctc_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_ctc_loss_IntList, aten_ctc_loss_Tensor}, ctc_loss);
  table.add({aten__ctc_loss_default, aten__ctc_loss_Tensor}, ctc_loss_with_alpha);
}

}  // namespace aitune::reference

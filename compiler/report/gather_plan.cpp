#include "compiler/report/gather_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/tensor.h"

namespace aitune {
namespace {

constexpr std::array<std::string_view, 7> kKinds = {"kernel", "reference", "fill", "onednn", "copy", "branch", "loop"};

std::string_view kind_name(StepKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

/// "convolution" of "aten.convolution.default".
std::string short_op(std::string_view op) {
  const auto first = op.find('.');
  if (first == std::string_view::npos) return std::string(op);
  const auto second = op.find('.', first + 1);
  return std::string(op.substr(first + 1, second == std::string_view::npos ? second : second - first - 1));
}

/// Which buffers a step writes: what it says of its values, and what its kernel's contract says.
std::set<std::uint32_t> written_by(const Plan& plan, const PlanStep& step) {
  std::set<std::uint32_t> written;
  for (const PlanValue& value : step.values) written.insert(value.buffer);
  for (const std::uint32_t view : step.results) written.insert(plan.views[view].buffer);
  if (step.kind == StepKind::fill && !step.buffers.empty()) written.insert(step.buffers[0]);
  if (step.kind == StepKind::copy && step.buffers.size() > 1) written.insert(step.buffers[1]);
  if (step.kind != StepKind::cpu_kernel) return written;
  const auto kernel = std::ranges::find(plan.kernels, step.entry, &PlanKernel::entry);
  if (kernel == plan.kernels.end()) return written;
  for (const auto& access : kernel->accesses)
    if (access.written && access.buffer < step.buffers.size()) written.insert(step.buffers[access.buffer]);
  return written;
}

std::set<std::uint32_t> touched_by(const Plan& plan, const PlanStep& step) {
  std::set<std::uint32_t> touched(step.buffers.begin(), step.buffers.end());
  touched.merge(written_by(plan, step));
  return touched;
}

std::string value_type(const PlanValue& value, std::span<const std::int64_t> values) {
  Shape shape;
  for (const ExprId id : value.shape) shape.push_back(values[id]);
  return describe(value.dtype, shape);
}

StepReport describe_step(const Plan& plan, const PlanStep& step, std::span<const std::int64_t> values) {
  StepReport report;
  report.name = step.name;
  report.kind = kind_name(step.kind);
  report.block = step.block;
  const PlanSource* main = nullptr;
  for (const std::uint32_t s : step.sources) {
    const PlanSource& source = plan.sources[s];
    report.operators.push_back(short_op(source.op) + (source.module.empty() ? "" : " @ " + source.module));
    if (main == nullptr || (is_heavy(source.op) && !is_heavy(main->op))) main = &source;
  }
  if (main != nullptr) report.code = main->code;
  for (const PlanValue& value : step.values) report.values.push_back({value.name, value_type(value, values), {}});
  for (const std::uint32_t b : touched_by(plan, step)) report.moved_bytes += values[plan.buffers[b].bytes];
  return report;
}

/// From the first to the last step that needs each piece of the arena. A loop comes back to its first step: what lives
/// before and in it lives as long as it runs.
std::map<std::uint32_t, std::pair<std::size_t, std::size_t>> lives_of(const Plan& plan) {
  std::map<std::uint32_t, std::pair<std::size_t, std::size_t>> lives;
  for (std::size_t s = 0; s < plan.steps.size(); ++s)
    for (const std::uint32_t b : touched_by(plan, plan.steps[s]))
      if (plan.buffers[b].space == BufferSpace::arena) lives.try_emplace(b, s, s).first->second.second = s;
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const PlanStep& step = plan.steps[s];
    if (step.kind == StepKind::fill && !step.every_run && lives.contains(step.buffers[0]))
      lives[step.buffers[0]] = {0, plan.steps.size() - 1};  // halos are filled once, for many runs
    if (step.kind != StepKind::loop) continue;
    const std::size_t last = s + step.ranges[0] + step.ranges[1];
    for (auto& [id, life] : lives)
      if (life.first <= s && life.second > s) life.second = std::max(life.second, last);
  }
  return lives;
}

/// Bytes that at least one of the pieces covers.
std::int64_t covered(std::vector<const ArenaPiece*> pieces) {
  std::ranges::sort(pieces, {}, &ArenaPiece::offset);
  std::int64_t end = 0, sum = 0;
  for (const ArenaPiece* piece : pieces) {
    sum += std::max<std::int64_t>(0, piece->offset + piece->bytes - std::max(end, piece->offset));
    end = std::max(end, piece->offset + piece->bytes);
  }
  return sum;
}

}  // namespace

bool is_heavy(std::string_view op) {
  static constexpr std::array<std::string_view, 18> names = {"convolution",
                                                             "conv1d",
                                                             "conv2d",
                                                             "conv3d",
                                                             "conv_transpose2d",
                                                             "linear",
                                                             "mm",
                                                             "bmm",
                                                             "addmm",
                                                             "baddbmm",
                                                             "matmul",
                                                             "einsum",
                                                             "lstm",
                                                             "gru",
                                                             "addbmm",
                                                             "rnn_tanh",
                                                             "mv",
                                                             "scaled_dot_product_attention"};
  const std::string name = short_op(op);
  return std::ranges::find(names, name) != names.end() || name.starts_with("_scaled_dot_product");
}

std::vector<StepReport> describe_steps(const Plan& plan, std::span<const std::int64_t> values) {
  std::vector<StepReport> steps;
  std::map<std::uint32_t, std::vector<std::size_t>> writers;
  for (std::size_t s = 0; s < plan.steps.size(); ++s) {
    const PlanStep& step = plan.steps[s];
    steps.push_back(describe_step(plan, step, values));
    const auto written = written_by(plan, step);
    std::set<std::size_t> inputs;
    for (const std::uint32_t b : step.buffers)
      if (!written.contains(b) && writers.contains(b)) inputs.insert(writers[b].begin(), writers[b].end());
    steps.back().inputs.assign(inputs.begin(), inputs.end());
    if (step.kind == StepKind::fill) continue;  // zeros around images: nobody's result
    for (const std::uint32_t b : written) writers[b].push_back(s);
  }
  return steps;
}

std::vector<ArenaPiece> describe_memory(const Plan& plan, std::span<const std::int64_t> values,
                                        std::vector<StepReport>& steps) {
  std::map<std::uint32_t, std::string> names;
  for (const PlanStep& step : plan.steps)
    for (const PlanValue& value : step.values) names.try_emplace(value.buffer, value.name);
  std::vector<ArenaPiece> pieces;
  for (const auto& [id, life] : lives_of(plan)) {
    const PlanBuffer& buffer = plan.buffers[id];
    const auto name = names.find(id);
    pieces.push_back({values[buffer.offset], values[buffer.bytes], life.first, life.second,
                      name == names.end() ? "" : name->second});
  }
  for (std::size_t s = 0; s < steps.size(); ++s) {
    std::vector<const ArenaPiece*> live;
    for (const ArenaPiece& piece : pieces)
      if (piece.first <= s && s <= piece.last) live.push_back(&piece);
    steps[s].live_bytes = covered(std::move(live));
  }
  return pieces;
}

std::vector<BlockReport> describe_blocks(const Plan& plan, std::span<const StepReport> steps) {
  std::vector<BlockReport> blocks;
  std::vector<std::set<std::string>> precisions(plan.blocks.size());
  std::vector<std::set<std::size_t>> nodes(plan.blocks.size());
  for (const PlanBlock& block : plan.blocks) {
    blocks.emplace_back();
    blocks.back().engine = block.engine;
    blocks.back().why = block.why;
  }
  for (const StepReport& step : steps) {
    BlockReport& block = blocks[step.block];
    ++block.steps;
    block.microseconds += step.microseconds;
    nodes[step.block].insert(step.nodes.begin(), step.nodes.end());
    for (const ValueReport& value : step.values) {
      precisions[step.block].insert(value.type.substr(0, value.type.find('[')));
      if (value.error) block.error = std::max(block.error.value_or(0), *value.error);
    }
  }
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    blocks[b].nodes = nodes[b].size();
    blocks[b].precisions.assign(precisions[b].begin(), precisions[b].end());
  }
  return blocks;
}

}  // namespace aitune

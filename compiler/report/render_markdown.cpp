#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/report/render.h"

namespace aitune {
namespace {

constexpr std::size_t kShown = 20;  // of a table that is long in large models

/// Text inside of a table's cell: nothing in it ends the cell, starts a tag, or is markup.
std::string cell(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      safe += ' ';
      continue;
    }
    if (c == '<') {
      safe += "&lt;";
      continue;
    }
    if (std::string_view("|`*_[]\\&#!").find(c) != std::string_view::npos) safe += '\\';
    safe += c;
  }
  return safe;
}

std::string time(double ms) {
  return ms < 1     ? fmt::format("{:.1f} us", ms * 1e3)
         : ms < 1e4 ? fmt::format("{:.3g} ms", ms)
                    : fmt::format("{:.3g} s", ms / 1e3);
}
std::string bytes(std::int64_t n) {
  const auto b = static_cast<double>(n);
  return b < 1e3   ? fmt::format("{} B", n)
         : b < 1e6 ? fmt::format("{:.1f} kB", b / 1e3)
                   : fmt::format("{:.1f} MB", b / 1e6);
}
std::string error(const std::optional<double>& e) { return e ? fmt::format("{:.1e}", *e) : ""; }

class Writer {
 public:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
    text += '\n';
  }
  void heading(std::string_view name) { line("\n## {}\n", name); }
  void header(std::initializer_list<std::string_view> names) {
    line("| {} |", fmt::join(names, " | "));
    text += '|';
    for (std::size_t i = 0; i < names.size(); ++i) text += "---|";
    text += '\n';
  }
  std::string text;
};

void write_latency(Writer& w, const ModelReport& r) {
  w.heading("Latency");
  w.header({"", "median", "p90", "p99", "min", "max", "per second", "runs"});
  const auto row = [&](const LatencyReport& l) {
    const double median = l.percentile(0.5);
    w.line("| {} | {} | {} | {} | {} | {} | {:.4g} | {} |", cell(l.of), time(median), time(l.percentile(0.9)),
           time(l.percentile(0.99)), time(l.percentile(0)), time(l.percentile(1)), median > 0 ? 1e3 / median : 0,
           l.runs);
  };
  if (r.before) row(*r.before);
  row(r.after);
}

void write_steps(Writer& w, const ModelReport& r) {
  double total = 0;
  for (const StepReport& s : r.steps) total += s.microseconds;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < r.steps.size(); ++i) order.push_back(i);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return r.steps[i].microseconds; });
  w.heading("Time by step");
  w.header({"step", "time", "share", "engine", "operators", "source", "error"});
  for (std::size_t i = 0; i < std::min(kShown, order.size()); ++i) {
    const StepReport& s = r.steps[order[i]];
    std::optional<double> worst;
    for (const ValueReport& v : s.values)
      if (v.error) worst = std::max(worst.value_or(0), *v.error);
    w.line("| {} | {} | {:.1f} % | {} | {} | {} | {} |", order[i], time(s.microseconds / 1e3),
           total > 0 ? 100 * s.microseconds / total : 0, cell(r.blocks[s.block].engine),
           cell(fmt::format("{}", fmt::join(s.operators, " + "))), cell(s.code), error(worst));
  }
  if (order.size() > kShown) w.line("\nThe slowest {} of {} steps.", kShown, order.size());
}

void write_blocks(Writer& w, const ModelReport& r) {
  w.heading("Blocks");
  w.header({"block", "engine", "steps", "nodes", "time", "precision", "error", "why"});
  for (std::size_t i = 0; i < r.blocks.size(); ++i) {
    const BlockReport& b = r.blocks[i];
    w.line("| {} | {} | {} | {} | {} | {} | {} | {} |", i, cell(b.engine), b.steps, b.nodes, time(b.microseconds / 1e3),
           cell(fmt::format("{}", fmt::join(b.precisions, ", "))), error(b.error), cell(b.why));
  }
}

void write_list(Writer& w, std::string_view name, const std::vector<std::string>& items) {
  if (items.empty()) return;
  w.heading(name);
  for (const std::string& item : items) w.line("- {}", cell(item));
}

}  // namespace

std::string report_markdown(const ModelReport& r) {
  Writer w;
  w.line("# {}\n", cell(r.name));
  const double after = r.after.percentile(0.5), before = r.before ? r.before->percentile(0.5) : r.baseline_milliseconds;
  w.line("{} ({}, {}), made by aitune {}. {} a run{}; relative error {:.1e} on {} samples (allowed {:.1e}).",
         cell(r.file), bytes(static_cast<std::int64_t>(r.file_bytes)), cell(r.precision), cell(r.aitune_version),
         time(after),
         after > 0 && before > 0 ? fmt::format(", {:.3g} times as fast as the reference engine", before / after) : "",
         r.error, r.samples, r.accepted_error);
  write_latency(w, r);
  w.heading("Fusion");
  const auto vanished = std::ranges::count_if(r.nodes, [](const NodeReport& n) { return n.steps.empty(); });
  w.line("{} nodes of the model, {} after lowering, {} steps in {} blocks. {} nodes need no step of their own.",
         r.nodes.size(), r.lowered_nodes, r.steps.size(), r.blocks.size(), vanished);
  write_steps(w, r);
  write_blocks(w, r);
  w.heading("Memory");
  w.line("Arena {}, constants {}, inputs {}, outputs {}.", bytes(r.arena_bytes), bytes(r.constant_bytes),
         bytes(r.input_bytes), bytes(r.output_bytes));
  if (!r.backends.empty()) {
    w.heading("Backends");
    w.line("Tried by {}.\n", cell(r.strategy));
    w.header({"backend", "batch", "time", "times as fast", ""});
    for (const BackendRow& b : r.backends)
      w.line("| {} | {} | {} | {:.2f} | {} |", cell(b.backend), b.batch, time(b.milliseconds), b.speedup,
             b.stays ? "stays" : cell(b.problem));
  }
  if (!r.candidates.empty()) {
    w.heading("Candidates");
    w.header({"precision", "time", "error", "built in", ""});
    for (const CandidateRow& c : r.candidates)
      w.line("| {} | {} | {:.1e} | {:.1f} s | {} |", cell(c.precision), time(c.milliseconds), c.error, c.build_seconds,
             c.chosen ? "chosen" : cell(c.problem));
  }
  write_list(w, "On the reference engine", r.fallbacks);
  write_list(w, "Warnings", r.warnings);
  w.heading("Machine");
  w.line("{}, {} CPUs, {} threads; {}. The plan needs {}.", cell(r.machine.cpu), r.machine.cpus, r.machine.threads,
         cell(r.machine.features), cell(r.machine.plan_needs));
  w.heading("Settings");
  w.header({"setting", "value"});
  for (const SettingRow& s : r.settings) w.line("| {} | {} |", cell(s.name), cell(s.value));
  return std::move(w.text);
}

}  // namespace aitune

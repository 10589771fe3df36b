#include "tools/measured_text.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "format/manifest_json.h"

namespace aitune::tools {
namespace {

// Fields that older files lack have a default.
double number_in(const JsonField& row, const char* key) {
  if (!row.has(key)) return 0;
  const JsonField field = row[key];
  return field.value().is_null() ? std::numeric_limits<double>::infinity() : field.number();
}
std::string text_in(const JsonField& row, const char* key) { return row.has(key) ? row[key].string() : ""; }
bool flag_in(const JsonField& row, const char* key) { return row.has(key) && row[key].boolean(); }
std::int64_t count_in(const JsonField& row, const char* key) { return row.has(key) ? row[key].integer(0) : 0; }

template <typename Read>
auto rows_in(const JsonField& report, const char* key, const Read& read) -> std::vector<decltype(read(report))> {
  if (!report.has(key)) return {};
  return report[key].items([&](const JsonField& row) {
    if (!row.value().is_object()) row.refuse("an object");
    return read(row);
  });
}

/// What `write` makes of the report; whatever it refuses is said with `where`.
template <typename Write>
std::string text_of(const nlohmann::ordered_json& measured, const std::string& where, const Write& write) {
  try {
    return write(JsonField(measured, ""));
  } catch (const Corrupt& error) {
    throw Corrupt(fmt::format("the figures of tuning cannot be read: {}", error.problem()), where, error.fix());
  }
}

}  // namespace

std::string backends_text(const nlohmann::ordered_json& measured, const std::string& where) {
  return text_of(measured, where, [](const JsonField& report) {
    bool any_problem = false;
    const auto lines = rows_in(report, "backends", [&](const JsonField& row) {
      std::string problem = text_in(row, "problem");
      any_problem = any_problem || !problem.empty();
      if (problem.empty())
        problem = fmt::format("{} at batch {}, {:.1f} samples/s, {:.2f} times as fast as eager",
                              human_time(number_in(row, "latency_ms")), count_in(row, "batch"),
                              number_in(row, "throughput"), number_in(row, "speedup"));
      return fmt::format("{} {}: {}\n", flag_in(row, "stays") ? "*" : " ", text_in(row, "backend"), problem);
    });
    const std::int64_t batch = count_in(report, "selected_batch_size");
    std::string text;
    if (lines.size() > 1 || any_problem || batch > 0)
      for (const std::string& line : lines) text += line;
    if (batch > 0 && text_in(report, "strategy") != "MinLatencyStrategy")
      text += fmt::format("best batch size: {}\n", batch);
    return text;
  });
}

std::string mixture_text(const nlohmann::ordered_json& measured, const std::string& where, std::size_t most) {
  return text_of(measured, where, [most](const JsonField& report) -> std::string {
    const bool int8 = number_in(report, "int8_share") > 0;
    const double share = number_in(report, int8 ? "int8_share" : "bf16_share");
    if (share <= 0) return "";
    const auto kept = rows_in(report, "kept_in_fp32", [](const JsonField& row) {
      const std::string module = text_in(row, "module");
      return fmt::format("    {:4.1f} % {}: {}\n", 100 * number_in(row, "share"),
                         module.empty() ? text_in(row, "node") : module, text_in(row, "why"));
    });
    std::string text;
    if (int8)
      text = fmt::format("  int8: relative error {:.1e} on {} samples, of {:.1e} accepted (max_quantisation_error)\n",
                         number_in(report, "relative_error"), count_in(report, "samples"),
                         number_in(report, "accepted_error"));
    text += fmt::format("  {:.0f} % of the products' operations are in {}{}\n", 100 * share, int8 ? "int8" : "bf16",
                        kept.empty() ? "" : "; kept in fp32:");
    for (std::size_t i = 0; i < std::min(most, kept.size()); ++i) text += kept[i];
    if (kept.size() > most) text += fmt::format("    and {} more (aitune inspect lists them)\n", kept.size() - most);
    return text;
  });
}

}  // namespace aitune::tools

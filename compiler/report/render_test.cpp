#include "compiler/report/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/report/page.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

/// A report in which every text is `name`.
ModelReport report_called(const std::string& name) {
  ModelReport r;
  r.file = r.name = r.aitune_version = r.plan = r.precision = name;
  r.inputs = r.outputs = r.fallbacks = r.warnings = {name};
  r.after = {.of = name, .times = {1, 2, 3}, .runs = 3, .mean = 2};
  r.before = r.after;
  r.nodes.push_back({name, name, name, name, name, {}, {0}, 1});
  r.steps.push_back({.name = name, .kind = name, .nodes = {0}, .operators = {name}, .code = name});
  r.steps[0].values.push_back({name, name, std::numeric_limits<double>::infinity()});
  r.blocks.push_back({name, name, 1, 1, 1, {name}, 0.5});
  r.modules.push_back({name, 1, 1});
  r.arena.push_back({0, 64, 0, 0, name});
  r.candidates.push_back({.precision = name, .problem = name});
  r.strategy = name;
  r.backends.push_back({name, name, false, 1, 1, 0.5});
  r.kept_in_fp32.push_back({name, name, 0.5});
  r.settings.push_back({name, name});
  r.machine = {name, name, name, 1, 1};
  return r;
}

std::string data_of(const std::string& page) {
  constexpr std::string_view begin = R"(<script type="application/json" id="data">)";
  const auto first = page.find(begin) + begin.size();
  return page.substr(first, page.find("</script>", first) - first);
}

TEST(ReportPage, NamesOutOfAModelStayData) {
  for (const std::string name :
       {"</script><script>alert(1)</script>", "<!--<script>", "]]></SCRIPT >", "<img src=x onerror=alert(1)>",
        "&lt;/title><script>", "@SCRIPT@@STYLE@@DATA@@POLICY@@TITLE@", "\xe2\x80\xa8\xe2\x80\xa9", "\xff\xfe</script>",
        "\"'`${1}\\"}) {
    const std::string plain = report_html(report_called("x")), page = report_html(report_called(name));
    for (const char* tag : {"<script", "</script", "<SCRIPT", "</SCRIPT", "<!--", "<img", "<style", "</title>"})
      EXPECT_EQ(count(page, tag), count(plain, tag)) << name << " in " << tag;
    EXPECT_EQ(count(page, "<script"), 2U);
    const auto json = nlohmann::json::parse(data_of(page));
    if (name.find('\xff') == std::string::npos) {
      EXPECT_EQ(json["nodes"][0]["name"], name);
    }
    EXPECT_EQ(json["steps"][0]["values"][0]["error"], "inf");
  }
}

TEST(ReportPage, LoadsNothingAndRunsItsOwnScriptAlone) {
  const std::string page = report_html(report_called("x"));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("script-src 'sha256-"));
  for (const char* mark : {"@POLICY@", "@TITLE@", "@STYLE@", "@DATA@", "@SCRIPT@"})
    EXPECT_THAT(page, Not(HasSubstr(mark)));
  for (const char* address :
       {"src=\"", "url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "insertAdjacentHTML", "eval("})
    EXPECT_THAT(page, Not(HasSubstr(address)));
  // The one address is a name, that of SVG.
  EXPECT_EQ(count(page, "://"), 1U);
}

TEST(ReportMarkdown, NamesStayInTheirCells) {
  const std::string text = report_markdown(report_called("a|b\n# c <script> [x](y) `z`"));
  EXPECT_THAT(text, Not(HasSubstr("<script")));
  EXPECT_THAT(text, Not(HasSubstr("\n# c")));
  EXPECT_THAT(text, HasSubstr("a\\|b \\# c &lt;script> \\[x\\](y) \\`z\\`"));
}

TEST(ReportJson, HasEveryPart) {
  const auto json = nlohmann::json::parse(report_json(report_called("x")));
  for (const char* key : {"after", "before", "tuned", "memory", "blocks", "steps", "modules", "nodes", "candidates",
                          "backends", "strategy", "kept_in_fp32", "fallbacks", "warnings", "settings", "machine"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["after"]["median_ms"], 2);
}

TEST(Report, FormsGoByTheFilesEnding) {
  EXPECT_THAT(render_report(report_called("x"), "a/report.html"), HasSubstr("<!doctype html>"));
  EXPECT_THAT(render_report(report_called("x"), "report.md"), HasSubstr("# x"));
  EXPECT_THAT(render_report(report_called("x"), "report.json"), HasSubstr("\"x\""));
  EXPECT_THROW(check_report_name("report.pdf"), InvalidArgument);
}

TEST(LatencyReport, PercentilesAreNearestRanks) {
  LatencyReport latency;
  EXPECT_EQ(latency.percentile(0.5), 0);
  for (int i = 1; i <= 100; ++i) latency.times.push_back(i);
  EXPECT_EQ(latency.percentile(0), 1);
  EXPECT_EQ(latency.percentile(0.5), 50);
  EXPECT_EQ(latency.percentile(0.99), 99);
  EXPECT_EQ(latency.percentile(1), 100);
}

}  // namespace
}  // namespace aitune

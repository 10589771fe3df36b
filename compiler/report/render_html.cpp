#include <cstddef>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/report/page.h"
#include "compiler/report/render.h"
#include "format/digest.h"

namespace aitune {
namespace {

/// JSON in an element of a page: nothing in it can end the element, begin a comment, or be an odd line break.
std::string escape_for_page(std::string_view json) {
  std::string safe;
  safe.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '<' || c == '>' || c == '&') {
      safe += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else if (json.substr(i).starts_with("\xe2\x80\xa8") || json.substr(i).starts_with("\xe2\x80\xa9")) {
      safe += json[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string escape_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '<')
      safe += "&lt;";
    else if (c == '&')
      safe += "&amp;";
    else
      safe += c;
  }
  return safe;
}

std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) { return i + k < bytes.size() ? std::to_integer<unsigned>(bytes[i + k]) : 0U; };
    const unsigned group = at(0) << 16 | at(1) << 8 | at(2);
    for (std::size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : digits[group >> (18 - 6 * k) & 63U];
  }
  return text;
}

/// The digest by which a page's policy names the one script that may run.
std::string script_digest(std::string_view script) {
  const Sha256 digest = sha256(std::as_bytes(std::span(script.data(), script.size())));
  return base64(std::as_bytes(std::span(digest)));
}

void put(std::string& page, std::string_view mark, std::string_view text) {
  const auto at = page.find(mark);
  if (at == std::string::npos) throw InternalError(fmt::format("the page has no place for {}", mark), "report");
  page.replace(at, mark.size(), text);
}

}  // namespace

std::string report_html(const ModelReport& report) {
  std::string page(report_page::kHtml);
  put(page, "@POLICY@",
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
      "script-src 'sha256-" +
          script_digest(report_page::kScript) + "'");
  put(page, "@STYLE@", report_page::kStyle);
  put(page, "@SCRIPT@", report_page::kScript);
  // What comes from the model stands last: no mark is looked for in it.
  std::string title = escape_text(report.name), data = escape_for_page(report_json(report));
  const auto at_data = page.find("@DATA@");
  if (at_data == std::string::npos) throw InternalError("the page has no place for the data", "report");
  page.replace(at_data, 6, data);
  put(page, "@TITLE@", title);  // stands in front of the data
  return page;
}

std::string render_report(const ModelReport& report, std::string_view file) {
  check_report_name(file);
  return file.ends_with(".html") ? report_html(report)
         : file.ends_with(".md") ? report_markdown(report)
                                 : report_json(report) + "\n";
}

void check_report_name(std::string_view file) {
  if (file.ends_with(".html") || file.ends_with(".md") || file.ends_with(".json")) return;
  throw InvalidArgument("a report ends in .html, .md or .json", std::string(file), "Name it report.html, for instance");
}

}  // namespace aitune

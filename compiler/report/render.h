#pragma once
// A report as a text.

#include <string>
#include <string_view>

#include "compiler/report/model_report.h"

namespace aitune {

/// One JSON object with every field. Text that is not UTF-8 is made so.
std::string report_json(const ModelReport& report);
/// The same in short, for a terminal or a merge request.
std::string report_markdown(const ModelReport& report);
/// One page that needs nothing beside it: no file, no network. Whatever names a model has, they are data: they stand
/// escaped in one JSON element, and the page's policy lets no other script run than its own.
std::string report_html(const ModelReport& report);

/// By the ending of the file's name: .html, .md or .json. Throws InvalidArgument for another.
std::string render_report(const ModelReport& report, std::string_view file);
/// Throws InvalidArgument, as render_report, before the work begins.
void check_report_name(std::string_view file);

}  // namespace aitune

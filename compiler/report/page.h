#pragma once
// The page that HTML reports are made of: the files in page/, put into the program by the build.

#include <string_view>

namespace aitune::report_page {

extern const std::string_view kHtml;    ///< with places for @POLICY@, @TITLE@, @STYLE@, @DATA@ and @SCRIPT@
extern const std::string_view kStyle;   ///< its only style sheet
extern const std::string_view kScript;  ///< its only script

}  // namespace aitune::report_page

#pragma once
// YAML as plain data.

#include <string_view>

#include <nlohmann/json.hpp>

namespace aitune {

/// One YAML document as JSON, at most `most_depth` levels deep. Plain words are typed as YAML 1.2's core schema types
/// them (true, null, 12, 1.5; "yes" and "on" are texts). Throws Corrupt for what is no YAML, and InvalidArgument for
/// anchors, aliases, tags, several documents, keys given twice or that are no words, and for deeper nesting.
nlohmann::ordered_json parse_yaml(std::string_view text, std::string_view where, int most_depth);

}  // namespace aitune

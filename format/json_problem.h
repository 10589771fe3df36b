#pragma once
// What is wrong with JSON, in words for people.

#include <string>

#include <nlohmann/json.hpp>

namespace aitune {

/// "line 3, column 7: invalid literal; last read: 'tru,'": what the library says of it, without its own names and
/// numbers, and cut where it quotes a whole document. "'version' is missing" for a key that is not there.
std::string json_problem(const nlohmann::json::exception& error);

}  // namespace aitune

#pragma once
// What tuning measured, in words: from its report, whether tuning has just ended or the report comes out of a file.

#include <cstddef>
#include <string>

#include <nlohmann/json.hpp>

namespace aitune::tools {

/// What a strategy tried, a line for each backend, and the batch size that it found. Empty where there was no choice.
/// Throws Corrupt, naming the field and `where`, where it is of another type; so does the other.
std::string backends_text(const nlohmann::ordered_json& measured, const std::string& where);

/// Which products of the plan are in bf16 or int8, and why the others are not: at most `most` of them.
std::string mixture_text(const nlohmann::ordered_json& measured, const std::string& where, std::size_t most);

}  // namespace aitune::tools

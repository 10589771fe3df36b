#pragma once
// Whole numbers of a JSON document that nobody vouches for: nlohmann's get() takes floats, too, and cuts what does not
// fit.

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/symint.h"

namespace aitune {

/// Throws Corrupt for anything that is no whole number, or that T does not hold.
template <std::integral T>
T whole_number(const nlohmann::ordered_json& value) {
  if (value.is_number_unsigned()) {
    if (const auto number = value.get<std::uint64_t>(); std::in_range<T>(number)) return static_cast<T>(number);
  } else if (value.is_number_integer()) {
    if (const auto number = value.get<std::int64_t>(); std::in_range<T>(number)) return static_cast<T>(number);
  }
  throw Corrupt("a number that is no whole one, or too large");
}

inline std::vector<std::int64_t> whole_numbers(const nlohmann::ordered_json& list) {
  if (!list.is_array()) throw Corrupt("a list of numbers that is none");
  std::vector<std::int64_t> numbers;
  for (const auto& item : list) numbers.push_back(whole_number<std::int64_t>(item));
  return numbers;
}

/// {"s0": 4, "s1": 128}
inline SymValues size_values(const nlohmann::ordered_json& object) {
  if (!object.is_object()) throw Corrupt("sizes that have no names");
  SymValues sizes;
  for (const auto& [name, value] : object.items()) sizes[name] = whole_number<std::int64_t>(value);
  return sizes;
}

}  // namespace aitune

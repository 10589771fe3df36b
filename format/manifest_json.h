#pragma once
// Reading a JSON document field by field, with errors that name the field.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace aitune {

/// A value inside a document and the path that led to it. The document outlives it.
class JsonField {
 public:
  JsonField(const nlohmann::ordered_json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  [[noreturn]] void refuse(std::string_view expected) const {
    throw Corrupt(fmt::format("'{}' must be {}, and is {}", path_, expected, value_->type_name()));
  }
  const nlohmann::ordered_json& value() const { return *value_; }
  bool has(const char* key) const { return value_->is_object() && value_->contains(key); }

  JsonField operator[](const char* key) const {
    if (!value_->is_object()) refuse("an object");
    const auto it = value_->find(key);
    const auto path = path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    if (it == value_->end()) throw Corrupt(fmt::format("'{}' is missing", path));
    return {*it, path};
  }
  std::string string() const {
    if (!value_->is_string()) refuse("a string");
    return value_->get<std::string>();
  }
  bool boolean() const {
    if (!value_->is_boolean()) refuse("a boolean");
    return value_->get<bool>();
  }
  double number() const {
    if (!value_->is_number()) refuse("a number");
    return value_->get<double>();
  }
  /// At least `min` and at most INT64_MAX.
  std::int64_t integer(std::int64_t min) const {
    const bool fits =
        value_->is_number_integer() && !(value_->is_number_unsigned() && value_->get<std::uint64_t>() > INT64_MAX);
    if (!fits || value_->get<std::int64_t>() < min) refuse(fmt::format("an integer from {}", min));
    return value_->get<std::int64_t>();
  }
  /// `read` applied to each item of an array.
  template <typename Read>
  auto items(const Read& read) const {
    if (!value_->is_array()) refuse("a list");
    std::vector<decltype(read(*this))> results;
    results.reserve(value_->size());
    for (std::size_t i = 0; i < value_->size(); ++i) {
      results.push_back(read(JsonField((*value_)[i], fmt::format("{}[{}]", path_, i))));
    }
    return results;
  }
  /// Calls `read(key, field)` for each member of an object.
  template <typename Read>
  void members(const Read& read) const {
    if (!value_->is_object()) refuse("an object");
    for (const auto& [key, item] : value_->items()) read(key, JsonField(item, fmt::format("{}.{}", path_, key)));
  }

 private:
  const nlohmann::ordered_json* value_;
  std::string path_;
};

}  // namespace aitune

#include "tools/numbers.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace aitune::tools {
namespace {

/// All of the text as a number.
template <typename T>
std::optional<T> read_number(std::string_view text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

/// A validator of T's for which `allowed` holds.
template <typename T, typename Allowed>
CLI::Validator number_check(Allowed allowed, std::string what) {
  return {[allowed, what](std::string& text) {
            const auto value = read_number<T>(text);
            return value && allowed(*value) ? std::string() : fmt::format("'{}' is no {}", text, what);
          },
          ""};
}

/// The binary logarithm of a unit: nothing, B, K, KB, KiB and so on, in whatever case.
std::optional<int> shift_of(std::string_view unit) {
  constexpr std::string_view kLetters = "kmgt";
  constexpr int kBitsApart = 10;
  std::string word;
  for (const char c : unit)
    if (c != ' ') word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (word.empty() || word == "b") return 0;
  const auto at = kLetters.find(word.front());
  const std::string rest = word.substr(1);
  if (at == kLetters.npos || (!rest.empty() && rest != "b" && rest != "ib")) return std::nullopt;
  return kBitsApart * static_cast<int>(at + 1);
}

std::optional<std::uint64_t> read_bytes(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = read_number<std::uint64_t>(text.substr(0, digits));
  const auto shift = shift_of(text.substr(digits));
  if (!value || !shift || *value > std::numeric_limits<std::uint64_t>::max() >> *shift) return std::nullopt;
  return *value << *shift;
}

}  // namespace

CLI::Validator integer_from(std::int64_t low, std::int64_t high) {
  return number_check<std::int64_t>([=](std::int64_t value) { return value >= low && value <= high; },
                                    fmt::format("integer from {} to {}", low, high));
}

CLI::Validator number_from(double low, double high) {
  const bool bounded = high < std::numeric_limits<double>::max();
  return number_check<double>(
      [=](double value) { return value >= low && value <= high; },
      bounded ? fmt::format("number from {} to {}", low, high) : fmt::format("number from {} on", low));
}

CLI::Validator number_above_zero() {
  return number_check<double>([](double value) { return value > 0 && value <= std::numeric_limits<double>::max(); },
                              "number above 0");
}

CLI::Validator as_bytes() {
  return {[](std::string& text) {
            const auto bytes = read_bytes(text);
            if (!bytes) return fmt::format("'{}' is no number of bytes: digits, also with KB, MB, GB or TB", text);
            text = std::to_string(*bytes);
            return std::string();
          },
          ""};
}

}  // namespace aitune::tools

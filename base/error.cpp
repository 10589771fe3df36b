#include "base/error.h"

#include <array>

namespace aitune {

std::string_view error_code_name(ErrorCode code) noexcept {
  static constexpr std::array<std::string_view, 10> names = {
      "ok",           "invalid_argument", "not_found", "corrupt",    "unsupported",
      "incompatible", "unavailable",      "io",        "validation", "internal"};
  const auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names[index] : "unknown";
}

Error::Error(ErrorCode code, std::string what, std::string where, std::string fix)
    : code_(code), problem_(std::move(what)), where_(std::move(where)), fix_(std::move(fix)) {
  if (!where_.empty()) message_ = where_ + ": ";
  message_ += problem_;
  if (!fix_.empty()) message_ += ". " + fix_;
}

}  // namespace aitune

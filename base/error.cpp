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

namespace {

/// A sentence of its own, unless it begins with the name of the command.
std::string as_sentence(std::string_view fix) {
  std::string sentence(fix);
  if (!fix.starts_with("aitune") && sentence[0] >= 'a' && sentence[0] <= 'z')
    sentence[0] = static_cast<char>(sentence[0] - 'a' + 'A');
  return sentence;
}

/// What to do where nothing better is known.
std::string_view usual_fix(ErrorCode code) {
  if (code == ErrorCode::corrupt) return "Copy the file again from where it was made, or make it again";
  if (code == ErrorCode::internal) return "This is a bug of aitune: please report it";
  return {};
}

}  // namespace

Error::Error(ErrorCode code, std::string what, std::string where, std::string fix)
    : code_(code), problem_(std::move(what)), where_(std::move(where)), fix_(std::move(fix)) {
  if (fix_.empty()) fix_ = usual_fix(code);
  if (!where_.empty()) message_ = where_ + ": ";
  message_ += problem_;
  // What others said may be a sentence already.
  if (!fix_.empty()) message_ += (problem_.ends_with('.') ? " " : ". ") + as_sentence(fix_);
}

void throw_error(ErrorCode code, std::string what, std::string where, std::string fix) {
  const auto raise = [&]<ErrorCode Code>() {
    throw TypedError<Code>(std::move(what), std::move(where), std::move(fix));
  };
  switch (code) {
    case ErrorCode::invalid_argument:
      raise.operator()<ErrorCode::invalid_argument>();
      break;
    case ErrorCode::not_found:
      raise.operator()<ErrorCode::not_found>();
      break;
    case ErrorCode::corrupt:
      raise.operator()<ErrorCode::corrupt>();
      break;
    case ErrorCode::unsupported:
      raise.operator()<ErrorCode::unsupported>();
      break;
    case ErrorCode::incompatible:
      raise.operator()<ErrorCode::incompatible>();
      break;
    case ErrorCode::unavailable:
      raise.operator()<ErrorCode::unavailable>();
      break;
    case ErrorCode::io:
      raise.operator()<ErrorCode::io>();
      break;
    case ErrorCode::validation:
      raise.operator()<ErrorCode::validation>();
      break;
    case ErrorCode::ok:
    case ErrorCode::internal:
      break;
  }
  throw InternalError(std::move(what), std::move(where), std::move(fix));
}

}  // namespace aitune

#pragma once
// The one error hierarchy of aitune. Every error says what happened, where, and what to do about it.

#include <exception>
#include <string>
#include <string_view>

namespace aitune {

/// What kind of failure it was; fixed numbers, they cross the C interface and become exit statuses.
enum class ErrorCode : int {
  ok = 0,
  invalid_argument = 1,  ///< the caller gave something wrong: a name, shape, dtype, setting
  not_found = 2,         ///< a file, entry, engine or input that does not exist
  corrupt = 3,           ///< bytes that do not hold what their format promises
  unsupported = 4,       ///< well-formed, but beyond what this version can do
  incompatible = 5,      ///< made for another machine, or for a newer format
  unavailable = 6,       ///< a library or device that is missing here
  io = 7,                ///< the operating system refused: disk full, permission, ...
  validation = 8,        ///< results are wrong: NaN, Inf or too far from the reference
  internal = 9,          ///< a bug of ours; never the fault of an input
};

/// The name of a code as printed in messages and --json output, e.g. "corrupt".
std::string_view error_code_name(ErrorCode code) noexcept;

/// Base of all errors thrown by aitune. `what()` is the whole message, one line unless a list is part of it.
class Error : public std::exception {
 public:
  /// @param what   what went wrong, in one sentence without a final full stop
  /// @param where  the file, entry, node, input or step concerned; may be empty
  /// @param fix    what the user can do; if empty, the usual advice for the code, where there is one
  Error(ErrorCode code, std::string what, std::string where = {}, std::string fix = {});
  const char* what() const noexcept override { return message_.c_str(); }
  ErrorCode code() const noexcept { return code_; }
  const std::string& problem() const noexcept { return problem_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& fix() const noexcept { return fix_; }

 private:
  ErrorCode code_;
  std::string problem_, where_, fix_, message_;
};

/// One type for each code, so that callers can catch by kind.
template <ErrorCode Code>
class TypedError : public Error {
 public:
  explicit TypedError(std::string what, std::string where = {}, std::string fix = {})
      : Error(Code, std::move(what), std::move(where), std::move(fix)) {}
};
using InvalidArgument = TypedError<ErrorCode::invalid_argument>;
using NotFound = TypedError<ErrorCode::not_found>;
using Corrupt = TypedError<ErrorCode::corrupt>;
using Unsupported = TypedError<ErrorCode::unsupported>;
using Incompatible = TypedError<ErrorCode::incompatible>;
using Unavailable = TypedError<ErrorCode::unavailable>;
using IoError = TypedError<ErrorCode::io>;
using ValidationError = TypedError<ErrorCode::validation>;
using InternalError = TypedError<ErrorCode::internal>;

/// Throws the type that belongs to `code` (InternalError for ErrorCode::ok): for passing an error on with more context.
[[noreturn]] void throw_error(ErrorCode code, std::string what, std::string where = {}, std::string fix = {});

}  // namespace aitune

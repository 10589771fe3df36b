#pragma once
// Numbers on the command line: each says what it may be, and nothing else is taken.

#include <cstdint>
#include <limits>

#include <CLI/CLI.hpp>

namespace aitune::tools {

/// An integer in this range: "'-1' is no integer from 0 to 1024".
CLI::Validator integer_from(std::int64_t low, std::int64_t high);
/// A finite number in this range.
CLI::Validator number_from(double low, double high = std::numeric_limits<double>::max());
/// A finite number that is not 0.
CLI::Validator number_above_zero();
/// Bytes as digits, also with a unit (64MB, 2GiB; 1 KB is 1024 bytes), which become digits alone.
CLI::Validator as_bytes();

}  // namespace aitune::tools

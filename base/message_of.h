#pragma once
// For tests: what an error says.

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace aitune {

/// The message of the E that `action` throws. Anything else, and nothing, fails the test.
template <typename E, typename Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace aitune

#pragma once
// What the programs that replay recorded calls print: a line each, with status, operator, where the call came from, and
// what is wrong, between tabs. The status is ok, wrong, refused (an error), or unsupported.

#include <cstdio>
#include <string>

#include "base/error.h"
#include "tests/ops/goldens.h"

namespace aitune::test {

/// `run` gives what is wrong with a call, or nothing.
template <typename Run>
void replay_all(Run run) {
  for (const GoldenCall& call : golden_calls()) {
    std::string status = "ok", text;
    try {
      text = run(call);
      if (!text.empty()) status = "wrong";
    } catch (const Unsupported& error) {
      status = "unsupported", text = error.what();
    } catch (const std::exception& error) {
      status = "refused", text = error.what();
    }
    if (!text.empty()) text += " in " + call.text;
    for (char& c : text)
      if (c == '\n' || c == '\t') c = ' ';
    std::printf("%s\t%s\t%s\t%s\n", status.c_str(), call.op->name.c_str(), call.source.c_str(), text.c_str());
    std::fflush(stdout);
  }
}

}  // namespace aitune::test

// Every call that PyTorch answered, through the CPU engine: alone in a graph, lowered, compiled, run, and compared.
// What the engine leaves to the reference must be refused with a reason; how much that is, is written to a table.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "base/error.h"
#include "tests/conformance/one_call.h"

namespace aitune::test {
namespace {

/// What came of an operator's calls.
struct Tally {
  std::size_t calls = 0;     ///< that could be graphs of their own
  std::size_t compiled = 0;  ///< that needed no step of the reference engine
  std::size_t wrong = 0;
  std::set<std::string> reasons;  ///< why calls were not compiled
};

/// Where PyTorch's answer depends on the order in which it adds: its running mean of a column with an infinity is NaN
/// or infinite, by where the infinity stands.
bool infinity_is_lost(std::string_view op) {
  return op == "aten.var_mean.correction" || op == "aten.std_mean.correction";
}

/// One line for each operator: name, calls, compiled ones, wrong ones, and the reasons between bars.
void write_table(const char* file, const std::map<std::string, Tally>& tallies) {
  std::ofstream out(file);
  for (const auto& [name, t] : tallies) {
    out << name << ' ' << t.calls << ' ' << t.compiled << ' ' << t.wrong;
    for (const auto& reason : t.reasons) out << " | " << reason;
    out << '\n';
  }
}

class Operators : public testing::TestWithParam<bool> {};

TEST_P(Operators, CompiledKernelsGivePyTorchsValues) {
  CpuTarget target = host_cpu();
  if (!GetParam()) target.avx512 = target.avx512_vnni = target.avx512_bf16 = target.amx_bf16 = false;
  if (GetParam() && !target.avx512) GTEST_SKIP() << "this CPU has no AVX-512";
  std::map<std::string, Tally> tallies;
  const char* only = std::getenv("AITUNE_OPS");
  for (const GoldenCall& call : golden_calls()) {
    const std::string name = call.op->name;
    if (only && name.find(only) == std::string::npos) continue;
    Tally& tally = tallies[name];
    try {
      const CallResult result = run_compiled(call, target);
      const auto& outputs = result.outputs;
      ++tally.calls;
      tally.compiled += result.fallbacks.empty();
      for (const Fallback& f : result.fallbacks) tally.reasons.insert(f.op + ": " + f.reason);
      bool wrong = outputs.size() != call.results.size();
      for (std::size_t i = 0; i < outputs.size() && !wrong; ++i)
        if (const auto text = difference(outputs[i], call.results[i]);
            !text.empty() && !(infinity_is_lost(name) && !all_finite(call.results[i]))) {
          wrong = true;
          ADD_FAILURE() << "result " << i << " of " << call.text << ": " << text
                        << (result.fallbacks.empty() ? "" : " (on the reference engine)");
        }
      tally.wrong += wrong;
    } catch (const Unsupported&) {
      // Refused by name: such calls have no graph (docs/operators.md counts them).
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what() << " in " << call.text;
      ++tally.wrong;
    }
  }
  if (const char* file = std::getenv("AITUNE_OPS_TABLE")) write_table(file, tallies);
}

INSTANTIATE_TEST_SUITE_P(Levels, Operators, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "avx512" : "avx2"); });

}  // namespace
}  // namespace aitune::test

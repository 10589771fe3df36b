#pragma once
// What tests of the evaluator share: sources around a forward(), and what becomes of them.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "compiler/import/torchscript/import.h"
#include "compiler/import/torchscript/testing.h"
#include "compiler/passes/evaluate.h"

namespace aitune::torchscript {

inline constexpr std::string_view kNetHead =
    "class Pair(NamedTuple):\n"
    "  left : Tensor\n"
    "  count : int\n"
    "class Net(Module):\n"
    "  __parameters__ = [\"w\", ]\n"
    "  __buffers__ = []\n"
    "  training : bool\n"
    "  w : Tensor\n"
    "  scale : Final[float] = 0.5\n"
    "  __annotations__[\"0\"] = int\n"
    "  def twice(self: __torch__.Net,\n"
    "    x: Tensor,\n"
    "    k: int=2) -> Tensor:\n"
    "    return torch.mul(x, k)\n";

/// forward(x) with these lines, which are indented here.
inline std::string source(std::string_view body, std::string_view parameters = "x: Tensor",
                          std::string_view after = "") {
  std::string text = fmt::format("{}  def forward(self: __torch__.Net,\n    {}) -> Tensor:\n", kNetHead, parameters);
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = std::min(body.find('\n', at), body.size());
    text += fmt::format("    {}\n", body.substr(at, end - at));
    at = end + 1;
  }
  return text + std::string(after);
}

/// x is f32[s0,2] with s0 in [2,5].
inline ImportedScript import_source(const std::string& text, NamedTensors extra = {}) {
  std::vector<NamedTensors> samples = {sample_of(2), sample_of(5)};
  for (auto& sample : samples) sample.insert(sample.end(), extra.begin(), extra.end());
  const auto archive = make_archive(text);
  ImportedScript imported = import_torchscript(archive, "net.pt", samples, {}, reference_evaluator());
  verify(imported.model.graph, "import");
  return imported;
}
inline std::string graph_of(std::string_view body, std::string_view parameters = "x: Tensor", NamedTensors extra = {}) {
  return print(import_source(source(body, parameters), std::move(extra)).model.graph);
}

/// What the body leaves in `n`, an integer.
inline std::string number_of(const std::string& body) {
  const std::string text = graph_of(body + "\nreturn torch.mul(x, n)");
  const auto at = text.find("aten.mul.Scalar(%x, ");
  if (at == std::string::npos) return text;
  const auto start = at + std::string_view("aten.mul.Scalar(%x, ").size();
  return text.substr(start, text.find(')', start) - start);
}

/// The message of the error of this type.
template <typename E>
std::string refused(const std::string& text, NamedTensors extra = {}) {
  try {
    import_source(text, std::move(extra));
  } catch (const E& error) {
    return error.what();
  } catch (const Error& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace aitune::torchscript

#pragma once
// Operators as users write them.

#include <string>
#include <string_view>

namespace aitune {

/// "torch.ops.aten.gelu.default" and "aten::gelu" as the graph spells them: "aten.gelu.default", "aten.gelu".
inline std::string graph_spelling(std::string_view name) {
  constexpr std::string_view kPrefix = "torch.ops.";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  std::string result(name);
  if (const std::size_t colons = result.find("::"); colons != std::string::npos) result.replace(colons, 2, 1, '.');
  return result;
}

/// Whether the pattern is the operator ("aten.gelu.default") or all of its overloads ("aten.gelu").
inline bool names_operator(std::string_view pattern, std::string_view op) {
  return op == pattern || (op.starts_with(pattern) && op.size() > pattern.size() && op[pattern.size()] == '.');
}

}  // namespace aitune

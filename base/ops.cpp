#include "base/ops.h"

#include <iterator>
#include <string>
#include <unordered_map>

namespace aitune {
namespace {
struct Row {
  std::string_view name, schema;
};
constexpr Row kRows[] = {
#define AITUNE_OP(identifier, name, schema) Row{name, schema},
#include "base/ops.def"
#undef AITUNE_OP
};
}  // namespace

std::string_view op_name(OpId id) noexcept { return kRows[static_cast<std::size_t>(id)].name; }
std::string_view op_schema(OpId id) noexcept { return kRows[static_cast<std::size_t>(id)].schema; }

std::optional<OpId> find_op_id(std::string_view name) noexcept {
  static const auto index = [] {
    std::unordered_map<std::string_view, OpId> map;
    for (std::size_t i = 0; i < std::size(kRows); ++i) map.emplace(kRows[i].name, static_cast<OpId>(i));
    return map;
  }();
  if (const auto it = index.find(name); it != index.end()) return it->second;
  if (const auto it = index.find(std::string(name) + ".default"); it != index.end()) return it->second;
  return std::nullopt;
}

}  // namespace aitune

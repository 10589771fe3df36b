#pragma once
// JSON of programs: parsed within limits, read with paths, so that every complaint says where in the file it is.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aitune::dynamo {

struct JsonLimits {
  std::size_t bytes = std::size_t{256} << 20;
  std::size_t values = 20'000'000;
  int depth = 100;
};

/// The text without control characters, at most `limit` bytes: names from a file, fit for a terminal.
std::string printable(std::string_view text, std::size_t limit = 200);

/// Throws Corrupt (with the byte) when `text` is no JSON, Unsupported beyond the limits. `where` names the file.
/// Infinity, -Infinity and NaN, which are none but stand in files of PyTorch 2.5 and 2.6, become strings, as newer
/// files have them.
std::shared_ptr<const nlohmann::json> parse_json(std::string_view text, const std::string& where,
                                                 const JsonLimits& limits = {});

/// A value inside a parsed document and the way to it. The accessors throw Corrupt naming the path when the value is
/// missing or of another kind. Copies are cheap enough; the document must outlive the views.
class JsonView {
 public:
  JsonView(const nlohmann::json& document, std::string where) : value_(&document), where_(std::move(where)) {}

  /// A member that must be there.
  JsonView at(std::string_view key) const;
  /// A member that may be missing or null.
  std::optional<JsonView> find(std::string_view key) const;
  std::vector<JsonView> items() const;                            ///< of an array
  std::vector<std::pair<std::string, JsonView>> members() const;  ///< of an object
  /// The one member of a union: {"as_int": 3}.
  std::pair<std::string, JsonView> tagged() const;

  std::int64_t integer() const;
  double number() const;  ///< also "Infinity", "-Infinity" and "NaN", as PyTorch writes them
  bool boolean() const;
  const std::string& string() const;
  bool is_null() const;
  bool is_boolean() const;

  [[noreturn]] void corrupt(std::string_view problem) const;
  [[noreturn]] void unsupported(std::string_view problem, std::string fix = {}) const;
  /// "model.pt2/models/model.json: graph_module.graph.nodes[3]"
  std::string place() const;

 private:
  JsonView(const nlohmann::json* value, std::string where, std::string path)
      : value_(value), where_(std::move(where)), path_(std::move(path)) {}
  JsonView member(std::string_view key, const nlohmann::json& value) const;

  const nlohmann::json* value_;
  std::string where_, path_;
};

}  // namespace aitune::dynamo

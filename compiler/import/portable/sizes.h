#pragma once
// Sizes of a graph, as torch.export writes them: text of sympy's, and nodes that compute them.

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "compiler/graph/graph.h"

namespace aitune::portable {

using Json = nlohmann::ordered_json;

/// Names for the program's nodes: identifiers that torch.fx leaves as they are, each given once.
class Names {
 public:
  std::string make(std::string_view hint);

 private:
  std::set<std::string> taken_;
};

/// {"as_int": 3} or {"as_expr": {"expr_str": …, "hint": …}}.
Json size_json(const SymInt& size, const SymRanges& symbols);

/// Makes nodes that compute sizes, each once, in front of their first use.
class SizeNodes {
 public:
  /// `input_names` are the program's names of the graph's inputs. All outlive this.
  SizeNodes(const Graph& graph, const std::map<const Value*, std::string>& names, Names& unique, Json& nodes)
      : graph_(graph), names_(names), unique_(unique), nodes_(nodes) {}

  /// {"as_int": 3} or {"as_name": "mul_1"}. Unsupported for a symbol that no input dimension has by itself.
  Json argument(const SymInt& size);
  /// `size` is what the node `name` gives.
  void define(const std::string& name, const SymInt& size);
  /// The program's sym_int_values.
  const Json& values() const { return values_; }

 private:
  Json symbol(const SymInt& size, const std::string& name);
  Json atom(const SymInt::Atom& atom);
  Json call(const std::string& target, Json a, Json b, const SymInt& value);

  const Graph& graph_;
  const std::map<const Value*, std::string>& names_;
  Names& unique_;
  Json& nodes_;
  Json values_ = Json::object();
  std::map<std::string, Json> made_;  // by the size's text
};

}  // namespace aitune::portable

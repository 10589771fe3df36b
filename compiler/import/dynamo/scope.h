#pragma once
// Names of one exported graph (the program's or a region's) and what they stand for.

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {

/// Every definition is made once and before its uses; the views given along are where complaints point to.
class Scope {
 public:
  /// `graph` is the "graph" object of the program.
  explicit Scope(JsonView graph) : graph_(std::move(graph)) {}
  /// `region` is the "graph" object of a region inside of `outer`'s graph, of the same program.
  Scope(JsonView region, const Scope& outer)
      : graph_(std::move(region)), trusts_declared_types_(outer.trusts_declared_types_) {}

  void define_tensor(const JsonView& name, Value* value);
  void define_size(const JsonView& name, SymInt size);
  /// A number that data decide, as a 0-dim tensor; an integer may be a size as well, a bool what it says of sizes.
  void define_number(const JsonView& name, Value* number, std::optional<SymInt> size = {},
                     std::optional<SizeFact> fact = {});
  /// A symbolic bool or float: known to exist, of no use to us.
  void define_opaque(const JsonView& name);
  /// A symbolic bool that compares sizes.
  void define_fact(const JsonView& name, SizeFact fact);
  /// What a symbolic bool says; nullptr where that is not known.
  const SizeFact* fact(const std::string& name) const;

  /// nullptr where the name is no number that data decide.
  Value* number(const std::string& name) const;

  Value* tensor(const JsonView& name) const;
  /// Unsupported for symbolic bools and floats.
  const SymInt& size(const JsonView& name) const;
  bool is_size(const std::string& name) const { return sizes_.contains(name); }

  /// What the file says of a name: its tensor_values and sym_int_values.
  TensorType declared_type(const JsonView& name) const;
  /// PyTorch declared the type of a result wrongly, and types that follow from it: operators' own count from here on,
  /// in the whole program.
  void distrust_declared_types() { *trusts_declared_types_ = false; }
  bool trusts_declared_types() const { return *trusts_declared_types_; }
  std::optional<SymInt> declared_size(const std::string& name) const;
  const JsonView& graph() const { return graph_; }

 private:
  void claim(const JsonView& name);

  JsonView graph_;
  std::shared_ptr<bool> trusts_declared_types_ = std::make_shared<bool>(true);  // one for all graphs of the program
  std::unordered_map<std::string, Value*> tensors_;
  std::unordered_map<std::string, SymInt> sizes_;
  std::unordered_map<std::string, SizeFact> facts_;
  std::unordered_map<std::string, Value*> numbers_;
  std::unordered_set<std::string> names_;
};

}  // namespace aitune::dynamo

#pragma once
// What names stand for after an operator has given a tensor another shape in place.

#include <unordered_map>

#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"

namespace aitune {

/// Python's y is another tensor after y.t_(): a graph, whose values keep their types, has a new value for it.
class ReshapedInPlace {
 public:
  /// Takes note of a node that has just been added.
  void add(const Node& node) {
    if (!node.op->is_inplace() || node.outputs.size() != 1) return;
    Value* const before = node.args.front().value_or_null();
    if (before != nullptr && before->type.shape != node.output()->type.shape) after_[before] = node.output();
  }
  /// The value that a name stands for which was given `value`.
  Value* latest(Value* value) const {
    for (auto it = after_.find(value); it != after_.end(); it = after_.find(value)) value = it->second;
    return value;
  }

 private:
  std::unordered_map<const Value*, Value*> after_;
};

}  // namespace aitune

#pragma once
// Inside of the evaluator: nodes go to a graph that is not the one that grows.

#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// While it lives, nodes are appended to `graph`, a region within the one that grows.
class Evaluator::GraphScope {
 public:
  GraphScope(Evaluator& evaluator, Graph& graph) : evaluator_(evaluator), outer_(evaluator.graph_) {
    evaluator_.around_.push_back(outer_);
    evaluator_.graph_ = &graph;
  }
  ~GraphScope() {
    evaluator_.graph_ = outer_;
    evaluator_.around_.pop_back();
  }
  GraphScope(const GraphScope&) = delete;
  GraphScope& operator=(const GraphScope&) = delete;

 private:
  Evaluator& evaluator_;
  Graph* outer_;
};

}  // namespace aitune::torchscript

#pragma once
// The user's own nodes and modules in a report.

#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/report/model_report.h"
#include "format/plan.h"

namespace aitune {

/// The nodes of a model and, by Plan::origins, which of them each is.
struct NodesReport {
  std::vector<NodeReport> nodes;
  std::vector<std::size_t> of_origin;
  bool has_graph = false;
  bool by_source = false;  ///< the plan is of an older version: they are the lowered graph's
};

/// The nodes of the program as imported, if there is one and the plan was made from it; otherwise those that the plan
/// names, without types and inputs.
NodesReport describe_nodes(const Plan& plan, const Graph* program);

/// Tells steps and nodes of each other, and divides the time of each step among its nodes: those that multiply matrices
/// have it all, where there are such.
void connect(const Plan& plan, NodesReport& nodes, std::vector<StepReport>& steps);

/// The modules of the nodes and all around them, in the order of the model.
std::vector<ModuleReport> describe_modules(const std::vector<NodeReport>& nodes);

}  // namespace aitune

#include "compiler/import/dynamo/program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "base/error.h"
#include "compiler/import/dynamo/operators.h"
#include "compiler/import/dynamo/signature.h"
#include "compiler/import/dynamo/symbols.h"

namespace aitune::dynamo {
namespace {

constexpr std::int64_t kOldestSchema = 7, kNewestSchema = 8;

void check_schema(const JsonView& root) {
  const std::int64_t major = root.at("schema_version").at("major").integer();
  if (major >= kOldestSchema && major <= kNewestSchema) return;
  throw Incompatible(
      fmt::format("the program has schema version {}, this aitune reads {} to {}", major, kOldestSchema, kNewestSchema),
      root.place(),
      major > kNewestSchema ? "use a newer aitune, or export with an older PyTorch"
                            : "export the model again with PyTorch 2.5 or newer");
}

void read_call_spec(const JsonView& module, Graph& graph) {
  const auto calls = module.find("module_call_graph");
  if (!calls) return;
  for (const JsonView& entry : calls->items()) {
    const auto signature = entry.find("signature");
    if (!entry.at("fqn").string().empty() || !signature) continue;
    graph.in_spec = signature->at("in_spec").string();
    graph.out_spec = signature->at("out_spec").string();
    return;
  }
}

// After a first problem the rest is imported on what the file declares, to find all of them.
void import_all_nodes(Scope& scope, Graph& graph) {
  Problems problems;
  problems.survey(scope.graph());
  try {
    import_nodes(scope, graph, problems);
  } catch (const Error&) {
    if (problems.empty()) throw;
  }
  if (!problems.empty()) problems.refuse(scope.graph());
}

}  // namespace

Graph import_program(const JsonView& root, const TensorLookup& tensors) {
  check_schema(root);
  const JsonView module = root.at("graph_module");
  const JsonView signature = module.at("signature");

  Graph graph;
  Scope scope(module.at("graph"));
  import_inputs(signature, tensors, scope, graph);
  reserve_input_symbols(root, graph);
  import_all_nodes(scope, graph);
  import_outputs(signature, scope, graph);
  import_symbols(root, graph);
  read_call_spec(module, graph);
  return graph;
}

std::vector<std::pair<std::string, TensorType>> program_inputs(const JsonView& root) {
  check_schema(root);
  const JsonView module = root.at("graph_module");
  return user_inputs(module.at("signature"), Scope(module.at("graph")));
}

}  // namespace aitune::dynamo

#pragma once
// Which values of two runs differ, found in constant memory and without taking a single kernel apart.

#include <cstddef>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "runtime/instance.h"

namespace aitune {

/// Shows values by their names in the lowered graph, in the order in which a run makes them; what is shown holds for
/// the call alone. A value of a branch or loop is "cond_1/then/mul" or "while_loop_2/body/add", after the first result
/// of the node that it is in, and from its second time in a run on "while_loop_2/body/add@2".
using ShowValue = std::function<void(const std::string& name, const Tensor& value)>;
/// One run from its beginning to its end.
using ShowValues = std::function<void(const ShowValue& show)>;

/// How far one value is off.
struct ValueError {
  std::string name;
  double error = 0;  ///< relative
};

/// The name without the time: "while_loop_2/body/add".
std::string_view without_time(std::string_view name);

/// Compares the values called `names` (without times) of two runs, in the order of `reference`, which runs once;
/// `subject` runs once for every `budget` bytes of values that have gathered. Values that either of them lacks are left
/// out, and so are those that only one of them has in this shape. `look` gets each error as soon as it is known; no
/// more of them once it returns false.
void compare_values(const ShowValues& reference, const ShowValues& subject,
                    const std::set<std::string, std::less<>>& names, std::size_t budget,
                    const std::function<bool(const ValueError&)>& look);
std::vector<ValueError> compare_values(const ShowValues& reference, const ShowValues& subject,
                                       const std::set<std::string, std::less<>>& names, std::size_t budget);

/// The values that the steps of a plan leave in memory.
ShowValues values_of(Instance& instance, std::vector<Tensor> inputs);
/// The values of a graph on the reference engine.
ShowValues values_of(const Graph& graph, std::vector<Tensor> inputs);
/// Their names.
std::set<std::string, std::less<>> value_names(const Plan& plan);
std::set<std::string, std::less<>> value_names(const Graph& graph);

/// By step of a plan: what comes before the names of its values: "", or "cond_1/then/".
std::vector<std::string> step_places(const Plan& plan);
/// Calls `see` with each node of a graph that has results, those of regions included, and what comes before its name.
void for_each_place(const Graph& graph, const std::function<void(const Node& node, const std::string& place)>& see);

}  // namespace aitune

#pragma once
// Nodes that own graphs: `if` (higher_order.cond) and `loop` (higher_order.while_loop), as PyTorch has them.
//
//   if    cond(pred, operands), regions {then, else}: both take the operands and give the node's results.
//   loop  while_loop(carried, additional, max_trips), regions {condition, body}: both take the carried values and then
//         the additional ones, which stay as they are. While the condition gives true, the body gives the next carried
//         values; the last ones are the node's results. More trips than max_trips, if it is given, are an error.
// A condition is a bool tensor of one element. Types are the same in both branches, and on every trip.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune {

using Regions = std::vector<std::unique_ptr<Graph>>;

inline constexpr int kMaxRegionDepth = 16;  ///< regions within regions

bool is_if(const Node& node);
bool is_loop(const Node& node);

/// The values that each region's inputs stand for, in order.
std::vector<Value*> region_operands(const Node& node);
/// How many of them a loop carries from trip to trip; 0 for an `if`.
std::size_t carried_count(const Node& node);

/// Result types of a call with these regions. Throws InvalidArgument where there are not two regions, or too few
/// results.
std::vector<TensorType> region_result_types(const OpInfo& op, const ArgList& args, const Regions& regions);
/// What of a node with regions does not fit together ("result 0 is f32[3] in one branch and f32[4] in the other");
/// nothing if all types are the same as they should be.
std::optional<std::string> region_problem(const Node& node);
Regions clone_regions(const Node& node);

/// Calls f with every region of the graph's nodes, and with the regions inside those first.
void for_each_region(Graph& graph, const std::function<void(Graph&)>& f);
/// Gives every region the symbols of the graph, with their ranges and bounds.
void spread_symbols(Graph& graph);

/// Makes regions of one node that were built with values of graphs around them refer to nothing outside: foreign
/// weights become their own (they share their bytes), all other foreign values inputs, in every region, behind those
/// that it has. Returns what these stand for, in order.
std::vector<Value*> close_regions(Regions& regions);
/// Replaces input `index` by a weight with these data; the input is gone.
void input_becomes_weight(Graph& region, std::size_t index, const Value& weight);

}  // namespace aitune

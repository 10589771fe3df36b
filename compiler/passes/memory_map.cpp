#include "compiler/passes/memory_map.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/views.h"

namespace aitune {
namespace {

bool keeps_order(OpId id) {
  switch (id) {
    case OpId::aten_view_default:
    case OpId::aten__unsafe_view_default:
    case OpId::aten_reshape_default:
    case OpId::aten_view_as_default:
    case OpId::aten_reshape_as_default:
    case OpId::aten_flatten_using_ints:
    case OpId::aten_unflatten_int:
    case OpId::aten_squeeze_default:
    case OpId::aten_squeeze_dim:
    case OpId::aten_squeeze_dims:
    case OpId::aten_unsqueeze_default:
    case OpId::aten_contiguous_default:
      return true;
    default:
      return false;
  }
}

/// What may be a view is one if the operand is row-major, and so is what it is asked for.
Aliasing resolved(Aliasing kind, const Node& node, bool row_major) {
  if (kind != Aliasing::maybe || !row_major || !keeps_order(node.op->id) || !keeps_row_major(node)) return kind;
  return node.op->id == OpId::aten_contiguous_default ? Aliasing::same : Aliasing::view;
}

std::vector<Value*> origins(const Node& node, std::size_t output);

using Values = std::set<const Value*>;

/// What the memory of a value may belong to: inputs of its graph, or what a node there has made.
void add_roots(const Value* value, Values& roots, Values& visited) {
  while (value->producer != nullptr && visited.insert(value).second) {
    if (value->producer->op->has_regions()) {
      roots.insert(value);  // or to what is handed on
      for (const Value* origin : origins(*value->producer, value->index)) add_roots(origin, roots, visited);
      return;
    }
    const Alias alias = alias_of(*value->producer, value->index);
    if (alias.kind == Aliasing::fresh) break;
    value = alias.operand;
  }
  roots.insert(value);
}

/// The inputs of a region whose memory one of its results may show.
std::vector<std::size_t> inputs_behind(const Graph& region, std::size_t output) {
  Values roots, visited;
  add_roots(region.outputs.at(output), roots, visited);
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < region.inputs.size(); ++i)
    if (roots.contains(region.inputs[i])) found.push_back(i);
  return found;
}

/// Operands whose memory a result of an `if` or a loop may show. What a loop carries may change places on every trip.
std::vector<Value*> origins(const Node& node, std::size_t output) {
  std::vector<Value*> operands = region_operands(node);
  std::set<std::size_t> places;
  if (is_loop(node)) {
    const Graph& body = *node.regions.back();
    for (std::vector<std::size_t> pending = {output}; !pending.empty();) {
      const std::size_t place = pending.back();
      pending.pop_back();
      if (!places.insert(place).second || place >= body.outputs.size()) continue;
      for (const std::size_t input : inputs_behind(body, place)) pending.push_back(input);
    }
  } else {
    for (const auto& region : node.regions)
      for (const std::size_t input : inputs_behind(*region, output)) places.insert(input);
  }
  std::vector<Value*> found;
  for (const std::size_t place : places) found.push_back(operands.at(place));
  return found;
}

}  // namespace

MemoryMap::MemoryMap(const Graph& graph) {
  // PyTorch exports with row-major examples unless the user takes pains.
  for (Value* input : graph.inputs) add_owner(input, true);
  for (Value* weight : graph.weights) add_owner(weight, weight->data.is_contiguous());
  for (const auto& node : graph.nodes()) {
    for (Value* operand : node->operands()) cells_[index_of(operand)].last_use = position_;
    for (std::size_t i = 0; i < node->outputs.size(); ++i) add_result(*node, i);
    ++position_;
  }
  for (Value* output : graph.outputs) cells_[index_of(output)].last_use = position_;
  position_ = 0;
}

std::size_t MemoryMap::add_cell(Value* value, Cell cell) {
  cell.now = value;
  cells_.push_back(cell);
  return cell_of_[value] = cells_.size() - 1;
}

std::size_t MemoryMap::add_owner(Value* value, bool row_major) {
  memories_.push_back({.owner = value, .group = memories_.size(), .born = position_});
  return add_cell(value, {.memory = memories_.size() - 1, .row_major = row_major});
}

std::size_t MemoryMap::index_of(Value* value) {
  const auto it = cell_of_.find(value);
  return it == cell_of_.end() ? add_owner(value, false) : it->second;
}

void MemoryMap::add_result(const Node& node, std::size_t output) {
  Value* value = node.outputs[output];
  if (node.op->has_regions()) {
    add_owner(value, false);
    const std::size_t group = memories_.back().group;
    for (Value* origin : origins(node, output)) {
      const std::size_t joined = memories_[cells_[index_of(origin)].memory].group;
      for (Memory& memory : memories_)
        if (memory.group == joined) memory.group = group;
    }
    return;
  }
  const Alias alias = alias_of(node, output);
  const std::size_t operand = alias.operand == nullptr ? kNone : index_of(alias.operand);
  const bool row_major = operand != kNone && cells_[operand].row_major;
  switch (resolved(alias.kind, node, row_major)) {
    case Aliasing::same:
      cell_of_[value] = operand;
      return;
    case Aliasing::view:
      add_cell(value, {.memory = cells_[operand].memory,
                       .parent = operand,
                       .view = &node,
                       .output = output,
                       .row_major = row_major && keeps_order(node.op->id)});
      return;
    case Aliasing::maybe: {
      const std::size_t group = memories_[cells_[operand].memory].group;
      add_owner(value, node.op->id == OpId::aten_contiguous_default && keeps_row_major(node));
      memories_.back().group = group;
      return;
    }
    case Aliasing::fresh:
      break;
  }
  const auto operands = node.operands();
  const bool all = std::ranges::all_of(operands, [&](Value* v) { return cells_[index_of(v)].row_major; });
  add_owner(value, all && keeps_row_major(node));
}

Value* MemoryMap::current(Value* tensor, Inserter& insert) {
  const auto it = cell_of_.find(tensor);
  return it == cell_of_.end() ? tensor : current(it->second, insert);
}

Value* MemoryMap::current(std::size_t index, Inserter& insert) {
  // Chains of views may be long: down to the newest tensor that is up to date, then up again.
  std::vector<std::size_t> stale;
  const std::size_t version = memories_[cells_[index].memory].version;
  std::size_t at = index;
  for (; cells_[at].parent != kNone && cells_[at].version != version; at = cells_[at].parent) stale.push_back(at);
  for (; !stale.empty(); stale.pop_back()) {
    Cell& view = cells_[stale.back()];
    Value* shown = show_through(insert, *view.view, view.output, cells_[view.parent].now);
    if (shown == nullptr)
      throw Unsupported(describe_node(*view.view) + ": shows memory that was written to, and cannot be made again");
    view.now = shown;
    view.version = version;
  }
  return cells_[index].now;
}

void MemoryMap::set(const Value* tensor, Value* value) {
  Cell& cell = cells_[cell_of_.at(tensor)];
  cell.now = value;
  cell.version = memories_[cell.memory].version;
}

bool MemoryMap::write(const Value* tensor, Value* value, Inserter& insert) {
  std::vector<std::pair<std::size_t, Value*>> written;
  std::size_t index = cell_of_.at(tensor);
  written.emplace_back(index, value);
  for (; cells_[index].parent != kNone; index = cells_[index].parent) {
    const Cell& view = cells_[index];
    Value* whole = current(view.parent, insert);
    value = put_through(insert, *view.view, view.output, whole, value);
    if (value == nullptr) return false;
    written.emplace_back(view.parent, value);
  }
  const std::size_t version = ++memories_[cells_[index].memory].version;
  for (const auto& [cell, now] : written) {
    cells_[cell].now = now;
    cells_[cell].version = version;
  }
  return true;
}

void MemoryMap::reshape(const Value* tensor, const Node& node, Value* value) {
  const std::size_t index = cell_of_.at(tensor);
  const std::size_t before = cells_.size();
  cells_.push_back(cells_[index]);
  for (std::size_t i = 0; i < before; ++i)
    if (cells_[i].parent == index) cells_[i].parent = before;
  Cell& cell = cells_[index];
  cell.parent = before;
  cell.view = &node;
  cell.output = 0;
  cell.now = value;
  cell.row_major = false;
}

bool MemoryMap::is_row_major(const Value* tensor) const {
  const auto it = cell_of_.find(tensor);
  return it != cell_of_.end() && cells_[it->second].row_major;
}

std::vector<const Value*> MemoryMap::owners(const Value* tensor) const {
  std::vector<const Value*> result;
  const std::size_t group = memories_[cell(tensor).memory].group;
  for (const Memory& memory : memories_)
    if (memory.group == group && memory.born <= position_) result.push_back(memory.owner);
  return result;
}

const Value* MemoryMap::read_later_and_perhaps_shared(const Value* tensor) const {
  const std::size_t memory = cell(tensor).memory;
  for (const Cell& other : cells_) {
    const Memory& there = memories_[other.memory];
    if (other.memory == memory || there.group != memories_[memory].group || there.born > position_) continue;
    if (other.last_use > position_) return other.now;
  }
  return nullptr;
}

}  // namespace aitune

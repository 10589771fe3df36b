#pragma once
// Which tensors of an eager program share memory, and what each of them holds while the program is walked.

#include <unordered_map>
#include <vector>

#include "compiler/passes/rewrite.h"

namespace aitune {

/// A tensor of the eager program is one shape of one piece of memory. Writing through a view changes the tensor that
/// the view was made of, and so on to the one that owns the memory; the other views are made anew when they are next
/// read.
class MemoryMap {
 public:
  /// Looks at the whole graph first: who shares memory, and where each tensor is read for the last time.
  explicit MemoryMap(const Graph& graph);

  /// The value of what `tensor` (a value of the graph as it was) holds now; may insert nodes. Values that were made
  /// during the walk stand for themselves.
  Value* current(Value* tensor, Inserter& insert);
  /// The result of a node is this value; nothing is written.
  void set(const Value* tensor, Value* value);
  /// The memory that `tensor` shows now holds `value` there. False if a view on the way has no inverse.
  bool write(const Value* tensor, Value* value, Inserter& insert);
  /// `tensor` itself becomes what the node (unsqueeze_, ...) makes of it.
  void reshape(const Value* tensor, const Node& node, Value* value);
  /// The walk goes on to the next node.
  void step() { ++position_; }

  /// Whether the elements of `tensor` certainly lie in row-major order in memory of its own.
  bool is_row_major(const Value* tensor) const;
  /// The inputs, weights and first results whose memory `tensor` shows, or may show.
  std::vector<const Value*> owners(const Value* tensor) const;
  /// A tensor that is read after the present node and whose memory may be, or not be, that of `tensor`; else nullptr.
  const Value* read_later_and_perhaps_shared(const Value* tensor) const;

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  struct Cell {
    std::size_t memory = 0;
    std::size_t parent = kNone;  // the cell that this one is a view of
    const Node* view = nullptr;  // the node that makes the view, and which of its outputs
    std::size_t output = 0;
    std::size_t version = 0;  // of the memory, when `now` was made
    Value* now = nullptr;
    std::size_t last_use = 0;  // position of the last node that reads it under any name
    bool row_major = false;    // for certain
  };
  struct Memory {
    Value* owner = nullptr;
    std::size_t version = 0;
    std::size_t group = 0;  // memories of one group may be the same
    std::size_t born = 0;   // position of the node that makes it
  };

  std::size_t add_cell(Value* value, Cell cell);
  std::size_t add_owner(Value* value, bool row_major);
  void add_result(const Node& node, std::size_t output);
  std::size_t index_of(Value* value);
  const Cell& cell(const Value* tensor) const { return cells_[cell_of_.at(tensor)]; }
  Value* current(std::size_t index, Inserter& insert);

  std::vector<Cell> cells_;
  std::vector<Memory> memories_;
  std::unordered_map<const Value*, std::size_t> cell_of_;
  std::size_t position_ = 0;
};

}  // namespace aitune

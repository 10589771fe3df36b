#pragma once
// Collects what engines produce for their blocks and turns it into one plan with every buffer at a fixed offset.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/symint.h"
#include "compiler/graph/graph.h"
#include "format/plan.h"

namespace aitune {

/// A plan under construction. Engines append buffers, constants, code and steps; finish() fixes arena offsets from the
/// liveness of the steps. Not synchronised.
class PlanBuilder {
 public:
  /// Inputs, outputs and symbols are those of the whole model's graph; `hints` are the symbol values (opt shape) at
  /// which arena sizes are compared.
  PlanBuilder(const Graph& model, const CpuTarget& target, std::string precision, SymValues hints);

  /// Arena memory that steps share as their lifetimes allow.
  std::uint32_t add_arena(const SymInt& bytes);
  /// Arena memory that is zeroed when shapes are bound and whose untouched parts stay zero between runs (halos).
  /// Buffers with the same key write the same parts, so they may follow one another in the same place; no other buffer
  /// may.
  std::uint32_t add_zeroed_arena(const SymInt& bytes, const std::string& key);
  /// Copies bytes into the constants segment (64-byte aligned). Equal contents are stored once.
  std::uint32_t add_constant(std::span<const std::byte> bytes);
  std::uint32_t input_buffer(std::uint32_t index);
  std::uint32_t output_buffer(std::uint32_t index);

  /// Where a value of the model's graph lies between blocks (contiguous, row-major): an input or output of the caller,
  /// a constant, or arena memory made here on first use.
  std::uint32_t buffer_of(const Value& value);

  /// What the plan's code needs of the CPU so far.
  CpuTarget& target() { return built_.plan.target; }
  /// Appends machine code and returns its offset in the code segment (64-byte aligned).
  std::uint64_t add_code(std::span<const std::byte> code);
  /// Says what a function of that code does with its arguments; every function that a step calls must be described.
  void add_kernel(PlanKernel kernel);

  std::uint32_t begin_block(std::string engine, std::string why);
  std::uint32_t add_source(const Node& node);
  std::uint32_t add_view(std::uint32_t buffer, DType dtype, const SymShape& shape);
  ExprId expr(const SymInt& value) { return built_.plan.add(value); }
  /// Adds a step to the current block.
  void add_step(PlanStep step);
  PlanBlock& block() { return built_.plan.blocks.back(); }
  const Plan& plan() const { return built_.plan; }
  const SymValues& hints() const { return hints_; }

  /// Plans the memory and returns the whole. The builder is spent afterwards.
  BuiltPlan finish();

 private:
  struct Arena {
    SymInt bytes;
    std::optional<std::string> zero_key;
  };
  void add_guards();
  void place_arenas();
  void add_copies_to_outputs();

  const Graph& model_;
  SymValues hints_;
  BuiltPlan built_;
  std::map<std::uint32_t, Arena> arenas_;           // buffer id -> what it needs
  std::map<std::string, std::uint32_t> constants_;  // digest of contents -> buffer id
  std::map<const Value*, std::uint32_t> value_buffers_;
  std::map<std::string, std::uint32_t> sources_by_node_;
  std::vector<std::optional<std::uint32_t>> input_buffers_, output_buffers_;
};

}  // namespace aitune

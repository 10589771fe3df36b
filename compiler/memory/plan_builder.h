#pragma once
// Collects what engines produce for their blocks and turns it into one plan with every buffer at a fixed offset.

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/symint.h"
#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "compiler/ops/data_sizes.h"
#include "format/plan.h"

namespace aitune {

/// A step that multiplies by constant weights: what tuning may want in another precision.
struct ProductStep {
  std::size_t step = 0;        ///< index into Plan::steps of the finished plan
  std::string node;            ///< its value in the lowered graph; a node may have several steps, one for each group
  double operations = 0;       ///< multiplications and additions, at the opt shape
  DType type = DType::f32;     ///< of what it multiplies: f32, bf16 or u8
  std::size_t input_slot = 0;  ///< which of the step's buffers it multiplies
  std::int64_t depth = 0;      ///< factors of a sum, where they lie in rows in that buffer; 0: they do not
  /// Rounds the weights of one output in place.
  using RoundWeights = std::function<void(std::span<float>)>;
  /// With type f32: the step's packed weights, by slot, as they are with the weights of every output rounded.
  std::function<std::vector<std::pair<std::size_t, std::vector<std::byte>>>(const RoundWeights&)> rounded_weights;
};

/// A plan under construction. Engines append buffers, constants, code and steps; finish() fixes arena offsets from the
/// liveness of the steps. Not synchronised.
class PlanBuilder {
 public:
  /// Inputs, outputs and symbols are those of the whole model's graph; `hints` are the symbol values (opt shape) at
  /// which arena sizes are compared.
  /// Sizes that data decide count as `largest_data_size` where nothing else bounds them. With `shared_halos` zeroed
  /// memory is shared like any other, and zeroed at every run.
  PlanBuilder(const Graph& model, const CpuTarget& target, std::string precision, SymValues hints,
              std::int64_t largest_data_size = std::int64_t{1} << 20, bool shared_halos = false);

  /// Arena memory that steps share as their lifetimes allow.
  std::uint32_t add_arena(const SymInt& bytes);
  /// Arena memory that is zeroed when shapes are bound and whose untouched parts stay zero between runs (halos).
  /// Buffers with the same key write the same parts, so they may follow one another in the same place; no other buffer
  /// may. With shared halos this adds a step that zeroes it: ask for it right before the first step that writes to it.
  std::uint32_t add_zeroed_arena(const SymInt& bytes, const std::string& key);
  /// Copies bytes into the constants segment (64-byte aligned). Equal contents are stored once.
  std::uint32_t add_constant(std::span<const std::byte> bytes);
  std::uint32_t input_buffer(std::uint32_t index);
  std::uint32_t output_buffer(std::uint32_t index);

  /// Where a value of the model's graph lies between blocks (contiguous, row-major): an input or output of the caller,
  /// a constant, or arena memory made here on first use.
  std::uint32_t buffer_of(const Value& value);

  /// The value, of a region's graph, lies in this buffer from now on.
  void place(const Value& value, std::uint32_t buffer) { value_buffers_[&value] = buffer; }

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
  /// Says that the step added last leaves `value` in memory, with offset and strides in elements.
  void add_value(const Value& value, std::uint32_t buffer, DType dtype, const SymInt& offset, const SymShape& strides);
  /// Says that the step added last finds out the symbol that `node` defines, if it defines one.
  void define_symbol(const Node& node);
  /// Adds a step that copies a value of this type from one buffer to another.
  void add_copy(std::uint32_t from, std::uint32_t to, const TensorType& type);
  /// Adds a step with ranges, which are empty until close_control fills them in; returns its index, until finish().
  std::size_t open_control(PlanStep step);
  /// Its first range are the steps up to `middle` (an index), its second the ones behind.
  void close_control(std::size_t step, std::size_t middle);
  /// The steps from `first` on are a region's: what it takes for granted of sizes is checked whenever it runs.
  void add_region_guards(const Graph& region, std::size_t first);
  std::size_t step_count() const { return built_.plan.steps.size(); }
  /// Notes that the step added last is a product; `product.step` is filled in.
  void add_product(ProductStep product);
  PlanBlock& block() { return built_.plan.blocks.back(); }
  PlanBlock& block(std::uint32_t index) { return built_.plan.blocks.at(index); }
  const Plan& plan() const { return built_.plan; }
  const SymValues& hints() const { return hints_; }

  /// How far the plan has come.
  struct Mark {
    std::size_t steps = 0, views = 0, buffers = 0, code = 0, constants = 0, sources = 0, products = 0;
    CpuTarget target;
  };
  Mark mark() const;
  /// Takes back everything since then, but not blocks that were begun: their outputs are cleared.
  void rollback(const Mark& mark);

  /// Plans the memory and returns the whole. The builder is spent afterwards.
  BuiltPlan finish();
  /// The products of all blocks, in order; their steps are known once the plan is finished.
  std::vector<ProductStep> take_products() { return std::move(products_); }

 private:
  struct Arena {
    SymInt bytes;             // for the largest sizes that data may decide
    bool data_sized = false;  // data decide how much of it is used
    std::optional<std::string> zero_key;
  };
  SymInt memory_of(const SymInt& bytes) const { return upper_bound(bytes, model_, largest_data_size_); }
  SymInt memory_of(const TensorType& type) const;
  SymShape largest(const SymShape& shape) const;
  std::uint32_t add_outside_buffer(BufferSpace space, std::uint32_t index, const SymInt& bytes);
  std::uint32_t add_origin(const ModelNode& node);
  PlanStep zero_step(std::uint32_t buffer, ExprId bytes);
  void add_symbols();
  void add_guards();
  void place_arenas();
  void add_copies_to_outputs();

  const Graph& model_;
  SymValues hints_;
  std::int64_t largest_data_size_;
  bool shared_halos_;
  BuiltPlan built_;
  std::vector<ProductStep> products_;
  std::map<std::uint32_t, Arena> arenas_;           // buffer id -> what it needs
  std::map<std::string, std::uint32_t> constants_;  // digest of contents -> buffer id
  std::map<const Value*, std::uint32_t> value_buffers_;
  std::map<std::string, std::uint32_t> sources_by_node_;
  std::map<std::size_t, std::uint32_t> origins_;  // by place in the model
  std::vector<std::optional<std::uint32_t>> input_buffers_, output_buffers_;
};

}  // namespace aitune
